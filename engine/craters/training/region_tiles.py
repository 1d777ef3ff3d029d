"""Training tiles of a region at random places, turned and at random pixel sizes.

One region of real ground thus shows its craters at many sizes in pixels. Half of the tiles are
seen as a search sees them, without interpolation: unturned, at a scale of the pyramid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from lunarsite.engine import moon
from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX
from lunarsite.engine.craters.training.batches import Sample, size_of
from lunarsite.engine.training.sample_cache import SampleCache

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.craters.pyramid import Level
    from lunarsite.engine.craters.training.region import Region

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

STRETCH = (0.3, 1.3)
"""Heights are scaled by a random factor in this range, from less than `inputs.RELIEF`, that of a
search, to relief as steep as that of small craters: large ones lie on gentler ground."""

LEAST_KNOWN = 0.4
"""Least share of a tile that has heights, where a place with so many can be drawn."""

_TRIES = 30
_SEEN = 0.5
"""Circles of less than this share of the least radius that is learned are left out."""


@dataclass(frozen=True, slots=True)
class _View:
    """Where a tile lies: its centre on a scale, the side of its pixel there, and its turn."""

    level: Level
    column: float
    row: float
    step: float
    angle: float


def source(
    region: Region,
    side_px: int,
    pixel_scale: tuple[float, float],
    seed: int,
    capacity_bytes: int,
) -> SampleCache[Sample]:
    """Return a source of tiles by number.

    Parameters
    ----------
    region : Region
        The ground; places without heights stay without.
    side_px : int
        Side of the tiles.
    pixel_scale : tuple of float
        Least and largest pixel of a tile, in pixels of the region.
    seed : int
        The same seed and number give the same tile.
    capacity_bytes : int
        Memory that cached tiles may occupy.
    """
    levels = region.levels()
    places = np.argwhere(np.isfinite(levels[0].height_m))

    def load(number: int) -> Sample:
        rng = np.random.default_rng([seed, number])
        height, view = _drawn(levels, places, side_px, pixel_scale, rng)
        circles = _circles(region, view, side_px)
        stretch = math.exp(rng.uniform(*np.log(STRETCH)))
        pixel_m = view.level.grid.pixel_m * view.step
        channels = inputs.channels(height, pixel_m / stretch).astype(np.float16)
        least_px = 0.5 * region.least_m * _scale_at(view) / pixel_m
        return Sample(channels, circles, least_px)

    if not len(places):
        raise ValueError("the region has no heights")
    return SampleCache(load, size_of, capacity_bytes)


def _drawn(
    levels: list[Level],
    places: NDArray[np.int64],
    side_px: int,
    pixel_scale: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Float32, _View]:
    """Return the heights of a tile at a place where most of it is known, and where it lies."""
    best = _at_random(levels, places, side_px, pixel_scale, rng)
    for _ in range(_TRIES):
        if best[2] >= LEAST_KNOWN:
            break
        other = _at_random(levels, places, side_px, pixel_scale, rng)
        best = max(best, other, key=lambda each: each[2])
    return best[:2]


def _at_random(
    levels: list[Level],
    places: NDArray[np.int64],
    side_px: int,
    pixel_scale: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Float32, _View, float]:
    """Return the heights of a tile, where it lies, and the share that is known."""
    view = _view(levels, places[rng.integers(len(places))], pixel_scale, rng)
    height = _heights(view, side_px)
    return height, view, float(np.isfinite(height).mean())


def _view(
    levels: list[Level],
    place: NDArray[np.int64],
    pixel_scale: tuple[float, float],
    rng: np.random.Generator,
) -> _View:
    as_searched = rng.random() < 0.5
    factor = 2.0 ** rng.uniform(*np.log2(pixel_scale))
    if as_searched:
        factor = 2.0 ** max(0.0, round(math.log2(factor)))
    number = min(max(0, math.floor(math.log2(factor) + 1e-9)), len(levels) - 1)
    level, scale = levels[number], 2.0**number
    finest = levels[0].grid
    x = finest.x_min_m + (place[1] + 0.5) * finest.pixel_m
    y = finest.y_max_m - (place[0] + 0.5) * finest.pixel_m
    column = (x - level.grid.x_min_m) / level.grid.pixel_m - 0.5
    row = (level.grid.y_max_m - y) / level.grid.pixel_m - 0.5
    if as_searched:
        # Between the middle pixels of a tile with an even side.
        return _View(level, math.floor(column) + 0.5, math.floor(row) + 0.5, 1.0, 0.0)
    return _View(level, column, row, factor / scale, rng.uniform(0.0, 2.0 * math.pi))


def _heights(view: _View, side_px: int) -> Float32:
    """Return the heights of a tile, NaN where there are none."""
    half = 0.5 * (side_px - 1)
    if view.step == 1.0 and view.angle == 0.0:
        first_row, first_column = round(view.row - half), round(view.column - half)
        return view.level.around(first_row, first_column, side_px, side_px)
    reach = math.ceil(half * view.step * math.sqrt(2.0)) + 3
    top, left = math.floor(view.row) - reach, math.floor(view.column) - reach
    window = view.level.around(top, left, 2 * reach + 2, 2 * reach + 2)
    known = np.isfinite(window)
    if not known.any():
        return np.full((side_px, side_px), np.nan, np.float32)
    # Gaps take the nearest height, so that the spline does not swing there.
    if not known.all():
        nearest = ndimage.distance_transform_edt(
            ~known, return_distances=False, return_indices=True
        )
        window = window[tuple(nearest)]
    along = np.arange(side_px) - half
    u, v = np.meshgrid(along, along)
    sine, cosine = math.sin(view.angle), math.cos(view.angle)
    row = view.row + view.step * (sine * u + cosine * v) - top
    column = view.column + view.step * (cosine * u - sine * v) - left
    base = np.float32(window.mean())
    height: Float32 = ndimage.map_coordinates(window - base, [row, column], order=3) + base
    # Between the pixels, no spline is sharper than the ground seen through pixels of this size.
    if view.step > 1.0:
        height = ndimage.gaussian_filter(height, 0.35 * math.sqrt(1.0 - view.step**-2.0))
    covered = ndimage.map_coordinates(known.astype(np.float32), [row, column], order=1)
    return np.where(covered > 0.5, height, np.float32(np.nan)).astype(np.float32)


def _circles(region: Region, view: _View, side_px: int) -> Float:
    """Return the circles that reach into a tile: column, row, radius, certain, depth."""
    grid, known = view.level.grid, region.known
    dx = ((known.x_m - grid.x_min_m) / grid.pixel_m - 0.5 - view.column) / view.step
    dy = ((grid.y_max_m - known.y_m) / grid.pixel_m - 0.5 - view.row) / view.step
    sine, cosine = math.sin(view.angle), math.cos(view.angle)
    half = 0.5 * (side_px - 1)
    column = cosine * dx + sine * dy + half
    row = cosine * dy - sine * dx + half
    radius = known.radius_m / (grid.pixel_m * view.step)
    inside = np.minimum(np.minimum(column, side_px - column), np.minimum(row, side_px - row))
    kept = (inside > -radius) & (radius <= side_px) & (radius >= _SEEN * LEAST_RADIUS_PX)
    certain = known.confidence[kept] >= 1.0
    depth = np.full(certain.size, np.nan)
    circles: Float = np.column_stack([column[kept], row[kept], radius[kept], certain, depth])
    return circles


def _scale_at(view: _View) -> float:
    """Return the map scale at the centre of a tile."""
    grid = view.level.grid
    x = grid.x_min_m + (view.column + 0.5) * grid.pixel_m
    y = grid.y_max_m - (view.row + 0.5) * grid.pixel_m
    return float(moon.map_scale(x, y))
