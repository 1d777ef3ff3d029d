"""The real south pole below a run: the LROC mosaic, names, and the candidate landing regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import (
    QgsPalLayerSettings,
    QgsProject,
    QgsRasterLayer,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QColor

from lunarsite.qgis_common import moon_crs
from lunarsite.qgis_common.location import PLUGIN_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from qgis.core import QgsLayerTreeGroup

FOLDER = PLUGIN_FOLDER / "resources" / "moon"
MOSAIC, NAMES, REGIONS = "LROC WAC mosaic", "Names", "Candidate landing regions (October 2024)"

BASEMAP = "lunarsite/basemap"
"""Property of layers that are shown below others, and are no images of a site."""

_BRIGHTNESS = 110
_SIZE_PT = 8.0
_HALO_MM = 0.7


def add(project: QgsProject, group: QgsLayerTreeGroup) -> None:
    """Add the mosaic at the bottom of a group, and names and regions at its top, once."""
    if any(node.layer() and node.layer().name() == MOSAIC for node in group.findLayers()):
        return
    mosaic = QgsRasterLayer(str(FOLDER / "wac_70S_400m.jpg"), MOSAIC)
    if mosaic.isValid():
        mosaic.setCrs(moon_crs.crs())
        moon_crs.name_layer(mosaic)
        mosaic.setCustomProperty(BASEMAP, True)
        # The deep shadows of the pole would hide the hillshade, which multiplies the mosaic.
        mosaic.brightnessFilter().setBrightness(_BRIGHTNESS)
        project.addMapLayer(mosaic, addToLegend=False)
        group.addLayer(mosaic).setExpanded(False)
    for name, title, colour in (
        ("regions.csv", REGIONS, "#ffd166"),
        ("names.csv", NAMES, "#ffffff"),
    ):
        layer = _labels(FOLDER / name, title, QColor(colour))
        if layer.isValid():
            project.addMapLayer(layer, addToLegend=False)
            group.insertLayer(0, layer).setExpanded(False)


def _labels(path: Path, title: str, colour: QColor) -> QgsVectorLayer:
    """Return a table of places as a layer of labels without symbols."""
    address = QUrl.fromLocalFile(str(path)).toString()
    layer = QgsVectorLayer(f"{address}?xField=x_m&yField=y_m", title, "delimitedtext")
    if not layer.isValid():
        return layer
    layer.setCrs(moon_crs.crs())
    moon_crs.name_layer(layer)
    halo = QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(_HALO_MM)
    halo.setColor(QColor("#1b1f24"))
    text = QgsTextFormat()
    text.setSize(_SIZE_PT)
    text.setColor(colour)
    text.setBuffer(halo)
    settings = QgsPalLayerSettings()
    settings.fieldName = "name"
    settings.setFormat(text)
    layer.setLabeling(QgsVectorLayerSimpleLabeling(settings))
    layer.setLabelsEnabled(True)
    symbol = layer.renderer().symbol()
    symbol.setColor(colour)
    symbol.setSize(1.2)
    return layer
