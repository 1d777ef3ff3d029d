"""The layer with the uncertainty of the ranking."""

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
from lunarsite.qgis_common import moon_crs, styles

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.lunarsite_plugin.runs.folder import RunFolder


_CELL_RASTERS = ("score.tif", "rank.tif", "probability.tif", RANK_INTERVAL)


@dataclass(frozen=True, slots=True)
class RankInterval:
    """The raster on disk; ``style`` is the name of a QML file in ``resources/styles``."""

    path: Path
    title: str
    style: str


def rank_interval(run: RunFolder) -> RankInterval:
    """Return the run's raster of the width of the rank's 5 to 95 % interval.

    It is the raster of the entire run, with one value per cell: a megabyte for the largest run. A
    window around the place would be another file to manage, with its own colour ramp.

    Raises
    ------
    InputError
        If it does not exist.
    """
    declared = {output.path: output for output in stages.load("score").outputs}
    output = declared[RANK_INTERVAL]
    return RankInterval(run.raster(RANK_INTERVAL), output.title, output.style)


class RankIntervalLayer:
    """The layer that the Rank interval option shows and hides."""

    def __init__(self) -> None:
        self._shown, self._added_here = "", False
        self._hidden: list[str] = []

    def show(self, run: RunFolder) -> QgsMapLayer:
        """Show the rank interval in the group of the run; return the layer.

        Raises
        ------
        LunarSiteError
            If the raster is missing or cannot be read.
        """
        wanted = rank_interval(run)
        layer = _layer_of(wanted.path)
        if layer is None or layer.id() != self._shown:
            self.hide()
        if layer is None:
            layer, self._added_here = self._add(wanted, run), True
        self._shown = layer.id()
        node = QgsProject.instance().layerTreeRoot().findLayer(layer.id())
        if node is not None:
            node.setItemVisibilityCheckedParentRecursive(True)
            self._uncover(node)
        return layer

    def hide(self) -> None:
        """Remove the layer if it was added here; otherwise uncheck it."""
        project, shown, added_here = QgsProject.instance(), self._shown, self._added_here
        for layer_id in self._hidden:
            above = project.layerTreeRoot().findLayer(layer_id)
            if above is not None:
                above.setItemVisibilityChecked(True)
        self.forget()
        if project.mapLayer(shown) is None:
            return
        if added_here:
            project.removeMapLayer(shown)
            return
        node = project.layerTreeRoot().findLayer(shown)
        if node is not None:
            node.setItemVisibilityChecked(False)

    def forget(self) -> None:
        """Leave the layer in the project, because another one is open now."""
        self._shown, self._added_here, self._hidden = "", False, []

    def _uncover(self, node: QgsLayerTreeLayer) -> None:
        """Hide the run's other cell rasters, which would obscure it."""
        group = node.parent()
        for other in group.findLayers() if group is not None else []:
            source = project_runs.source_path(other.layer()) if other.layer() else None
            covers = source is not None and source.name in _CELL_RASTERS
            if covers and other.layerId() != node.layerId() and other.itemVisibilityChecked():
                other.setItemVisibilityChecked(False)
                self._hidden.append(other.layerId())

    def _add(self, wanted: RankInterval, run: RunFolder) -> QgsMapLayer:
        # Imported here to keep loading the plugin fast.

        layer = QgsRasterLayer(str(wanted.path), wanted.title)
        if not layer.isValid():
            raise InputError(f"QGIS cannot read {wanted.path}", "Run Screen a region again")
        styles.apply(layer, wanted.style)
        moon_crs.name_layer(layer)
        project = QgsProject.instance()
        project.addMapLayer(layer, False)
        run_group.of_run(run).insertLayer(0, layer)
        return layer


def _layer_of(path: Path) -> QgsMapLayer | None:
    """Return the project's layer of a file, or None."""
    layers = QgsProject.instance().mapLayers().values()
    return next((each for each in layers if project_runs.source_path(each) == path), None)
