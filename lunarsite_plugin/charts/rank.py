"""A rank among all cells, with the range it may lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts.ink import Ink

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.site_model import RankLine


def height(data: RankLine, em: float) -> float:  # noqa: ARG001  all charts are asked alike
    """Return the chart's height where a line of text is ``em`` high."""
    return 2.1 * em


def paint(painter: QPainter, rect: QRectF, data: RankLine, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from its top."""
    ink = Ink.of(painter, font, colors)
    dot = 0.5 * ink.em
    left, room = rect.left() + 0.5 * dot, rect.width() - dot
    middle = rect.top() + 0.5 * ink.em
    at, low, high = (left + data.position(r) * room for r in (data.rank, data.low, data.high))
    ink.bar(QRectF(rect.left(), middle - 0.08 * ink.em, rect.width(), 0.16 * ink.em), colors.line)
    least = 0.2 * ink.em
    band = max(high - low, least)
    start = min(max(rect.left(), 0.5 * (low + high - band)), rect.right() - band)
    ink.bar(QRectF(start, middle - 0.4 * ink.em, band, 0.8 * ink.em), colors.better)
    painter.setBrush(colors.text)
    painter.setPen(colors.background)
    painter.drawEllipse(QPointF(at, middle), 0.5 * dot, 0.5 * dot)
    line = QRectF(rect.left(), rect.top() + 1.05 * ink.em, rect.width(), ink.em)
    ink.text(line, "1, the best", colors.muted)
    ink.text(line, f"{data.cells:,}", colors.muted, "right")


def tip_at(data: RankLine, rect: QRectF, em: float, point: QPointF) -> str:  # noqa: ARG001
    """Return what stands under a point: the same everywhere."""
    return f"{data.text}. The bar is the range that the rank may lie in."
