"""Bullet chart of each criterion's value relative to its limit, which is in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts import formatting
from lunarsite.lunarsite_plugin.charts.chart_painter import ChartPainter

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.site_model import MarginRow, Margins

_ROW, _BAR, _GAP = 3.1, 0.45, 0.4


def height(data: Margins, em: float) -> float:
    """Return the chart's height, given the height ``em`` of a line of text."""
    return em * (_ROW * len(data.rows) - _GAP)


def paint(painter: QPainter, rect: QRectF, data: Margins, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from the top."""
    draw = ChartPainter.of(painter, font, colors)
    for k, row in enumerate(data.rows):
        top = rect.top() + k * _ROW * draw.em
        line = QRectF(rect.left(), top, rect.width(), draw.em)
        draw.ends(line, f"{_mark(row)} {row.title}", formatting.quantity(row.value, row.unit))
        below = line.translated(0.0, draw.em)
        taken = draw.text(below, row.verdict, colors.text, "right") + 0.5 * draw.em
        draw.text(below.adjusted(0.0, 0.0, -taken, 0.0), row.limit, colors.muted)
        strip = QRectF(rect.left(), top + 2.1 * draw.em, rect.width(), _BAR * draw.em)
        _bullet(draw, strip, row)


def tip_at(data: Margins, rect: QRectF, em: float, point: QPointF) -> str:
    """Return the tooltip for a point."""
    k = int((point.y() - rect.top()) // (_ROW * em))
    if not 0 <= k < len(data.rows):
        return ""
    return f"{data.rows[k].sentence}\nThe bar starts at the limit: right passes, left fails."


def _mark(row: MarginRow) -> str:
    return {True: "✓", False: "✗", None: "?"}[row.holds]


def _bullet(draw: ChartPainter, strip: QRectF, row: MarginRow) -> None:
    colors, middle = draw.colors, strip.center().x()
    draw.bar(strip, colors.empty)
    reach = row.position * 0.5 * strip.width()
    color = colors.better if row.holds else colors.worse
    draw.bar(QRectF(middle + min(0.0, reach), strip.top(), abs(reach), strip.height()), color)
    over = QPointF(0.0, 0.15 * draw.em)
    start, end = QPointF(middle, strip.top()) - over, QPointF(middle, strip.bottom()) + over
    draw.line(start, end, colors.text, 0.12)
