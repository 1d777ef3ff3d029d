"""The bars from the base value to the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF

from lunarsite.lunarsite_plugin.charts import words
from lunarsite.lunarsite_plugin.charts.ink import Ink
from lunarsite.lunarsite_plugin.charts.site_model import START

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QFont, QPainter

    from lunarsite.lunarsite_plugin.charts.colors import Colors
    from lunarsite.lunarsite_plugin.charts.site_model import Waterfall

_ROW, _BAR, _LEGEND = 1.75, 0.45, 1.4
_START_HELP = (
    "the score that the scorer gives on average to the cells it was trained on (the mean is taken "
    "of the log-odds); the bars lead from it to the score here"
)


def height(data: Waterfall, em: float) -> float:
    """Return the chart's height where a line of text is ``em`` high."""
    return em * (_LEGEND + _ROW * (len(data.bars) + 2))


def paint(painter: QPainter, rect: QRectF, data: Waterfall, colors: Colors, font: QFont) -> None:
    """Draw the chart into a rectangle, from its top."""
    ink = Ink.of(painter, font, colors)
    legend = QRectF(rect.left(), rect.top(), rect.width(), 1.1 * ink.em)
    ink.legend(legend, [("raises the score", colors.better), ("lowers it", colors.worse)])
    lines = [
        (START, "", words.score(data.base), data.base, data.base),
        *(
            (bar.title, bar.reading, words.points(bar.contribution), bar.start, bar.end)
            for bar in data.bars
        ),
        ("Score here", "", words.score(data.score), data.score, data.score),
    ]
    for k, (title, reading, right, start, end) in enumerate(lines):
        row = _row(rect, k, ink.em)
        ink.ends(QRectF(row.left(), row.top(), row.width(), ink.em), title, right, reading)
        strip = QRectF(row.left(), row.top() + 1.05 * ink.em, row.width(), _BAR * ink.em)
        ink.bar(strip, colors.empty)
        _bar(ink, strip, data.position(start), data.position(end))


def tip_at(data: Waterfall, rect: QRectF, em: float, point: QPointF) -> str:
    """Return what stands under a point."""
    k = int((point.y() - rect.top() - _LEGEND * em) // (_ROW * em))
    if k == 0:
        return f"{START}: {words.score(data.base)}, {_START_HELP}"
    if 1 <= k <= len(data.bars):
        return data.bars[k - 1].sentence
    return f"Score here: {words.score(data.score)}" if k == len(data.bars) + 1 else ""


def _row(rect: QRectF, k: int, em: float) -> QRectF:
    top = rect.top() + em * (_LEGEND + _ROW * k)
    return QRectF(rect.left(), top, rect.width(), _ROW * em)


def _bar(ink: Ink, strip: QRectF, start: float, end: float) -> None:
    """Draw a step; one too small to be seen, and the two ends, are marked by a tick."""
    tick = 0.16 * ink.em
    room = strip.width() - tick
    left = strip.left() + min(start, end) * room
    color = ink.colors.better if end > start else ink.colors.worse
    if start == end:
        color = ink.colors.text
    ink.bar(QRectF(left, strip.top(), abs(end - start) * room + tick, strip.height()), color)
