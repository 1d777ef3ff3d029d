"""Which run the dock scores with: found, chosen, remembered, and its lost terrain located."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.runs import folder as run_folder
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.runs.folder import RunFolder

if TYPE_CHECKING:
    from qgis.PyQt.QtWidgets import QPushButton

    from lunarsite.lunarsite_plugin.dock.parts import RunChooser


class RunControl(QObject):
    """Follows the project and the user's choice.

    Parameters
    ----------
    chooser : RunChooser
        Where runs are offered.
    locate : QPushButton
        Shown where a run's elevation model is not found.
    """

    projectRead = pyqtSignal()
    """Another project is open; its run is told next."""
    chosen = pyqtSignal(object)
    """The RunFolder in use, None for none."""
    refused = pyqtSignal(object)
    """The error that says why a folder cannot be used; there is no run in use then."""
    browsed = pyqtSignal(object)
    """The RunFolder that the user has just looked for, which the project need not show."""
    located = pyqtSignal(object)
    """The RunFolder in use, of whose inputs more are found now."""
    told = pyqtSignal(str)
    """What is to be said of a file that was located, empty for nothing."""

    def __init__(self, chooser: RunChooser, locate: QPushButton, parent: QObject) -> None:
        super().__init__(parent)
        self.run: RunFolder | None = None
        self._wanted: Path | None = None
        self._chooser, self._locate = chooser, locate
        self._browsed: list[Path] = []
        # Many layers come at once when a run is loaded; they are looked at together.
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(0)
        self._look.timeout.connect(self._refresh)
        chooser.chosen.connect(self.choose)
        chooser.browse.connect(self._browse)
        locate.clicked.connect(self._ask_where)
        self._listen(True)

    def begin(self) -> None:
        """Take what the open project remembers."""
        self.run, self._wanted, self._browsed = None, None, []
        self._locate.hide()
        self.projectRead.emit()
        self._look.start()

    def choose(self, folder: Path) -> bool:
        """Use a run and have the project remember it; return whether it can be used."""
        good = self._take(folder)
        if good:
            project_runs.choose(folder)
        return good

    def keep_up(self) -> bool:
        """Read the run again if it was screened anew, went away or came back meanwhile.

        Return False where the run that was chosen cannot be used now, which is told.
        """
        if self._wanted is None or (self.run is not None and not self.run.changed()):
            return True
        return self._take(self._wanted)

    def take_located(self, wanted: run_folder.Input, path: Path) -> None:
        """Take the file that an input of the run is now."""
        if self.run is None:
            return
        try:
            run_folder.check_located(wanted, path)
            project_runs.locate(wanted.sha256, path)
            self.run = RunFolder.open(self.run.path, project_runs.located())
        except LunarSiteError as error:
            self.told.emit(str(error))
            return
        self._locate.setVisible(bool(self.run.missing))
        self.told.emit("")
        self.located.emit(self.run)

    def stop(self) -> None:
        """Let go of the project."""
        self._look.stop()
        self._listen(False)

    def _take(self, folder: Path) -> bool:
        self._wanted = folder
        try:
            self.run = RunFolder.open(folder, project_runs.located())
        except LunarSiteError as error:
            self.run = None
            self.refused.emit(error)
        else:
            self.chosen.emit(self.run)
        self._offer(folder)
        self._locate.setVisible(self.run is not None and bool(self.run.missing))
        return self.run is not None

    def _refresh(self) -> None:
        """Offer the project's runs; take the first that can be used where none is in use."""
        if self.run is None:
            self._wanted = None
        for folder in self._offer(self.run.path if self.run else None):
            if self.run is not None or self._take(folder):
                return

    def _offer(self, current: Path | None) -> list[Path]:
        known = [project_runs.chosen(), *self._browsed, *project_runs.found()]
        folders = list(dict.fromkeys(path for path in known if path is not None))
        if current is not None and current not in folders:
            folders.insert(0, current)
        self._chooser.set_runs(folders, current)
        return folders

    def _browse(self) -> None:
        start = str(self.run.path.parent) if self.run else ""
        text = QFileDialog.getExistingDirectory(self._chooser, "Folder of a finished run", start)
        if text:
            self._browsed.append(Path(text))
            if self.choose(Path(text)):
                self.browsed.emit(self.run)

    def _ask_where(self) -> None:
        if self.run is None or not self.run.missing:
            return
        wanted = self.run.missing[0]
        title = f"Where is {wanted.name}?"
        text, _ = QFileDialog.getOpenFileName(self._chooser, title, wanted.name)
        if text:
            self.take_located(wanted, Path(text))

    def _layers_changed(self, _layers: object) -> None:
        self._look.start()

    def _listen(self, on: bool) -> None:  # noqa: FBT001  signals are connected or disconnected
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
