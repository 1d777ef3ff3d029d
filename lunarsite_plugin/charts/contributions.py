"""Waterfall chart of the feature contributions, from the base value to the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts import formatting
from lunarsite.lunarsite_plugin.charts.chart_painter import ChartPainter
from lunarsite.lunarsite_plugin.charts.site_model import START

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.site_model import Waterfall

_ROW, _BAR, _LEGEND = 1.75, 0.45, 1.4
_START_HELP = (
    "the average score of the cells that the scorer was trained on (averaged as log-odds); the "
    "bars lead from it to the score here"
)


def height(data: Waterfall, em: float) -> float:
    """Return the chart's height, given the height ``em`` of a line of text."""
    return em * (_LEGEND + _ROW * (len(data.bars) + 2))


def paint(painter: QPainter, rect: QRectF, data: Waterfall, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from the top."""
    draw = ChartPainter.of(painter, font, colors)
    legend = QRectF(rect.left(), rect.top(), rect.width(), 1.1 * draw.em)
    draw.legend(legend, [("raises the score", colors.better), ("lowers it", colors.worse)])
    lines = [
        (START, "", formatting.score(data.base), data.base, data.base),
        *(
            (bar.title, bar.reading, formatting.points(bar.contribution), bar.start, bar.end)
            for bar in data.bars
        ),
        ("Score here", "", formatting.score(data.score), data.score, data.score),
    ]
    for k, (title, reading, right, start, end) in enumerate(lines):
        row = _row(rect, k, draw.em)
        draw.ends(QRectF(row.left(), row.top(), row.width(), draw.em), title, right, reading)
        strip = QRectF(row.left(), row.top() + 1.05 * draw.em, row.width(), _BAR * draw.em)
        draw.bar(strip, colors.empty)
        _bar(draw, strip, data.position(start), data.position(end))


def tip_at(data: Waterfall, rect: QRectF, em: float, point: QPointF) -> str:
    """Return the tooltip for a point."""
    k = int((point.y() - rect.top() - _LEGEND * em) // (_ROW * em))
    if k == 0:
        return f"{START}: {formatting.score(data.base)}, {_START_HELP}"
    if 1 <= k <= len(data.bars):
        return data.bars[k - 1].sentence
    return f"Score here: {formatting.score(data.score)}" if k == len(data.bars) + 1 else ""


def _row(rect: QRectF, k: int, em: float) -> QRectF:
    top = rect.top() + em * (_LEGEND + _ROW * k)
    return QRectF(rect.left(), top, rect.width(), _ROW * em)


def _bar(draw: ChartPainter, strip: QRectF, start: float, end: float) -> None:
    """Draw a step; a tick marks both ends and steps that are too small to see."""
    tick = 0.16 * draw.em
    travel = strip.width() - tick
    left = strip.left() + min(start, end) * travel
    color = draw.colors.better if end > start else draw.colors.worse
    if start == end:
        color = draw.colors.text
    draw.bar(QRectF(left, strip.top(), abs(end - start) * travel + tick, strip.height()), color)
