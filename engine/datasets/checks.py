"""What is checked on a fetched file: its map, and what its numbers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.datasets.entries import Content
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.builtin import check_whole_numbers, compare_with_builtin
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.labels import label_beside

if TYPE_CHECKING:
    from pathlib import Path

    import pyproj
    import rasterio

    from lunarsite.engine.context import Context


def check(path: Path, content: Content, context: Context) -> list[str]:
    """Check a fetched file as far as its content allows, and return what was found.

    Parameters
    ----------
    path : Path
        The file.
    content : Content
        What it holds.
    context : Context
        Takes the warnings.

    Returns
    -------
    list of str
        Sentences: the map, and how stored numbers become values.

    Raises
    ------
    InputError
        If it is a raster and cannot be read, or of another body.
    """
    if content is Content.HEIGHTS:
        return _heights(path, context)
    return _layer(path, context) if content is Content.LAYER else []


def _heights(path: Path, context: Context) -> list[str]:
    """Check an elevation model: it is compared with the built-in one."""
    what = f"The elevation model {display_name(path)}"
    with open_elevation(path, what) as model:
        crs = raster.crs_of(model.source, what)
        model.warn(context, what)
        found = [_map_of(model.source, crs), _numbers(*model.scaling, "m")]
        if moon.is_south_polar(crs):
            grid = raster.grid_of(model.source, what)
            if not check_whole_numbers(model, grid, what, context):
                compare_with_builtin(model, grid, what, context)
    return found


def _layer(path: Path, context: Context) -> list[str]:
    """Check a map of another quantity: whole numbers without a scale may be anything."""
    what = f"The layer {display_name(path)}"
    with raster.opened(path, what) as source:
        crs = raster.crs_of(source, what)
        scale, offset = source.scales[0], source.offsets[0]
        label = label_beside(path)
        if label is not None and (scale, offset) == (1.0, 0.0):
            scale, offset = label.scale, label.offset
        whole = np.dtype(source.dtypes[0]).kind in "iu"
        masked = np.dtype(source.dtypes[0]).itemsize == 1
        if whole and not masked and (scale, offset) == (1.0, 0.0):
            context.warn(
                f"{what} holds whole numbers, and neither it nor a label beside it says what they "
                "count: its scale and offset are lost. Fetch the publisher's own file"
            )
        return [_map_of(source, crs), _numbers(scale, offset, source.units[0] or "")]


def _map_of(source: rasterio.DatasetReader, crs: pyproj.CRS) -> str:
    place = "the south polar map" if moon.is_south_polar(crs) else crs.name
    spacing = f"{source.transform.a:g}"
    return f"{source.width} × {source.height} pixels of {spacing} on {place}"


def _numbers(scale: float, offset: float, unit: str) -> str:
    in_unit = f" {unit}" if unit else ""
    if (scale, offset) == (1.0, 0.0):
        return f"stored numbers are the values{in_unit and ' in'}{in_unit}"
    return f"value = stored number × {scale:g} + {offset:g}{in_unit}, as the label says"
