"""Each criterion's value against its limit, the limit in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts import words
from lunarsite.lunarsite_plugin.charts.ink import Ink

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.site_model import MarginRow, Margins

_ROW, _BAR, _GAP = 3.1, 0.45, 0.4


def height(data: Margins, em: float) -> float:
    """Return the chart's height where a line of text is ``em`` high."""
    return em * (_ROW * len(data.rows) - _GAP)


def paint(painter: QPainter, rect: QRectF, data: Margins, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from its top."""
    ink = Ink.of(painter, font, colors)
    for k, row in enumerate(data.rows):
        top = rect.top() + k * _ROW * ink.em
        line = QRectF(rect.left(), top, rect.width(), ink.em)
        ink.ends(line, f"{_mark(row)} {row.title}", words.quantity(row.value, row.unit))
        below = line.translated(0.0, ink.em)
        taken = ink.text(below, row.verdict, colors.text, "right") + 0.5 * ink.em
        ink.text(below.adjusted(0.0, 0.0, -taken, 0.0), row.limit, colors.muted)
        strip = QRectF(rect.left(), top + 2.1 * ink.em, rect.width(), _BAR * ink.em)
        _bullet(ink, strip, row)


def tip_at(data: Margins, rect: QRectF, em: float, point: QPointF) -> str:
    """Return what stands under a point."""
    k = int((point.y() - rect.top()) // (_ROW * em))
    if not 0 <= k < len(data.rows):
        return ""
    return f"{data.rows[k].sentence}\nThe bar starts at the limit: right of it holds, left fails."


def _mark(row: MarginRow) -> str:
    return {True: "✓", False: "✗", None: "?"}[row.holds]


def _bullet(ink: Ink, strip: QRectF, row: MarginRow) -> None:
    colors, middle = ink.colors, strip.center().x()
    ink.bar(strip, colors.empty)
    reach = row.position * 0.5 * strip.width()
    color = colors.better if row.holds else colors.worse
    ink.bar(QRectF(middle + min(0.0, reach), strip.top(), abs(reach), strip.height()), color)
    over = QPointF(0.0, 0.15 * ink.em)
    start, end = QPointF(middle, strip.top()) - over, QPointF(middle, strip.bottom()) + over
    ink.line(start, end, colors.text, 0.12)
