"""The charts as widgets, with tooltips, keyboard focus, and text for screen readers and copying."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QGuiApplication, QKeySequence, QPainter, QPen, QPixmap, QTextOption
from qgis.PyQt.QtWidgets import QMenu, QSizePolicy, QToolTip, QWidget

from lunarsite.lunarsite_plugin.charts import (
    calendar,
    chart_painter,
    colors,
    contributions,
    figures,
    horizon,
    margins,
    rank,
)
from lunarsite.lunarsite_plugin.charts.sky_model import NO_FIGURES, NOTHING

if TYPE_CHECKING:
    from types import ModuleType

    from qgis.PyQt.QtGui import QContextMenuEvent, QKeyEvent, QPaintEvent

_FRAME_PX = 3
_SENTENCE_EM = 2.4
"""Height of two lines."""
_WIDTH_EM, _LEAST_WIDTH_EM = 24, 10


class Chart(QWidget):
    """A chart of ``data``, which has a ``text``; a sentence stands in until there are data.

    Parameters
    ----------
    title : str
        Name for screen readers.
    drawing : module
        Draws the chart: ``height``, ``paint`` and ``tip_at``.
        stand_in : object
            Data of the expected size, so that nothing moves when the real data arrive.
    """

    def __init__(
        self, title: str, drawing: ModuleType, stand_in: Any = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._drawing, self._stand_in, self._data, self._sentence = drawing, stand_in, None, ""
        self._picture: QPixmap | None = None
        self._appearance: tuple[object, ...] = ()
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_data(self, data: Any) -> None:
        """Show data."""
        self._data, self._sentence = data, ""
        self._changed(data.text)

    def set_waiting(self, sentence: str, stand_in: Any = None) -> None:
        """Show a sentence in the space of the chart, sized for ``stand_in`` or the former data."""
        self._stand_in = stand_in or self._data or self._stand_in
        self._data, self._sentence = None, sentence
        self._changed(sentence)

    def set_sentence(self, sentence: str) -> None:
        """Show a sentence if there is nothing to draw, in the space that it needs."""
        self._data, self._sentence, self._stand_in = None, sentence, None
        self._changed(sentence)

    def text(self) -> str:
        """Return the chart or the sentence as text."""
        return self._data.text if self._data is not None else self._sentence

    def tip(self, point: QPointF) -> str:
        """Return the tooltip for a point of the widget."""
        if self._data is None:
            return ""
        return self._drawing.tip_at(
            self._data, self._inside(), chart_painter.em_of(self.font()), point
        )

    def copy_text(self) -> None:
        """Copy the chart to the clipboard as text."""
        QGuiApplication.clipboard().setText(self.text())

    def sizeHint(self) -> QSize:
        """Return the size for the font and the data."""
        em = chart_painter.em_of(self.font())
        shape = self._data if self._data is not None else self._stand_in
        tall = self._drawing.height(shape, em) if shape is not None else _SENTENCE_EM * em
        return QSize(round(_WIDTH_EM * em), math.ceil(tall) + 2 * _FRAME_PX)

    def minimumSizeHint(self) -> QSize:
        """Return the same height, and the least readable width."""
        least = round(_LEAST_WIDTH_EM * chart_painter.em_of(self.font()))
        return QSize(least, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002  repaints everything
        """Paint the chart, with a frame if it has the keyboard focus."""
        painter = QPainter(self)
        appearance = self._current_appearance()
        if self._picture is None or self._appearance != appearance:
            self._picture, self._appearance = self._painted(), appearance
        painter.drawPixmap(0, 0, self._picture)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().highlight().color(), 2.0))
            painter.drawRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0))
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Show the tooltip for the position of the mouse."""
        if event.type() != QEvent.Type.ToolTip:
            return super().event(event)
        tip = self.tip(QPointF(event.pos()))
        if tip:
            lines = html.escape(tip).replace("\n", "<br>")
            QToolTip.showText(event.globalPos(), f"<qt>{lines}</qt>", self)
        else:
            QToolTip.hideText()
            event.ignore()
        return True

    def changeEvent(self, event: QEvent) -> None:
        """Resize if the font changed."""
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy on the standard shortcut."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_text()
        else:
            super().keyPressEvent(event)

    def menu(self) -> QMenu:
        """Return the context menu."""
        menu = QMenu(self)
        action = menu.addAction("Copy as Text")
        action.triggered.connect(self.copy_text)
        action.setEnabled(bool(self.text()))
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Show the context menu."""
        menu = self.menu()
        menu.exec(event.globalPos())
        menu.deleteLater()

    def _inside(self) -> QRectF:
        return QRectF(self.rect()).adjusted(_FRAME_PX, _FRAME_PX, -_FRAME_PX, -_FRAME_PX)

    def _current_appearance(self) -> tuple[object, ...]:
        palette = self.palette()
        tones = (palette.window().color().rgba(), palette.windowText().color().rgba())
        return (self.width(), self.height(), self.devicePixelRatioF(), self.font().key(), *tones)

    def _painted(self) -> QPixmap:
        """Return the chart as a pixmap: a year of tracks takes too long to draw on every scroll."""
        ratio = self.devicePixelRatioF()
        picture = QPixmap(math.ceil(ratio * self.width()), math.ceil(ratio * self.height()))
        picture.setDevicePixelRatio(ratio)
        chart_colors = colors.of_palette(self.palette())
        picture.fill(chart_colors.background)
        painter = QPainter(picture)
        if self._data is not None:
            self._drawing.paint(painter, self._inside(), self._data, chart_colors, self.font())
        else:
            painter.setFont(self.font())
            painter.setPen(chart_colors.muted)
            painter.drawText(self._inside(), self._sentence, QTextOption())
        painter.end()
        return picture

    def _changed(self, text: str) -> None:
        self._picture = None
        self.setAccessibleDescription(text)
        self.updateGeometry()
        self.update()


class ContributionsChart(Chart):
    """The contributions to the score of a cell."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("What raises and lowers the score", contributions, parent=parent)


class MarginsChart(Chart):
    """The margin of a cell to the limit of each criterion."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Criteria and margins", margins, parent=parent)


class RankChart(Chart):
    """The rank of a cell among all cells."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Rank among all cells", rank, parent=parent)


class SkylineChart(Chart):
    """The skyline with the tracks of Sun and Earth."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Skyline with Sun and Earth", horizon, NOTHING, parent)


class CalendarChart(Chart):
    """When the Sun and the Earth are visible."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Illumination calendar", calendar, parent=parent)


class FiguresTable(Chart):
    """The figures of illumination and Earth visibility."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Sun and Earth visibility", figures, NO_FIGURES, parent)
