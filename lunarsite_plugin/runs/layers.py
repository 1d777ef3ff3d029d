"""Adds the layers of a run to the project, styled and in a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import (
    Qgis,
    QgsCoordinateTransform,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QPainter

from lunarsite.engine import stages
from lunarsite.lunarsite_plugin.runs import moon_layers
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.qgis_common import layers, moon_crs

if TYPE_CHECKING:
    from pathlib import Path

    from qgis.core import QgsLayerTreeGroup
    from qgis.gui import QgsMapCanvas, QgsMessageBar, QgsMessageBarItem


DETECTED = "Detected craters"
IMAGE = "Synthetic image from orbit"
_READABLE = 400
"""With more circles than this the map below is hard to read, so the layer is not checked."""


def elsewhere(project: QgsProject) -> list[str]:
    """Return the names of a project's layers that are not on the Moon."""
    known = ((layer.name(), moon_crs.body(layer.crs())) for layer in project.mapLayers().values())
    return [name for name, body in known if body not in ("", moon_crs.MOON)]


def shown(folder: Path, project: QgsProject) -> bool:
    """Return whether the project contains a layer of a run."""
    sources = (project_runs.source_path(layer) for layer in project.mapLayers().values())
    return any(
        source is not None and folder in (source.parent, source.parent.parent) for source in sources
    )


def show(
    folder: Path,
    dem: Path | None,
    canvas: QgsMapCanvas | None,
    craters: Path | None = None,
    image: Path | None = None,
    *,
    moon: bool = False,
) -> None:
    """Add a run's layers to the project, set the project CRS, and zoom to the run.

    Layers that an earlier call added are replaced.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    dem : Path or None
        The run's elevation model, shown as a hillshade at the bottom.
    canvas : QgsMapCanvas or None
        The map to zoom.
    craters : Path or None
        The run's crater catalogue, shown if the craters were detected by LunarSite.
    image : Path or None
        An orbital image, shown above the cell rasters and below sites and craters.
    moon : bool
        Whether to add the mosaic of the real south pole and its names.
    """
    project = QgsProject.instance()
    project.setCrs(moon_crs.crs())
    stage = stages.load("screen")
    name = layers.group_name(stage, folder / "score.tif")
    root = project.layerTreeRoot()
    former = root.findGroup(name)
    if former is not None:
        project.removeMapLayers([node.layerId() for node in former.findLayers()])
        root.removeChildNode(former)
    group = root.insertGroup(0, name)
    result = {"outputs": {each.name: str(folder / each.path) for each in stage.outputs}}
    made = layers.add_to_project(stage, result, project, group)
    if image is not None:
        _add_image(image, project, group)
    if craters is not None:
        _add_craters(craters, project, group)
    ground = None if dem is None else QgsRasterLayer(str(dem), layers.GROUND)
    if ground is not None and ground.isValid():
        layers.apply_style(ground, "hillshade")
        if moon:
            ground.setBlendMode(QPainter.CompositionMode.CompositionMode_Multiply)
        moon_crs.name_layer(ground)
        project.addMapLayer(ground, addToLegend=False)
        group.addLayer(ground).setExpanded(False)
    if moon:
        moon_layers.add(project, group)
    if canvas is not None and made:
        canvas.setDestinationCrs(project.crs())
        transform = QgsCoordinateTransform(made[-1].crs(), project.crs(), project)
        canvas.setExtent(transform.transformBoundingBox(made[-1].extent()))
        canvas.refresh()


def _add_image(path: Path, project: QgsProject, group: QgsLayerTreeGroup) -> None:
    """Add an image below the sites if it exists."""
    layer = QgsRasterLayer(str(path), IMAGE)
    if not layer.isValid():
        return
    layers.apply_style(layer, "orbital_image")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer, addToLegend=False)
    group.insertLayer(1, layer).setExpanded(False)


def _add_craters(path: Path, project: QgsProject, group: QgsLayerTreeGroup) -> None:
    """Add detected craters as circles below the sites; skip catalogues without confidence."""
    layer = QgsVectorLayer(f"{path}|layername=craters", DETECTED)
    if not layer.isValid() or not {"diameter_m", "confidence"} <= set(layer.fields().names()):
        return
    layers.apply_style(layer, "detected_craters")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer, addToLegend=False)
    node = group.insertLayer(1, layer)
    checked = layer.featureCount() <= _READABLE
    node.setItemVisibilityChecked(checked)
    node.setExpanded(checked)


def dismiss_crs_warnings(bar: QgsMessageBar, before: list[QgsMessageBarItem]) -> None:
    """Remove new messages of QGIS about the missing transform to EPSG:4326.

    QGIS locates every new project and layer on the Earth, and reports that it cannot do so for
    the Moon: there is no transform from the Moon's CRS to EPSG:4326, and none is needed.
    """
    for item in bar.items():
        about = moon_crs.SOUTH_POLAR in item.text() or "EPSG:4326" in item.text()
        if item not in before and about and item.level() == Qgis.MessageLevel.Critical:
            bar.popWidget(item)
