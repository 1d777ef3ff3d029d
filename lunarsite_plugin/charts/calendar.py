"""A calendar of sunlight and Earth visibility, one row per month or year."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts.chart_painter import ChartPainter

if TYPE_CHECKING:
    import datetime as dt

    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.calendar_model import Calendar, Span
    from lunarsite.lunarsite_plugin.charts.colors import Colors

_LEGEND, _HEAD, _ROW, _SIDE = 1.4, 1.0, 1.3, 4.3
_BANDS = 3
_MONTH_TICKS = ((1, "1"), (10, "10"), (20, "20"), (30, "30"))
_YEAR_TICKS = ((1, "Jan"), (92, "Apr"), (183, "Jul"), (275, "Oct"))


def height(data: Calendar, em: float) -> float:
    """Return the chart's height, given the height ``em`` of a line of text."""
    return em * (_LEGEND + _HEAD + _ROW * len(data.rows))


def paint(painter: QPainter, rect: QRectF, data: Calendar, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from the top."""
    draw = ChartPainter.of(painter, font, colors)
    frame = _Frame.of(rect, data, draw.em)
    legend = QRectF(rect.left(), rect.top(), rect.width(), 1.1 * draw.em)
    bands = [("Sun", colors.sun), ("Earth", colors.earth), ("Both", colors.both)]
    draw.legend(legend, bands)
    for day, name in _YEAR_TICKS if data.by_year else _MONTH_TICKS:
        x = frame.left + (day - 0.5) * frame.day
        head = QRectF(x - 1.5 * draw.em, frame.top - _HEAD * draw.em, 3.0 * draw.em, draw.em)
        draw.text(head, name, colors.muted, "middle")
    for k, row in enumerate(data.rows):
        top = frame.top + k * frame.row
        label = QRectF(rect.left(), top, (_SIDE - 0.3) * draw.em, frame.row)
        draw.text(label, row.label, colors.muted)
        tall = 0.84 * frame.row / _BANDS
        draw.bar(frame.bar(row.first, row.covered, top, _BANDS * tall), colors.empty)
        for band, (spans, (_, color)) in enumerate(
            zip((row.light, row.earth, row.both), bands, strict=True)
        ):
            for span in spans:
                draw.bar(frame.bar(row.first, span, top + band * tall, tall), color)


def tip_at(data: Calendar, rect: QRectF, em: float, point: QPointF) -> str:
    """Return the tooltip for the day under a point."""
    frame = _Frame.of(rect, data, em)
    row = int((point.y() - frame.top) // frame.row)
    if not 0 <= row < len(data.rows):
        return ""
    days = (point.x() - frame.left) / frame.day
    if days < 0.0:
        return data.rows[row].sentence
    return data.describe(row, days)


@dataclass(frozen=True)
class _Frame:
    """The layout: the corner of the first day, the width of a day and the height of a row."""

    left: float
    top: float
    day: float
    row: float

    @classmethod
    def of(cls, rect: QRectF, data: Calendar, em: float) -> _Frame:
        side = _SIDE * em
        return cls(
            rect.left() + side,
            rect.top() + (_LEGEND + _HEAD) * em,
            (rect.width() - side) / data.across_days,
            _ROW * em,
        )

    def bar(self, first: dt.datetime, span: Span, top: float, tall: float) -> QRectF:
        start = (span.start - first).total_seconds() / 86_400.0
        return QRectF(self.left + start * self.day, top, span.days * self.day, tall)
