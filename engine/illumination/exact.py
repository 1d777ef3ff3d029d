"""Exact horizons of single places: a march along great circles, in all bearings.

The sweep of `horizon` gives every pixel a mean of the lines beside it, which errs where a pixel and
its neighbours differ most: on crests. Here the ray starts at the place itself. It is followed
through all terrain, but cells of a pyramid of maxima are skipped where they cannot rise above the
horizon found so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.illumination import _glimpse_kernels, _horizon_kernels, _march_kernels
from lunarsite.engine.illumination._horizon_kernels import Models
from lunarsite.engine.illumination.horizon import chunks, first_pixel
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination._series_kernels import Places
    from lunarsite.engine.illumination.horizon import Sweep
    from lunarsite.engine.illumination.series import Series
    from lunarsite.engine.io.workspace import Allocator

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_CENTRE_PX = 1e-6
"""A place this near to the centre of a pixel has that pixel's height, whatever its neighbours."""


PARTS = 32
"""Parts into which the gap between two bearings is divided."""

_DEPTH = np.radians(0.15)
"""How far the horizon lies below the line between two bearings that are a degree apart, at most:
0.14° at 200 places of the ridge beside Shackleton."""


@dataclass(frozen=True, slots=True, eq=False)
class Horizons:
    """Horizons of places; arrays of float64, NaN where the height of a place is unknown.

    Parameters
    ----------
    tangent : ndarray, shape (places, bearings)
        Tangents of the elevation of the horizon.
    reach : ndarray, shape (places, bearings)
        Tangents of its angular distance.
    eye : ndarray, shape (places,)
        Radius of the observer, in radii of the Moon.
    """

    tangent: Float
    reach: Float
    eye: Float


class Rays:
    """An elevation model with its far field, prepared for exact marches.

    Parameters
    ----------
    sweep : Sweep
        The terrain; its heights are used where they are, in memory or in a work file.
    context : Context
        Threads and cancellation.
    scratch : callable, optional
        Allocates the pyramid, a twelfth of the size of the heights: `numpy.empty` or a `Scratch`.
    """

    def __init__(self, sweep: Sweep, context: Context, *, scratch: Allocator = np.empty) -> None:
        self.grid = sweep.grid
        self.mast_height_m = sweep.mast_height_m
        self._own_height_m = sweep.own_height_m
        fine = np.asarray(sweep.filled_height_m).reshape(-1)
        far = _without_gaps(sweep.far)
        own = (0.0, float(self.grid.height), float(self.grid.width), *first_pixel(self.grid))
        table = np.vstack([np.array([own]), far.table])
        table = np.column_stack([table, 1.0 / table[:, 5]])
        peaks, levels = _pyramids(fine, far.heights, table, context, scratch)
        self.terrain = _march_kernels.Terrain(fine, far.heights, table, peaks, levels)

    def ground_height_m(self, x_m: Float, y_m: Float) -> Float:
        """Return the interpolated height of places, metres; NaN outside the model and beside gaps.

        Parameters
        ----------
        x_m, y_m : ndarray of float64, shape (places,)
            Positions on the map, metres.

        Returns
        -------
        ndarray of float64, shape (places,)
            Bilinear between the centres of four pixels, which must all be known.
        """
        grid, heights = self.grid, self._own_height_m
        u = (np.asarray(x_m, np.float64) - grid.x_min_m) / grid.pixel_m - 0.5
        v = (grid.y_max_m - np.asarray(y_m, np.float64)) / grid.pixel_m - 0.5
        with np.errstate(invalid="ignore"):
            inside = (u >= -0.5) & (v >= -0.5) & (u < grid.width - 0.5) & (v < grid.height - 0.5)
        u, v = (_snapped(np.where(inside, each, 0.0)) for each in (u, v))
        u, v = np.clip(u, 0.0, grid.width - 1.0), np.clip(v, 0.0, grid.height - 1.0)
        i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        right, below = np.ceil(u).astype(np.int64), np.ceil(v).astype(np.int64)
        a, b = u - i, v - j
        first, second, third, fourth = (
            heights[row, column].astype(np.float64)
            for row, column in ((j, i), (j, right), (below, i), (below, right))
        )
        above, under = first + a * (second - first), third + a * (fourth - third)
        return np.asarray(np.where(inside, above + b * (under - above), np.nan), np.float64)

    def horizons(
        self,
        x_m: Float,
        y_m: Float,
        bearing_deg: Float,
        context: Context,
        *,
        limits: Float | None = None,
    ) -> Horizons:
        """Return the horizons of places, shared among the threads.

        Parameters
        ----------
        x_m, y_m : ndarray of float64, shape (places,)
            Positions on the map, metres.
        bearing_deg : ndarray of float64, shape (bearings,)
            Longitudes of points of the equator in the directions of view, degrees, ascending.
        context : Context
            Threads and cancellation.
        limits : ndarray of float64, shape (bearings, 2), optional
            Between what the horizons matter, as tangents of the latitude south of which a body at
            the bearing is visible. Rays end above the second, which saves half of them on a crest.

        Returns
        -------
        Horizons
            Where no terrain is known in a bearing, the horizon of a smooth sphere.
        """
        count = len(x_m)
        tangent = np.empty((count, len(bearing_deg)))
        reach = np.empty_like(tangent)
        eye = 1.0 + (self.ground_height_m(x_m, y_m) + self.mast_height_m) / RADIUS_M
        if limits is None:
            limits = np.tile(np.array([-np.inf, np.inf]), (len(bearing_deg), 1))
        bearing = np.radians(np.asarray(bearing_deg, np.float64))
        x, y = (np.asarray(each, np.float64) / RADIUS_M for each in (x_m, y_m))

        def work(part: tuple[int, int]) -> None:
            _march_kernels.march_places(
                self.terrain, x, y, eye, bearing, limits, *part, tangent, reach
            )

        for _ in context.pool().map(work, chunks(count, context.threads)):
            context.check()
        return Horizons(tangent, reach, eye)


