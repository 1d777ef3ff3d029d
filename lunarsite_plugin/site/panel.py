"""What is known about one clicked place: score, reasons, light, and how complete the data are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from lunarsite.lunarsite_plugin.site import text as site_text
from lunarsite.lunarsite_plugin.site.parts import label
from lunarsite.lunarsite_plugin.site.sections import (
    Coverage,
    Criteria,
    Headline,
    Light,
    Notes,
    Way,
    Why,
)

if TYPE_CHECKING:
    from lunarsite.engine.contract import Values

HINT = "Choose Click a place, then click the map; or type a place and choose Score."


class SitePanel(QWidget):
    """Shows the answers of the ``explain`` and ``skyline`` stages for one place."""

    goToNearestPassing = pyqtSignal(float, float)
    """Map metres of the nearest cell that passes."""
    datesChanged = pyqtSignal(str, str)
    """First and last day of the calendar, ``YYYY-MM-DD``."""
    keepRequested = pyqtSignal()
    copyRequested = pyqtSignal()
    reportRequested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.explanation: Values | None = None
        self.skyline: Values | None = None
        self.headline, self.way, self.light = Headline(), Way(), Light()
        self.criteria, self.why, self.coverage, self.notes = Criteria(), Why(), Coverage(), Notes()
        self.message = label(HINT)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.message.setMargin(8)
        self.site = QWidget(self)
        self._stack_sections()
        self.scroll = QScrollArea(self)
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setWidget(self.site)
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.message)
        self.pages.addWidget(self.scroll)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.pages)
        self._connect()

    def show_explanation(self, result: Values) -> None:
        """Show the answer of ``explain``; the skyline's is waited for."""
        self.explanation, self.skyline = result, None
        for part in (self.headline, self.criteria, self.why, self.way, self.coverage):
            part.show_answer(result)
        self.notes.show_answers(result)
        self.light.wait()
        self.site.setEnabled(True)
        self._settle()
        self.pages.setCurrentWidget(self.scroll)

    def show_skyline(self, result: Values) -> None:
        """Show the answer of ``skyline``."""
        self.skyline = result
        self.light.show_answer(result)
        self.notes.show_answers(self.explanation, result)

    def show_skyline_message(self, problem: str, remedy: str) -> None:
        """Say why there is no skyline; the score stays."""
        self.skyline = None
        self.light.wait(_sentences(problem, remedy))

    def show_waiting(self, text: str) -> None:
        """Say what is waited for; the answer to an earlier click stays, greyed, in its place."""
        if self.explanation is None:
            self._show_text(text)
            return
        self.headline.place.setText(text)
        self.site.setEnabled(False)

    def show_message(self, problem: str, remedy: str) -> None:
        """Say why there is no answer, and what to do about it."""
        self.explanation = self.skyline = None
        self._show_text(_sentences(problem, remedy))

    def clear(self) -> None:
        """Show nothing but a hint."""
        self.explanation = self.skyline = None
        self._show_text(HINT)

    def set_dates(self, start: str, stop: str) -> None:
        """Set the dates of the calendar, ``YYYY-MM-DD``, without asking for them."""
        self.light.dates.set_dates(start, stop)

    def dates(self) -> tuple[str, str]:
        """Return the dates of the calendar, ``YYYY-MM-DD``."""
        return self.light.dates.dates()

    def text(self) -> str:
        """Return what is shown, in words."""
        if self.explanation is None:
            return self.message.text()
        return site_text.explanation_text(self.explanation, self.skyline)

    def _stack_sections(self) -> None:
        column = QVBoxLayout(self.site)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(4)
        for part in self._sections():
            column.addWidget(part)
        column.addStretch(1)

    def _sections(self) -> tuple[QWidget, ...]:
        sections = (self.criteria, self.why, self.way, self.light, self.coverage, self.notes)
        return (self.headline, *sections)

    def _settle(self) -> None:
        """Lay the sections out from the inside at once: Qt takes an event for every level."""
        for section in self._sections()[1:]:
            section.inside.activate()
        for part in (*self._sections(), self.site):
            part.layout().activate()

    def _connect(self) -> None:
        self.headline.keep.connect(self.keepRequested)
        self.headline.copy.connect(self.copyRequested)
        self.headline.report.connect(self.reportRequested)
        self.way.go.connect(self.goToNearestPassing)
        self.light.dates.applied.connect(self._ask_for_dates)

    def _ask_for_dates(self, start: str, stop: str) -> None:
        self.skyline = None
        self.light.wait()
        self.datesChanged.emit(start, stop)

    def _show_text(self, text: str) -> None:
        self.message.setText(text)
        self.pages.setCurrentWidget(self.message)


def _sentences(problem: str, remedy: str) -> str:
    return f"{problem.rstrip('.')}. {remedy.rstrip('.')}."
