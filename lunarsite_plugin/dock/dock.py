"""The dock: which run, which place, what is known of it, and what was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import QgsGeometry, QgsPointXY
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QGuiApplication
from qgis.PyQt.QtWidgets import QFileDialog, QWidget

from lunarsite.engine.errors import CrsError, LunarSiteError
from lunarsite.lunarsite_plugin.dock.body import DockBody
from lunarsite.lunarsite_plugin.map.tool import CellMarker, LocationTool
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.runs.control import RunControl
from lunarsite.lunarsite_plugin.saved_places import places as kept
from lunarsite.lunarsite_plugin.site.flow import OPENING, SiteFlow
from lunarsite.lunarsite_plugin.uncertainty.control import ImageControl
from lunarsite.lunarsite_plugin.uncertainty.rank_interval import UncertaintyLayer
from lunarsite.qgis_common import map_place, moon_crs

if TYPE_CHECKING:
    from qgis.gui import QgsMapCanvas

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.runs.folder import RunFolder
    from lunarsite.qgis_common.map_place import Place
    from lunarsite.qgis_common.session import EngineSession

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
        self.flow = SiteFlow(session, self)
        self.tool, self.marker = LocationTool(canvas), CellMarker(canvas)
        self.uncertainty = UncertaintyLayer()
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
        """Take a run to score places with; return whether it can be used."""
        return self.control.choose(folder)

    def score(self, place: Place) -> None:
        """Score a place."""
        self.place_edit.show_place(place.lon_deg, place.lat_deg)
        usable = self.control.keep_up()
        self.image.look(place)
        if not usable:
            return
        self.tabs.setCurrentWidget(self.panel)
        if self.status.text() != OPENING:
            self._show_status("")
        self.flow.score(place)

    def score_at(self, lon_deg: float, lat_deg: float) -> None:
        """Score the place of a longitude and a latitude, degrees."""
        try:
            self.score(map_place.place_of(lon_deg, lat_deg))
        except CrsError as error:
            self._decline(error)

    def go_to(self, lon_deg: float, lat_deg: float) -> None:
        """Show a place on the map and score it; degrees."""
        try:
            self._go(map_place.place_of(lon_deg, lat_deg))
        except CrsError as error:
            self._decline(error)

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
        parts = (self.panel.text(), self.image.text())
        QGuiApplication.clipboard().setText("\n".join(part for part in parts if part))

    def save_report(self, path: Path) -> None:
        """Write a page about the place that is shown: HTML or PDF, by the name's ending."""
        if self.panel.explanation is None or self.run is None:
            return
        # The painting on paper is needed here only.
        from lunarsite.lunarsite_plugin.report import site as site_report  # noqa: PLC0415

        site = site_report.Site(
            self.panel.explanation,
            self.panel.skyline,
            site_report.map_picture(self.canvas, self.panel.explanation["cell"]),
            site_report.provenance(self.run, self.session.device_text()),
        )
        try:
            site_report.save_report(path, site)
        except LunarSiteError as error:
            self._show_status(str(error))
            return
        told = f"The page is in {path}."
        if site.map_picture is None:
            told += " It has no map: the map does not show the place."
        self._show_status(told)

    def shut(self) -> None:
        """Let go of the project, the canvas and the engine."""
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
        self.image_panel = body.image
        self.tabs, self.panel, self.kept, self.engine = (
            body.tabs,
            body.panel,
            body.kept,
            body.engine,
        )
        self.tool.setButton(self.click)
        self.setWidget(body)
        self.show_engine()

    def _connect(self) -> None:
        self.control.projectRead.connect(self._begin)
        self.control.chosen.connect(self._use_run)
        self.control.refused.connect(self._use_no_run)
        self.control.located.connect(self.flow.take_located)
        self.control.told.connect(self._show_status)
        self.click.toggled.connect(self._use_tool)
        self.tool.placed.connect(self.score)
        self.tool.refused.connect(self._decline)
        self.place_edit.entered.connect(self.score_at)
        self.place_edit.refused.connect(self._decline)
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
        self.session.stateChanged.connect(self.show_engine)
        self.closed.connect(self._put_away)
        self.opened.connect(self._take_out)

    def _begin(self) -> None:
        """Start anew with another project."""
        self.uncertainty.forget()
        self.image.begin()
        self._use_run(None)
        self.kept.set_places(kept.from_json(project_runs.kept()))
        self._count_kept()

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
        self.image.set_run(run)

    def _use_no_run(self, error: LunarSiteError) -> None:
        self._use_run(None)
        self._refuse(error)

    def _explained(self, result: Values) -> None:
        self.panel.show_explanation(result)
        self.marker.show(result["cell"])
        if self.switch.isChecked():
            self._show_uncertainty(True)

    def _decline(self, error: LunarSiteError) -> None:
        """Say why a place cannot be asked about; an earlier one's answer must not follow that."""
        self.flow.drop_place()
        self.image.drop()
        self._refuse(error)

    def _refuse(self, error: LunarSiteError) -> None:
        self.marker.clear()
        self.tabs.setCurrentWidget(self.panel)
        self.panel.show_message(error.problem, error.remedy)

    def _unlit(self, error: LunarSiteError) -> None:
        self.panel.show_skyline_message(error.problem, error.remedy)

    def _show_status(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def show_engine(self, _state: str = "") -> None:
        """Say which engine answers, or that there is none."""
        self.engine.tell(self.session.device_text(), self.session.device_reason())

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
            self._decline(error)
            return
        if self.canvas.extent().isEmpty():  # nothing was ever shown, so there is no scale
            around = map_place.square_on(crs, place.x_m, place.y_m, _AROUND_M)
            self.canvas.setExtent(QgsGeometry.fromPolygonXY([around]).boundingBox())
        self.canvas.setCenter(centre)
        self.canvas.refresh()
        self.score(place)

    def _show_uncertainty(self, on: bool) -> None:  # noqa: FBT001  Qt's signal passes it so
        if not on:
            self.uncertainty.hide()
            return
        if self.run is None:
            return
        try:
            self.uncertainty.show(self.run)
        except LunarSiteError as error:
            self.switch.setChecked(False)
            self._show_status(str(error))

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

    def _remember_kept(self) -> None:
        project_runs.keep(kept.as_json(self.kept.places))
        self._count_kept()

    def _count_kept(self) -> None:
        count = len(self.kept.places)
        self.tabs.setTabText(1, f"Kept ({count})" if count else "Kept")
