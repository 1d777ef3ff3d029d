"""The skyline of a single location, and the paths of Sun and Earth above it."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon, stages
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.illumination.ephemeris import (
    Body,
    Ephemeris,
    elevation_azimuth,
    visible_fraction,
)
from lunarsite.engine.illumination.horizon import march, pack
from lunarsite.engine.io.grid import Dem, require_dem, require_dems, require_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Float = NDArray[np.float64]


_SUN_DEG_PER_HOUR = 0.52
"""At most what the Sun moves along the horizon: a turn in 29.5 days."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Path of a body above a location; float64, shape (times,).

    Parameters
    ----------
    azimuth_deg, elevation_deg : ndarray
        Direction of its centre, degrees.
    shown : ndarray
        Fraction of the disc above the skyline, 0 to 1.
    clear : ndarray
        Height of the centre above the skyline, degrees.
    """

    azimuth_deg: Float
    elevation_deg: Float
    shown: Float
    clear: Float


@dataclass(frozen=True, slots=True, eq=False)
class Skyline:
    """The horizon of a location; arrays of float64, shape (azimuths,).

    Parameters
    ----------
    lon_deg, lat_deg : float
        Location, degrees.
    height_m : float
        Height of the observer above the sphere, metres.
    azimuth_deg : ndarray
        Geographic, clockwise from north, degrees.
    horizon_deg : ndarray
        Elevation of the horizon, degrees.
    distance_m : ndarray
        Ground distance of the horizon, metres.
    """

    lon_deg: float
    lat_deg: float
    height_m: float
    azimuth_deg: Float
    horizon_deg: Float
    distance_m: Float

    def at(self, azimuth_deg: Float) -> Float:
        """Return the elevation of the horizon at any azimuths, interpolated linearly, degrees."""
        azimuths = np.append(self.azimuth_deg, 360.0)
        horizon = np.append(self.horizon_deg, self.horizon_deg[0])
        return np.asarray(np.interp(np.mod(azimuth_deg, 360.0), azimuths, horizon), np.float64)


def skyline(
    dem: Dem,
    lon_deg: float,
    lat_deg: float,
    *,
    far_field: Sequence[Dem] = (),
    mast_height_m: float = 2.0,
    azimuth_step_deg: float = 0.5,
) -> Skyline:
    """Return the horizon around a location, by a march along great circles.

    Parameters
    ----------
    dem : Dem
        The elevation model around the location.
    lon_deg, lat_deg : float
        East longitude and latitude, degrees.
    far_field : sequence of Dem, optional
        Coarser models around it: near the pole, terrain 100 km away casts shadows.
    mast_height_m : float, optional
        Height of the observer above the ground, metres.
    azimuth_step_deg : float, optional
        Step between two azimuths, degrees.

    Returns
    -------
    Skyline
        ``azimuth_deg`` (geographic, clockwise from north), ``horizon_deg`` and ``distance_m`` of
        the horizon; float64, shape (azimuths,).

    Raises
    ------
    InputError
        If the location is outside the elevation model, or one of the four pixels around it is
        nodata.
    ParameterError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    tracks : Sun and Earth over a skyline.

    References
    ----------
    h = atan2((R + z) cos θ - (R + z₀ + mast), (R + z) sin θ) over all terrain at the angular
    distance θ; see the concept page on horizons.

    Examples
    --------
    A wall 1 km high, 10 km east of the pole on the map:

    >>> import numpy as np
    >>> height_m = np.zeros((201, 201))
    >>> height_m[:, 150:] = 1000.0
    >>> dem = Dem.from_array(height_m, pixel_m=200.0, x_min_m=-20_100.0, y_max_m=20_100.0)
    >>> line = skyline(dem, 0.0, -89.99)
    >>> round(float(line.at(np.array([90.0]))[0]), 1)
    5.5
    """
    require_dem(dem)
    far = require_dems(far_field)
    require_number("lon_deg", lon_deg, -360.0, 360.0)
    require_number("lat_deg", lat_deg, -90.0, 90.0)
    require_number("mast_height_m", mast_height_m, *stages.limits("skyline", "mast_height_m"))
    require_number(
        "azimuth_step_deg", azimuth_step_deg, *stages.limits("skyline", "azimuth_step_deg")
    )
    x, y = (float(value) for value in moon.lonlat_to_xy(lon_deg, lat_deg))
    pixel = dem.grid.pixel_of(x, y)
    if pixel is None or not has_ground(dem, x, y):
        raise InputError(
            f"There is no height at {lon_deg:g}°, {lat_deg:g}°: the location is outside the "
            "elevation model, on nodata or next to it",
            "Choose a location inside it",
        )
    count = max(4, round(360.0 / azimuth_step_deg))
    azimuth = np.arange(count, dtype=np.float64) * np.float64(360.0 / count)
    horizon, distance = march(
        dem,
        pack(far),
        np.array([x]),
        np.array([y]),
        azimuth,
        mast_height_m=mast_height_m,
    )
    height = float(dem.height_m[pixel]) + mast_height_m
    return Skyline(lon_deg, lat_deg, height, azimuth, horizon[0], distance[0])


def coverage_pct(
    dem: Dem, far: Sequence[Dem], lon_deg: float, lat_deg: float, reach_m: float
) -> float:
    """Return the percentage of azimuths in which terrain is known at a distance of a location.

    Parameters
    ----------
    dem : Dem
        The elevation model around the location.
    far : sequence of Dem
        Coarser models around it.
    lon_deg, lat_deg : float
        The location, degrees.
    reach_m : float
        The distance along the ground, metres.

    Returns
    -------
    float
        0 to 100.
    """
    azimuth = np.radians(np.arange(0.0, 360.0, 0.5))
    angle, lat = reach_m / moon.RADIUS_M, np.radians(lat_deg)
    sine = np.sin(lat) * np.cos(angle) + np.cos(lat) * np.sin(angle) * np.cos(azimuth)
    east = np.arctan2(
        np.sin(azimuth) * np.sin(angle) * np.cos(lat), np.cos(angle) - np.sin(lat) * sine
    )
    x, y = moon.lonlat_to_xy(lon_deg + np.degrees(east), np.degrees(np.arcsin(sine)))
    known = np.zeros(len(azimuth), bool)
    for model in (dem, *far):
        for k in np.flatnonzero(~known):
            pixel = model.grid.pixel_of(x[k], y[k])
            known[k] = pixel is not None and bool(np.isfinite(model.height_m[pixel]))
    return 100.0 * float(known.mean())


def has_ground(dem: Dem, x_m: float, y_m: float) -> bool:
    """Return whether a model has the four heights from which that of a position is interpolated."""
    if dem.grid.pixel_of(x_m, y_m) is None:
        return False
    column = (x_m - dem.grid.x_min_m) / dem.grid.pixel_m - 0.5
    row = (dem.grid.y_max_m - y_m) / dem.grid.pixel_m - 0.5
    i = min(max(int(np.floor(column)), 0), dem.grid.width - 2)
    j = min(max(int(np.floor(row)), 0), dem.grid.height - 2)
    return bool(np.isfinite(dem.height_m[j : j + 2, i : i + 2]).all())


def tracks(line: Skyline, sky: Ephemeris) -> tuple[Track, Track]:
    """Return the paths of Sun and Earth above a skyline.

    Parameters
    ----------
    line : Skyline
        The horizon of a location.
    sky : Ephemeris
        Sun and Earth over a span of time.

    Returns
    -------
    sun, earth : Track
        Azimuth and elevation of the centre, degrees, visible fraction of the disc, and height of
        the centre above the skyline, degrees; float64, shape (times,).

    Raises
    ------
    ParameterError
        If an argument is of the wrong type.

    Examples
    --------
    >>> import numpy as np
    >>> from lunarsite.engine.illumination.ephemeris import ephemeris
    >>> plain = Dem.from_array(np.zeros((50, 50)), pixel_m=200.0, x_min_m=-5e3, y_max_m=5e3)
    >>> sun, earth = tracks(skyline(plain, 0.0, -89.95), ephemeris("2027-01-01", "2028-01-01"))
    >>> bool(abs(sun.elevation_deg).max() < 1.7)
    True
    """
    if not isinstance(line, Skyline):
        raise ParameterError(f"line is a {type(line).__name__}", "Give what skyline returns")
    if not isinstance(sky, Ephemeris):
        raise ParameterError(f"sky is a {type(sky).__name__}", "Give what ephemeris returns")
    paths = []
    for body in (sky.sun, sky.earth):
        elevation, azimuth = elevation_azimuth(
            line.lon_deg, line.lat_deg, body, height_m=line.height_m
        )
        horizon = line.at(azimuth)
        shown = visible_fraction(horizon, elevation, body.radius_deg)
        paths.append(Track(azimuth, elevation, shown, elevation - horizon))
    return paths[0], paths[1]


@dataclass(frozen=True, slots=True)
class Periods:
    """Periods of a skyline; each a list of dict with ``start`` and ``end`` (ISO 8601) and ``days``.

    They begin and end between the time steps: Sun and Earth are tested at least at every azimuth of
    the skyline that the Sun passes, and their height above the skyline is linear in between.

    Parameters
    ----------
    light, darkness : list of dict
        Any part of the Sun is above the skyline, and the time in between.
    contact : list of dict
        The centre of the Earth is above the skyline.
    windows : list of dict
        Both at the same time, in order of time.
    """

    light: list[dict[str, Any]]
    darkness: list[dict[str, Any]]
    contact: list[dict[str, Any]]
    windows: list[dict[str, Any]]


def periods(line: Skyline, sky: Ephemeris) -> Periods:
    """Return the periods of light, darkness and contact with the Earth above a skyline.

    Parameters
    ----------
    line : Skyline
        The horizon of a location.
    sky : Ephemeris
        Sun and Earth over a span of time.

    Returns
    -------
    Periods
        Light, darkness, contact, and light with contact.
    """
    step_deg = 360.0 / len(line.azimuth_deg)
    parts = int(np.ceil(sky.step_hours * _SUN_DEG_PER_HOUR / step_deg))
    days = np.arange(len(sky.days) * parts + 1) * np.float64(sky.step_hours / 24.0 / parts)
    light, darkness = _above_and_below(days, _clear_of(line, sky, sky.sun, days, edge=True))
    contact, _ = _above_and_below(days, _clear_of(line, sky, sky.earth, days, edge=False))
    both = [
        (max(one[0], other[0]), min(one[1], other[1]))
        for one in light
        for other in contact
        if one[0] < other[1] and other[0] < one[1]
    ]
    return Periods(
        *([_named(sky, *each) for each in some] for some in (light, darkness, contact, both))
    )


def _above_and_below(
    days: Float, height: Float
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return begin and end, days, of the periods above and below a height of zero."""
    above = height > 0.0
    turns = np.flatnonzero(above[1:] != above[:-1])
    share = height[turns] / (height[turns] - height[turns + 1])
    edges = np.concatenate([[0.0], days[turns] + share * (days[1] - days[0]), days[-1:]])
    each = [(float(first), float(last)) for first, last in itertools.pairwise(edges)]
    first_above = 0 if above[0] else 1
    return each[first_above::2], each[1 - first_above :: 2]


