"""The engine set-up: one dialog to install, bring, check and remove an engine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QFont, QGuiApplication, QTextCursor
from qgis.PyQt.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.lunarsite_plugin.setup import (
    check,
    diagnostics,
    network,
    pages,
    runner,
    tasks,
    words,
)
from lunarsite.lunarsite_plugin.setup.job import Job
from lunarsite.lunarsite_plugin.setup.place import Place
from lunarsite.qgis_common import location

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.lunarsite_plugin.setup.work import Work

_STEPS = 1000
_LOG_BLOCKS = 5000


class SetupDialog(QDialog):
    """Sets the engine up, on the user's clicks alone.

    Parameters
    ----------
    parent : QWidget, optional
        QGIS's main window.
    place : Place, optional
        Where to work; the user's profile where it is not given.
    """

    engineAboutToChange = pyqtSignal()
    """The engine's files are about to be replaced or removed: who runs it should end it."""
    engineChanged = pyqtSignal()
    """Another engine is in use from now on, or none."""

    def __init__(self, parent: QWidget | None = None, place: Place | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("LunarSite: engine set-up")
        self.setObjectName("LunarSiteSetupDialog")
        home = location.engine_home()
        self.place = place or Place(home, location.managed_python(home))
        self._job: Job | None = None
        self._then: Callable[[Any], None] | None = None
        self._checked: Path | None = None
        self._rows: list[check.Row] = []
        self._build()
        self.refresh()

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return self._job is not None

    def refresh(self) -> None:
        """Show the state as it is now."""
        self.headline.setText(words.headline(self.place, self._checked, self._rows))
        for page in (self.install_page, self.own_page, self.remove_page):
            page.refresh()
        for page in (self.install_page, self.own_page, self.check_page, self.remove_page):
            page.setEnabled(not self.busy)
        self.cancel.setEnabled(self.busy)
        self.bar.setTextVisible(self.busy)

    def shut_down(self) -> None:
        """End what is at work, within two seconds: QGIS or the plugin goes away."""
        job, self._job = self._job, None
        if job is not None:
            # Nobody is left to be told or asked: what closes the window now must not wait.
            job.ended.disconnect(self._end)
            job.cancel()
            job.wait()

    def reject(self) -> None:
        """Close; ask first what becomes of the work."""
        if self.busy and not self._may_close():
            return
        super().reject()

    def copy_diagnostics(self) -> None:
        """Put the diagnostics on the clipboard."""
        report = diagnostics.text(self.place, self._rows, self.log.toPlainText().splitlines())
        QGuiApplication.clipboard().setText(report)
        self.status.setText("The diagnostics are on the clipboard.")

    def _build(self) -> None:
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        font = self.headline.font()
        font.setBold(True)
        self.headline.setFont(font)
        self.install_page = pages.InstallPage(self.place)
        self.install_page.installAsked.connect(self._install)
        self.install_page.searchAsked.connect(self._search)
        self.own_page = pages.OwnPage()
        self.own_page.useAsked.connect(self._use_own)
        self.own_page.dropAsked.connect(self._drop_own)
        self.check_page = pages.CheckPage()
        self.check_page.checkAsked.connect(self._check)
        self.remove_page = pages.RemovePage(self.place)
        self.remove_page.removeAsked.connect(self._remove)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.install_page, "Install")
        self.tabs.addTab(self.own_page, "Your own")
        self.tabs.addTab(self.check_page, "Check")
        self.tabs.addTab(self.remove_page, "Remove")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self._cancel)
        self.log = QPlainTextEdit()
        self.log.setAccessibleName("Log of the set-up")
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(_LOG_BLOCKS)
        fixed = QFont("monospace", self.log.font().pointSize())
        fixed.setStyleHint(QFont.StyleHint.Monospace)
        self.log.setFont(fixed)
        self.log.setPlaceholderText("The log of the set-up appears here.")
        self.log.setPlainText("\n".join(diagnostics.last_lines(self.place.log, 200)))
        self.log.moveCursor(QTextCursor.MoveOperation.End)
        self._lay_out()

    def _lay_out(self) -> None:
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel)
        buttons = QHBoxLayout()
        for text, action in (("Copy diagnostics", self.copy_diagnostics), ("Help", self._help)):
            button = QPushButton(text)
            button.clicked.connect(action)
            buttons.addWidget(button)
        buttons.addStretch(1)
        close = QPushButton("Close")
        close.clicked.connect(self.reject)
        buttons.addWidget(close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.headline)
        layout.addWidget(self.tabs, 2)
        layout.addWidget(self.status)
        layout.addLayout(progress)
        layout.addWidget(self.log, 1)
        layout.addLayout(buttons)
        self.resize(620, 620)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)  # Enter in a field must not start anything

    def _install(self) -> None:
        try:
            runner.open_home(self.place)
            wish = self.install_page.wish()
            way = network.variables(self.place.certificates)
        except LunarSiteError as error:
            self._tell(error)
            return
        wish = dataclasses.replace(wish, environment=way)
        self.engineAboutToChange.emit()

        def work(work: Work) -> list[check.Row]:
            return tasks.install(self.place, wish, work)

        self._begin(work, self._installed)

    def _installed(self, rows: list[check.Row]) -> None:
        location.set_own(None)  # who installs an engine wants it to be used
        self._found(self.place.python, rows)
        self.engineChanged.emit()

    def _search(self) -> None:
        self._begin(tasks.search, self.install_page.show_interpreters)

    def _check(self) -> None:
        try:
            python = location.find().python
        except LunarSiteError as error:
            self._tell(error)
            return

        def work(work: Work) -> list[check.Row]:
            return check.check(python, work)

        def take(rows: list[check.Row]) -> None:
            self._found(python, rows)

        self._begin(work, take)

    def _found(self, python: Path, rows: list[check.Row]) -> None:
        self._checked, self._rows = python, rows
        self.check_page.show_findings(rows)
        self.tabs.setCurrentWidget(self.check_page)

    def _use_own(self, path: str) -> None:
        python = Path(path)
        if not python.is_file():
            self._tell(
                LunarSiteError(
                    f"There is no file {path or '(none is named)'}",
                    "Choose the interpreter itself, for example bin/python or python.exe",
                )
            )
            return

        def work(work: Work) -> list[check.Row]:
            return tasks.adopt(python, work)

        def take(rows: list[check.Row]) -> None:
            location.set_own(python)
            self._found(python, rows)
            self.engineChanged.emit()

        self._begin(work, take)

    def _drop_own(self) -> None:
        location.set_own(None)
        self._rows = []
        self.status.setText("Your own interpreter is no longer used.")
        self.refresh()
        self.engineChanged.emit()

    def _remove(self) -> None:
        answer = QMessageBox.question(
            self,
            "Remove the engine",
            f"Remove the engine in {words.shortened(self.place.home)}?",
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
            QMessageBox.StandardButton.No,
        )
        if answer != QMessageBox.StandardButton.Yes:
            return
        self.engineAboutToChange.emit()

        def work(work: Work) -> None:
            runner.remove(self.place, work)

        self._begin(work, self._removed)

    def _removed(self, _nothing: object) -> None:
        self._rows = []
        self.check_page.findings.clear()
        self.engineChanged.emit()

    def _begin(self, task: Callable[[Work], Any], then: Callable[[Any], None]) -> None:
        if self._job is not None:
            return
        self._then = then
        self._job = Job(task, self.place.log, self)
        self._job.progressed.connect(self._show_progress)
        self._job.logged.connect(self.log.appendPlainText)
        self._job.ended.connect(self._end)
        self._job.start()
        self.refresh()

    def _end(self, result: object) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.deleteLater()
        self.bar.setValue(0)
        if isinstance(result, LunarSiteError):
            self._tell(result)
        elif self._then is not None:
            self._then(result)
        self.refresh()

    def _show_progress(self, fraction: float, text: str) -> None:
        self.bar.setValue(round(fraction * _STEPS))
        self.status.setText(text + ".")

    def _tell(self, error: LunarSiteError) -> None:
        cancelled = "Cancelled. What was finished is kept."
        self.status.setText(cancelled if isinstance(error, CancelledError) else str(error))

    def _cancel(self) -> None:
        if self._job is not None:
            self.cancel.setEnabled(False)
            self.status.setText("Cancelling…")
            self._job.cancel()

    def _may_close(self) -> bool:
        """Ask whether the work goes on without the window, and return whether it may close."""
        box = QMessageBox(self)
        box.setWindowTitle("The set-up is at work")
        box.setText("The set-up is still at work. What shall become of it?")
        box.addButton("Go on in the background", QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton("Cancel the work", QMessageBox.ButtonRole.DestructiveRole)
        back = box.addButton("Back", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        if box.clickedButton() is cancel:
            self._cancel()
        return box.clickedButton() not in {back, None}

    def _help(self) -> None:
        QMessageBox.information(self, "Engine set-up", words.HELP)
