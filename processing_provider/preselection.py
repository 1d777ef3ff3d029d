"""Which raster a dialog proposes: never one that LunarSite itself has computed."""

from __future__ import annotations

import re

from qgis import utils
from qgis.core import QgsProject, QgsRasterLayer

from lunarsite.qgis_common import moon_layers

NOTHING = "Choose a layer or a file"
"""Shown where the project has no raster but our own results; it is not a layer's name."""

_STAGE = re.compile(r'LUNARSITE.*?"stage":\s*"([a-z-]+)"', re.DOTALL)


def proposed() -> str | None:
    """Return the default of a raster parameter: the id of a layer, or None to leave it to QGIS.

    QGIS proposes the active layer, or else the first. Below a run that is often a result.
    """
    rasters = [
        layer
        for layer in QgsProject.instance().mapLayers().values()
        if isinstance(layer, QgsRasterLayer)
    ]
    others = [layer for layer in rasters if not is_result(layer)]
    if len(others) == len(rasters):
        return None
    active = utils.iface.activeLayer() if utils.iface is not None else None
    if active in others:
        return str(active.id())
    return str(min(others, key=QgsRasterLayer.name).id()) if others else NOTHING


def is_result(layer: QgsRasterLayer) -> bool:
    """Return whether a layer is a result of a stage or a basemap; generated ground is neither."""
    if layer.customProperty(moon_layers.BASEMAP):
        return True
    if layer.providerType() != "gdal":
        return False
    found = _STAGE.search(layer.htmlMetadata().replace("&quot;", '"'))
    return found is not None and not found[1].startswith("synthesize")
