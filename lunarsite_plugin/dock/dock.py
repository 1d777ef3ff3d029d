"""The dock: scores places on the map, explains the scores, and compares saved places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import QgsGeometry, QgsPointXY
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QGuiApplication
from qgis.PyQt.QtWidgets import QFileDialog, QWidget

from lunarsite.engine.errors import CrsError, LunarSiteError
from lunarsite.lunarsite_plugin.dock.body import SAVED_PLACES, DockBody
from lunarsite.lunarsite_plugin.map.tool import CellMarker, LocationTool
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.runs.control import RunControl
from lunarsite.lunarsite_plugin.saved_places.places import (
    as_json,
    free_name,
    from_json,
    of_answer,
)
from lunarsite.lunarsite_plugin.site.flow import OPENING, SiteFlow
from lunarsite.lunarsite_plugin.uncertainty.control import ImageControl
from lunarsite.lunarsite_plugin.uncertainty.rank_interval import RankIntervalLayer
from lunarsite.qgis_common import map_place, moon_crs

if TYPE_CHECKING:
    from qgis.gui import QgsMapCanvas

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.runs.folder import RunFolder
    from lunarsite.qgis_common.map_place import Place
    from lunarsite.qgis_common.session import EngineSession

NO_TOOLBOX = "The toolbox is off: enable Processing in Plugins, Manage and Install Plugins."
_LONGEST_DAYS = 731
"""Up to this period the calendar shows all of a run, otherwise its first year."""
_EXTENT_M = 20_000.0
"""Width of the map around a site, and around a place if the canvas has no scale yet."""


class LunarSiteDock(QgsDockWidget):
    """Scores places that the user clicks on the map canvas or enters as coordinates.

    Call `shut_down` before deleting it, to disconnect it from the project and the canvas.
    """

    setupRequested = pyqtSignal()

    def __init__(
        self, canvas: QgsMapCanvas, session: EngineSession, parent: QWidget | None = None
    ) -> None:
        super().__init__("LunarSite", parent)
        self.setObjectName("LunarSiteDock")
        self.canvas, self.session = canvas, session
        self.flow = SiteFlow(session, self)
        self.tool, self.marker = LocationTool(canvas), CellMarker(canvas)
        self.rank_interval = RankIntervalLayer()
        self._build()
        self.image = ImageControl(self.image_panel, session, canvas, self)
        self.control = RunControl(self.runs, self.locate, self)
        self._connect()
        self.control.begin()

    @property
    def run(self) -> RunFolder | None:
        """The run that places are scored with."""
        return self.control.run

    def choose_run(self, folder: Path) -> bool:
        """Select the run to score places with; return whether it can be used."""
        return self.control.choose(folder)

    def score(self, place: Place) -> None:
        """Score a place."""
        self.place_edit.show_place(place.lon_deg, place.lat_deg)
        usable = self.control.reload_if_changed()
        self.image.set_place(place)
        if not usable:
            return
        self.tabs.setCurrentWidget(self.panel)
        if self.status.text() != OPENING:
            self._show_status("")
        self.flow.score(place)

    def score_at(self, lon_deg: float, lat_deg: float) -> None:
        """Score the place at a longitude and a latitude, degrees."""
        try:
            self.score(map_place.place_of(lon_deg, lat_deg))
        except CrsError as error:
            self._decline(error)

    def go_to(self, lon_deg: float, lat_deg: float) -> None:
        """Centre the map on a place and score it; longitude and latitude in degrees."""
        try:
            self._go(map_place.place_of(lon_deg, lat_deg))
        except CrsError as error:
            self._decline(error)

    def zoom_to(self, lon_deg: float, lat_deg: float) -> None:
        """Show the surroundings of a place on the map and score it; degrees."""
        try:
            place = map_place.place_of(lon_deg, lat_deg)
            self._show_around(place)
            self._go(place)
        except CrsError as error:
            self._decline(error)

    def save_place(self) -> None:
        """Add the current place to the saved places."""
        answer = self.panel.explanation
        if answer is None or self.run is None:
            return
        name = free_name(self.saved_places.places)
        self.saved_places.add(of_answer(answer, self.panel.skyline, name=name, run=self.run.title))
        self._show_status(f"Place saved: see the {SAVED_PLACES} tab.")

    def copy(self) -> None:
        """Copy the contents of the panel to the clipboard as text."""
        parts = (self.panel.text(), self.image.text())
        QGuiApplication.clipboard().setText("\n".join(part for part in parts if part))

    def save_report(self, path: Path) -> None:
        """Save a report on the current place as HTML or PDF, depending on the file name."""
        if self.panel.explanation is None or self.run is None:
            return
        # Imported here to keep opening the dock fast.
        from lunarsite.lunarsite_plugin.report import save, site  # noqa: PLC0415

        content = site.Site(
            self.panel.explanation,
            self.panel.skyline,
            site.map_picture(self.canvas, self.panel.explanation["place"]),
            site.provenance(self.run, self.session.device_text()),
        )
        try:
            save.save_report(path, content)
        except (LunarSiteError, OSError) as error:
            self._show_status(str(error))
            return
        message = f"Report saved to {path}."
        if content.map_picture is None:
            message += " It has no map because the place is outside the map view."
        self._show_status(message)

    def shut_down(self) -> None:
        """Disconnect from the project, the canvas and the engine."""
        self.control.stop()
        self.image.stop()
        self.flow.stop()
        self.session.stateChanged.disconnect(self.show_engine)
        self.canvas.unsetMapTool(self.tool)
        self.marker.remove()
        self.tool.deleteLater()

    def _build(self) -> None:
        body = DockBody(self)
        self.runs, self.place_edit, self.click = body.runs, body.place_edit, body.click
        self.switch, self.status, self.locate = body.switch, body.status, body.locate
        self.image_panel, self.tabs, self.panel = body.image, body.tabs, body.panel
        self.sites, self.saved_places, self.engine = body.sites, body.saved_places, body.engine
        self.tool.setButton(self.click)
        self.setWidget(body)
        self.show_engine()

    def _connect(self) -> None:
        self.control.projectRead.connect(self._begin)
        self.control.chosen.connect(self._use_run)
        self.control.refused.connect(self._use_no_run)
        self.control.located.connect(self.flow.set_located)
        self.control.message.connect(self._show_status)
        self.click.toggled.connect(self._use_tool)
        self.tool.placed.connect(self.score)
        self.tool.refused.connect(self._decline)
        self.place_edit.entered.connect(self.score_at)
        self.place_edit.refused.connect(self._decline)
        self.switch.toggled.connect(self._show_rank_interval)
        self.engine.setup.connect(self.setupRequested)
        self.flow.explained.connect(self._explained)
        self.flow.refused.connect(self._refuse)
        self.flow.waiting.connect(self.panel.show_waiting)
        self.flow.opening.connect(self._show_status)
        self.flow.skylineReady.connect(self.panel.show_skyline)
        self.flow.skylineFailed.connect(self._show_no_skyline)
        self.panel.datesChanged.connect(self.flow.set_dates)
        self.panel.goToNearestPassing.connect(self._go_to_cell)
        self.panel.saveRequested.connect(self.save_place)
        self.panel.copyRequested.connect(self.copy)
        self.panel.reportRequested.connect(self._ask_report_path)
        self.sites.goTo.connect(self.zoom_to)
        self.sites.dossierRequested.connect(self._open_dossier)
        self.saved_places.goTo.connect(self.go_to)
        self.saved_places.changed.connect(self._remember_saved_places)
        self.session.stateChanged.connect(self.show_engine)
        self.closed.connect(self._on_closed)
        self.opened.connect(self._on_opened)

    def _begin(self) -> None:
        """Start over with another project."""
        self.rank_interval.forget()
        self.image.begin()
        self._use_run(None)
        self.saved_places.set_places(from_json(project_runs.saved_places()))
        self._update_tab_title()

    def _use_run(self, run: RunFolder | None) -> None:
        self.marker.clear()
        self.panel.clear()
        self.switch.setChecked(False)
        self.switch.setEnabled(run is not None)
        if run is not None:
            start, stop = run.span(_LONGEST_DAYS)
            self.panel.set_dates(start, stop)
            self.flow.set_dates(start, stop)
        self.flow.set_run(run)
        self.sites.set_run(run)
        self.image.set_run(run)

    def _use_no_run(self, error: LunarSiteError) -> None:
        self._use_run(None)
        self._refuse(error)

    def _explained(self, result: Values) -> None:
        self.panel.show_explanation(result)
        self.marker.show(result["cell"], result["place"], result.get("disc"))
        if self.switch.isChecked():
            self._show_rank_interval(True)

    def _decline(self, error: LunarSiteError) -> None:
        """Show why a place is not valid, and drop the request for the previous place."""
        self.flow.drop_place()
        self.image.clear()
        self._refuse(error)

    def _refuse(self, error: LunarSiteError) -> None:
        self.marker.clear()
        self.tabs.setCurrentWidget(self.panel)
        self.panel.show_message(error.problem, error.remedy)

    def _show_no_skyline(self, error: LunarSiteError) -> None:
        self.panel.show_skyline_message(error.problem, error.remedy)

    def _show_status(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def show_engine(self, _state: str = "") -> None:
        """Show the status of the engine."""
        self.engine.set_status(self.session.device_text(), self.session.device_reason())

    def _use_tool(self, on: bool) -> None:  # noqa: FBT001  a slot of Qt's toggled signal
        if on:
            self.canvas.setMapTool(self.tool)
        else:
            self.canvas.unsetMapTool(self.tool)

    def _on_closed(self) -> None:
        self.canvas.unsetMapTool(self.tool)
        self.marker.clear()

    def _on_opened(self) -> None:
        if self.panel.explanation is not None:
            shown = self.panel.explanation
            self.marker.show(shown["cell"], shown["place"], shown.get("disc"))

    def _go_to_cell(self, x_m: float, y_m: float) -> None:
        self._go(map_place.place_at(QgsPointXY(x_m, y_m), moon_crs.crs()))

    def _go(self, place: Place) -> None:
        crs = self.canvas.mapSettings().destinationCrs()
        try:
            centre = map_place.point_on(crs, place.x_m, place.y_m)
        except CrsError as error:
            self._decline(error)
            return
        if self.canvas.extent().isEmpty():  # an empty canvas has no scale
            self._show_around(place)
        self.canvas.setCenter(centre)
        self.canvas.refresh()
        self.score(place)

    def _show_around(self, place: Place) -> None:
        crs = self.canvas.mapSettings().destinationCrs()
        around = map_place.square_on(crs, place.x_m, place.y_m, _EXTENT_M)
        self.canvas.setExtent(QgsGeometry.fromPolygonXY([around]).boundingBox())

    def _show_rank_interval(self, on: bool) -> None:  # noqa: FBT001  a slot of Qt's toggled signal
        if not on:
            self.rank_interval.hide()
            return
        if self.run is None:
            return
        try:
            self.rank_interval.show(self.run)
        except LunarSiteError as error:
            self.switch.setChecked(False)
            self._show_status(str(error))

    def _ask_report_path(self) -> None:
        text, chosen_filter = QFileDialog.getSaveFileName(
            self, "Save Site Report", "landing site.pdf", "PDF (*.pdf);;HTML (*.html)"
        )
        if text:
            suffix = ".html" if "html" in chosen_filter else ".pdf"
            path = Path(text)
            known = path.suffix.lower() in {".pdf", ".html", ".htm"}
            self.save_report(path if known else path.with_name(path.name + suffix))

    def _open_dossier(self, site: int) -> None:
        """Open the dialog of the algorithm that makes the dossier, filled in."""
        if self.run is None:
            return
        try:
            import processing  # noqa: PLC0415  a plugin of QGIS, which may be switched off
        except ImportError:
            self._show_status(NO_TOOLBOX)
            return
        values = {"run": str(self.run.path), "site": site}
        dialog = processing.createAlgorithmDialog("lunarsite:dossier", values)
        if dialog is not None:
            dialog.show()

    def _remember_saved_places(self) -> None:
        project_runs.set_saved_places(as_json(self.saved_places.places))
        self._update_tab_title()

    def _update_tab_title(self) -> None:
        count = len(self.saved_places.places)
        index = self.tabs.indexOf(self.saved_places)
        self.tabs.setTabText(index, f"{SAVED_PLACES} ({count})" if count else SAVED_PLACES)
