"""The PDF report: the dock's charts on one A4 page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QMarginsF, QRectF, Qt
from qgis.PyQt.QtGui import QFont, QFontMetricsF, QPageLayout, QPageSize, QPainter, QPdfWriter

from lunarsite.engine.errors import OutputError
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
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.report.site import Site

_DPI = 300
_MARGIN_MM = 12.0
_SIZES_PT = (8.5, 8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.0, 4.5)
"""Font sizes to try, largest first, until everything fits on the page."""
_GAP_EM = 1.0
_MAP_SHARE = 0.72
"""Largest height of the map picture as a fraction of its width."""


def write_pdf(path: Path, site: Site) -> None:
    """Write the report to a PDF file.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    writer = QPdfWriter(str(path))
    writer.setResolution(_DPI)
    writer.setTitle(f"LunarSite: {site_text.place_line(site.explanation)}")
    writer.setCreator("LunarSite")
    margin = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    size = QPageSize(QPageSize.PageSizeId.A4)
    writer.setPageLayout(
        QPageLayout(size, QPageLayout.Orientation.Portrait, margin, QPageLayout.Unit.Millimeter)
    )
    painter = QPainter()
    if not painter.begin(writer):
        raise OutputError(f"{path} cannot be written", "Choose another folder or name")
    page = QRectF(0.0, 0.0, float(writer.width()), float(writer.height()))
    for size_pt in _SIZES_PT:
        pen = _Pen.of(painter, size_pt)
        if _lay_out(pen, page, site, paint=False) <= page.height() or size_pt == _SIZES_PT[-1]:
            _lay_out(pen, page, site, paint=True)
            break
    painter.end()


@dataclass(frozen=True)
class _Pen:
    """A painter with its font and the height of a line of text."""

    painter: QPainter
    font: QFont
    em: float

    @classmethod
    def of(cls, painter: QPainter, size_pt: float) -> _Pen:
        font = QFont()
        font.setPointSizeF(size_pt)
        return cls(painter, font, QFontMetricsF(font, painter.device()).height())

    def text(
        self, at: QRectF, text: str, *, paint: bool, scale: float = 1.0, bold: bool = False
    ) -> float:
        """Draw wrapped text, and return its height."""
        text = text.replace(" %", "\N{NO-BREAK SPACE}%")
        font = QFont(self.font)
        font.setPointSizeF(scale * font.pointSizeF())
        font.setBold(bold)
        flags = int(Qt.AlignmentFlag.AlignLeft) | int(Qt.TextFlag.TextWordWrap)
        metrics = QFontMetricsF(font, self.painter.device())
        needed = metrics.boundingRect(QRectF(at.left(), at.top(), at.width(), 1e6), flags, text)
        if paint:
            self.painter.setFont(font)
            self.painter.setPen(colors.on_paper().text)
            # A little taller than measured, so that rounding does not clip the last line.
            box = QRectF(at.left(), at.top(), at.width(), needed.height() + self.em)
            self.painter.drawText(box, flags, text)
        return needed.height()

    def chart(self, at: QRectF, drawing: ModuleType, data: Any, *, paint: bool) -> float:
        """Draw a chart, and return its height."""
        tall = drawing.height(data, self.em)
        if paint:
            box = QRectF(at.left(), at.top(), at.width(), tall)
            self.painter.save()
            drawing.paint(self.painter, box, data, colors.on_paper(), self.font)
            self.painter.restore()
        return tall


