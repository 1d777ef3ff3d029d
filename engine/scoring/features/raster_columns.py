"""The columns of the feature table that are computed from the pixels of one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.context import QuietContext
from lunarsite.engine.io import raster
from lunarsite.engine.io.heights import check_heights
from lunarsite.engine.scoring.features import cells, columns, shadow, source_layers
from lunarsite.engine.scoring.landing import disc_statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.features.places import Places
    from lunarsite.engine.scoring.landing.cells import Discs

    Float32 = NDArray[np.float32]

_CONTEXT = {
    "slope": "cell_slope_mean_deg",
    "roughness": "cell_roughness_mean_m",
    "illumination": "cell_illumination_pct",
    "earth_visibility": "cell_earth_visibility_pct",
}
"""Columns with the mean of a source over the cell, beside its landing disc."""

_SAMPLE_PX, _SAMPLES_ACROSS = 256, 5
"""Side of the samples of a given layer, pixels, and their number in each direction."""


_LIMITS_DEG = (5, 8)
_STRIP_PX, _LEAST_STRIP_ROWS = 16_000_000, 4
"""Pixels of a strip, about, and its rows of cells at least."""

_PIXEL_BYTES = 64
"""Memory for a pixel of a strip: four of its float32 copies, within a quarter of the limit."""


def of_layer(  # noqa: C901, PLR0911  one return for each kind of layer
    source: str, path: str, places: Places, context: Context
) -> dict[str, Float32]:
    """Return the columns that are computed from one layer.

    Parameters
    ----------
    source : str
        The source of `columns`, or a sensitivity.
    path : str
        The layer; one on another grid is warped.
    places : Places
        Cells, and the landing discs in them.
    context : Context
        Warnings, cancellation.

    Returns
    -------
    dict of ndarray of float32, shape of the cells
        Columns by name; NaN for nodata. Features are of the landing discs, if there are any;
        coverage and context are of the cells.

    Raises
    ------
    InputError
        If the layer is not what it is given as.
    """
    what = source_layers.name_of(source, path)
    coarse = places.coarse
    if source in ("darkest_month", "longest_night"):
        values = _on_cells(path, coarse, what, context)
        name = "darkest_month_pct" if source == "darkest_month" else "longest_night_days"
        return {
            name: values,
            columns.coverage_column(source): np.where(np.isfinite(values), 100.0, 0.0).astype(
                np.float32
            ),
        }
    with source_layers.opened(source, path, places.grid, what, context) as read:
        made = _by_strips(source, path, read, places, what, context)
    count, cell_mean, _, cell_low, cell_high = made.of_cells
    _, mean, std, low, high = made.statistics
    if source == "elevation":
        ends = np.array(
            [[np.nanmin(cell_low, initial=np.inf), np.nanmax(cell_high, initial=-np.inf)]]
        )
        check_heights(
            np.where(np.isfinite(ends), ends, np.nan).astype(np.float32), places.grid, "The DEM"
        )
    if source in ("illumination", "earth_visibility"):
        factor = source_layers.percent_per_unit(cell_low, cell_high, path, what, context)
        mean, low, cell_mean = mean * factor, low * factor, cell_mean * factor
    if source in columns.SENSITIVITIES:
        return {source: mean}
    found = {columns.coverage_column(source): (100.0 * count / places.side**2).astype(np.float32)}
    if places.discs is not None and source in _CONTEXT:
        found[_CONTEXT[source]] = cell_mean
    if source == "psr":
        return found | {"psr_fraction": mean} | made.more
    if source == "illumination":
        return found | {"avg_illumination_pct": mean, "illumination_min_pct": low}
    if source == "earth_visibility":
        return found | {"earth_visibility_pct": mean}
    if source in ("relief", "position_index"):
        return found | {f"{source}_mean_m": mean}
    if source == "elevation_error":
        mean, std, low, high = source_layers.as_errors((mean, std, low, high), path, what)
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
    what = source_layers.name_of(source, path)
    low = high = np.float32(np.nan)
    with source_layers.opened(source, path, grid, what, QuietContext()) as read:
        for window in _samples(grid):
            pixels = read(window)
            if source == "psr":
                source_layers.check_mask(pixels, what, path)
            low, high = (
                np.fmin(low, np.fmin.reduce(pixels.ravel())),
                np.fmax(high, np.fmax.reduce(pixels.ravel())),
            )
    ends = np.full(1, low, np.float32), np.full(1, high, np.float32)
    if source in ("illumination", "earth_visibility"):
        source_layers.percent_per_unit(*ends, path, what, QuietContext())
    elif source == "elevation_error":
        source_layers.as_errors((*ends, *ends), path, what)


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
    of_cells : ndarray of float32, shape (5, cell rows, cell columns)
        Count, mean, standard deviation, minimum and maximum of every cell.
    statistics : ndarray of float32, same shape
        The same of the place that is evaluated: of the landing disc, or of the cell.
    more : dict
        Further columns.
    """

    of_cells: Float32
    statistics: Float32
    more: dict[str, Float32]


