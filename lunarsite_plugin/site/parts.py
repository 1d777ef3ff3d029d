"""The parts that the site panel is put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QDate, QRectF, QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QPainter, QPen
from qgis.PyQt.QtWidgets import (
    QDateEdit,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from lunarsite.lunarsite_plugin.charts import colors, ink

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QPaintEvent, QWheelEvent

_ISO = "yyyy-MM-dd"
_PLAIN = """
QToolButton { border: 1px solid transparent; }
QToolButton:focus { border: 1px solid palette(highlight); }
"""


def label(text: str = "", parent: QWidget | None = None) -> QLabel:
    """Return a label for plain text that wraps and can be selected."""
    made = QLabel(text, parent)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


class Section(QWidget):
    """A heading that folds what stands under it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = QToolButton(self)
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setChecked(True)
        self.heading.setAutoRaise(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setToolTip(f"Show or hide: {title}")
        self.heading.setStyleSheet(_PLAIN)
        font = self.heading.font()
        font.setBold(True)
        self.heading.setFont(font)
        self.body = QWidget(self)
        self.inside = QVBoxLayout(self.body)
        self.inside.setContentsMargins(4, 0, 0, 4)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.heading)
        column.addWidget(self.body)
        self.heading.toggled.connect(self.unfold)
        self.unfold(unfolded=True)

    def unfold(self, unfolded: bool) -> None:  # noqa: FBT001  Qt's signal passes it so
        """Show or hide the body."""
        arrow = Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow
        self.heading.setArrowType(arrow)
        self.body.setVisible(unfolded)


class Badge(QWidget):
    """A verdict in words, with a sign and a frame in its colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._passes = "", None
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_verdict(self, text: str, *, passes: bool | None) -> None:
        """Show a verdict; None is for one that is not known."""
        self._text, self._passes = text, passes
        self.setAccessibleName(text)
        self.setToolTip(text)
        self.updateGeometry()
        self.update()

    def text(self) -> str:
        """Return the words."""
        return self._text

    def sizeHint(self) -> QSize:
        """Return the size that the words ask for."""
        metrics = self.fontMetrics()
        wide = metrics.horizontalAdvance(self._text) + 3 * metrics.height()
        return QSize(wide, round(1.7 * metrics.height()))

    def minimumSizeHint(self) -> QSize:
        """Return the same height; the words are elided where they must be."""
        return QSize(6 * self.fontMetrics().height(), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002  all is painted
        """Paint the sign, the words and the frame."""
        painter = QPainter(self)
        shades = colors.of_palette(self.palette())
        color = {True: shades.better, False: shades.worse, None: shades.line}[self._passes]
        pen = ink.Ink.of(painter, self.font(), shades)
        frame = QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0)
        painter.setPen(QPen(color, 2.0))
        painter.drawRect(frame)
        stripe = QRectF(frame.left(), frame.top(), 0.5 * pen.em, frame.height())
        pen.bar(stripe, color)
        sign = {True: "✓", False: "✗", None: "?"}[self._passes]
        words = frame.adjusted(0.9 * pen.em, 0.0, -0.3 * pen.em, 0.0)
        pen.text(words, f"{sign}  {self._text}", shades.text)
        painter.end()


class DayEdit(QDateEdit):
    """A date that the wheel leaves alone: it scrolls the panel."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to what scrolls."""
        event.ignore()


class Dates(QWidget):
    """The span of time that light and Earth contact are worked out for."""

    applied = pyqtSignal(str, str)

    def __init__(self, start: str, stop: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.start, self.stop = DayEdit(self), DayEdit(self)
        self.apply = QPushButton("Apply", self)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(3, 1)
        for row, (name, edit) in enumerate((("From", self.start), ("To", self.stop))):
            edit.setDisplayFormat(_ISO)
            edit.setCalendarPopup(True)
            edit.setAccessibleName(f"{name}, day of the calendar")
            edit.setToolTip(f"{name} this day, 0 h UTC")
            grid.addWidget(QLabel(name, self), row, 0)
            grid.addWidget(edit, row, 1)
        grid.addWidget(self.apply, 1, 2)
        self.set_dates(start, stop)
        self._check()
        self.start.dateChanged.connect(self._check)
        self.stop.dateChanged.connect(self._check)
        self.apply.clicked.connect(self._apply)

    def set_dates(self, start: str, stop: str) -> None:
        """Set both dates, ``YYYY-MM-DD``."""
        self.start.setDate(QDate.fromString(start, _ISO))
        self.stop.setDate(QDate.fromString(stop, _ISO))

    def dates(self) -> tuple[str, str]:
        """Return both dates, ``YYYY-MM-DD``."""
        return self.start.date().toString(_ISO), self.stop.date().toString(_ISO)

    def _check(self) -> None:
        """Offer what can be worked out only: the last day comes after the first."""
        ordered = self.start.date() < self.stop.date()
        self.apply.setEnabled(ordered)
        told = "Work out light and Earth contact for these dates"
        self.apply.setToolTip(told if ordered else "The last day must come after the first")

    def _apply(self) -> None:
        self.applied.emit(*self.dates())
