"""Which pixels of an image lie around a place, and which layers are images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import Qgis, QgsMapLayer, QgsPointXY, QgsProject, QgsRasterLayer, QgsUnitTypes

from lunarsite.engine.errors import CrsError, InputError
from lunarsite.lunarsite_plugin.runs import folder as run_folder
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.uncertainty import layers as image_layers
from lunarsite.qgis_common import map_place, moon_crs

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.runs.folder import Input, RunFolder
    from lunarsite.qgis_common.map_place import Place

_DEGREE_M = 30_323.0
"""Of latitude, on the Moon."""


@dataclass(frozen=True, slots=True)
class ImageWindow:
    """A square of pixels around a place, cut off at the edges of its image.

    ``point`` is the place in the coordinates of the layer; ``column`` and ``row`` are the first
    pixel's.
    """

    path: Path
    point: QgsPointXY
    column: int
    row: int
    columns: int
    rows: int

    def text(self) -> str:
        """Return it as `segment-terrain` takes it."""
        return f"{self.column},{self.row},{self.columns},{self.rows}"


def around(layer: QgsRasterLayer, place: Place, side_px: int) -> ImageWindow:
    """Return the window of an image around a place.

    Raises
    ------
    CrsError
        If the image has no place on the Moon.
    InputError
        If the place lies outside it, or it is no file.
    """
    path = file_of(layer)
    if path is None:
        raise InputError(
            f"The image {layer.name()} is no file of its own",
            "Save it as a GeoTIFF: Export, Save As",
        )
    point = _point(layer, place)
    extent = layer.extent()
    if not extent.contains(point):
        raise InputError(
            f"The place lies outside the image {layer.name()}",
            "Click on the image; Go to shows where it lies",
        )
    across = (point.x() - extent.xMinimum()) / extent.width()
    down = (extent.yMaximum() - point.y()) / extent.height()
    column = min(math.floor(across * layer.width()), layer.width() - 1)
    row = min(math.floor(down * layer.height()), layer.height() - 1)
    left, columns = _cut(column - side_px // 2, side_px, layer.width())
    top, rows = _cut(row - side_px // 2, side_px, layer.height())
    return ImageWindow(path, point, left, top, columns, rows)


def others(run: RunFolder | None) -> list[QgsMapLayer]:
    """Return the project's raster layers that are no images.

    They are of a run, or what one is made of; a click has left them; or they are no files.
    """
    shown = _pictures(run)
    return [layer for layer in _rasters() if layer not in shown or file_of(layer) is None]


def no_files(run: RunFolder | None) -> list[str]:
    """Return the names of layers that are not among the images only because they are no files."""
    return [layer.name() for layer in _pictures(run) if file_of(layer) is None]


def file_of(layer: QgsRasterLayer) -> Path | None:
    """Return the file that a layer shows as it is.

    None for a part of a file, for what lies in an archive or on a server, and for a file that is
    opened with options: the engine gets a path and nothing else, and would read another raster.
    """
    path = project_runs.source_path(layer)
    if path is None or Path(layer.source()) != path or not run_folder.is_file(path):
        return None
    return path


def pixel_m(layer: QgsRasterLayer) -> float:
    """Return about how wide the pixels of a layer are, metres."""
    crs, down = layer.crs(), layer.rasterUnitsPerPixelY()
    if crs.isGeographic():
        return down * _DEGREE_M
    metres = QgsUnitTypes.fromUnitToUnitFactor(crs.mapUnits(), Qgis.DistanceUnit.Meters)
    return math.sqrt(layer.rasterUnitsPerPixelX() * down) * metres


def rank(layer: QgsRasterLayer) -> tuple[bool, float]:
    """Return what the best image has the least of: the finest of those that lie on the Moon."""
    return moon_crs.body(layer.crs()) != moon_crs.MOON, pixel_m(layer)


def _rasters() -> list[QgsRasterLayer]:
    layers = QgsProject.instance().mapLayers().values()
    return [layer for layer in layers if isinstance(layer, QgsRasterLayer)]


def _pictures(run: RunFolder | None) -> list[QgsRasterLayer]:
    """Return the layers that show an image, be it a file or not."""
    inputs = run.inputs if run is not None else ()
    return [layer for layer in _rasters() if _is_picture(layer, inputs)]


def _is_picture(layer: QgsRasterLayer, inputs: tuple[Input, ...]) -> bool:
    path = project_runs.source_path(layer)
    if not layer.isValid() or layer.providerType() != "gdal" or path is None:
        return False
    if image_layers.of_click(layer) or run_folder.runs_of([path]):
        return False
    return not any(each.is_like(path) for each in inputs)


def _point(layer: QgsRasterLayer, place: Place) -> QgsPointXY:
    crs = layer.crs()
    body = moon_crs.body(crs)
    if body != moon_crs.MOON:
        has = f"shows {body or 'another body'}" if crs.isValid() else "has no coordinate system"
        raise CrsError(
            f"The image {layer.name()} {has}, so a click has no place in it",
            "Choose another image, or set the layer's coordinate system to one of the Moon's",
        )
    return map_place.point_on(crs, place.x_m, place.y_m)


def _cut(first: int, count: int, length: int) -> tuple[int, int]:
    """Return the part of a span that lies within a length, as its first and its count."""
    start, stop = max(first, 0), min(first + count, length)
    return start, stop - start
