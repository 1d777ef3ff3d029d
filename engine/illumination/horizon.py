"""Horizons of a whole raster by the upper-hull sweep.

The algorithm of Dozier, Bruno & Downey (1981, Computers & Geosciences 7:145) on the sphere. Points
of a line are mapped to the plane of its great circle, at (r sin θ, r cos θ). The horizon of each
point is the tangent to the upper hull of the points ahead of it, which is maintained as a monotone
stack: O(N) per line, exact, including curvature.

All great circles through one point of the equator are parallel straight lines in the gnomonic
projection about the pole. The *bearing* of a sweep is the longitude of that point: one pass gives
the horizon of every pixel towards bodies above that longitude. This suits the Sun and the Earth,
which are near the equator, and makes the threshold simple: with the X axis of the plane towards the
equator and Y towards the pole, a body at latitude δ (south negative) is above the tangent of slope
m if tan(-δ) > m / cos τ, where τ is the angle between the great circle and the pole. The sweep
therefore returns m / cos τ, the *tangent of the latitude* south of which a body at this bearing is
visible, in the same form for all pixels; `horizon_deg` converts it to an elevation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import stages
from lunarsite.engine.context import Context, require_context
from lunarsite.engine.illumination import _gather_kernels, _horizon_kernels
from lunarsite.engine.illumination._horizon_kernels import Models, Slopes
from lunarsite.engine.io.grid import Dem, require_dem, require_dems, require_number
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.io.workspace import Allocator

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

DEFAULT_LINES_PER_PIXEL = 1.5
"""With 1.5 the illumination of a real 200 m DEM is within 1.0 percentage points rms of a march."""

NO_MAST = (
    "The mast height is 0 m: the light of a crest then depends on the detail of the elevation "
    "model, and differs by 30 points between models. Give the height of the panel or antenna "
    "(mast_height_m) for values that can be compared"
)
"""Warning of light at the ground itself."""

_CHUNKS_PER_THREAD = 4
_STRIP_ROWS = 256


class Sweep:
    """An elevation model with its far field, prepared for sweeps at any bearing.

    Parameters
    ----------
    dem : Dem
        The area.
    far : sequence of Dem, optional
        Coarser models around it, which also fill its gaps.
    lines_per_pixel : float, optional
        Lines of the sweep per pixel, across its direction.
    mast_height_m : float, optional
        Height of the observer above the ground, metres.
    scratch : callable, optional
        Allocates a work array of a shape and dtype: `numpy.empty`, or a `Scratch`.
    """

    def __init__(
        self,
        dem: Dem,
        far: Sequence[Dem] = (),
        *,
        lines_per_pixel: float = DEFAULT_LINES_PER_PIXEL,
        mast_height_m: float = 0.0,
        scratch: Allocator = np.empty,
    ) -> None:
        self.grid = dem.grid
        self.far = pack(far)
        self._lines_per_pixel = lines_per_pixel
        self.mast_height_m = mast_height_m
        self._scratch = scratch
        self.own_height_m = dem.height_m
        self.filled_height_m = _filled(dem, self.far, scratch)
        self._turned: Float32 | None = None
        self._values: Float32 | None = None

    def slopes(self, bearing_deg: float, context: Context) -> Slopes:
        """Sweep one bearing.

        Parameters
        ----------
        bearing_deg : float
            Longitude of the point of the equator in the direction of the sweep, degrees.
        context : Context
            Threads and cancellation.

        Returns
        -------
        Slopes
            Its ``values`` are in a work array that the next call overwrites.
        """
        bearing = np.radians(bearing_deg)
        toward = np.array([np.sin(bearing), np.cos(bearing)])
        across = np.array([np.cos(bearing), -np.sin(bearing)])
        x0, y0, pixel = first_pixel(self.grid)
        swapped = bool(abs(toward[0]) < abs(toward[1]))
        if swapped:
            heights = self._turned_heights()
            axes = (toward[1], toward[0], across[1], across[0], y0, -pixel, x0, pixel)
        else:
            heights = self.filled_height_m
            axes = (toward[0], toward[1], across[0], across[1], x0, pixel, y0, -pixel)
        geometry = np.array(axes)
        rows, columns = heights.shape
        spacing = abs(geometry[3]) * pixel / self._lines_per_pixel
        low, high = _horizon_kernels.line_offsets(geometry, rows, columns)
        first = float(low.min()) - spacing
        base = np.floor((low - first) / spacing).astype(np.int64) - 1
        slots = int((np.ceil((high - first) / spacing).astype(np.int64) - base).max()) + 2
        lines = int(np.ceil((float(high.max()) - first) / spacing)) + 1
        values = self._work_array(slots, columns)
        values.fill(np.nan)
        reach = np.full(lines + 1, -np.inf)
        slopes = Slopes(values, base, first, float(spacing), reach, geometry, swapped)

        def sweep(chunk: tuple[int, int]) -> None:
            _horizon_kernels.sweep_lines(
                heights, self.far, self.mast_height_m / RADIUS_M, slopes, *chunk
            )

        for _ in context.pool().map(sweep, chunks(lines + 1, context.threads)):
            context.check()
        return slopes

    def horizon_deg(self, bearing_deg: float, context: Context) -> Float32:
        """Return the horizon of every pixel towards a bearing.

        Parameters
        ----------
        bearing_deg : float
            As in `slopes`.
        context : Context
            Threads and cancellation.

        Returns
        -------
        ndarray of float32, shape of the grid
            Elevation above the local level, degrees; NaN where unknown.
        """
        slopes = self.slopes(bearing_deg, context)
        out = np.full(self.grid.shape, np.nan, np.float32)

        def gather(rows: tuple[int, int]) -> None:
            _gather_kernels.gather_horizon(slopes, *rows, out)

        for _ in context.pool().map(gather, chunks(self.grid.height, context.threads)):
            context.check()
        return out

    def _turned_heights(self) -> Float32:
        if self._turned is None:
            self._turned = self._scratch(self.filled_height_m.shape[::-1], np.float32)
            _horizon_kernels.transpose(self.filled_height_m, self._turned)
        return self._turned

    def _work_array(self, slots: int, columns: int) -> Float32:
        size = slots * columns
        if self._values is None or self._values.size < size:
            self._values = self._scratch((size,), np.float32)
        return self._values[:size].reshape(slots, columns)


def horizon(
    dem: Dem,
    bearing_deg: float,
    *,
    far_field: Sequence[Dem] = (),
    mast_height_m: float = 0.0,
    lines_per_pixel: float = DEFAULT_LINES_PER_PIXEL,
    context: Context | None = None,
) -> Float32:
    """Return the horizon of every pixel towards one bearing, by the upper-hull sweep.

    Parameters
    ----------
    dem : Dem
        The area.
    bearing_deg : float
        East longitude of the point of the equator in the direction of view, degrees: the longitude
        of the sub-solar or sub-Earth point.
    far_field : sequence of Dem, optional
        Coarser models around it, in any order; they also fill its gaps.
    mast_height_m : float, optional
        Height of the observer above the ground, metres.
    lines_per_pixel : float, optional
        Lines of the sweep per pixel, across its direction.
    context : Context, optional
        Threads, progress, cancellation.

    Returns
    -------
    ndarray of float32, shape of the grid
        Elevation of the horizon above the local level, degrees; NaN where unknown.

    Raises
    ------
    ParameterError
        If an argument is of the wrong type.

    References
    ----------
    Dozier, Bruno & Downey (1981), Computers & Geosciences 7:145.

    Examples
    --------
    On a smooth sphere the horizon is slightly below the local level:

    >>> import numpy as np
    >>> plain = Dem.from_array(np.zeros((60, 60)), pixel_m=1000.0, x_min_m=-3e4, y_max_m=3e4)
    >>> found = horizon(plain, 90.0)
    >>> found.shape, bool(-1.0 < np.nanmedian(found) <= 0.0)
    ((60, 60), True)
    """
    sweep = Sweep(
        require_dem(dem),
        require_dems(far_field),
        lines_per_pixel=require_number(
            "lines_per_pixel", lines_per_pixel, *stages.limits("lighting", "lines_per_pixel")
        ),
        mast_height_m=require_number(
            "mast_height_m", mast_height_m, *stages.limits("lighting", "mast_height_m")
        ),
    )
    bearing = require_number("bearing_deg", bearing_deg, -360.0, 360.0)
    return sweep.horizon_deg(bearing, require_context(context))


def chunks(count: int, threads: int) -> Iterator[tuple[int, int]]:
    """Yield ranges that divide ``count`` items among threads, a few ranges per thread."""
    parts = max(1, min(count, threads * _CHUNKS_PER_THREAD))
    edges = np.linspace(0, count, parts + 1).astype(int)
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def pack(dems: Sequence[Dem]) -> Models:
    """Pack elevation models into flat arrays for the kernels, the finest first.

    Models that only surround the others come last.
    """
    ordered = sorted(dems, key=lambda dem: (dem.surrounds, dem.grid.pixel_m))
    if not ordered:
        return Models(np.zeros(1, np.float32), np.zeros((0, 6)))
    offsets = np.cumsum([0] + [dem.height_m.size for dem in ordered])
    table = [
        (float(offset), float(dem.grid.height), float(dem.grid.width), *first_pixel(dem.grid))
        for offset, dem in zip(offsets[:-1], ordered, strict=True)
    ]
    heights = np.concatenate([dem.height_m.ravel() for dem in ordered])
    return Models(heights.astype(np.float32, copy=False), np.array(table))


def march(
    dem: Dem,
    far: Models,
    x_m: Float,
    y_m: Float,
    azimuth_deg: Float,
    *,
    mast_height_m: float = 0.0,
    step_px: float = 0.5,
) -> tuple[Float, Float]:
    """Return the horizons of single locations by a dense march along great circles.

    It is slow but simple: the reference for tests of the sweep, and the method for skylines.

    Parameters
    ----------
    dem : Dem
        The fine model.
    far : Models
        Coarser models, from `pack`.
    x_m, y_m : ndarray of float64, shape (points,)
        Locations on the map, metres.
    azimuth_deg : ndarray of float64, shape (azimuths,)
        Geographic azimuths, clockwise from north, degrees.
    mast_height_m : float, optional
        Height of the observer above the ground, metres.
    step_px : float, optional
        Step, in pixels of the sampled model; smaller within 25 pixels, where the crease between
        two patches of the surface may be the horizon.

    Returns
    -------
    horizon_deg : ndarray of float64, shape (points, azimuths)
        NaN where the height of the location is unknown.
    distance_m : ndarray of float64, shape (points, azimuths)
        Ground distance of the horizon, metres.
    """
    models = pack([dem])
    if len(far.table):
        table = np.vstack([models.table, far.table])
        table[1:, 0] += models.heights.size
        models = Models(np.concatenate([models.heights, far.heights]), table)
    horizon = np.empty((len(x_m), len(azimuth_deg)))
    distance = np.empty_like(horizon)
    _horizon_kernels.march_points(
        models,
        np.asarray(x_m, np.float64) / RADIUS_M,
        np.asarray(y_m, np.float64) / RADIUS_M,
        np.radians(azimuth_deg),
        mast_height_m / RADIUS_M,
        step_px,
        horizon,
        distance,
    )
    return horizon, distance * RADIUS_M


def first_pixel(grid: Grid) -> tuple[float, float, float]:
    """Return x and y of the centre of the first pixel and the pixel size, in radii of the Moon."""
    return (
        (grid.x_min_m + grid.pixel_m / 2) / RADIUS_M,
        (grid.y_max_m - grid.pixel_m / 2) / RADIUS_M,
        grid.pixel_m / RADIUS_M,
    )


def _filled(dem: Dem, far: Models, scratch: Allocator) -> Float32:
    """Return the heights with gaps filled from the far field: terrain in gaps casts shadows too."""
    strips = [slice(row, row + _STRIP_ROWS) for row in range(0, dem.grid.height, _STRIP_ROWS)]
    if not len(far.table) or all(np.isfinite(dem.height_m[strip]).all() for strip in strips):
        return dem.height_m
    filled: Float32 = scratch(dem.grid.shape, np.float32)
    x_of, y_of = dem.grid.column_x_m() / RADIUS_M, dem.grid.row_y_m() / RADIUS_M
    for strip in strips:
        part = dem.height_m[strip].copy()
        rows, columns = np.nonzero(~np.isfinite(part))
        x, y = x_of[columns], y_of[strip][rows]
        part[rows, columns] = _horizon_kernels.sample_many(far, x, y)
        filled[strip] = part
    return filled
