"""The columns of the feature table that are computed from the pixels of one layer."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.context import QuietContext
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.dem import warn_of_assumptions
from lunarsite.engine.io.elevation.numbers import metres_per_unit
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.heights import check_heights
from lunarsite.engine.scoring.features import cells, columns, shadow
from lunarsite.engine.scoring.features.columns import USER_LAYERS
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

    Float32 = NDArray[np.float32]

_CLEARANCE_M = 500.0
_SAMPLE_PX, _SAMPLES_ACROSS = 256, 5
"""Side of the samples of a given layer, pixels, and their number in each direction."""


_MAX_ERROR_M = 1_000.0
"""Greatest error of a height, metres."""

_OWN_DESCRIPTIONS = {
    "illumination": "Average illumination",
    "earth_visibility": "Earth visibility",
    "psr": "Permanent shadow",
}
"""Descriptions of our own layers that may be given in place of computed ones."""

_LIMITS_DEG = (5, 8)
_STRIP_PX, _LEAST_STRIP_ROWS = 16_000_000, 4
"""Pixels of a strip, about, and its rows of cells at least."""

_PIXEL_BYTES = 64
"""Memory for a pixel of a strip: four of its float32 copies, within a quarter of the limit."""


def of_layer(  # noqa: C901, PLR0911  one return for each kind of layer
    source: str,
    path: str,
    grid: Grid,
    coarse: Grid,
    side: int,
    full: Float32,
    context: Context,
) -> dict[str, Float32]:
    """Return the columns that are computed from one layer.

    Parameters
    ----------
    source : str
        The source of `columns`, or a sensitivity.
    path : str
        The layer; one on another grid is warped.
    grid, coarse : Grid
        Grids of the elevation model and of the cells.
    side : int
        Side of a cell, pixels.
    full : ndarray of float32, shape of ``coarse``
        Pixels of every cell.
    context : Context
        Warnings, cancellation.

    Returns
    -------
    dict of ndarray of float32, shape of ``coarse``
        Columns by name; NaN for nodata.

    Raises
    ------
    InputError
        If the layer is not what it is given as.
    """
    what = f"The layer {display_name(path)} ({source})"
    if source in ("darkest_month", "longest_night"):
        values = _on_cells(path, coarse, what, context)
        name = "darkest_month_pct" if source == "darkest_month" else "longest_night_days"
        return {
            name: values,
            columns.coverage_column(source): np.where(np.isfinite(values), 100.0, 0.0).astype(
                np.float32
            ),
        }
    with _opened(source, path, grid, what, context) as read:
        made = _by_strips(source, path, read, grid, coarse, side, what, context)
    count, mean, std, low, high = made.statistics
    if source == "elevation":
        ends = np.array([[np.nanmin(low, initial=np.inf), np.nanmax(high, initial=-np.inf)]])
        check_heights(np.where(np.isfinite(ends), ends, np.nan).astype(np.float32), grid, "The DEM")
    if source in ("illumination", "earth_visibility"):
        factor = _percent_per_unit(low, high, path, what, context)
        mean, low = mean * factor, low * factor
    if source in columns.SENSITIVITIES:
        return {source: mean}
    found = {columns.coverage_column(source): (100.0 * count / full).astype(np.float32)}
    if source == "psr":
        return found | {"psr_fraction": mean} | made.more
    if source == "illumination":
        return found | {"avg_illumination_pct": mean, "illumination_min_pct": low}
    if source == "earth_visibility":
        return found | {"earth_visibility_pct": mean}
    if source in ("relief", "position_index"):
        return found | {f"{source}_mean_m": mean}
    if source == "elevation_error":
        mean, std, low, high = _as_errors((mean, std, low, high), path, what)
    unit = "deg" if source == "slope" else "m"
    for name, values in (("mean", mean), ("std", std), ("min", low), ("max", high)):
        found[f"{source}_{name}_{unit}"] = values
    return found | made.more


def check_given(source: str, path: str, grid: Grid) -> None:
    """Check a layer that the user gives by samples of it, before work that takes long.

    Parameters
    ----------
    source : str
        One of `USER_LAYERS`.
    path : str
        The layer.
    grid : Grid
        Grid of the elevation model.

    Raises
    ------
    InputError
        If the layer is not what it is given as.
    """
    what = f"The layer {display_name(path)} ({source})"
    low = high = np.float32(np.nan)
    with _opened(source, path, grid, what, QuietContext()) as read:
        for window in _samples(grid):
            pixels = read(window)
            if source == "psr":
                _check_mask(pixels, what, path)
            low, high = (
                np.fmin(low, np.fmin.reduce(pixels.ravel())),
                np.fmax(high, np.fmax.reduce(pixels.ravel())),
            )
    ends = np.full(1, low, np.float32), np.full(1, high, np.float32)
    if source in ("illumination", "earth_visibility"):
        _percent_per_unit(*ends, path, what, QuietContext())
    elif source == "elevation_error":
        _as_errors((*ends, *ends), path, what)


def _samples(grid: Grid) -> Iterator[Window]:
    """Yield windows that are spread evenly over a grid."""
    for top in np.linspace(0, max(0, grid.height - _SAMPLE_PX), _SAMPLES_ACROSS, dtype=int):
        for left in np.linspace(0, max(0, grid.width - _SAMPLE_PX), _SAMPLES_ACROSS, dtype=int):
            width, height = min(_SAMPLE_PX, grid.width), min(_SAMPLE_PX, grid.height)
            yield Window(int(left), int(top), width, height)


class _Made(NamedTuple):
    """What is computed from the pixels of a layer.

    Parameters
    ----------
    statistics : ndarray of float32, shape (5, cell rows, cell columns)
        Count, mean, standard deviation, minimum and maximum of every cell.
    more : dict
        Further columns.
    """

    statistics: Float32
    more: dict[str, Float32]


def _by_strips(
    source: str,
    path: str,
    read: Callable[[Window], Float32],
    grid: Grid,
    coarse: Grid,
    side: int,
    what: str,
    context: Context,
) -> _Made:
    """Compute the columns of a layer strip by strip, so that it is never in memory whole."""
    statistics = np.full((5, *coarse.shape), np.nan, np.float32)
    scale = moon.map_scale(*np.meshgrid(coarse.column_x_m(), coarse.row_y_m()))
    margin_m = {"slope": _CLEARANCE_M, "psr": shadow.WALK_M}.get(source, 0.0)
    reach = int(np.ceil(margin_m * scale.max() / grid.pixel_m))
    clearest = {limit: np.full(coarse.shape, np.nan, np.float32) for limit in _LIMITS_DEG}
    shadows = shadow.Shadows(grid, coarse)
    strip_px = min(_STRIP_PX, context.memory_limit_bytes // _PIXEL_BYTES)
    step = max(_LEAST_STRIP_ROWS, strip_px // (grid.width * side))
    for first in range(0, coarse.height, step):
        context.check()
        last = min(first + step, coarse.height)
        start, stop = first * side, min(last * side, grid.height)
        top, bottom = max(0, start - reach), min(grid.height, stop + reach)
        pixels = read(Window(0, top, grid.width, bottom - top))
        inner = np.ascontiguousarray(pixels[start - top : stop - top])
        statistics[:, first:last] = cells.cell_statistics(inner, side)
        if source == "slope":
            for limit, best in clearest.items():
                distance = cells.clearance(pixels, float(limit), reach)
                own = np.ascontiguousarray(distance[start - top : stop - top])
                best[first:last] = cells.cell_statistics(own, side)[4]
        elif source == "psr":
            _check_mask(inner, what, path)
            shadows.add(pixels == 1.0, top, range(start, stop), range(first, last))
    more = {}
    if source == "slope":
        for limit, best in clearest.items():
            ground = np.minimum(best * grid.pixel_m / scale, _CLEARANCE_M)
            more[f"clearance_{limit}deg_m"] = ground.astype(np.float32)
    elif source == "psr":
        more = shadows.columns(context)
    return _Made(statistics, more)


@contextmanager
def _opened(
    source: str, path: str, grid: Grid, what: str, context: Context
) -> Iterator[Callable[[Window], Float32]]:
    """Open a layer on the pixels of the DEM, and yield a function that reads windows of it."""
    if source == "elevation":
        with open_elevation(path, "The DEM") as model:
            warn_of_assumptions(model, grid, "The DEM", context)
            yield model.read
            model.warn_of_fills(context, "The DEM")
        return
    method = Resampling.nearest if source == "psr" else Resampling.bilinear
    with raster.open_layer(path, grid, what=what, resampling=method) as layer:
        _check_layer(source, path, what)
        if layer.warped:
            context.warn(f"{what} has another grid and was warped to that of the DEM.")
        yield layer.read


def _on_cells(path: str, coarse: Grid, what: str, context: Context) -> Float32:
    values, warped = raster.read_layer(path, coarse, what=what, resampling=Resampling.nearest)
    if warped:
        context.warn(f"{what} is not on the grid of the cells: nearest neighbours were used.")
    return values


def _percent_per_unit(
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


def _check_layer(source: str, path: str, what: str) -> None:
    """Refuse a result of LunarSite that is another layer, and a mask without its zeros.

    Raises
    ------
    InputError
        With the remedy.
    """
    with raster.opened(path, what) as opened:
        described = opened.descriptions[0] or ""
        own = "LUNARSITE" in opened.tags()
        if own and source in USER_LAYERS and described != _OWN_DESCRIPTIONS.get(source):
            raise InputError(
                f"{what} is a result of LunarSite that holds {described!r}",
                "Give the layer that is meant, or leave it out",
            )
        if source == "psr" and opened.nodata == 0.0:
            raise InputError(
                f"{what} declares 0, no permanent shadow, as nodata: where there is none would be "
                "unknown",
                f"Undeclare it: gdal_edit.py -unsetnodata {quoted(path)}",
            )


def _as_errors(
    statistics: tuple[Float32, Float32, Float32, Float32], path: str, what: str
) -> tuple[Float32, Float32, Float32, Float32]:
    """Return statistics of height errors in metres, checked to be errors."""
    with raster.opened(path, what) as opened:
        unit = opened.units[0] or ""
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


def _check_mask(pixels: Float32, what: str, path: str) -> None:
    invalid = np.isfinite(pixels) & (pixels != 0.0) & (pixels != 1.0)
    if invalid.any():
        raise InputError(
            f"{what} holds the value {pixels[invalid][0]:g}; 1 is permanent shadow, 0 is none",
            f"Reclassify it: gdal_calc.py -A {quoted(path)} --calc {quoted('A==1')} --outfile "
            f"{quoted(Path(path).stem + '_psr.tif')}",
        )
