"""Light of single places, from exact horizons: disc centres, sites, the pixels of a crest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.context import Context, require_context
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.illumination import _series_kernels, series
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.illumination.exact import Rays, longest_darkness
from lunarsite.engine.illumination.horizon import NO_MAST, Sweep, chunks
from lunarsite.engine.illumination.tables import (
    Tables,
    earth_tables,
    require_sky,
    sun_tables,
)
from lunarsite.engine.io.grid import Dem, require_dem, require_dems
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from lunarsite.engine.illumination.ephemeris import Ephemeris
    from lunarsite.engine.io.workspace import Allocator

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_BATCH = 2_048
"""Places whose horizons are in memory at a time: 12 MB with 360 bearings."""

_MARGIN = 0.1
"""How far above the highest horizon that matters a ray is followed, a tangent: six degrees. At
8,192 places of the generated cap at 80 m, with 360 bearings, it changed the light by 0.005 points
and the longest darkness by 0.002 days at most."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaceLight:
    """Light of places; float32, shape (places,), NaN where the height of a place is unknown.

    Parameters
    ----------
    illumination_pct : ndarray
        Average visible fraction of the Sun's disc over the span, percent.
    illumination_sensitivity : ndarray
        Loss for a horizon raised in all directions, percentage points per degree.
    earth_visibility_pct, earth_sensitivity : ndarray
        The same for the Earth: share of time in which the chosen part of its disc is visible.
    darkest_month_pct : ndarray
        Least average visible fraction of the Sun's disc over 29.53 days, percent; over the whole
        span if it is shorter.
    longest_darkness_days : ndarray
        Longest time during which no part of the Sun's disc is visible, days; as far as it lies
        within the span.
    bearing_deg : ndarray of float64, shape (bearings,)
        Directions of the horizons: east longitudes of points of the equator, degrees.
    horizon_deg : ndarray, shape (places, bearings)
        Elevation of the horizon, degrees; no places unless asked for.
    distance_m : ndarray, shape (places, bearings)
        Ground distance of the horizon, metres; likewise.
    """

    illumination_pct: Float32
    illumination_sensitivity: Float32
    earth_visibility_pct: Float32
    earth_sensitivity: Float32
    darkest_month_pct: Float32
    longest_darkness_days: Float32
    bearing_deg: Float
    horizon_deg: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    distance_m: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def light_at_places(
    dem: Dem,
    x_m: ArrayLike,
    y_m: ArrayLike,
    start: str = "2027-01-01",
    stop: str | None = None,
    *,
    far_field: Sequence[Dem] = (),
    mast_height_m: float = 2.0,
    step_hours: float = 6.0,
    azimuths: int = 360,
    earth_part: str = "centre",
    horizons: bool = False,
    scratch: Allocator = np.empty,
    context: Context | None = None,
) -> PlaceLight:
    """Return the light of many places, from horizons that are marched exactly at each of them.

    Where `illumination` gives the pixels of a raster within a few points, the values here are those
    of a march from the place itself through all terrain, as in `skyline`: on crests that matters.
    A place costs about a millisecond. Unless ``horizons`` are returned, a ray ends where its
    horizon is six degrees above any at which the Sun or the Earth is seen.

    Parameters
    ----------
    dem : Dem
        The elevation model around the places.
    x_m, y_m : array_like of numbers, shape (places,)
        Positions on the south polar stereographic map, metres. The height is interpolated between
        the centres of the four pixels around it.
    start, stop : str, optional
        Dates, YYYY-MM-DD, 0 h UTC. ``stop`` defaults to one lunar nodal cycle of 18.6 years after
        ``start``.
    far_field : sequence of Dem, optional
        Coarser models around it: near the pole, terrain 100 km away casts shadows.
    mast_height_m : float, optional
        Height of the solar panel or antenna above the ground, metres.
    step_hours : float, optional
        Time between two positions of Sun and Earth, hours.
    azimuths : int, optional
        Number of directions in which horizons are computed.
    earth_part : {"centre", "any", "whole"}, optional
        Part of the Earth's disc that must be above the horizon for it to count as visible.
    horizons : bool, optional
        Whether to return the horizons too: 8 bytes a place and direction.
    scratch : callable, optional
        Allocates work arrays: `numpy.empty`, or a ``Scratch`` that keeps to a memory limit.
    context : Context, optional
        Threads, progress, cancellation.

    Returns
    -------
    PlaceLight
        Arrays of float32, shape (places,), in percent and days; NaN for places outside the model,
        on nodata or next to it.

    Raises
    ------
    ParameterError
        If an argument is of the wrong type or out of range, or the dates are outside 1972 to 2100.

    See Also
    --------
    illumination : The same of every pixel of a raster.
    skyline : The horizon of a single location.

    References
    ----------
    Mazarico et al. (2011), Icarus 211:1066; terrain is skipped by a pyramid of maxima as in Tevs,
    Ihrke & Seidel (2008), Proc. I3D, 183.

    Examples
    --------
    On the rim of a bowl at the pole and on its floor; the last place is outside the model:

    >>> import numpy as np
    >>> axis_m = np.arange(-20, 20) * 500.0 + 250.0
    >>> radius_m = np.hypot(axis_m[None, :], axis_m[:, None])
    >>> bowl = np.where(radius_m < 6e3, -3000.0 * (1.0 - (radius_m / 6e3) ** 2), 0.0)
    >>> dem = Dem.from_array(bowl, pixel_m=500.0, x_min_m=-1e4, y_max_m=1e4)
    >>> x_m, y_m = [6500.0, 0.0, 2e4], [0.0, 0.0, 0.0]
    >>> light = light_at_places(dem, x_m, y_m, "2027-01-01", "2028-01-01")
    >>> light.illumination_pct.round(0)
    array([55.,  0., nan], dtype=float32)
    """
    require_dem(dem)
    far = require_dems(far_field)
    x, y = _positions("x_m", x_m), _positions("y_m", y_m)
    if x.shape != y.shape:
        raise ParameterError(
            f"x_m holds {len(x)} positions and y_m {len(y)}", "Give one of each for every place"
        )
    count, mast = require_sky(azimuths, earth_part, mast_height_m)
    sky = ephemeris(start, stop, step_hours=step_hours)
    context = require_context(context)
    if mast == 0.0:
        context.warn(NO_MAST)
    sweep = Sweep(dem, far, mast_height_m=mast, scratch=scratch)
    rays = Rays(sweep, context, scratch=scratch)
    return light_along(rays, Sky(sky, count, earth_part), x, y, context, horizons=horizons)


