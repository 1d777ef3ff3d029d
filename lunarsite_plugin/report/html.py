"""The HTML report: charts embedded as pictures, each with a text alternative."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QBuffer, QByteArray, QIODevice, QRectF
from qgis.PyQt.QtGui import QFont, QFontMetricsF, QImage, QPainter

from lunarsite.lunarsite_plugin.charts import (
    calendar,
    calendar_model,
    colors,
    contributions,
    figures,
    formatting,
    horizon,
    margins,
    rank,
    site_model,
    sky_model,
)
from lunarsite.lunarsite_plugin.report.site import NO_SKYLINE
from lunarsite.lunarsite_plugin.site import text as site_text

if TYPE_CHECKING:
    from types import ModuleType

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.report.site import Site

_WIDTH_PX, _RATIO, _MARGIN_PX = 460, 2, 4
_FONT_PT = 10.0
_DOTS_PER_M = 3780
"""96 dots per inch, the CSS pixel."""

_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
)
"""The page loads nothing and runs nothing, whatever the texts from files hold."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 1.5rem auto;
  max-width: 980px; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
.verdict { font-size: 1.2rem; font-weight: 600; margin: .4rem 0; }
.columns { display: flex; flex-wrap: wrap; gap: 0 2rem; } .columns > div { flex: 1 1 440px; }
img { max-width: 100%; height: auto; } p { margin: .3rem 0; white-space: pre-line; }
details { margin: .2rem 0; color: #444; } footer { margin-top: 1.5rem; color: #444; }
"""


def html_page(site: Site) -> str:
    """Return the report as one self-contained HTML page."""
    answer = site.explanation
    title = f"Landing site at {site_text.place_line(answer)}"
    held = site_model.margins(answer)
    line, steps = site_model.rank_line(answer), site_model.waterfall(answer)
    left = [_section("Criteria", _chart("Criteria and margins", margins, held))]
    why = _chart("What raises and lowers the score", contributions, steps) if steps else ""
    left += [_section("Why this score", why or _paragraph(site_text.NO_SCORE))]
    layers = site_model.coverage(answer)
    right = [
        _section("Map", _map(site.map_picture)) if site.map_picture is not None else "",
        _section("Required changes", _paragraph(site_text.to_pass_text(answer, bullet="• "))),
        _section("Data coverage", _paragraph(site_model.coverage_sentence(layers))),
    ]
    notes = "\n".join(site_text.warnings(answer, site.skyline))
    right += [_section("Notes", _paragraph(notes)) if notes else ""]
    score = formatting.score(answer["score"])
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8">{_POLICY}',
            f"<title>{_escaped(title)}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{_escaped(title)}</h1>",
            _paragraph(site_text.cell_line(answer)),
            f'<p class="verdict">Score {score}. {_escaped(held.verdict)}.</p>',
            _paragraph(line.text) + _chart("Rank among all cells", rank, line) if line else "",
            f'<div class="columns"><div>{"".join(left)}</div><div>{"".join(right)}</div></div>',
            _section("Sun and Earth at the place", _light(site.skyline)),
            f"<footer>{_paragraph(site.provenance)}</footer></body></html>\n",
        ]
    )


def _light(skyline: Values | None) -> str:
    if skyline is None:
        return _paragraph(NO_SKYLINE)
    sky = _chart("Skyline with Sun and Earth", horizon, sky_model.skyline(skyline), 2 * _WIDTH_PX)
    days = _chart("Illumination calendar", calendar, calendar_model.calendar(skyline))
    table = _chart("Sun and Earth visibility", figures, sky_model.figures(skyline))
    return f'{sky}<div class="columns"><div>{days}</div><div>{table}</div></div>'


def _chart(title: str, drawing: ModuleType, data: Any, width_px: int = _WIDTH_PX) -> str:
    """Return a chart as a picture, with its text as alt text and in a fold-out below."""
    font = QFont()
    font.setPointSizeF(_FONT_PT)
    probe = QImage(1, 1, QImage.Format.Format_RGB32)
    probe.setDotsPerMeterX(_RATIO * _DOTS_PER_M)
    probe.setDotsPerMeterY(_RATIO * _DOTS_PER_M)
    margin, wide = _RATIO * _MARGIN_PX, _RATIO * width_px
    tall = drawing.height(data, QFontMetricsF(font, probe).height()) + 2 * margin
    image = QImage(wide, round(tall), QImage.Format.Format_RGB32)
    image.setDotsPerMeterX(_RATIO * _DOTS_PER_M)
    image.setDotsPerMeterY(_RATIO * _DOTS_PER_M)
    palette = colors.on_paper()
    image.fill(palette.background)
    painter = QPainter(image)
    area = QRectF(image.rect()).adjusted(margin, margin, -margin, -margin)
    drawing.paint(painter, area, data, palette, font)
    painter.end()
    picture = _img(image, f"{title}\n{data.text}", width_px)
    return f"{picture}<details><summary>As text</summary>{_paragraph(data.text)}</details>"


def _map(image: QImage) -> str:
    return _img(image, "Map of the surroundings, with the cell outlined", _WIDTH_PX)


def _img(image: QImage, alt: str, width_px: int) -> str:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    buffer.close()
    encoded = base64.b64encode(bytes(data)).decode("ascii")
    alt = _escaped(alt).replace("\n", "&#10;")
    return f'<img width="{width_px}" alt="{alt}" src="data:image/png;base64,{encoded}">'


def _section(title: str, body: str) -> str:
    return f"<h2>{_escaped(title)}</h2>{body}"


def _paragraph(text: str) -> str:
    return f"<p>{_escaped(text)}</p>"


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
