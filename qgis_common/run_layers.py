"""Shows a run in the project: its layers over the hillshade and the mosaic, grouped and styled."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from qgis import utils
from qgis.core import QgsCoordinateTransform, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtGui import QPainter

from lunarsite.engine import stages
from lunarsite.qgis_common import layers, moon_crs, moon_layers, styles

if TYPE_CHECKING:
    from pathlib import Path

    from qgis.core import QgsLayerTreeGroup, QgsMapLayer
    from qgis.gui import QgsMapCanvas

DETECTED = "Detected craters"
IMAGE = "Synthetic image from orbit"

_MANIFEST = "manifest.json"
_BUILTIN = "builtin_far_field"
_ROOM = 1.1
"""Height of the map relative to the run, so that labels at its edge are whole."""

_MOSAIC_M = 400.0
"""Pixels of the mosaic: the hillshade of a finer elevation model hides it."""


def of_the_moon(folder: Path) -> bool:
    """Return whether a run is of the real Moon, by the inputs in its manifest."""
    try:
        inputs = json.loads((folder / _MANIFEST).read_text("utf-8"))["inputs"]
        return any(each["role"] == _BUILTIN for each in inputs)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def show(
    folder: Path,
    dem: Path | None,
    canvas: QgsMapCanvas | None,
    craters: Path | None = None,
    image: Path | None = None,
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

    Notes
    -----
    The mosaic of the real south pole and its names are added to a run of the real Moon, which the
    built-in elevation model surrounds.
    """
    moon = of_the_moon(folder)
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
    if ground is not None and not ground.isValid() and dem is not None:
        layers.tell_unreadable([dem])
    elif ground is not None:
        styles.apply(ground, "hillshade")
        if moon:
            _blend(ground)
        moon_crs.name_layer(ground)
        project.addMapLayer(ground, addToLegend=False)
        group.addLayer(ground).setExpanded(False)
    if moon:
        moon_layers.add(project, group)
    if canvas is not None and made:
        _zoom(canvas, project, made[-1])


def arrange(layer: QgsMapLayer, project: QgsProject, folder: Path, craters: Path | None) -> None:
    """Complete what QGIS has loaded of a run: craters, mosaic and names, and the view.

    Parameters
    ----------
    layer : QgsMapLayer
        The lowest layer of the run: its elevation model, unless that was in the project before.
    project : QgsProject
        The project.
    folder : Path
        The folder of the run.
    craters : Path or None
        The run's crater catalogue, shown if the craters were detected by LunarSite.
    """
    node = project.layerTreeRoot().findLayer(layer.id())
    if node is None or moon_crs.foreign_layers(project):
        return
    project.setCrs(moon_crs.crs())
    group = node.parent()
    if craters is not None:
        _add_craters(craters, project, group)
    if of_the_moon(folder):
        if layer.name() == layers.GROUND:
            _blend(layer)
        moon_layers.add(project, group)
    if utils.iface is not None:
        _zoom(utils.iface.mapCanvas(), project, layer)


def _blend(ground: QgsRasterLayer) -> None:
    """Let the mosaic show through the hillshade of a coarse elevation model."""
    if ground.rasterUnitsPerPixelX() >= _MOSAIC_M:
        ground.setBlendMode(QPainter.CompositionMode.CompositionMode_Multiply)


def _zoom(canvas: QgsMapCanvas, project: QgsProject, layer: QgsMapLayer) -> None:
    """Zoom to a layer now, and again when QGIS has zoomed to the first one of an empty project."""
    crs = project.crs()
    transform = QgsCoordinateTransform(layer.crs(), crs, project)
    extent = transform.transformBoundingBox(layer.extent())
    extent.scale(_ROOM)

    def zoom() -> None:
        with suppress(RuntimeError):  # the canvas may have been deleted
            canvas.setDestinationCrs(crs)
            canvas.setExtent(extent)
            canvas.refresh()

    zoom()
    QTimer.singleShot(0, zoom)


def _add_image(path: Path, project: QgsProject, group: QgsLayerTreeGroup) -> None:
    """Add an image below the sites if it exists."""
    layer = QgsRasterLayer(str(path), IMAGE)
    if not layer.isValid():
        layers.tell_unreadable([path])
        return
    styles.apply(layer, "orbital_image")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer, addToLegend=False)
    group.insertLayer(1, layer).setExpanded(False)


def _add_craters(path: Path, project: QgsProject, group: QgsLayerTreeGroup) -> None:
    """Add detected craters as circles below the sites; skip catalogues without confidence."""
    layer = QgsVectorLayer(f"{path}|layername=craters", DETECTED)
    if not layer.isValid() or not {"diameter_m", "confidence"} <= set(layer.fields().names()):
        return
    if any(node.layer() and node.layer().source() == layer.source() for node in group.findLayers()):
        return
    styles.apply(layer, "detected_craters")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer, addToLegend=False)
    group.insertLayer(1, layer).setExpanded(False)