class Sky:
    """Sun and Earth over a span of dates, prepared for horizons at a number of bearings.

    Parameters
    ----------
    sky : Ephemeris
        Sun and Earth.
    azimuths : int
        Number of bearings.
    earth_part : str, optional
        One of `EARTH_PARTS`.
    tables : pair of Tables, optional
        Those of Sun and Earth, where they are known.
    """

    def __init__(
        self,
        sky: Ephemeris,
        azimuths: int,
        earth_part: str = "centre",
        tables: tuple[Tables, Tables] | None = None,
    ) -> None:
        self.bearing_deg = np.arange(azimuths, dtype=np.float64) * np.float64(360.0 / azimuths)
        self.earth_part = earth_part
        self.series = series.series_of(sky, azimuths)
        self.tables = tables or (
            sun_tables(sky, azimuths),
            earth_tables(sky, azimuths, earth_part),
        )
        self.limits = limits(self.tables, _MARGIN)


def limits(tables: tuple[Tables, Tables], margin: float) -> Float:
    """Return the limits within which horizons matter, for the Sun and where the Earth is.

    Parameters
    ----------
    tables : pair of Tables
        Those of Sun and Earth.
    margin : float
        Added to the upper ends, a tangent: horizons are interpolated between bearings, so that
        what is somewhat higher matters too.

    Returns
    -------
    ndarray of float64, shape (bearings, 2)
        For `Rays.horizons`.
    """
    sun, earth = tables
    found = np.empty((len(sun.bearing_deg), 2))
    found[:] = -np.inf, sun.top() + margin
    found[earth.active(), 1] = max(sun.top(), earth.top()) + margin
    return found


def light_along(
    rays: Rays, sky: Sky, x_m: Float, y_m: Float, context: Context, *, horizons: bool = False
) -> PlaceLight:
    """Return the light of places above terrain that is prepared already.

    Parameters
    ----------
    rays : Rays
        The terrain.
    sky : Sky
        Sun and Earth.
    x_m, y_m : ndarray of float64, shape (places,)
        Positions on the map, metres.
    context : Context
        Threads, progress, cancellation.
    horizons : bool, optional
        Whether to return the horizons too.

    Returns
    -------
    PlaceLight
        As `light_at_places`.
    """
    count, bearings = len(x_m), len(sky.bearing_deg)
    light, loss, earth, earth_loss, month, darkness = (
        np.full(count, np.nan, np.float32) for _ in range(6)
    )
    shape = (count if horizons else 0, bearings if horizons else 0)
    horizon, distance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for first in range(0, count, _BATCH):
        context.progress(first / count, "exact horizons")
        part = slice(first, min(first + _BATCH, count))
        found = rays.horizons(
            x_m[part],
            y_m[part],
            sky.bearing_deg,
            context,
            limits=None if horizons else sky.limits,
        )
        places = series.observers(x_m[part], y_m[part], found.eye, found.tangent)
        results = series.follow(sky.series, places, sky.earth_part, context)
        light[part], earth[part], month[part] = results.light, results.earth, results.month
        darkness[part] = longest_darkness(
            rays, sky.series, places, results.dark, x_m[part], y_m[part], context
        )
        loss[part], earth_loss[part] = losses(places, sky, context)
        if horizons:
            horizon[part] = np.degrees(np.arctan(found.tangent))
            distance[part] = np.arctan(found.reach) * RADIUS_M
    return PlaceLight(
        light, loss, earth, earth_loss, month, darkness, sky.bearing_deg, horizon, distance
    )


def losses(places: _series_kernels.Places, sky: Sky, context: Context) -> tuple[Float32, Float32]:
    """Return the sensitivities to Sun and Earth, from the tables of the bearings.

    Parameters
    ----------
    places : Places
        The observers.
    sky : Sky
        Sun and Earth.
    context : Context
        Threads and cancellation.

    Returns
    -------
    sun, earth : ndarray of float32, shape (places,)
        Percentage points per degree; NaN where the height of a place is unknown.
    """
    count = len(places.eye)
    bearing = np.radians(sky.bearing_deg)
    tangents = np.empty(places.horizon.shape, np.float32)
    found = np.empty((2, count), np.float32)

    def work(part: tuple[int, int]) -> None:
        _series_kernels.thresholds(places, bearing, *part, tangents)
        for table, loss in zip(sky.tables, found, strict=True):
            _series_kernels.responses(tangents, table.share, table.low, table.per_step, *part, loss)

    for _ in context.pool().map(work, chunks(count, context.threads)):
        context.check()
    found[:, ~np.isfinite(places.eye)] = np.nan
    return found[0], found[1]


def _positions(name: str, values: Any) -> Float:
    """Return positions as a one-dimensional array.

    Raises
    ------
    ParameterError
        If they are anything else.
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise ParameterError(
            f"{name} is of the shape {array.shape} and of {array.dtype}",
            "Give a list of numbers, map metres",
        )
    return array.astype(np.float64)
