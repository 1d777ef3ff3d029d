"""The numbers of light and Earth contact, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts import sky_model
from lunarsite.lunarsite_plugin.charts.ink import Ink

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.sky_model import Figures

_ROW = 1.15


def height(data: Figures, em: float) -> float:
    """Return the table's height where a line of text is ``em`` high."""
    return em * _ROW * len(data.rows)


def paint(painter: QPainter, rect: QRectF, data: Figures, colors: Colors, font: QFont) -> None:
    """Draw the table into a rectangle, from its top."""
    ink = Ink.of(painter, font, colors)
    for k, (name, value) in enumerate(data.rows):
        top = rect.top() + k * _ROW * ink.em
        ink.ends(QRectF(rect.left(), top, rect.width(), ink.em), name, value)


def tip_at(data: Figures, rect: QRectF, em: float, point: QPointF) -> str:
    """Return what stands under a point."""
    k = int((point.y() - rect.top()) // (_ROW * em))
    if not 0 <= k < len(data.rows):
        return ""
    name, value = data.rows[k]
    told = sky_model.HELP.get(sky_model.WINDOWS if name.endswith(".") else name, "")
    return "\n".join(part for part in (sky_model.said(name, value), told) if part)
