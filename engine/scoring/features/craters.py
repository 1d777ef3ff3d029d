"""Crater features of cells, from a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from lunarsite.engine import moon
from lunarsite.engine.scoring.features import _rim_kernels, cells, columns

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

Bounds = tuple[float, float, float, float]

AROUND_M = 5_000.0
"""Radius around the centre of a cell in which craters are counted for the density, metres."""


def features(
    catalogue: pd.DataFrame,
    grid: Grid,
    coarse: Grid,
    side: int,
    full: Float32,
    *,
    frame: Bounds | None = None,
) -> dict[str, Float32]:
    """Return the crater features of every cell.

    Parameters
    ----------
    catalogue : DataFrame
        From `catalogue.read_catalogue`.
    grid, coarse : Grid
        Grids of the pixels and of the cells.
    side : int
        Side of a cell, pixels.
    full : ndarray of float32, shape of ``coarse``
        Number of pixels of each cell.
    frame : tuple of float, optional
        West, south, east and north bounds of the area that was searched for craters, map metres.
        Cells outside it have no crater features and zero coverage. By default, the catalogue is
        assumed to be complete everywhere.

    Returns
    -------
    dict of ndarray of float32, shape of ``coarse``
        Count, mean and largest diameter of the craters whose centres are in the cell, their mean
        ratio of depth to diameter (NaN if unknown), the percentage inside any crater, the density
        around the centre of the cell, and its distance to the nearest rim (NaN without craters).
        Lengths are on the ground.
    """
    x, y = catalogue["x_m"].to_numpy(np.float64), catalogue["y_m"].to_numpy(np.float64)
    scale, diameter = moon.map_scale(x, y), catalogue["diameter_m"].to_numpy(np.float64)
    radius = 0.5 * diameter * scale
    near = (x + radius >= grid.bounds[0]) & (x - radius <= grid.bounds[2])
    near &= (y + radius >= grid.bounds[1]) & (y - radius <= grid.bounds[3])
    column, row = (x - grid.x_min_m) / grid.pixel_m - 0.5, (grid.y_max_m - y) / grid.pixel_m - 0.5
    mask = np.zeros(grid.shape, np.uint8)
    cells.burn_circles(mask, column[near], row[near], radius[near] / grid.pixel_m)
    covered = cells.cell_statistics(mask.astype(np.float32), side)[1] * 100.0
    own_row, own_column = np.floor((row + 0.5) / side), np.floor((column + 0.5) / side)
    inside = (own_row >= 0) & (own_row < coarse.height)
    inside &= (own_column >= 0) & (own_column < coarse.width)
    cell = (own_row[inside] * coarse.width + own_column[inside]).astype(np.int64)
    count = np.bincount(cell, minlength=coarse.width * coarse.height)
    largest = np.zeros(count.size)
    np.maximum.at(largest, cell, diameter[inside])
    total = np.bincount(cell, weights=diameter[inside], minlength=count.size)
    flat = {
        "crater_count": count,
        "crater_mean_diameter_m": total / np.maximum(count, 1),
        "crater_max_diameter_m": largest,
        "crater_mean_depth_ratio": _depth_ratio(catalogue, inside, cell, count.size),
        "crater_density_per_km2": _density(x, y, coarse),
        "crater_rim_distance_m": _rim_distance(x, y, radius, coarse),
    }
    layers = {
        "crater_coverage_pct": covered.astype(np.float32),
        **{name: v.reshape(coarse.shape).astype(np.float32) for name, v in flat.items()},
    }
    known = _share_inside(coarse, grid, frame) if frame else np.ones(coarse.shape)
    for values in layers.values():
        values[known == 0.0] = np.nan
    share = np.where(full > 0, 100.0 * known, 0.0).astype(np.float32)
    return {columns.coverage_column("craters"): share, **layers}


def _share_inside(coarse: Grid, grid: Grid, frame: Bounds) -> Float:
    """Return the share of each cell, as far as it is on the grid, that is in a frame, 0 to 1."""
    west, south, east, north = grid.bounds
    both = (
        max(west, frame[0]),
        max(south, frame[1]),
        min(east, frame[2]),
        min(north, frame[3]),
    )
    share: Float = _common(coarse, both) / np.maximum(_common(coarse, grid.bounds), 1e-9)
    return share


def _common(coarse: Grid, box: Bounds) -> Float:
    """Return the area of the intersection of each cell with a box, in cells."""
    left = coarse.x_min_m + np.arange(coarse.width) * coarse.pixel_m
    top = coarse.y_max_m - np.arange(coarse.height) * coarse.pixel_m
    across = np.minimum(left + coarse.pixel_m, box[2]) - np.maximum(left, box[0])
    down = np.minimum(top, box[3]) - np.maximum(top - coarse.pixel_m, box[1])
    area: Float = np.multiply.outer(down.clip(0.0), across.clip(0.0)) / coarse.pixel_m**2
    return area


def _depth_ratio(
    catalogue: pd.DataFrame, inside: NDArray[np.bool_], cell: NDArray[np.int64], size: int
) -> Float:
    if "depth_m" not in catalogue:
        return np.full(size, np.nan)
    ratio = (catalogue["depth_m"] / catalogue["diameter_m"]).to_numpy(np.float64)[inside]
    known = np.isfinite(ratio)
    total = np.bincount(cell[known], weights=ratio[known], minlength=size)
    with np.errstate(invalid="ignore"):
        mean: Float = total / np.bincount(cell[known], minlength=size)
    return mean


def _density(x: Float, y: Float, coarse: Grid) -> Float:
    """Return the number of craters per square kilometre around the centre of each cell.

    Ground outside the area of the catalogue counts as free of craters.
    """
    centers = _centers(coarse)
    scale = moon.map_scale(centers[:, 0], centers[:, 1])
    count = cKDTree(np.column_stack([x, y])).query_ball_point(
        centers, AROUND_M * scale, return_length=True
    )
    density: Float = np.asarray(count, np.float64) / (np.pi * (AROUND_M / 1000.0) ** 2)
    return density


def _rim_distance(x: Float, y: Float, radius: Float, coarse: Grid) -> Float:
    """Return the ground distance from the centre of each cell to the nearest rim, metres."""
    if x.size == 0:
        return np.full(coarse.width * coarse.height, np.nan)
    column = (x - coarse.x_min_m) / coarse.pixel_m - 0.5
    row = (coarse.y_max_m - y) / coarse.pixel_m - 0.5
    cells_away = _rim_kernels.rim_distance(
        *coarse.shape, column, row, radius / coarse.pixel_m
    ).ravel()
    centers = _centers(coarse)
    scale = moon.map_scale(centers[:, 0], centers[:, 1])
    distance_m: Float = cells_away * coarse.pixel_m / scale
    return distance_m


def _centers(coarse: Grid) -> Float:
    rows, columns_ = np.mgrid[: coarse.height, : coarse.width]
    x = coarse.x_min_m + (columns_.ravel() + 0.5) * coarse.pixel_m
    y = coarse.y_max_m - (rows.ravel() + 0.5) * coarse.pixel_m
    return np.column_stack([x, y])
