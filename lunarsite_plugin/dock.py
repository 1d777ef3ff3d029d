"""The dock: which run, which place, what is known of it, and what was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import QgsGeometry, QgsPointXY, QgsProject
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtCore import QTimer, pyqtSignal
from qgis.PyQt.QtGui import QGuiApplication
from qgis.PyQt.QtWidgets import QFileDialog, QWidget

from lunarsite.engine.errors import CrsError, LunarSiteError
from lunarsite.lunarsite_plugin import kept, map_place, moon_crs, project_runs, run_folder
from lunarsite.lunarsite_plugin.dock_body import DockBody
from lunarsite.lunarsite_plugin.map_tool import CellMarker, LocationTool
from lunarsite.lunarsite_plugin.run_folder import RunFolder
from lunarsite.lunarsite_plugin.site_flow import OPENING, SiteFlow
from lunarsite.lunarsite_plugin.uncertainty import UncertaintyLayer

if TYPE_CHECKING:
    from qgis.gui import QgsMapCanvas

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.map_place import Place
    from lunarsite.lunarsite_plugin.session import EngineSession

_LONGEST_DAYS = 731
"""A run's span of time up to which the calendar shows all of it, else its first year."""


_AROUND_M = 20_000.0


class LunarSiteDock(QgsDockWidget):
    """Scores places that are clicked on a map canvas.

    `shut` must be called before it is thrown away: it stops listening to project and canvas.
    """

    setupRequested = pyqtSignal()

    def __init__(
        self, canvas: QgsMapCanvas, session: EngineSession, parent: QWidget | None = None
    ) -> None:
        super().__init__("LunarSite", parent)
        self.setObjectName("LunarSiteDock")
        self.canvas, self.session = canvas, session
        self.run: RunFolder | None = None
        self.flow = SiteFlow(session, self)
        self.tool, self.marker = LocationTool(canvas), CellMarker(canvas)
        self.uncertainty = UncertaintyLayer()
        self._browsed: list[Path] = []
        self._build()
        self._connect()
        # Many layers come at once when a run is loaded; they are looked at together.
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(0)
        self._look.timeout.connect(self.refresh_runs)
        self.project_read()

    def choose_run(self, folder: Path) -> bool:
        """Take a run to score places with; return whether it can be used."""
        self.marker.clear()
        self.switch.setChecked(False)
        try:
            self.run = RunFolder.open(folder, project_runs.located())
        except LunarSiteError as error:
            self.run = None
            self.flow.set_run(None)
            self._refuse(error)
        else:
            project_runs.choose(folder)
            self._take_dates(self.run)
            self.panel.clear()
            self.flow.set_run(self.run)
        self._offer_runs(folder)
        self.locate.setVisible(self.run is not None and bool(self.run.missing))
        self.switch.setEnabled(self.run is not None)
        return self.run is not None

    def score(self, place: Place) -> None:
        """Score a place."""
        self.tabs.setCurrentWidget(self.panel)
        if self.status.text() != OPENING:
            self._show_status("")
        self.place_edit.show_place(place.lon_deg, place.lat_deg)
        self.flow.score(place)

    def score_at(self, lon_deg: float, lat_deg: float) -> None:
        """Score the place of a longitude and a latitude, degrees."""
        try:
            self.score(map_place.place_of(lon_deg, lat_deg))
        except CrsError as error:
            self._refuse(error)

    def go_to(self, lon_deg: float, lat_deg: float) -> None:
        """Show a place on the map and score it; degrees."""
        try:
            self._go(map_place.place_of(lon_deg, lat_deg))
        except CrsError as error:
            self._refuse(error)

    def keep(self) -> None:
        """Keep the place that is shown, to be compared."""
        shown = self.panel.explanation
        if shown is None or self.run is None:
            return
        name = kept.free_name(self.kept.places)
        light = self.panel.skyline
        self.kept.add(kept.of_answer(shown, light, name=name, run=self.run.title))
        self._show_status("The place is kept: see the tab Kept.")

    def copy(self) -> None:
        """Put what is shown on the clipboard, as text."""
        QGuiApplication.clipboard().setText(self.panel.text())

    def save_report(self, path: Path) -> None:
        """Write a page about the place that is shown: HTML or PDF, by the name's ending."""
        if self.panel.explanation is None or self.run is None:
            return
        # The painting on paper is needed here only.
        from lunarsite.lunarsite_plugin import site_report  # noqa: PLC0415

        site = site_report.Site(
            self.panel.explanation,
            self.panel.skyline,
            self.canvas.grab().toImage(),
            site_report.provenance(self.run, self.session.device_text()),
        )
        try:
            site_report.save_report(path, site)
        except LunarSiteError as error:
            self._show_status(str(error))
            return
        self._show_status(f"The page is in {path}.")

    def refresh_runs(self) -> None:
        """Offer the project's runs; take the latest where none is in use."""
        folders = self._offer_runs(self.run.path if self.run else None)
        if self.run is None and folders:
            self.choose_run(folders[0])

    def project_read(self) -> None:
        """Take what the project remembers: its run and its kept places."""
        self.run = None
        self._browsed = []
        self.marker.clear()
        self.flow.set_run(None)
        self.panel.clear()
        self.locate.hide()
        self.switch.setChecked(False)
        self.switch.setEnabled(False)
        self.kept.set_places(kept.from_json(project_runs.kept()))
        self._count_kept()
        self._look.start()

    def shut(self) -> None:
        """Let go of the project, the canvas and the engine."""
        self._look.stop()
        self._listen(False)
        self.flow.stop()
        self.session.stateChanged.disconnect(self._show_engine)
        self.canvas.unsetMapTool(self.tool)
        self.marker.remove()
        self.tool.deleteLater()

    def _build(self) -> None:
        body = DockBody(self)
        self.runs, self.place_edit, self.click = body.runs, body.place_edit, body.click
        self.switch, self.status, self.locate = body.switch, body.status, body.locate
        self.tabs, self.panel, self.kept, self.engine = (
            body.tabs,
            body.panel,
            body.kept,
            body.engine,
        )
        self.tool.setButton(self.click)
        self.setWidget(body)
        self._show_engine()

    def _connect(self) -> None:
        self.runs.chosen.connect(self.choose_run)
        self.runs.browse.connect(self._browse)
        self.click.toggled.connect(self._use_tool)
        self.tool.placed.connect(self.score)
        self.tool.refused.connect(self._refuse)
        self.place_edit.entered.connect(self.score_at)
        self.place_edit.refused.connect(self._refuse)
        self.locate.clicked.connect(self._locate)
        self.switch.toggled.connect(self._show_uncertainty)
        self.engine.setup.connect(self.setupRequested)
        self.flow.explained.connect(self._explained)
        self.flow.refused.connect(self._refuse)
        self.flow.waiting.connect(self.panel.show_waiting)
        self.flow.opening.connect(self._show_status)
        self.flow.lit.connect(self.panel.show_skyline)
        self.flow.unlit.connect(self._unlit)
        self.panel.datesChanged.connect(self.flow.set_dates)
        self.panel.goToNearestPassing.connect(self._go_to_cell)
        self.panel.keepRequested.connect(self.keep)
        self.panel.copyRequested.connect(self.copy)
        self.panel.reportRequested.connect(self._report)
        self.kept.goTo.connect(self.go_to)
        self.kept.changed.connect(self._remember_kept)
        self.session.stateChanged.connect(self._show_engine)
        self.closed.connect(self._put_away)
        self.opened.connect(self._take_out)
        self._listen(True)

    def _listen(self, on: bool) -> None:  # noqa: FBT001
        project = QgsProject.instance()
        for signal, slot in (
            (project.layersAdded, self._layers_changed),
            (project.layersRemoved, self._layers_changed),
            (project.readProject, self.project_read),
            (project.cleared, self.project_read),
        ):
            (signal.connect if on else signal.disconnect)(slot)

    def _explained(self, result: Values) -> None:
        self.panel.show_explanation(result)
        self.marker.show(result["cell"])
        if self.switch.isChecked():
            self._show_uncertainty(True)

    def _refuse(self, error: LunarSiteError) -> None:
        self.marker.clear()
        self.tabs.setCurrentWidget(self.panel)
        self.panel.show_message(error.problem, error.remedy)

    def _unlit(self, error: LunarSiteError) -> None:
        self.panel.show_skyline_message(error.problem, error.remedy)

    def _show_status(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _show_engine(self, _state: str = "") -> None:
        self.engine.tell(self.session.device_text(), self.session.device_reason())

    def _take_dates(self, run: RunFolder) -> None:
        start, stop = run.span(_LONGEST_DAYS)
        self.panel.set_dates(start, stop)
        self.flow.set_dates(start, stop)

    def _use_tool(self, on: bool) -> None:  # noqa: FBT001  Qt's signal passes it so
        if on:
            self.canvas.setMapTool(self.tool)
        else:
            self.canvas.unsetMapTool(self.tool)

    def _put_away(self) -> None:
        self.canvas.unsetMapTool(self.tool)
        self.marker.clear()

    def _take_out(self) -> None:
        if self.panel.explanation is not None:
            self.marker.show(self.panel.explanation["cell"])

    def _go_to_cell(self, x_m: float, y_m: float) -> None:
        self._go(map_place.place_at(QgsPointXY(x_m, y_m), moon_crs.crs()))

    def _go(self, place: Place) -> None:
        crs = self.canvas.mapSettings().destinationCrs()
        try:
            centre = map_place.point_on(crs, place.x_m, place.y_m)
        except CrsError as error:
            self._refuse(error)
            return
        if self.canvas.extent().isEmpty():  # nothing was ever shown, so there is no scale
            around = map_place.square_on(crs, place.x_m, place.y_m, _AROUND_M)
            self.canvas.setExtent(QgsGeometry.fromPolygonXY([around]).boundingBox())
        self.canvas.setCenter(centre)
        self.canvas.refresh()
        self.score(place)

    def _show_uncertainty(self, on: bool) -> None:  # noqa: FBT001  Qt's signal passes it so
        if self.run is None:
            return
        if not on:
            self.uncertainty.hide(self.run)
            return
        try:
            self.uncertainty.show(self.run, self.flow.place)
        except LunarSiteError as error:
            self.switch.setChecked(False)
            self._show_status(str(error))

    def _layers_changed(self, _layers: object) -> None:
        self._look.start()

    def _offer_runs(self, current: Path | None) -> list[Path]:
        known = [project_runs.chosen(), *self._browsed, *project_runs.found()]
        folders = list(dict.fromkeys(path for path in known if path is not None))
        if current is not None and current not in folders:
            folders.insert(0, current)
        self.runs.set_runs(folders, current)
        return folders

    def _browse(self) -> None:
        start = str(self.run.path.parent) if self.run else ""
        text = QFileDialog.getExistingDirectory(self, "Folder of a finished run", start)
        if text:
            self._browsed.append(Path(text))
            self.choose_run(Path(text))

    def _report(self) -> None:
        kinds = "PDF (*.pdf);;HTML (*.html)"
        text, kind = QFileDialog.getSaveFileName(
            self, "Save a page about this place", "landing site.pdf", kinds
        )
        if text:
            ending = ".html" if "html" in kind else ".pdf"
            path = Path(text)
            known = path.suffix.lower() in {".pdf", ".html", ".htm"}
            self.save_report(path if known else path.with_name(path.name + ending))

    def _locate(self) -> None:
        if self.run is None or not self.run.missing:
            return
        wanted = self.run.missing[0]
        text, _ = QFileDialog.getOpenFileName(self, f"Where is {wanted.name}?", wanted.name)
        if text:
            self.take_located(wanted, Path(text))

    def take_located(self, wanted: run_folder.Input, path: Path) -> None:
        """Take the file that an input of the run is now."""
        try:
            run_folder.check_located(wanted, path)
        except LunarSiteError as error:
            self._show_status(str(error))
            return
        project_runs.locate(wanted.sha256, path)
        self._show_status("")
        self.run = RunFolder.open(self.run.path, project_runs.located())
        self.locate.setVisible(bool(self.run.missing))
        self.flow.take_located(self.run)

    def _remember_kept(self) -> None:
        project_runs.keep(kept.as_json(self.kept.places))
        self._count_kept()

    def _count_kept(self) -> None:
        count = len(self.kept.places)
        self.tabs.setTabText(1, f"Kept ({count})" if count else "Kept")
