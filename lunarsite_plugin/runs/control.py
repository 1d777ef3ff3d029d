"""Selects the run that the dock scores with, and locates its missing inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.runs.folder import RunFolder, check_located

if TYPE_CHECKING:
    from qgis.PyQt.QtWidgets import QPushButton

    from lunarsite.lunarsite_plugin.runs.chooser import RunChooser
    from lunarsite.lunarsite_plugin.runs.folder import Input


class RunControl(QObject):
    """Keeps track of the runs in the project and of the user's choice.

    Parameters
    ----------
    chooser : RunChooser
        The combo box of runs.
    locate : QPushButton
        Button that is shown if an elevation model of the run is missing.
    """

    projectRead = pyqtSignal()
    """Another project has been opened; its run is emitted next."""
    chosen = pyqtSignal(object)
    """The RunFolder in use, or None."""
    refused = pyqtSignal(object)
    """The error that explains why a folder cannot be used; no run is in use then."""
    browsed = pyqtSignal(object)
    """The RunFolder that the user has just browsed for; it may not be in the project."""
    located = pyqtSignal(object)
    """The RunFolder in use, after a missing input has been located."""
    message = pyqtSignal(str)
    """A message about a located file; empty to clear it."""

    def __init__(self, chooser: RunChooser, locate: QPushButton, parent: QObject) -> None:
        super().__init__(parent)
        self.run: RunFolder | None = None
        self._requested: Path | None = None
        self._chooser, self._locate = chooser, locate
        self._browsed: list[Path] = []
        # Loading a run adds many layers at once; wait for all of them.
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(0)
        self._refresh_timer.timeout.connect(self._refresh)
        chooser.chosen.connect(self.choose)
        chooser.browse.connect(self._browse)
        locate.clicked.connect(self._ask_location)
        self._listen(True)

    def begin(self) -> None:
        """Restore the state that the open project remembers."""
        self.run, self._requested, self._browsed = None, None, []
        self._locate.hide()
        self.projectRead.emit()
        self._refresh_timer.start()

    def choose(self, folder: Path) -> bool:
        """Select a run and remember it in the project; return whether it can be used."""
        usable = self._open(folder)
        if usable:
            project_runs.choose(folder)
        return usable

    def reload_if_changed(self) -> bool:
        """Read the run again if it has been repeated, moved or restored in the meantime.

        Return False, after emitting ``refused``, if the selected run can no longer be used.
        """
        if self._requested is None or (self.run is not None and not self.run.changed()):
            return True
        return self._open(self._requested)

    def set_located(self, wanted: Input, path: Path) -> None:
        """Use a file that the user located as an input of the run."""
        if self.run is None:
            return
        try:
            check_located(wanted, path)
            project_runs.locate(wanted.sha256, path)
            self.run = RunFolder.open(self.run.path, project_runs.located())
        except LunarSiteError as error:
            self.message.emit(str(error))
            return
        self._locate.setVisible(bool(self.run.missing))
        self.message.emit("")
        self.located.emit(self.run)

    def stop(self) -> None:
        """Disconnect from the project."""
        self._refresh_timer.stop()
        self._listen(False)

    def _open(self, folder: Path) -> bool:
        self._requested = folder
        try:
            self.run = RunFolder.open(folder, project_runs.located())
        except LunarSiteError as error:
            self.run = None
            self.refused.emit(error)
        else:
            self.chosen.emit(self.run)
        self._list_runs(folder)
        self._locate.setVisible(self.run is not None and bool(self.run.missing))
        return self.run is not None

    def _refresh(self) -> None:
        """List the project's runs; if none is in use, select the first that can be used."""
        if self.run is None:
            self._requested = None
        for folder in self._list_runs(self.run.path if self.run else None):
            if self.run is not None or self._open(folder):
                return

    def _list_runs(self, current: Path | None) -> list[Path]:
        known = [project_runs.chosen(), *self._browsed, *project_runs.found()]
        folders = list(dict.fromkeys(path for path in known if path is not None))
        if current is not None and current not in folders:
            folders.insert(0, current)
        self._chooser.set_runs(folders, current)
        return folders

    def _browse(self) -> None:
        start = str(self.run.path.parent) if self.run else ""
        text = QFileDialog.getExistingDirectory(self._chooser, "Choose Run Folder", start)
        if text:
            self._browsed.append(Path(text))
            if self.choose(Path(text)):
                self.browsed.emit(self.run)

    def _ask_location(self) -> None:
        if self.run is None or not self.run.missing:
            return
        wanted = self.run.missing[0]
        title = f"Locate {wanted.name}"
        text, _ = QFileDialog.getOpenFileName(self._chooser, title, wanted.name)
        if text:
            self.set_located(wanted, Path(text))

    def _layers_changed(self, _layers: object) -> None:
        self._refresh_timer.start()

    def _listen(self, on: bool) -> None:  # noqa: FBT001  connects or disconnects
        project = QgsProject.instance()
        for signal, slot in (
            (project.layersAdded, self._layers_changed),
            (project.layersRemoved, self._layers_changed),
            (project.readProject, self._read),
            (project.cleared, self._read),
        ):
            (signal.connect if on else signal.disconnect)(slot)

    def _read(self, _document: object = None) -> None:
        self.begin()
