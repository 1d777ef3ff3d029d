"""The panel about one place: score, reasons, illumination, and data coverage."""

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
    ToPass,
    Why,
)

if TYPE_CHECKING:
    from lunarsite.engine.contract import Values

HINT = "Activate Pick on Map and click the map, or enter coordinates and click Score."


class SitePanel(QWidget):
    """Shows the answers of the ``explain`` and ``skyline`` stages for one place."""

    goToNearestPassing = pyqtSignal(float, float)
    """South polar coordinates of the nearest passing cell, metres."""
    datesChanged = pyqtSignal(str, str)
    """First and last day of the calendar, ``YYYY-MM-DD``."""
    saveRequested = pyqtSignal()
    copyRequested = pyqtSignal()
    reportRequested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.explanation: Values | None = None
        self.skyline: Values | None = None
        self.headline, self.to_pass, self.light = Headline(), ToPass(), Light()
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
        """Show the answer of ``explain``; that of ``skyline`` follows later."""
        self.explanation, self.skyline = result, None
        for part in (self.headline, self.criteria, self.why, self.to_pass, self.coverage):
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
        """Show why there is no skyline; the score remains."""
        self.skyline = None
        self.light.wait(_sentences(problem, remedy))

    def show_waiting(self, text: str) -> None:
        """Show a waiting message; the previous answer stays in place, greyed out."""
        if self.explanation is None:
            self._show_text(text)
            return
        self.headline.place.setText(text)
        self.site.setEnabled(False)

    def show_message(self, problem: str, remedy: str) -> None:
        """Show why there is no answer, and what to do about it."""
        self.explanation = self.skyline = None
        self._show_text(_sentences(problem, remedy))

    def clear(self) -> None:
        """Show nothing but a hint."""
        self.explanation = self.skyline = None
        self._show_text(HINT)

    def set_dates(self, start: str, stop: str) -> None:
        """Set the dates of the calendar, ``YYYY-MM-DD``, without requesting a skyline."""
        self.light.dates.set_dates(start, stop)

    def dates(self) -> tuple[str, str]:
        """Return the dates of the calendar, ``YYYY-MM-DD``."""
        return self.light.dates.dates()

    def text(self) -> str:
        """Return the contents of the panel as text."""
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
        sections = (self.criteria, self.why, self.to_pass, self.light, self.coverage, self.notes)
        return (self.headline, *sections)

    def _settle(self) -> None:
        """Lay out all sections now, innermost first: Qt takes one event per level."""
        for section in self._sections()[1:]:
            section.inside.activate()
        for part in (*self._sections(), self.site):
            part.layout().activate()

    def _connect(self) -> None:
        self.headline.save.connect(self.saveRequested)
        self.headline.copy.connect(self.copyRequested)
        self.headline.report.connect(self.reportRequested)
        self.to_pass.go.connect(self.goToNearestPassing)
        self.light.dates.applied.connect(self._request_dates)

    def _request_dates(self, start: str, stop: str) -> None:
        self.skyline = None
        self.light.wait()
        self.datesChanged.emit(start, stop)

    def _show_text(self, text: str) -> None:
        self.message.setText(text)
        self.pages.setCurrentWidget(self.message)


def _sentences(problem: str, remedy: str) -> str:
    return f"{problem.rstrip('.')}. {remedy.rstrip('.')}."
