"""Drawing of text, bars and legends for the charts. All sizes follow the font."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QPointF, QRectF, Qt
from qgis.PyQt.QtGui import QFont, QFontMetricsF, QPainter, QPen

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QColor

    from lunarsite.lunarsite_plugin.charts.colors import Colors


@dataclass(frozen=True)
class ChartPainter:
    """A painter with its font metrics and colours, on a screen or a page."""

    painter: QPainter
    metrics: QFontMetricsF
    colors: Colors

    @classmethod
    def of(cls, painter: QPainter, font: QFont, colors: Colors) -> ChartPainter:
        """Set up a painter."""
        painter.setFont(font)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        return cls(painter, QFontMetricsF(font, painter.device()), colors)

    @property
    def em(self) -> float:
        """The height of a line of text, which is the unit of all sizes."""
        return self.metrics.height()

    def text(self, rect: QRectF, text: str, color: QColor, side: str = "left") -> float:
        """Draw a line of text, elided if it does not fit; return its width."""
        shown = self.metrics.elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        width = self.metrics.horizontalAdvance(shown)
        slack = {"left": 0.0, "middle": 0.5, "right": 1.0}[side] * (rect.width() - width)
        middle = rect.center().y() + 0.5 * (self.metrics.ascent() - self.metrics.descent())
        self.painter.setPen(color)
        self.painter.drawText(QPointF(rect.left() + slack, middle), shown)
        return width

    def ends(self, rect: QRectF, left: str, right: str, aside: str = "") -> None:
        """Draw text at both ends of a line, and ``aside`` after the left text if there is space.

        The left text is elided if necessary, the right text never is.
        """
        taken = self.text(rect, right, self.colors.text, "right") + 0.5 * self.em
        free = rect.adjusted(0.0, 0.0, -taken, 0.0)
        free.setLeft(free.left() + self.text(free, left, self.colors.text) + 0.4 * self.em)
        if self.metrics.horizontalAdvance(aside) <= free.width():
            self.text(free, aside, self.colors.muted)

    def bar(self, rect: QRectF, color: QColor) -> None:
        """Fill a rectangle."""
        self.painter.fillRect(rect, color)

    def line(self, start: QPointF, end: QPointF, color: QColor, width_em: float = 0.06) -> None:
        """Draw a line."""
        self.painter.setPen(QPen(color, max(1.0, width_em * self.em)))
        self.painter.drawLine(start, end)

    def legend(self, rect: QRectF, entries: list[tuple[str, QColor]]) -> None:
        """Draw coloured squares and their labels in a row."""
        side, at = 0.6 * self.em, rect.left()
        for label, color in entries:
            top = rect.center().y() - 0.5 * side
            self.bar(QRectF(at, top, side, side), color)
            at += side + 0.3 * self.em
            free = QRectF(at, rect.top(), max(0.0, rect.right() - at), rect.height())
            at += self.text(free, label, self.colors.muted) + 0.9 * self.em


def em_of(font: QFont) -> float:
    """Return the height of a line of text on screen."""
    return QFontMetricsF(font).height()