def longest_darkness(
    rays: Rays,
    times: Series,
    places: Places,
    dark: Float,
    x_m: Float,
    y_m: Float,
    context: Context,
) -> Float32:
    """Return the longest time during which no part of the Sun's disc is visible, days.

    Between two bearings a horizon is not the straight line between them: a notch that the line
    passes over may show the Sun for some hours, and one night becomes two. So the longest nights
    are followed at fine bearings, and where the Sun comes close to the horizon, that is marched.

    Parameters
    ----------
    rays : Rays
        The terrain.
    times : Series
        Sun and Earth for the bearings of the horizons.
    places : Places
        The observers and their horizons.
    dark : ndarray of float64, shape (places, periods, 2)
        Begin and end of the longest periods of darkness above these horizons, days; shortened.
    x_m, y_m : ndarray of float64, shape (places,)
        Positions on the map, metres.
    context : Context
        Threads and cancellation.

    Returns
    -------
    ndarray of float32, shape (places,)
        NaN where the height of a place is unknown.
    """
    count, bearings = places.horizon.shape
    found = np.full(count, np.nan, np.float32)
    bearing = np.arange(bearings * PARTS) * np.float64(2.0 * np.pi / (bearings * PARTS))
    sun = times.sun
    when = _glimpse_kernels.When(
        times.times.when(),
        times.times.step_days * (len(times.times.first) - 1),
        PARTS,
        bearing,
        np.sin(bearing),
        np.cos(bearing),
        float(np.arcsin(sun.sin_lat.min()) - sun.radius.max()),
        float(_DEPTH * max(1.0, 360.0 / bearings)),
    )
    x, y = (np.asarray(each, np.float64) / RADIUS_M for each in (x_m, y_m))

    def work(part: tuple[int, int]) -> None:
        _glimpse_kernels.follow(
            rays.terrain, x, y, places, times.crossings, when, *part, dark, found
        )

    for _ in context.pool().map(work, chunks(count, context.threads)):
        context.check()
    return found


def _snapped(pixels: Float) -> Float:
    """Return fractional pixels, those beside a centre moved onto it."""
    whole = np.round(pixels)
    return np.where(np.abs(pixels - whole) < _CENTRE_PX, whole, pixels)


def _without_gaps(far: Models) -> Models:
    """Return the far field with the gaps of each model filled from the coarser ones."""
    heights = far.heights.copy()
    for k, (offset, rows, columns, x0, y0, pixel) in enumerate(far.table):
        part = heights[int(offset) : int(offset) + int(rows) * int(columns)]
        gaps = np.flatnonzero(~np.isfinite(part))
        coarser = Models(heights, far.table[k + 1 :])
        if len(gaps) and len(coarser.table):
            row, column = np.divmod(gaps, int(columns))
            x, y = x0 + column * pixel, y0 - row * pixel
            part[gaps] = _horizon_kernels.sample_many(coarser, x, y)
    return Models(heights, far.table)


def _pyramids(
    fine: Float32, far: Float32, table: Float, context: Context, scratch: Allocator
) -> tuple[Float32, NDArray[np.int64]]:
    """Return the pyramids of maxima of all models, and where their levels stand."""
    shapes = [_level_shapes(int(model[1]), int(model[2])) for model in table]
    levels = np.zeros((len(table), max(map(len, shapes)), 3), np.int64)
    size = 0
    for k, shapes_of_model in enumerate(shapes):
        for level, shape in enumerate(shapes_of_model):
            levels[k, level] = size, *shape
            size += shape[0] * shape[1]
    peaks: Float32 = np.asarray(scratch((size,), np.float32))

    def level_of(k: int, level: int) -> Float32:
        offset, rows, columns = (int(value) for value in levels[k, level])
        return peaks[offset : offset + rows * columns].reshape(rows, columns)

    for k, model in enumerate(table):
        start, rows, columns = (int(value) for value in model[:3])
        heights = fine if k == 0 else far[start : start + rows * columns]
        base = level_of(k, 0)

        def work(
            part: tuple[int, int],
            heights: Float32 = heights,
            shape: tuple[int, int] = (rows, columns),
            base: Float32 = base,
        ) -> None:
            _march_kernels.base_peaks(heights, *shape, *part, base)

        for _ in context.pool().map(work, chunks(base.shape[0], context.threads)):
            context.check()
        for finer in range(k):
            # What is skipped in a coarse cell may belong to a finer model.
            _march_kernels.raise_peaks(level_of(finer, 0), table[finer], base, model)
    for k, shapes_of_model in enumerate(shapes):
        for level in range(1, len(shapes_of_model)):
            _march_kernels.next_peaks(level_of(k, level - 1), level_of(k, level))
    return peaks, levels


def _level_shapes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return the cells of every level of a pyramid, down to a single one."""
    down, across = _march_kernels.cells_across(rows), _march_kernels.cells_across(columns)
    shapes = [(down, across)]
    while max(shapes[-1]) > 1:
        down, across = (-(-side // 2) for side in shapes[-1])
        shapes.append((down, across))
    return shapes
