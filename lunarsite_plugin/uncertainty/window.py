"""The window of an image around a place, and which layers of the project are images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import Qgis, QgsMapLayer, QgsPointXY, QgsProject, QgsRasterLayer, QgsUnitTypes

from lunarsite.engine.errors import CrsError, InputError
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.runs.folder import is_file, runs_of
from lunarsite.lunarsite_plugin.uncertainty.layers import is_result, rotated
from lunarsite.qgis_common import map_place, moon_crs, moon_layers

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.runs.folder import Input, RunFolder
    from lunarsite.qgis_common.map_place import Place

_DEGREE_M = 30_323.0
"""A degree of latitude on the Moon, metres."""


@dataclass(frozen=True, slots=True)
class ImageWindow:
    """A square of pixels around a place, clipped to the image.

    ``point`` is the place in the layer's CRS; ``column`` and ``row`` are those of the first pixel.
    """

    path: Path
    point: QgsPointXY
    column: int
    row: int
    columns: int
    rows: int

    def text(self) -> str:
        """Return the window as a parameter of ``segment-terrain``."""
        return f"{self.column},{self.row},{self.columns},{self.rows}"


def around(layer: QgsRasterLayer, place: Place, side_px: int) -> ImageWindow:
    """Return the window of an image around a place.

    Raises
    ------
    CrsError
        If the image is not on the Moon.
    InputError
        If the place is outside the image, or the layer is not a plain file.
    """
    path = file_of(layer)
    if path is None:
        raise InputError(
            f"The image layer {layer.name()} is not a plain file",
            "Export it to GeoTIFF with Export, Save As",
        )
    point = _point(layer, place)
    # QGIS 3.44 reads a turned image as it is, with negative pixels; before, it does not say so.
    if layer.rasterUnitsPerPixelX() <= 0 or layer.rasterUnitsPerPixelY() <= 0:
        raise rotated(layer)
    extent = layer.extent()
    if not extent.contains(point):
        raise InputError(
            f"The place is outside the image {layer.name()}",
            "Click the image; Zoom to Image shows where it is",
        )
    across = (point.x() - extent.xMinimum()) / extent.width()
    down = (extent.yMaximum() - point.y()) / extent.height()
    column = min(math.floor(across * layer.width()), layer.width() - 1)
    row = min(math.floor(down * layer.height()), layer.height() - 1)
    left, columns = _clip(column - side_px // 2, side_px, layer.width())
    top, rows = _clip(row - side_px // 2, side_px, layer.height())
    return ImageWindow(path, point, left, top, columns, rows)


def not_images(run: RunFolder | None) -> list[QgsMapLayer]:
    """Return the project's raster layers that cannot be used as images.

    These are layers of a run and its inputs, results of clicks, and layers that are not files.
    """
    images = _images(run)
    return [layer for layer in _rasters() if layer not in images or file_of(layer) is None]


def not_files(run: RunFolder | None) -> list[str]:
    """Return the names of image layers that cannot be used because they are not files."""
    return [layer.name() for layer in _images(run) if file_of(layer) is None]


def file_of(layer: QgsRasterLayer) -> Path | None:
    """Return the file of a layer, or None if it is not a plain file.

    The engine gets only a path, and would read something else if the layer is a subdataset, is in
    an archive or on a server, or has open options.
    """
    path = project_runs.source_path(layer)
    if path is None or Path(layer.source()) != path or not is_file(path):
        return None
    return path


def pixel_m(layer: QgsRasterLayer) -> float:
    """Return the approximate pixel size of a layer, metres."""
    crs, down = layer.crs(), layer.rasterUnitsPerPixelY()
    if crs.isGeographic():
        return abs(down) * _DEGREE_M
    metres = QgsUnitTypes.fromUnitToUnitFactor(crs.mapUnits(), Qgis.DistanceUnit.Meters)
    return math.sqrt(abs(layer.rasterUnitsPerPixelX() * down)) * metres


def rank(layer: QgsRasterLayer) -> tuple[bool, float]:
    """Return a sort key that puts layers on the Moon first, highest resolution first."""
    return moon_crs.body(layer.crs()) != moon_crs.MOON, pixel_m(layer)


def _rasters() -> list[QgsRasterLayer]:
    layers = QgsProject.instance().mapLayers().values()
    return [layer for layer in layers if isinstance(layer, QgsRasterLayer)]


def _images(run: RunFolder | None) -> list[QgsRasterLayer]:
    """Return the image layers, whether they are files or not."""
    inputs = run.inputs if run is not None else ()
    return [layer for layer in _rasters() if _is_image(layer, inputs)]


def _is_image(layer: QgsRasterLayer, inputs: tuple[Input, ...]) -> bool:
    path = project_runs.source_path(layer)
    if not layer.isValid() or layer.providerType() != "gdal" or path is None:
        return False
    if layer.customProperty(moon_layers.BASEMAP) or is_result(layer) or runs_of([path]):
        return False
    return not any(each.is_like(path) for each in inputs)


def _point(layer: QgsRasterLayer, place: Place) -> QgsPointXY:
    crs = layer.crs()
    body = moon_crs.body(crs)
    if body != moon_crs.MOON:
        problem = f"is on {body or 'another body'}" if crs.isValid() else "has no CRS"
        raise CrsError(
            f"The image {layer.name()} {problem}, so places on the Moon cannot be located in it",
            "Choose another image, or set the layer to a lunar CRS",
        )
    return map_place.point_on(crs, place.x_m, place.y_m)


def _clip(first: int, count: int, length: int) -> tuple[int, int]:
    """Clip a range to a length; return its start and its count."""
    start, stop = max(first, 0), min(first + count, length)
    return start, stop - start
