"""The engine setup dialog."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import Qt, pyqtSignal
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
    messages,
    network,
    pages,
    runner,
    tasks,
)
from lunarsite.lunarsite_plugin.setup.job import Job
from lunarsite.lunarsite_plugin.setup.paths import EnginePaths
from lunarsite.qgis_common import location, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.lunarsite_plugin.setup.install.work import Work

_STEPS = 1000
_LOG_BLOCKS = 5000


class SetupDialog(QDialog):
    """Installs, checks and removes the engine, or selects an existing Python environment.

    Parameters
    ----------
    parent : QWidget, optional
        QGIS's main window.
    paths : EnginePaths, optional
        The files of the engine; by default in the user's profile.
    """

    engineAboutToChange = pyqtSignal()
    """The engine's files are about to be replaced or removed, so it must be stopped."""
    engineChanged = pyqtSignal()
    """Another engine is in use now, or none."""

    def __init__(self, parent: QWidget | None = None, paths: EnginePaths | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("LunarSite Engine Setup")
        self.setObjectName("LunarSiteSetupDialog")
        home = location.engine_home()
        self.paths = paths or EnginePaths(home, location.managed_python(home))
        self._job: Job | None = None
        self._then: Callable[[Any], None] | None = None
        self._checked: Path | None = None
        self._rows: list[check.Row] = []
        self._build()
        self.refresh()

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def refresh(self) -> None:
        """Update the dialog to the current state."""
        self.headline.setText(messages.headline(self.paths, self._checked, self._rows))
        for page in (self.install_page, self.existing_page, self.remove_page):
            page.refresh()
        for page in (self.install_page, self.existing_page, self.check_page, self.remove_page):
            page.setEnabled(not self.busy)
        self.cancel.setEnabled(self.busy)
        self.bar.setTextVisible(self.busy)

    def shut_down(self) -> None:
        """Stop the current job within two seconds, because QGIS or the plugin is closing."""
        job, self._job = self._job, None
        if job is not None:
            # Do not ask or wait for anything while QGIS is closing.
            job.ended.disconnect(self._end)
            job.cancel()
            job.wait()

    def reject(self) -> None:
        """Close the dialog; ask first if a job is running."""
        if self.busy and not self._may_close():
            return
        super().reject()

    def copy_diagnostics(self) -> None:
        """Copy the diagnostics to the clipboard."""
        report = diagnostics.text(self.paths, self._rows, self.log.toPlainText().splitlines())
        QGuiApplication.clipboard().setText(report)
        self.status.setText("Diagnostics copied to the clipboard.")

    def _build(self) -> None:
        self.headline = QLabel()
        self.headline.setTextFormat(Qt.TextFormat.PlainText)
        self.headline.setWordWrap(True)
        font = self.headline.font()
        font.setBold(True)
        self.headline.setFont(font)
        self.install_page = pages.InstallPage(self.paths)
        self.install_page.installRequested.connect(self._install)
        self.install_page.searchRequested.connect(self._search)
        self.existing_page = pages.ExistingPage()
        self.existing_page.useRequested.connect(self._use_existing)
        self.existing_page.stopRequested.connect(self._stop_using_existing)
        self.check_page = pages.CheckPage()
        self.check_page.checkRequested.connect(self._check)
        self.remove_page = pages.RemovePage(self.paths)
        self.remove_page.removeRequested.connect(self._remove)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.install_page, "Install")
        self.tabs.addTab(self.existing_page, "Use Existing")
        self.tabs.addTab(self.check_page, "Check")
        self.tabs.addTab(self.remove_page, "Remove")
        self.status = QLabel()
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self._cancel)
        self.log = QPlainTextEdit()
        self.log.setAccessibleName("Setup log")
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(_LOG_BLOCKS)
        fixed = QFont("monospace", self.log.font().pointSize())
        fixed.setStyleHint(QFont.StyleHint.Monospace)
        self.log.setFont(fixed)
        self.log.setPlaceholderText("The setup log appears here.")
        self.log.setPlainText("\n".join(diagnostics.last_lines(self.paths.log, 200)))
        self.log.moveCursor(QTextCursor.MoveOperation.End)
        self._lay_out()

    def _lay_out(self) -> None:
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel)
        buttons = QHBoxLayout()
        for text, action in (("Copy Diagnostics", self.copy_diagnostics), ("Help", self._help)):
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
            button.setAutoDefault(False)  # Enter in a field must not start a job

    def _install(self) -> None:
        try:
            runner.open_home(self.paths)
            request = self.install_page.request()
            proxy = network.variables(self.paths.certificates)
        except LunarSiteError as error:
            self._show_error(error)
            return
        request = dataclasses.replace(request, environment=proxy)
        self.engineAboutToChange.emit()

        def work(work: Work) -> list[check.Row]:
            return tasks.install(self.paths, request, work)

        self._begin(work, self._on_installed)

    def _on_installed(self, rows: list[check.Row]) -> None:
        location.set_user_python(None)  # an engine that was just installed is to be used
        self._show_check(self.paths.python, rows)
        self.engineChanged.emit()

    def _search(self) -> None:
        self._begin(tasks.search, self.install_page.show_interpreters)

    def _check(self) -> None:
        try:
            python = location.find().python
        except LunarSiteError as error:
            self._show_error(error)
            return

        def work(work: Work) -> list[check.Row]:
            return check.check(python, work)

        def on_checked(rows: list[check.Row]) -> None:
            self._show_check(python, rows)

        self._begin(work, on_checked)

    def _show_check(self, python: Path, rows: list[check.Row]) -> None:
        self._checked, self._rows = python, rows
        self.check_page.show_results(rows)
        self.tabs.setCurrentWidget(self.check_page)

    def _use_existing(self, path: str) -> None:
        python = Path(path)
        if not python.is_file():
            self._show_error(
                LunarSiteError(
                    f"The file {path or '(none selected)'} does not exist",
                    "Choose the interpreter itself, for example bin/python or python.exe",
                )
            )
            return

        def work(work: Work) -> list[check.Row]:
            return tasks.adopt(python, work)

        def on_checked(rows: list[check.Row]) -> None:
            location.set_user_python(python)
            self._show_check(python, rows)
            self.engineChanged.emit()

        self._begin(work, on_checked)

    def _stop_using_existing(self) -> None:
        location.set_user_python(None)
        self._rows = []
        self.status.setText("The existing interpreter is no longer used.")
        self.refresh()
        self.engineChanged.emit()

    def _remove(self) -> None:
        answer = QMessageBox.question(
            self,
            "Remove Engine",
            plain_text.shown(f"Remove the engine from {messages.shortened(self.paths.home)}?"),
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
            QMessageBox.StandardButton.No,
        )
        if answer != QMessageBox.StandardButton.Yes:
            return
        self.engineAboutToChange.emit()

        def work(work: Work) -> None:
            runner.remove(self.paths, work)

        self._begin(work, self._on_removed)

    def _on_removed(self, _nothing: object) -> None:
        self._rows = []
        self.check_page.results.clear()
        self.engineChanged.emit()

    def _begin(self, task: Callable[[Work], Any], then: Callable[[Any], None]) -> None:
        if self._job is not None:
            return
        self._then = then
        self._job = Job(task, self.paths.log, self)
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
            self._show_error(result)
        elif self._then is not None:
            self._then(result)
        self.refresh()

    def _show_progress(self, fraction: float, text: str) -> None:
        self.bar.setValue(round(fraction * _STEPS))
        self.status.setText(text + ".")

    def _show_error(self, error: LunarSiteError) -> None:
        cancelled = "Cancelled. Completed steps are kept."
        self.status.setText(cancelled if isinstance(error, CancelledError) else str(error))

    def _cancel(self) -> None:
        if self._job is not None:
            self.cancel.setEnabled(False)
            self.status.setText("Cancelling…")
            self._job.cancel()

    def _may_close(self) -> bool:
        """Ask whether to continue in the background, and return whether the dialog may close."""
        box = QMessageBox(self)
        box.setWindowTitle("Engine Setup")
        box.setText("The engine setup is still running. Do you want to cancel it?")
        box.addButton("Continue in Background", QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton("Cancel Setup", QMessageBox.ButtonRole.DestructiveRole)
        back = box.addButton("Keep Open", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        if box.clickedButton() is cancel:
            self._cancel()
        return box.clickedButton() not in {back, None}

    def _help(self) -> None:
        QMessageBox.information(self, "Engine Setup", messages.HELP)
