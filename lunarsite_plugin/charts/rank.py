"""The rank among all cells, with its uncertainty interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts.chart_painter import ChartPainter

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.site_model import RankLine


def height(data: RankLine, em: float) -> float:  # noqa: ARG001  all charts have this signature
    """Return the chart's height, given the height ``em`` of a line of text."""
    return 2.1 * em


def paint(painter: QPainter, rect: QRectF, data: RankLine, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from the top."""
    draw = ChartPainter.of(painter, font, colors)
    dot = 0.5 * draw.em
    left, travel = rect.left() + 0.5 * dot, rect.width() - dot
    middle = rect.top() + 0.5 * draw.em
    at, low, high = (left + data.position(r) * travel for r in (data.rank, data.low, data.high))
    draw.bar(
        QRectF(rect.left(), middle - 0.08 * draw.em, rect.width(), 0.16 * draw.em), colors.line
    )
    least = 0.2 * draw.em
    band = max(high - low, least)
    start = min(max(rect.left(), 0.5 * (low + high - band)), rect.right() - band)
    draw.bar(QRectF(start, middle - 0.4 * draw.em, band, 0.8 * draw.em), colors.better)
    painter.setBrush(colors.text)
    painter.setPen(colors.background)
    painter.drawEllipse(QPointF(at, middle), 0.5 * dot, 0.5 * dot)
    line = QRectF(rect.left(), rect.top() + 1.05 * draw.em, rect.width(), draw.em)
    draw.text(line, "1 (best)", colors.muted)
    draw.text(line, f"{data.cells:,}", colors.muted, "right")


def tip_at(data: RankLine, rect: QRectF, em: float, point: QPointF) -> str:  # noqa: ARG001
    """Return the tooltip, the same everywhere."""
    return f"{data.text}. The bar shows the 5–95 % interval of the rank."
