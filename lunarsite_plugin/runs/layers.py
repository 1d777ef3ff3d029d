"""The layers of a run in the project: added, styled, grouped, with the Moon's map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import (
    Qgis,
    QgsCoordinateTransform,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

from lunarsite.engine import stages
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.qgis_common import layers, moon_crs

if TYPE_CHECKING:
    from pathlib import Path

    from qgis.core import QgsLayerTreeGroup
    from qgis.gui import QgsMapCanvas, QgsMessageBar, QgsMessageBarItem


DETECTED = "Detected craters"
IMAGE = "Synthetic image from orbit"
_READABLE = 400
"""So many circles leave the map beneath them readable; more are not ticked."""


def elsewhere(project: QgsProject) -> list[str]:
    """Return the names of a project's layers that lie on another body than the Moon."""
    known = ((layer.name(), moon_crs.body(layer.crs())) for layer in project.mapLayers().values())
    return [name for name, body in known if body not in ("", moon_crs.MOON)]


def shown(folder: Path, project: QgsProject) -> bool:
    """Say whether the project holds a layer of a run."""
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
) -> None:
    """Add a run's layers to the project, set its coordinate system, and go there.

    What an earlier call added is replaced.

    Parameters
    ----------
    folder : Path
        Of the run.
    dem : Path or None
        The elevation model that it was made from, shown as a hillshade beneath.
    canvas : QgsMapCanvas or None
        The map to move.
    craters : Path or None
        The catalogue that it was made with. Shown where it is one of detected craters.
    image : Path or None
        An image from orbit, shown over the maps of cells and under sites and craters.
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
        moon_crs.name_layer(ground)
        project.addMapLayer(ground, addToLegend=False)
        group.addLayer(ground).setExpanded(False)
    if canvas is not None and made:
        canvas.setDestinationCrs(project.crs())
        transform = QgsCoordinateTransform(made[-1].crs(), project.crs(), project)
        canvas.setExtent(transform.transformBoundingBox(made[-1].extent()))
        canvas.refresh()


def _add_image(path: Path, project: QgsProject, group: QgsLayerTreeGroup) -> None:
    """Add an image below the sites, where it is there."""
    layer = QgsRasterLayer(str(path), IMAGE)
    if not layer.isValid():
        return
    layers.apply_style(layer, "orbital_image")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer, addToLegend=False)
    group.insertLayer(1, layer).setExpanded(False)


def _add_craters(path: Path, project: QgsProject, group: QgsLayerTreeGroup) -> None:
    """Add detected craters as circles below the sites; a catalogue without confidence is left."""
    layer = QgsVectorLayer(f"{path}|layername=craters", DETECTED)
    if not layer.isValid() or not {"diameter_m", "confidence"} <= set(layer.fields().names()):
        return
    layers.apply_style(layer, "detected_craters")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer, addToLegend=False)
    node = group.insertLayer(1, layer)
    shown = layer.featureCount() <= _READABLE
    node.setItemVisibilityChecked(shown)
    node.setExpanded(shown)


def quieten(bar: QgsMessageBar, before: list[QgsMessageBarItem]) -> None:
    """Take away what QGIS itself has said since about coordinate systems of the Earth.

    QGIS asks where any new project or layer lies on the Earth, and reports that the Moon does not:
    there is no transform from its systems to EPSG:4326, nor need there be.
    """
    for item in bar.items():
        about = moon_crs.SOUTH_POLAR in item.text() or "EPSG:4326" in item.text()
        if item not in before and about and item.level() == Qgis.MessageLevel.Critical:
            bar.popWidget(item)
