"""Table of illumination and Earth visibility, one figure per line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts import sky_model
from lunarsite.lunarsite_plugin.charts.chart_painter import ChartPainter

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.sky_model import Figures

_ROW = 1.15


def height(data: Figures, em: float) -> float:
    """Return the table's height, given the height ``em`` of a line of text."""
    return em * _ROW * len(data.rows)


def paint(painter: QPainter, rect: QRectF, data: Figures, colors: Colors, font: QFont) -> None:
    """Draw the table into a rectangle, from the top."""
    draw = ChartPainter.of(painter, font, colors)
    for k, (name, value) in enumerate(data.rows):
        top = rect.top() + k * _ROW * draw.em
        draw.ends(QRectF(rect.left(), top, rect.width(), draw.em), name, value)


def tip_at(data: Figures, rect: QRectF, em: float, point: QPointF) -> str:
    """Return the tooltip for a point."""
    k = int((point.y() - rect.top()) // (_ROW * em))
    if not 0 <= k < len(data.rows):
        return ""
    name, value = data.rows[k]
    explanation = sky_model.HELP.get(sky_model.WINDOWS if name.endswith(".") else name, "")
    return "\n".join(part for part in (sky_model.figure_text(name, value), explanation) if part)
