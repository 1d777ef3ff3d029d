"""Skyline chart with the tracks of the Sun and the Earth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF, Qt
from qgis.PyQt.QtGui import QColor, QPen, QPolygonF

from lunarsite.lunarsite_plugin.charts.chart_painter import ChartPainter

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.sky_model import Skyline, Track

_HEIGHT, _LEGEND, _FEET, _SIDE, _END = 12.0, 1.4, 1.1, 2.3, 0.5
_CORNERS = ((0, "N"), (90, "E"), (180, "S"), (270, "W"), (360, "N"))
_STEPS_DEG = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
_REACH_EM = 0.8
_VEIL = 225
"""Opacity of the ground: a body that never rises shows through faintly."""


def height(data: Skyline, em: float) -> float:  # noqa: ARG001  all charts have this signature
    """Return the chart's height, given the height ``em`` of a line of text."""
    return _HEIGHT * em


def paint(painter: QPainter, rect: QRectF, data: Skyline, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from the top."""
    draw = ChartPainter.of(painter, font, colors)
    frame = _Frame.of(rect, data, draw.em)
    legend = QRectF(rect.left(), rect.top(), rect.width(), 1.1 * draw.em)
    entries = [("Sun", colors.sun), ("Earth", colors.earth), ("Ground", colors.ground)]
    draw.legend(legend, entries)
    painter.save()
    painter.setClipRect(frame.plot)
    for track, color in ((data.earth, colors.earth), (data.sun, colors.sun)):
        _dots(draw, frame, track, color)
    _ground(draw, frame, data)
    painter.restore()
    _axes(draw, frame, data)


def tip_at(data: Skyline, rect: QRectF, em: float, point: QPointF) -> str:
    """Return the horizon at a point, and the body near it."""
    frame = _Frame.of(rect, data, em)
    if not frame.plot.contains(point):
        return ""
    azimuth, elevation = frame.direction(point)
    reach = (_REACH_EM * em / frame.x_deg, _REACH_EM * em / frame.y_deg)
    found = [track.nearest(azimuth, elevation, reach) for track in (data.sun, data.earth)]
    return "\n".join(line for line in (data.describe(azimuth), *found) if line)


@dataclass(frozen=True)
class _Frame:
    """The layout: the plot area, and the size of a degree in x and y."""

    plot: QRectF
    low_deg: float
    x_deg: float
    y_deg: float

    @classmethod
    def of(cls, rect: QRectF, data: Skyline, em: float) -> _Frame:
        tall = em * (_HEIGHT - _LEGEND - _FEET)
        side = _SIDE * em
        plot = QRectF(
            rect.left() + side, rect.top() + _LEGEND * em, rect.width() - side - _END * em, tall
        )
        return cls(plot, data.low_deg, plot.width() / 360.0, tall / (data.high_deg - data.low_deg))

    def point(self, azimuth_deg: float, elevation_deg: float) -> QPointF:
        return QPointF(self.plot.left() + azimuth_deg * self.x_deg, self.y(elevation_deg))

    def y(self, elevation_deg: float) -> float:
        return self.plot.bottom() - (elevation_deg - self.low_deg) * self.y_deg

    def direction(self, point: QPointF) -> tuple[float, float]:
        azimuth = (point.x() - self.plot.left()) / self.x_deg
        return azimuth, self.low_deg + (self.plot.bottom() - point.y()) / self.y_deg


def _dots(draw: ChartPainter, frame: _Frame, track: Track, color: QColor) -> None:
    pen = QPen(color, 0.14 * draw.em)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    draw.painter.setPen(pen)
    places = zip(track.azimuth_deg, track.elevation_deg, strict=True)
    draw.painter.drawPoints(QPolygonF([frame.point(*place) for place in places]))


def _ground(draw: ChartPainter, frame: _Frame, data: Skyline) -> None:
    """Fill the ground, with one polygon for each run of known horizon."""
    color = QColor(draw.colors.ground)
    color.setAlpha(_VEIL)
    bottom = frame.plot.bottom()
    known = [*zip(data.azimuth_deg, data.horizon_deg, strict=True), (360.0, data.horizon_deg[0])]
    stretch: list[QPointF] = []
    for azimuth, horizon in [*known, (360.0, None)]:
        if horizon is not None:
            stretch.append(frame.point(azimuth, horizon))
        elif stretch:
            foot = [QPointF(stretch[-1].x(), bottom), QPointF(stretch[0].x(), bottom)]
            draw.painter.setPen(Qt.PenStyle.NoPen)
            draw.painter.setBrush(color)
            draw.painter.drawPolygon(QPolygonF([*stretch, *foot]))
            draw.painter.setPen(QPen(draw.colors.text, max(1.0, 0.08 * draw.em)))
            draw.painter.drawPolyline(QPolygonF(stretch))
            stretch = []


def _axes(draw: ChartPainter, frame: _Frame, data: Skyline) -> None:
    plot, em = frame.plot, draw.em
    span = data.high_deg - data.low_deg
    step = next((step for step in _STEPS_DEG if span / step <= 6.0), 45.0)
    for k in range(math.ceil(data.low_deg / step), math.floor(data.high_deg / step) + 1):
        y = frame.y(k * step)
        draw.line(QPointF(plot.left() - 0.25 * em, y), QPointF(plot.left(), y), draw.colors.line)
        if k == 0:
            draw.line(QPointF(plot.left(), y), QPointF(plot.right(), y), draw.colors.line)
        label = QRectF(plot.left() - _SIDE * em, y - 0.5 * em, (_SIDE - 0.35) * em, em)
        draw.text(label, f"{k * step:g}°".replace("-", "−"), draw.colors.muted, "right")
    for azimuth, name in _CORNERS:
        x = plot.left() + azimuth * frame.x_deg
        draw.line(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + 0.2 * em), draw.colors.line)
        foot = QRectF(x - 0.6 * em, plot.bottom() + 0.1 * em, 1.2 * em, em)
        draw.text(foot, name, draw.colors.muted, "middle")
    draw.painter.setBrush(Qt.BrushStyle.NoBrush)
    draw.painter.setPen(QPen(draw.colors.line, 1.0))
    draw.painter.drawRect(plot)
