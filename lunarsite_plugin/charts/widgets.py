"""The charts as widgets: tooltips, keyboard focus, a text for screen readers and the clipboard."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QGuiApplication, QKeySequence, QPainter, QPen, QPixmap, QTextOption
from qgis.PyQt.QtWidgets import QMenu, QSizePolicy, QToolTip, QWidget

from lunarsite.lunarsite_plugin.charts import (
    calendar,
    colors,
    contributions,
    figures,
    horizon,
    ink,
    margins,
    rank,
)
from lunarsite.lunarsite_plugin.charts.sky_model import NO_FIGURES, NOTHING

if TYPE_CHECKING:
    from types import ModuleType

    from qgis.PyQt.QtGui import QContextMenuEvent, QKeyEvent, QPaintEvent

_FRAME_PX = 3
_SENTENCE_EM = 2.4
"""Room for two lines."""
_WIDTH_EM, _LEAST_WIDTH_EM = 24, 10


class Chart(QWidget):
    """A chart of ``data``, which has a ``text``; before there is any it shows a sentence.

    Parameters
    ----------
    title : str
        What the chart shows, for screen readers.
    drawing : module
        Draws it: ``height``, ``paint`` and ``tip_at``.
    stand_in : object
        Data of the size that is expected, so that nothing moves when the real ones come.
    """

    def __init__(
        self, title: str, drawing: ModuleType, stand_in: Any = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._drawing, self._stand_in, self._data, self._sentence = drawing, stand_in, None, ""
        self._picture: QPixmap | None = None
        self._looks: tuple[object, ...] = ()
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_data(self, data: Any) -> None:
        """Show data."""
        self._data, self._sentence = data, ""
        self._changed(data.text)

    def set_waiting(self, sentence: str, stand_in: Any = None) -> None:
        """Show a sentence in place of the chart, in the room of ``stand_in`` or of what was."""
        self._stand_in = stand_in or self._data or self._stand_in
        self._data, self._sentence = None, sentence
        self._changed(sentence)

    def set_sentence(self, sentence: str) -> None:
        """Show a sentence where there is nothing to draw, in its own room."""
        self._data, self._sentence, self._stand_in = None, sentence, None
        self._changed(sentence)

    def text(self) -> str:
        """Return what is shown, in words."""
        return self._data.text if self._data is not None else self._sentence

    def tip(self, point: QPointF) -> str:
        """Return what stands under a point of the widget, in words."""
        if self._data is None:
            return ""
        return self._drawing.tip_at(self._data, self._inside(), ink.em_of(self.font()), point)

    def copy_text(self) -> None:
        """Put the chart in words on the clipboard."""
        QGuiApplication.clipboard().setText(self.text())

    def sizeHint(self) -> QSize:
        """Return the size that the font and the data ask for."""
        em = ink.em_of(self.font())
        shape = self._data if self._data is not None else self._stand_in
        tall = self._drawing.height(shape, em) if shape is not None else _SENTENCE_EM * em
        return QSize(round(_WIDTH_EM * em), math.ceil(tall) + 2 * _FRAME_PX)

    def minimumSizeHint(self) -> QSize:
        """Return the same height, and a width that still can be read."""
        least = round(_LEAST_WIDTH_EM * ink.em_of(self.font()))
        return QSize(least, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002  all is painted
        """Paint the chart, and a frame where it has the keyboard's focus."""
        painter = QPainter(self)
        looks = self._looks_now()
        if self._picture is None or self._looks != looks:
            self._picture, self._looks = self._painted(), looks
        painter.drawPixmap(0, 0, self._picture)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().highlight().color(), 2.0))
            painter.drawRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0))
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Show what stands under the mouse."""
        if event.type() != QEvent.Type.ToolTip:
            return super().event(event)
        said = self.tip(QPointF(event.pos()))
        if said:
            lines = html.escape(said).replace("\n", "<br>")
            QToolTip.showText(event.globalPos(), f"<qt>{lines}</qt>", self)
        else:
            QToolTip.hideText()
            event.ignore()
        return True

    def changeEvent(self, event: QEvent) -> None:
        """Take another size where the font changed."""
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy with the keyboard's own shortcut."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_text()
        else:
            super().keyPressEvent(event)

    def menu(self) -> QMenu:
        """Return the context menu."""
        menu = QMenu(self)
        action = menu.addAction("Copy as text")
        action.triggered.connect(self.copy_text)
        action.setEnabled(bool(self.text()))
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer the chart in words."""
        menu = self.menu()
        menu.exec(event.globalPos())
        menu.deleteLater()

    def _inside(self) -> QRectF:
        return QRectF(self.rect()).adjusted(_FRAME_PX, _FRAME_PX, -_FRAME_PX, -_FRAME_PX)

    def _looks_now(self) -> tuple[object, ...]:
        palette = self.palette()
        shades = (palette.window().color().rgba(), palette.windowText().color().rgba())
        return (self.width(), self.height(), self.devicePixelRatioF(), self.font().key(), *shades)

    def _painted(self) -> QPixmap:
        """Return the chart as a picture: a year of tracks is too slow to paint at every scroll."""
        ratio = self.devicePixelRatioF()
        picture = QPixmap(math.ceil(ratio * self.width()), math.ceil(ratio * self.height()))
        picture.setDevicePixelRatio(ratio)
        shades = colors.of_palette(self.palette())
        picture.fill(shades.background)
        painter = QPainter(picture)
        if self._data is not None:
            self._drawing.paint(painter, self._inside(), self._data, shades, self.font())
        else:
            painter.setFont(self.font())
            painter.setPen(shades.muted)
            painter.drawText(self._inside(), self._sentence, QTextOption())
        painter.end()
        return picture

    def _changed(self, text: str) -> None:
        self._picture = None
        self.setAccessibleDescription(text)
        self.updateGeometry()
        self.update()


class ContributionsChart(Chart):
    """Why a cell scores as it does."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("What raises and lowers the score", contributions, parent=parent)


class MarginsChart(Chart):
    """How far a cell is from each criterion's limit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Criteria with their margins", margins, parent=parent)


class RankChart(Chart):
    """Where a cell stands among all cells."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Rank among all cells", rank, parent=parent)


class SkylineChart(Chart):
    """The horizon with the tracks of Sun and Earth."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Skyline with Sun and Earth", horizon, NOTHING, parent)


class CalendarChart(Chart):
    """When there is light and Earth contact."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Calendar of light and Earth contact", calendar, parent=parent)


class FiguresTable(Chart):
    """The numbers of light and Earth contact."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Figures of light and Earth contact", figures, NO_FIGURES, parent)
