"""Crater features of cells, from a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from lunarsite.engine import moon
from lunarsite.engine.scoring.features import _rim_kernels, cells, columns
from lunarsite.engine.scoring.landing import disc_statistics
from lunarsite.engine.scoring.landing.discs import LEAST_KNOWN

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.features.places import Places
    from lunarsite.engine.scoring.landing.cells import Discs

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

Bounds = tuple[float, float, float, float]

AROUND_M = 5_000.0
"""Radius around the centre of a cell in which craters are counted for the density, metres."""

_STRIP_PX = 8_000_000
"""Pixels of a strip of the mask of craters, about."""


def features(
    catalogue: pd.DataFrame, places: Places, *, frame: Bounds | None = None
) -> dict[str, Float32]:
    """Return the crater features of every place.

    Parameters
    ----------
    catalogue : DataFrame
        From `catalogue.read_catalogue`.
    places : Places
        Landing discs or cells.
    frame : tuple of float, optional
        West, south, east and north bounds of the area that was searched for craters, map metres.
        Cells outside it have no crater features and zero coverage. By default, the catalogue is
        assumed to be complete everywhere.

    Returns
    -------
    dict of ndarray of float32, shape of the cells
        Count, mean and largest diameter of the craters that reach into the landing disc (or whose
        centres are in the cell), their mean ratio of depth to diameter (NaN if unknown), the
        percentage of ground inside any crater, the density around the place, and its distance to
        the nearest rim (NaN without craters). Lengths are on the ground.
    """
    grid, coarse, side = places.grid, places.coarse, places.side
    x, y = catalogue["x_m"].to_numpy(np.float64), catalogue["y_m"].to_numpy(np.float64)
    diameter = catalogue["diameter_m"].to_numpy(np.float64)
    # A large crater's circle on the map has another centre than the crater on the ground.
    circle_x, circle_y, radius = moon.map_circle(x, y, 0.5 * diameter)
    # A disc may stick out of the model by as much as it may be unknown.
    reach = radius + (0.0 if places.discs is None else places.radius_m)
    near = (circle_x + reach >= grid.bounds[0]) & (circle_x - reach <= grid.bounds[2])
    near &= (circle_y + reach >= grid.bounds[1]) & (circle_y - reach <= grid.bounds[3])
    column, row = _pixels(grid, circle_x[near], circle_y[near])
    radius_px = radius[near] / grid.pixel_m
    mask = np.zeros(grid.shape, np.uint8)
    cells.burn_circles(mask, column, row, radius_px)
    depth = np.full(len(catalogue), np.nan)
    if "depth_m" in catalogue:
        depth = (catalogue["depth_m"] / catalogue["diameter_m"]).to_numpy(np.float64)
    if places.discs is None:
        covered = cells.cell_statistics(mask.astype(np.float32), side)[1] * 100.0
        column, row = _pixels(grid, x, y)
        layers = _in_cells(row, column, diameter, depth, coarse, side)
    else:
        covered = _covered(mask, places.discs, side)
        found = row, column, radius_px, diameter[near], depth[near]
        layers = _on_discs(*found, places, places.discs)
    layers |= {
        "crater_density_per_km2": _density(x, y, places),
        "crater_rim_distance_m": _rim_distance(circle_x, circle_y, radius, places),
    }
    shaped = {
        "crater_coverage_pct": covered.astype(np.float32),
        **{name: v.reshape(coarse.shape).astype(np.float32) for name, v in layers.items()},
    }
    searched = grid.bounds if frame is None else _both(grid.bounds, frame)
    known = _common(coarse, searched)
    for values in shaped.values():
        values[known == 0.0] = np.nan
        if places.discs is not None and frame is not None:
            values[_outside(places, frame)] = np.nan
    share = (100.0 * known).astype(np.float32)
    return {columns.coverage_column("craters"): share, **shaped}


def _pixels(grid: Grid, x: Float, y: Float) -> tuple[Float, Float]:
    """Return columns and rows of places; 0 is the centre of the first pixel."""
    return (x - grid.x_min_m) / grid.pixel_m - 0.5, (grid.y_max_m - y) / grid.pixel_m - 0.5


def _in_cells(
    row: Float, column: Float, diameter: Float, depth: Float, coarse: Grid, side: int
) -> dict[str, Float]:
    """Return the columns of the craters whose centres are in each cell, flat."""
    own_row, own_column = np.floor((row + 0.5) / side), np.floor((column + 0.5) / side)
    inside = (own_row >= 0) & (own_row < coarse.height)
    inside &= (own_column >= 0) & (own_column < coarse.width)
    cell = (own_row[inside] * coarse.width + own_column[inside]).astype(np.int64)
    count = np.bincount(cell, minlength=coarse.width * coarse.height).astype(np.float64)
    largest = np.zeros(count.size)
    np.maximum.at(largest, cell, diameter[inside])
    total = np.bincount(cell, weights=diameter[inside], minlength=count.size)
    ratio = depth[inside]
    known = np.isfinite(ratio)
    depths = np.bincount(cell[known], weights=ratio[known], minlength=count.size)
    with np.errstate(invalid="ignore"):
        mean_depth = depths / np.bincount(cell[known], minlength=count.size)
    return _named(count, np.asarray(total, np.float64), largest, mean_depth)


def _on_discs(
    row: Float,
    column: Float,
    radius_px: Float,
    diameter: Float,
    depth: Float,
    places: Places,
    discs: Discs,
) -> dict[str, Float]:
    """Return the columns of the craters that reach into each landing disc, flat."""
    grid, coarse = places.grid, places.coarse
    found = _rim_kernels.craters_on_discs(
        row,
        column,
        radius_px,
        diameter,
        depth,
        discs.row,
        discs.column,
        places.radius_m / grid.pixel_m,
        places.side,
    )
    count, total, largest, depths, known = (
        each.reshape(coarse.height * coarse.width) for each in found
    )
    with np.errstate(invalid="ignore"):
        mean_depth = depths / known
    missing = ~discs.found.ravel()
    named = _named(count, total, largest, mean_depth)
    for values in named.values():
        values[missing] = np.nan
    return named


def _named(count: Float, total: Float, largest: Float, mean_depth: Float) -> dict[str, Float]:
    return {
        "crater_count": count,
        "crater_mean_diameter_m": total / np.maximum(count, 1.0),
        "crater_max_diameter_m": largest,
        "crater_mean_depth_ratio": mean_depth,
    }


def _covered(mask: NDArray[np.uint8], discs: Discs, side: int) -> Float32:
    """Return the percentage of every landing disc that is inside a crater."""
    reach, found = discs.disc.reach, discs.found
    inside = np.full(discs.row.shape, np.nan, np.float32)
    rows = max(1, _STRIP_PX // (mask.shape[1] * side))
    for top in range(0, discs.row.shape[0], rows):
        own = np.s_[top : top + rows]
        here = found[own]
        if not here.any():
            continue
        row, column = discs.row[own][here], discs.column[own][here]
        first = max(int(row.min()) - reach, 0)
        strip = np.pad(
            mask[first : int(row.max()) + reach + 1].astype(np.float32),
            reach,
            constant_values=np.nan,
        )
        part = inside[own]
        part[here] = disc_statistics.statistics_at(
            strip, discs.disc.half_widths, row - first + reach, column + reach
        )[1]
    return inside * np.float32(100.0)


def _outside(places: Places, searched: Bounds) -> NDArray[np.bool_]:
    """Return whether a landing disc reaches more than a little beyond the searched area."""
    x, y = places.x_m, places.y_m
    across = np.minimum(x + places.radius_m, searched[2]) - np.maximum(
        x - places.radius_m, searched[0]
    )
    down = np.minimum(y + places.radius_m, searched[3]) - np.maximum(
        y - places.radius_m, searched[1]
    )
    share = across.clip(0.0) * down.clip(0.0) / (2.0 * places.radius_m) ** 2
    return np.asarray(share < LEAST_KNOWN)


def _both(one: Bounds, other: Bounds) -> Bounds:
    """Return the intersection of two boxes."""
    return (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )


def _common(coarse: Grid, box: Bounds) -> Float:
    """Return the area of the intersection of each cell with a box, in cells."""
    left = coarse.x_min_m + np.arange(coarse.width) * coarse.pixel_m
    top = coarse.y_max_m - np.arange(coarse.height) * coarse.pixel_m
    across = np.minimum(left + coarse.pixel_m, box[2]) - np.maximum(left, box[0])
    down = np.minimum(top, box[3]) - np.maximum(top - coarse.pixel_m, box[1])
    area: Float = np.multiply.outer(down.clip(0.0), across.clip(0.0)) / coarse.pixel_m**2
    return area


def _density(x: Float, y: Float, places: Places) -> Float:
    """Return the number of craters per square kilometre around each place.

    Ground outside the area of the catalogue counts as free of craters.
    """
    at = np.column_stack([places.x_m.ravel(), places.y_m.ravel()])
    scale = moon.map_scale(at[:, 0], at[:, 1])
    count = cKDTree(np.column_stack([x, y])).query_ball_point(
        at, AROUND_M * scale, return_length=True
    )
    density: Float = np.asarray(count, np.float64) / (np.pi * (AROUND_M / 1000.0) ** 2)
    return density


def _rim_distance(x: Float, y: Float, radius: Float, places: Places) -> Float:
    """Return the ground distance from each place to the nearest rim, metres."""
    if x.size == 0:
        return np.full(places.x_m.size, np.nan)
    coarse = places.coarse
    column, row = _pixels(coarse, x, y)
    at_x, at_y = _pixels(coarse, places.x_m, places.y_m)
    cells_away = _rim_kernels.rim_distance(at_y, at_x, column, row, radius / coarse.pixel_m)
    distance_m: Float = cells_away * coarse.pixel_m / moon.map_scale(places.x_m, places.y_m)
    return distance_m.ravel()