def _by_strips(
    source: str,
    path: str,
    read: Callable[[Window], Float32],
    places: Places,
    what: str,
    context: Context,
) -> _Made:
    """Compute the columns of a layer strip by strip, so that it is never in memory whole."""
    grid, coarse, side = places.grid, places.coarse, places.side
    statistics = np.full((5, *coarse.shape), np.nan, np.float32)
    of_discs = statistics if places.discs is None else statistics.copy()
    scale = moon.map_scale(places.x_m, places.y_m)
    margin_m = {"slope": cells.CLEARANCE_M, "psr": shadow.WALK_M + places.wander_m}.get(source, 0.0)
    reach = max(int(np.ceil(margin_m * scale.max() / grid.pixel_m)), places.reach)
    clearest = {limit: np.full(coarse.shape, np.nan, np.float32) for limit in _LIMITS_DEG}
    shadows = shadow.Shadows(places)
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
        if places.discs is not None:
            of_discs[:, first:last] = _on_discs(pixels, top, places.discs, slice(first, last))
        if source == "slope":
            for limit, best in clearest.items():
                distance = cells.clearance(pixels, float(limit), reach)
                if places.discs is not None:
                    best[first:last] = _at_centers(distance, top, places.discs, slice(first, last))
                    continue
                own = np.ascontiguousarray(distance[start - top : stop - top])
                best[first:last] = cells.cell_statistics(own, side)[4]
        elif source == "psr":
            source_layers.check_mask(inner, what, path)
            shadows.add(pixels, top, range(start, stop), range(first, last))
    more = {}
    if source == "slope":
        for limit, best in clearest.items():
            ground = np.minimum(best * grid.pixel_m / scale, cells.CLEARANCE_M)
            more[f"clearance_{limit}deg_m"] = ground.astype(np.float32)
    elif source == "psr":
        more = shadows.columns(context)
    return _Made(statistics, of_discs, more)


def _on_discs(pixels: Float32, top: int, discs: Discs, own: slice) -> Float32:
    """Return the statistics on the discs of some rows of cells, NaN where a cell has none."""
    reach = discs.disc.reach
    row, column = discs.row[own], discs.column[own]
    out = np.full((5, *row.shape), np.nan, np.float32)
    found = row >= 0
    out[:, found] = disc_statistics.statistics_at(
        np.pad(pixels, reach, constant_values=np.nan),
        discs.disc.half_widths,
        row[found] - top + reach,
        column[found] + reach,
    )
    return out


def _at_centers(pixels: Float32, top: int, discs: Discs, own: slice) -> Float32:
    """Return the pixels at the centres of the discs, NaN where a cell has none."""
    row, column = discs.row[own], discs.column[own]
    found = row >= 0
    out = np.full(row.shape, np.nan, np.float32)
    out[found] = pixels[row[found] - top, column[found]]
    return out


def _on_cells(path: str, coarse: Grid, what: str, context: Context) -> Float32:
    values, warped = raster.read_layer(path, coarse, what=what, resampling=Resampling.nearest)
    if warped:
        context.warn(f"{what} is not on the grid of the cells: nearest neighbours were used.")
    return values
