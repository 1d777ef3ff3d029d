"""The HTML page about one place: pictures inside the file, and everything in words too."""

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
    horizon,
    margins,
    rank,
    site_model,
    sky_model,
    words,
)
from lunarsite.lunarsite_plugin.report.page import NO_SKYLINE
from lunarsite.lunarsite_plugin.site import text as site_text

if TYPE_CHECKING:
    from types import ModuleType

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.report.site import Site

_WIDTH_PX, _RATIO, _MARGIN_PX = 460, 2, 4
_FONT_PT = 10.0
_DOTS_PER_M = 3780
"""96 dots an inch, the browsers' pixel."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 1.5rem auto;
  max-width: 980px; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
.verdict { font-size: 1.2rem; font-weight: 600; margin: .4rem 0; }
.columns { display: flex; flex-wrap: wrap; gap: 0 2rem; } .columns > div { flex: 1 1 440px; }
img { max-width: 100%; height: auto; } p { margin: .3rem 0; white-space: pre-line; }
details { margin: .2rem 0; color: #444; } footer { margin-top: 1.5rem; color: #444; }
"""


def page(site: Site) -> str:
    """Return the page, which needs no other file."""
    answer = site.explanation
    title = f"Landing site at {site_text.place_line(answer)}"
    held = site_model.margins(answer)
    line, steps = site_model.rank_line(answer), site_model.waterfall(answer)
    left = [_part("Criteria", _chart("Criteria with their margins", margins, held))]
    why = _chart("What raises and lowers the score", contributions, steps) if steps else ""
    left += [_part("Why this score", why or _said(site_text.NO_SCORE))]
    layers = site_model.coverage(answer)
    right = [
        _part("Map", _map(site.map_picture)) if site.map_picture is not None else "",
        _part("To make it pass", _said(site_text.way_text(answer, bullet="• "))),
        _part("Data coverage", _said(site_model.coverage_sentence(layers))),
    ]
    notes = "\n".join(site_text.warnings(answer, site.skyline))
    right += [_part("Notes", _said(notes)) if notes else ""]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{_safe(title)}</title>',
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{_safe(title)}</h1>",
            _said(site_text.cell_line(answer)),
            f'<p class="verdict">Score {words.score(answer["score"])}. {_safe(held.verdict)}.</p>',
            _said(line.text) + _chart("Rank among all cells", rank, line) if line else "",
            f'<div class="columns"><div>{"".join(left)}</div><div>{"".join(right)}</div></div>',
            _part("Light and Earth contact", _light(site.skyline)),
            f"<footer>{_said(site.provenance)}</footer></body></html>\n",
        ]
    )


def _light(skyline: Values | None) -> str:
    if skyline is None:
        return _said(NO_SKYLINE)
    sky = _chart("Skyline with Sun and Earth", horizon, sky_model.skyline(skyline), 2 * _WIDTH_PX)
    days = _chart("Calendar of light", calendar, calendar_model.calendar(skyline))
    shown = _chart("Figures of light", figures, sky_model.figures(skyline))
    return f'{sky}<div class="columns"><div>{days}</div><div>{shown}</div></div>'


def _chart(title: str, drawing: ModuleType, data: Any, width_px: int = _WIDTH_PX) -> str:
    """Return a chart as a picture, with its words as the alternative and to be unfolded."""
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
    shades = colors.on_paper()
    image.fill(shades.background)
    painter = QPainter(image)
    room = QRectF(image.rect()).adjusted(margin, margin, -margin, -margin)
    drawing.paint(painter, room, data, shades, font)
    painter.end()
    picture = _img(image, f"{title}\n{data.text}", width_px)
    return f"{picture}<details><summary>In words</summary>{_said(data.text)}</details>"


def _map(image: QImage) -> str:
    return _img(image, "The map around the place, with its cell marked", _WIDTH_PX)


def _img(image: QImage, told: str, width_px: int) -> str:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    buffer.close()
    coded = base64.b64encode(bytes(data)).decode("ascii")
    alt = _safe(told).replace("\n", "&#10;")
    return f'<img width="{width_px}" alt="{alt}" src="data:image/png;base64,{coded}">'


def _part(title: str, body: str) -> str:
    return f"<h2>{_safe(title)}</h2>{body}"


def _said(text: str) -> str:
    return f"<p>{_safe(text)}</p>"


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
