"""The layer that says how sure the ranking is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qgis.core import (
    QgsLayerTreeLayer,
    QgsMapLayer,
    QgsProject,
    QgsRasterLayer,
)

from lunarsite.engine import stages
from lunarsite.engine.errors import InputError
from lunarsite.lunarsite_plugin.runs import group as run_group
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.runs.folder import RANK_INTERVAL
from lunarsite.qgis_common import moon_crs

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.lunarsite_plugin.runs.folder import RunFolder


_OF_CELLS = ("score.tif", "rank.tif", "probability.tif", RANK_INTERVAL)


@dataclass(frozen=True, slots=True)
class UncertaintyRaster:
    """A raster on disk; ``style`` names a QML file in ``resources/styles``."""

    path: Path
    title: str
    style: str


def rank_interval(run: RunFolder) -> UncertaintyRaster:
    """Return the width of the rank's 5 to 95 % interval, as the run left it.

    It is the run's whole raster: a value a cell, a megabyte for the largest run. A window around
    the place would be a second file that the project had to keep, with colours of its own.

    Raises
    ------
    InputError
        If it is not there.
    """
    declared = {output.path: output for output in stages.load("score").outputs}
    output = declared[RANK_INTERVAL]
    return UncertaintyRaster(run.raster(RANK_INTERVAL), output.title, output.style)


class UncertaintyLayer:
    """The layer that the switch in the dock shows and hides."""

    def __init__(self) -> None:
        self._shown, self._ours = "", False
        self._covering: list[str] = []

    def show(self, run: RunFolder) -> QgsMapLayer:
        """Show how sure the ranking of a run is, in the group of the run; return the layer.

        Raises
        ------
        LunarSiteError
            If there is no raster, or it cannot be read.
        """
        wanted = rank_interval(run)
        layer = _layer_of(wanted.path)
        if layer is None or layer.id() != self._shown:
            self.hide()
        if layer is None:
            layer, self._ours = self._add(wanted, run), True
        self._shown = layer.id()
        node = QgsProject.instance().layerTreeRoot().findLayer(layer.id())
        if node is not None:
            node.setItemVisibilityCheckedParentRecursive(True)
            self._uncover(node)
        return layer

    def hide(self) -> None:
        """Take away the layer that was added; one that was there before is hidden only."""
        project, shown, ours = QgsProject.instance(), self._shown, self._ours
        for covering in self._covering:
            above = project.layerTreeRoot().findLayer(covering)
            if above is not None:
                above.setItemVisibilityChecked(True)
        self.forget()
        if project.mapLayer(shown) is None:
            return
        if ours:
            project.removeMapLayer(shown)
            return
        node = project.layerTreeRoot().findLayer(shown)
        if node is not None:
            node.setItemVisibilityChecked(False)

    def forget(self) -> None:
        """Leave the layer to the project, which is another one now or was read again."""
        self._shown, self._ours, self._covering = "", False, []

    def _uncover(self, node: QgsLayerTreeLayer) -> None:
        """Hide the run's other maps of cells: one over another, neither could be read."""
        group = node.parent()
        for other in group.findLayers() if group is not None else []:
            source = project_runs.source_path(other.layer()) if other.layer() else None
            covers = source is not None and source.name in _OF_CELLS
            if covers and other.layerId() != node.layerId() and other.itemVisibilityChecked():
                other.setItemVisibilityChecked(False)
                self._covering.append(other.layerId())

    def _add(self, wanted: UncertaintyRaster, run: RunFolder) -> QgsMapLayer:
        # Imported here, so that loading the plugin does not wait for it.
        from lunarsite.qgis_common import layers  # noqa: PLC0415

        layer = QgsRasterLayer(str(wanted.path), wanted.title)
        if not layer.isValid():
            raise InputError(f"QGIS cannot read {wanted.path}", "Run Screen a region again")
        layers.apply_style(layer, wanted.style)
        moon_crs.name_layer(layer)
        project = QgsProject.instance()
        project.addMapLayer(layer, False)
        run_group.of_run(run).insertLayer(0, layer)
        return layer


def _layer_of(path: Path) -> QgsMapLayer | None:
    """Return the project's layer of a file, None where there is none."""
    layers = QgsProject.instance().mapLayers().values()
    return next((each for each in layers if project_runs.source_path(each) == path), None)
