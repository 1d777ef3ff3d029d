"""The demo: a region that never was, screened and shown, one click away from a score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateTransform,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsTask,
)

from lunarsite.engine import stages
from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.lunarsite_plugin import moon_crs
from lunarsite.processing_provider import layers
from lunarsite.processing_provider.algorithm import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from qgis.gui import QgsMapCanvas, QgsMessageBar, QgsMessageBarItem

_TERRAIN_SHARE = 10.0
"""How much of the progress bar the terrain takes, percent; the rest is the screening's."""


def folder() -> Path:
    """Return where the demo lies: inside the user's profile."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "lunarsite" / "demo"


class DemoTask(QgsTask):
    """Makes the demo's terrain and screens it, in a thread of the task manager.

    What is there already and unchanged is not made again.

    Parameters
    ----------
    done : callable
        Called in the main thread with the run's folder once it is finished.
    failed : callable
        Called in the main thread with the error otherwise; not after a cancellation.
    """

    def __init__(
        self,
        place: Path,
        done: Callable[[Path, dict[str, Any]], None],
        failed: Callable[[LunarSiteError], None],
    ) -> None:
        super().__init__("LunarSite: the demo", QgsTask.Flag.CanCancel)
        self._place, self._done, self._failed = place, done, failed
        self._error: LunarSiteError | None = None
        self._result: dict[str, Any] = {}
        # There from the start, so that a cancellation is not lost on the way into the thread.
        self._feedback = QgsProcessingFeedback(False)
        self._feedback.progressChanged.connect(self._show)
        self._share = (0.0, _TERRAIN_SHARE)

    def run(self) -> bool:
        """Do the work; QGIS calls it in a thread of its own."""
        dem, craters = self._place / "dem.tif", self._place / "dem.craters.csv"
        try:
            if not (dem.is_file() and craters.is_file()):
                run("synthesize", {"out": str(dem)}, self._feedback)
            self._share = (_TERRAIN_SHARE, 100.0)
            self._result = run(
                "screen",
                {"dem": str(dem), "craters": str(craters), "out": str(self._place / "run")},
                self._feedback,
            )
        except CancelledError:
            return False
        except LunarSiteError as error:
            self._error = error
            return False
        return True

    def cancel(self) -> None:
        """Stop the engine."""
        self._feedback.cancel()
        super().cancel()

    def finished(self, good: bool) -> None:  # noqa: FBT001  QGIS gives it by place
        """Tell whoever asked; QGIS calls it in the main thread."""
        if self.isCanceled():
            return  # also where the work was done just then: who asked may be gone
        if good:
            self._done(self._place / "run", self._result)
        elif self._error is not None:
            self._failed(self._error)

    def _show(self, percent: float) -> None:
        first, last = self._share
        self.setProgress(first + (last - first) * percent / 100.0)


def layers_elsewhere(project: QgsProject) -> list[str]:
    """Return the names of a project's layers that lie on another body than the Moon."""
    known = ((layer.name(), moon_crs.body(layer.crs())) for layer in project.mapLayers().values())
    return [name for name, body in known if body not in ("", moon_crs.MOON)]


def quieten(bar: QgsMessageBar, before: list[QgsMessageBarItem]) -> None:
    """Take away what QGIS itself has said since about coordinate systems of the Earth.

    QGIS asks where any new project or layer lies on the Earth, and reports that the Moon does not:
    there is no transform from its systems to EPSG:4326, nor need there be.
    """
    for item in bar.items():
        about = moon_crs.SOUTH_POLAR in item.text() or "EPSG:4326" in item.text()
        if item not in before and about and item.level() == Qgis.MessageLevel.Critical:
            bar.popWidget(item)


def show(place: Path, result: dict[str, Any], canvas: QgsMapCanvas | None) -> None:
    """Add a run's layers to the project, set its coordinate system, and go there.

    What an earlier call added is replaced.
    """
    project = QgsProject.instance()
    project.setCrs(moon_crs.crs())
    stage = stages.load("screen")
    name = layers.group_name(stage, place / "score.tif")
    root = project.layerTreeRoot()
    former = root.findGroup(name)
    if former is not None:
        project.removeMapLayers([node.layerId() for node in former.findLayers()])
        root.removeChildNode(former)
    group = root.insertGroup(0, name)
    made = layers.add_to_project(stage, result, project, group)
    dem = QgsRasterLayer(str(place.parent / "dem.tif"), "Elevation model")
    if dem.isValid():
        layers.apply_style(dem, "hillshade")
        moon_crs.name_layer(dem)
        project.addMapLayer(dem, addToLegend=False)
        group.addLayer(dem).setExpanded(False)
    if canvas is not None and made:
        canvas.setDestinationCrs(project.crs())
        transform = QgsCoordinateTransform(made[-1].crs(), project.crs(), project)
        canvas.setExtent(transform.transformBoundingBox(made[-1].extent()))
        canvas.refresh()