@dataclass
class _Column:
    """A column of the page, filled from the top."""

    pen: _Pen
    left: float
    top: float
    width: float
    paint: bool

    @property
    def at(self) -> QRectF:
        return QRectF(self.left, self.top, self.width, 0.0)

    def text(self, text: str, *, scale: float = 1.0, bold: bool = False) -> None:
        if text:
            self.top += self.pen.text(self.at, text, paint=self.paint, scale=scale, bold=bold)

    def chart(self, drawing: ModuleType, data: Any) -> None:
        self.top += self.pen.chart(self.at, drawing, data, paint=self.paint)

    def section(self, title: str, fill: Callable[[_Column], None]) -> None:
        self.top += _GAP_EM * self.pen.em
        self.text(title, bold=True)
        self.top += 0.3 * self.pen.em
        fill(self)

    def picture(self, site: Site) -> None:
        """Draw the uncropped map: the place might be near its edge."""
        image = site.map_picture
        if image is None:
            return
        scale = min(self.width / image.width(), _MAP_SHARE * self.width / image.height())
        frame = QRectF(self.left, self.top, scale * image.width(), scale * image.height())
        self.top = frame.bottom()
        if not self.paint:
            return
        self.pen.painter.drawImage(frame, image)
        self.pen.painter.setPen(colors.on_paper().line)
        self.pen.painter.setBrush(Qt.BrushStyle.NoBrush)
        self.pen.painter.drawRect(frame)


def _lay_out(pen: _Pen, page: QRectF, site: Site, *, paint: bool) -> float:
    """Fill the page from the top, and return the height used."""
    gutter = 2.0 * pen.em
    half = 0.5 * (page.width() - gutter)
    head = _Column(pen, page.left(), page.top(), page.width(), paint)
    _headline(head, site.explanation)
    left = _Column(pen, page.left(), head.top, half, paint)
    right = _Column(pen, page.left() + half + gutter, head.top, half, paint)
    _reasons(left, site.explanation)
    _details(right, site)
    below = _Column(pen, page.left(), max(left.top, right.top), page.width(), paint)
    if site.skyline is None:
        below.section("Sun and Earth at the place", lambda column: column.text(NO_SKYLINE))
    else:
        _light(below, site.skyline, gutter)
    below.top += _GAP_EM * pen.em
    below.text(site.provenance, scale=0.85)
    return below.top - page.top()


def _headline(head: _Column, explanation: Values) -> None:
    head.text(f"Landing site at {site_text.place_line(explanation)}", scale=1.8, bold=True)
    head.text(site_text.cell_line(explanation))
    head.top += 0.5 * head.pen.em
    verdict = site_model.margins(explanation).verdict
    head.text(f"Score {formatting.score(explanation['score'])}. {verdict}.", scale=1.3, bold=True)
    line = site_model.rank_line(explanation)
    if line is None:
        head.text(site_text.NO_SCORE)
        return
    head.text(line.text)
    head.top += 0.3 * head.pen.em
    head.chart(rank, line)


def _reasons(left: _Column, explanation: Values) -> None:
    left.section("Criteria", lambda c: c.chart(margins, site_model.margins(explanation)))
    steps = site_model.waterfall(explanation)
    if steps:
        left.section("Why this score", lambda c: c.chart(contributions, steps))


def _details(right: _Column, site: Site) -> None:
    if site.map_picture is not None:
        right.section("Map", lambda c: c.picture(site))
    right.section(
        "Required changes",
        lambda c: c.text(site_text.to_pass_text(site.explanation, bullet="• ")),
    )
    layers = site_model.coverage(site.explanation)
    right.section("Data coverage", lambda c: c.text(site_model.coverage_sentence(layers)))
    notes = "\n".join(site_text.warnings(site.explanation, site.skyline))
    if notes:
        right.section("Notes", lambda c: c.text(notes))


def _light(below: _Column, skyline: Values, gutter: float) -> None:
    below.section(
        "Sun and Earth at the place",
        lambda c: c.chart(horizon, sky_model.skyline(skyline)),
    )
    below.top += _GAP_EM * below.pen.em
    share = 0.58 * (below.width - gutter)
    days = _Column(below.pen, below.left, below.top, share, below.paint)
    days.chart(calendar, calendar_model.calendar(skyline))
    rest = below.width - gutter - share
    table = _Column(below.pen, below.left + share + gutter, below.top, rest, below.paint)
    table.chart(figures, sky_model.figures(skyline))
    below.top = max(days.top, table.top)