def _named(sky: Ephemeris, first: float, last: float) -> dict[str, Any]:
    """Return a period as JSON."""
    return {
        "start": _moment(sky, first),
        "end": _moment(sky, last),
        "days": round(last - first, 4),
    }


def _clear_of(line: Skyline, sky: Ephemeris, body: Body, days: Float, *, edge: bool) -> Float:
    """Return the height of a body above a skyline at some days, degrees: of its centre or edge."""
    known = sky.days if len(sky.days) > 1 else np.array([0.0, 1.0])

    def at(values: Float) -> Float:
        values = np.resize(values, len(known))
        found = np.interp(days, known, values)
        beyond = days > known[-1]
        rate = (values[-1] - values[-2]) / (known[-1] - known[-2])
        found[beyond] = values[-1] + rate * (days[beyond] - known[-1])
        return np.asarray(found, np.float64)

    there = Body(
        at(np.unwrap(body.lon_deg, period=360.0)),
        at(body.lat_deg),
        at(body.distance_m),
        at(body.radius_deg),
    )
    elevation, azimuth = elevation_azimuth(
        line.lon_deg, line.lat_deg, there, height_m=line.height_m
    )
    return elevation + (there.radius_deg if edge else 0.0) - line.at(azimuth)


def _moment(sky: Ephemeris, days: float) -> str:
    """Return a number of days after the start, ISO 8601 to the minute."""
    moment = dt.datetime.combine(sky.start, dt.time()) + dt.timedelta(minutes=round(days * 1440.0))
    return moment.isoformat(timespec="minutes")
