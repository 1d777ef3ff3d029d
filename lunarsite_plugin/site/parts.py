"""Widgets that the site panel is built from."""

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

from lunarsite.lunarsite_plugin.charts import chart_painter, colors
from lunarsite.qgis_common import plain_text

if TYPE_CHECKING:
    from qgis.PyQt.QtGui import QPaintEvent, QWheelEvent

_ISO = "yyyy-MM-dd"
_PLAIN = """
QToolButton { border: 1px solid transparent; }
QToolButton:focus { border: 1px solid palette(highlight); }
"""


def label(text: str = "", parent: QWidget | None = None) -> QLabel:
    """Return a word-wrapped label for plain text that can be selected."""
    made = QLabel(text, parent)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


class Section(QWidget):
    """A collapsible section with a heading."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = QToolButton(self)
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setChecked(True)
        self.heading.setAutoRaise(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setToolTip(f"Show or hide {title}")
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
        self.heading.toggled.connect(self.expand)
        self.expand(expanded=True)

    def expand(self, expanded: bool) -> None:  # noqa: FBT001  a slot of Qt's toggled signal
        """Show or hide the body."""
        arrow = Qt.ArrowType.DownArrow if expanded else Qt.ArrowType.RightArrow
        self.heading.setArrowType(arrow)
        self.body.setVisible(expanded)


class Badge(QWidget):
    """A verdict as text, with a symbol and a frame in its colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._passes = "", None
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_verdict(self, text: str, *, passes: bool | None) -> None:
        """Show a verdict; ``passes`` is None if it is unknown."""
        self._text, self._passes = text, passes
        self.setAccessibleName(text)
        self.setToolTip(plain_text.shown(text))
        self.updateGeometry()
        self.update()

    def text(self) -> str:
        """Return the verdict."""
        return self._text

    def sizeHint(self) -> QSize:
        """Return the size for the text."""
        metrics = self.fontMetrics()
        wide = metrics.horizontalAdvance(self._text) + 3 * metrics.height()
        return QSize(wide, round(1.7 * metrics.height()))

    def minimumSizeHint(self) -> QSize:
        """Return the same height; the text is elided if necessary."""
        return QSize(6 * self.fontMetrics().height(), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002  repaints everything
        """Paint the symbol, the text and the frame."""
        painter = QPainter(self)
        shades = colors.of_palette(self.palette())
        color = {True: shades.better, False: shades.worse, None: shades.line}[self._passes]
        pen = chart_painter.ChartPainter.of(painter, self.font(), shades)
        frame = QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0)
        painter.setPen(QPen(color, 2.0))
        painter.drawRect(frame)
        stripe = QRectF(frame.left(), frame.top(), 0.5 * pen.em, frame.height())
        pen.bar(stripe, color)
        symbol = {True: "✓", False: "✗", None: "?"}[self._passes]
        text_area = frame.adjusted(0.9 * pen.em, 0.0, -0.3 * pen.em, 0.0)
        pen.text(text_area, f"{symbol}  {self._text}", shades.text)
        painter.end()


class DayEdit(QDateEdit):
    """A date edit that ignores the mouse wheel, so that the wheel scrolls the panel."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the scroll area."""
        event.ignore()


class Dates(QWidget):
    """The period for which illumination and Earth visibility are computed."""

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
            edit.setAccessibleName(f"{name}, date of the calendar")
            edit.setToolTip(f"{name} this day, 00:00 UTC")
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
        """Enable Apply only if the end date is after the start date."""
        ordered = self.start.date() < self.stop.date()
        self.apply.setEnabled(ordered)
        action = "Compute Sun and Earth visibility for these dates"
        self.apply.setToolTip(action if ordered else "The end date must be after the start date")

    def _apply(self) -> None:
        self.applied.emit(*self.dates())
