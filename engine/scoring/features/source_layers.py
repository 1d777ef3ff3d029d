"""Layers from which features are computed, opened on the pixels of the DEM and checked."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import Resampling

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.dem import warn_of_assumptions
from lunarsite.engine.io.elevation.numbers import metres_per_unit
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.scoring.features.columns import USER_LAYERS
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

    Float32 = NDArray[np.float32]

_MAX_ERROR_M = 1_000.0
"""Greatest error of a height, metres."""

_OWN_DESCRIPTIONS = {
    "illumination": "Average illumination",
    "earth_visibility": "Earth visibility",
    "psr": "Permanent shadow",
}
"""Descriptions of our own layers that may be given in place of computed ones."""

SCAN_PX = 2048
"""Side of the windows in which a whole layer is scanned, pixels."""

NEAREST = ("psr",)
"""Sources that are not interpolated."""


def name_of(source: str, path: str) -> str:
    """Return the name of a layer in messages."""
    return f"The layer {display_name(path)} ({source})"


@contextmanager
def opened(
    source: str, path: str, grid: Grid, what: str, context: Context
) -> Iterator[Callable[[Window], Float32]]:
    """Open a layer on the pixels of the DEM, and yield a function that reads windows of it."""
    if source == "elevation":
        with open_elevation(path, "The DEM") as model:
            warn_of_assumptions(model, grid, "The DEM", context)
            yield model.read
            model.warn_of_fills(context, "The DEM")
        return
    method = Resampling.nearest if source in NEAREST else Resampling.bilinear
    with raster.open_layer(path, grid, what=what, resampling=method) as layer:
        check_layer(source, path, what)
        if layer.warped:
            context.warn(f"{what} has another grid and was warped to that of the DEM.")
        yield layer.read


def percent_per_unit(
    lowest: Float32, highest: Float32, path: str, what: str, context: Context
) -> np.float32:
    """Return the factor that converts shares of time to percent: 100 for fractions, else 1.

    If the unit of the band is percent, it is trusted: the maximum of a dark area may be below 1 %.
    """
    with raster.opened(path, what) as source:
        unit = (source.units[0] or "").strip()
    high = float(np.nanmax(highest, initial=0.0))
    low = float(np.nanmin(lowest, initial=0.0))
    if low < -0.01 or high > 100.5:
        raise InputError(
            f"{what} ranges from {low:g} to {high:g}; a share of time lies within 0 to 100 %",
            "Check the layer's scale and offset",
        )
    if unit != "%" and 0.0 < high <= 1.0001:
        context.warn(f"{what} holds fractions; they were multiplied by 100.")
        return np.float32(100.0)
    return np.float32(1.0)


def check_layer(source: str, path: str, what: str) -> None:
    """Refuse a result of LunarSite that is another layer, and a mask without its zeros.

    Raises
    ------
    InputError
        With the remedy.
    """
    with raster.opened(path, what) as dataset:
        described = dataset.descriptions[0] or ""
        own = "LUNARSITE" in dataset.tags()
        if own and source in USER_LAYERS and described != _OWN_DESCRIPTIONS.get(source):
            raise InputError(
                f"{what} is a result of LunarSite that holds {described!r}",
                "Give the layer that is meant, or leave it out",
            )
        if source == "psr" and dataset.nodata == 0.0:
            raise InputError(
                f"{what} declares 0, no permanent shadow, as nodata: where there is none would be "
                "unknown",
                f"Undeclare it: gdal_edit.py -unsetnodata {quoted(path)}",
            )


def as_errors(
    statistics: tuple[Float32, Float32, Float32, Float32], path: str, what: str
) -> tuple[Float32, Float32, Float32, Float32]:
    """Return statistics of height errors in metres, checked to be errors."""
    with raster.opened(path, what) as dataset:
        unit = dataset.units[0] or ""
    metres = metres_per_unit(unit)
    if metres is None:
        raise InputError(
            f"{what} is in {unit!r}; errors of heights in metres are needed",
            "Give the layer that is meant, or correct its unit",
        )
    mean, std, low, high = (values * np.float32(metres) for values in statistics)
    lowest, highest = float(np.nanmin(low, initial=0.0)), float(np.nanmax(high, initial=0.0))
    if lowest < 0.0 or highest > _MAX_ERROR_M:
        raise InputError(
            f"{what} ranges from {lowest:g} to {highest:g} m; errors of heights lie within 0 and "
            f"{_MAX_ERROR_M:g} m",
            "Give the layer of errors, not the heights, and check its unit",
        )
    return mean, std, low, high


def check_mask(pixels: Float32, what: str, path: str, *, averaged: bool = False) -> None:
    """Refuse a mask of permanent shadow with other values than 0 and 1, or averages of others."""
    # Averages of ones may differ from 1 in the last digits.
    valid = np.abs(pixels - 0.5) <= 0.5 + 1e-5 if averaged else (pixels == 0.0) | (pixels == 1.0)
    invalid = np.isfinite(pixels) & ~valid
    if invalid.any():
        raise InputError(
            f"{what} holds the value {pixels[invalid][0]:g}; 1 is permanent shadow, 0 is none",
            f"Reclassify it: gdal_calc.py -A {quoted(path)} --calc {quoted('A==1')} --outfile "
            f"{quoted(Path(path).stem + '_psr.tif')}",
        )
