"""Positions of Sun and Earth in the lunar sky for any span of dates, without ephemeris files.

Positions: ERFA's ``epv00`` (Earth about the Sun) and ``moon98`` (Moon about the Earth), which
differ from DE421 by less than 1.2e-5° and 0.004° over 18.6 years. Orientation of the Moon: the
series of the IAU Working Group on Cartographic Coordinates and Rotational Elements (Archinal et al.
2018, Celest. Mech. Dyn. Astr. 130:22). Directions are geometric; aberration (0.006°) is neglected.
"""

from __future__ import annotations

import datetime as dt
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import erfa
import numpy as np

from lunarsite.engine.errors import ParameterError
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]

SUN_RADIUS_M = 695_700_000.0
EARTH_RADIUS_M = 6_371_008.4
CYCLE_DAYS = 6_793.5
"""18.6 years, one lunar nodal cycle, after which the paths of Sun and Earth repeat."""

SYNODIC_MONTH_DAYS = 29.530589

_AU_M = 149_597_870_700.0
_J2000 = 2_451_545.0
_LONGEST_STEP = 48.0
_EARLIEST, _LATEST = dt.date(1972, 1, 1), dt.date(2100, 1, 1)

# E1 … E13: degrees at J2000 and degrees a day.
_ARGUMENTS = np.array(
    [
        (125.045, -0.0529921),
        (250.089, -0.1059842),
        (260.008, 13.0120009),
        (176.625, 13.3407154),
        (357.529, 0.9856003),
        (311.589, 26.4057084),
        (134.963, 13.0649930),
        (276.617, 0.3287146),
        (34.226, 1.7484877),
        (15.134, -0.1589763),
        (119.743, 0.0036096),
        (239.961, 0.1643573),
        (25.053, 12.9590088),
    ]
)
# Amplitudes in degrees: of sin E in the pole's right ascension, of cos E in its declination, of
# sin E in the rotation.
_POLE_RA = np.array([-3.8787, -0.1204, 0.0700, -0.0172, 0, 0.0072, 0, 0, 0, -0.0052, 0, 0, 0.0043])
_POLE_DEC = np.array(
    [1.5419, 0.0239, -0.0278, 0.0068, 0, -0.0029, 0.0009, 0, 0, 0.0008, 0, 0, -0.0009]
)
_SPIN = np.array(
    [
        3.5610,
        0.1208,
        -0.0642,
        0.0158,
        0.0252,
        -0.0066,
        -0.0047,
        -0.0046,
        0.0028,
        0.0052,
        0.0040,
        0.0019,
        -0.0044,
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """Position of a body in the body-fixed frame of the Moon; arrays of float64, shape (times,).

    Parameters
    ----------
    lon_deg, lat_deg : ndarray
        The sub-solar or sub-Earth point, degrees.
    distance_m : ndarray
        From the Moon's centre, metres.
    radius_deg : ndarray
        Apparent radius from the Moon's centre, degrees.
    """

    lon_deg: Float
    lat_deg: Float
    distance_m: Float
    radius_deg: Float


@dataclass(frozen=True, slots=True, eq=False)
class Ephemeris:
    """Sun and Earth at equally spaced times.

    Parameters
    ----------
    start : datetime.date
        First date, 0 h UTC.
    step_hours : float
        Time step, hours.
    days : ndarray of float64, shape (times,)
        Days since the start.
    sun, earth : Body
        Their positions.
    """

    start: dt.date
    step_hours: float
    days: Float
    sun: Body
    earth: Body

    def date_at(self, index: int) -> str:
        """Return the UTC date and time of a step, ISO 8601 to the minute."""
        moment = dt.datetime.combine(self.start, dt.time()) + dt.timedelta(
            days=float(self.days[index])
        )
        return moment.isoformat(timespec="minutes")


def default_stop(start: str) -> str:
    """Return the date one lunar nodal cycle of 18.6 years after a date."""
    return (dt.date.fromisoformat(start) + dt.timedelta(days=round(CYCLE_DAYS))).isoformat()


def ephemeris(start: str, stop: str | None = None, *, step_hours: float = 6.0) -> Ephemeris:
    """Return Sun and Earth from ``start`` to before ``stop``.

    Parameters
    ----------
    start, stop : str
        Dates, YYYY-MM-DD, 0 h UTC. Without ``stop`` a full cycle of 18.6 years.
    step_hours : float
        Time between steps, hours.

    Returns
    -------
    Ephemeris
        ``days`` since the start and the bodies ``sun`` and ``earth``: the point of the Moon under
        each, its distance and its apparent radius; float64, shape (times,).

    Raises
    ------
    ParameterError
        If the span is empty or outside the years 1972 to 2100, in which the series are valid.

    References
    ----------
    Orientation of the Moon: Archinal et al. (2018), Celest. Mech. Dyn. Astr. 130:22.

    Examples
    --------
    During the solar eclipse of 8 April 2024, at 18 h UTC, the Moon stood between Earth and Sun:

    >>> sky = ephemeris("2024-04-08", "2024-04-09", step_hours=6)
    >>> apart_deg = abs(sky.sun.lon_deg[3] - sky.earth.lon_deg[3])
    >>> bool(179.0 < apart_deg < 181.0)
    True
    """
    first = _date("start", start)
    if first > _LATEST:
        raise ParameterError(
            f"The date {first} is outside the span of the ephemeris",
            f"Stay within {_EARLIEST} and {_LATEST}",
        )
    last = _date("stop", default_stop(first.isoformat()) if stop is None else stop)
    if not isinstance(step_hours, int | float | np.number) or not 0.0 < step_hours <= _LONGEST_STEP:
        raise ParameterError(
            f"step_hours is {step_hours!r}", f"Give hours above 0, at most {_LONGEST_STEP:g}"
        )
    if first < _EARLIEST or last > _LATEST:
        raise ParameterError(
            f"The dates {first} to {last} are outside the span of the ephemeris",
            f"Choose dates from {_EARLIEST} to {_LATEST}",
        )
    count = int(np.ceil((last - first).days * 24.0 / step_hours))
    if count < 1:
        raise ParameterError(
            f"There is no time between {first} and {last}", "Choose --stop later than --start"
        )
    days = np.arange(count, dtype=np.float64) * np.float64(step_hours / 24.0)
    midnight = float(first.toordinal()) + 1_721_424.5
    sun, earth = sun_and_earth(midnight, days)
    return Ephemeris(first, step_hours, days, sun, earth)


def _date(name: str, value: object) -> dt.date:
    """Return a date from text or a date object.

    Raises
    ------
    ParameterError
        If it is not a date.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ParameterError(f"{name} is {value!r}, not a date", "Write it as YYYY-MM-DD") from None


def sun_and_earth(jd_utc: float, days: Float) -> tuple[Body, Body]:
    """Return Sun and Earth in the body-fixed frame of the Moon.

    Parameters
    ----------
    jd_utc : float
        Julian date, UTC.
    days : ndarray of float64, shape (times,)
        Days after that date.

    Returns
    -------
    sun, earth : Body
        Positions, shape (times,).
    """
    with warnings.catch_warnings():  # ERFA warns that future leap seconds are unknown
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        tai1, tai2 = erfa.utctai(jd_utc, days)
        tt1, tt2 = erfa.taitt(tai1, tai2)
        earth_from_sun = erfa.epv00(tt1, tt2)[0]["p"]
    moon_from_earth = erfa.moon98(tt1, tt2)["p"]
    frame = moon_frame((tt1 - _J2000) + tt2)
    to_sun = np.einsum("tij,tj->ti", frame, -(earth_from_sun + moon_from_earth))
    to_earth = np.einsum("tij,tj->ti", frame, -moon_from_earth)
    return _body(to_sun, SUN_RADIUS_M), _body(to_earth, EARTH_RADIUS_M)


def moon_frame(days_tdb: Float) -> Float:
    """Return the rotation from the celestial to the body-fixed frame of the Moon.

    Parameters
    ----------
    days_tdb : ndarray of float64, shape (times,)
        Days of barycentric dynamical time since J2000.

    Returns
    -------
    ndarray of float64, shape (times, 3, 3)
        Rotation matrices.

    References
    ----------
    Archinal et al. (2018), Celest. Mech. Dyn. Astr. 130:22.
    """
    centuries = days_tdb / 36_525.0
    arguments = np.radians(_ARGUMENTS[:, 0] + days_tdb[:, None] * _ARGUMENTS[:, 1])
    sines, cosines = np.sin(arguments), np.cos(arguments)
    ra = np.radians(269.9949 + 0.0031 * centuries + sines @ _POLE_RA)
    dec = np.radians(66.5392 + 0.0130 * centuries + cosines @ _POLE_DEC)
    spin = np.radians(
        38.3213 + 13.17635815 * days_tdb - 1.4e-12 * days_tdb**2 + sines @ _SPIN,
    )
    return _turn_z(spin) @ _turn_x(np.pi / 2 - dec) @ _turn_z(np.pi / 2 + ra)


def elevation_azimuth(
    lon_deg: float | Float, lat_deg: float | Float, body: Body, *, height_m: float = 0.0
) -> tuple[Float, Float]:
    """Return elevation and geographic azimuth of the centre of a body.

    Parameters
    ----------
    lon_deg, lat_deg : float, or ndarray of float64
        Position of the observer, degrees; several observers if ``body`` has a single time.
    body : Body
        Sun or Earth over time.
    height_m : float, optional
        Height of the observer above the sphere, metres. Parallax is included: 0.26° for the Earth.

    Returns
    -------
    elevation_deg, azimuth_deg : ndarray of float64
        Degrees, the azimuth clockwise from north; shape (times,) or that of the observers.
    """
    lat, dec = np.radians(lat_deg), np.radians(body.lat_deg)
    hour = np.radians(body.lon_deg - lon_deg)
    sine = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour)
    cosine = np.sqrt(np.maximum(0.0, 1.0 - sine**2))
    elevation = np.arctan2(sine - (RADIUS_M + height_m) / body.distance_m, cosine)
    azimuth = np.arctan2(
        np.cos(dec) * np.sin(hour),
        np.cos(lat) * np.sin(dec) - np.sin(lat) * np.cos(dec) * np.cos(hour),
    )
    return np.degrees(elevation), np.mod(np.degrees(azimuth), 360.0)


def visible_fraction(horizon_deg: Float, elevation_deg: Float, radius_deg: Float) -> Float:
    """Return the fraction of a disc above a straight horizon.

    Parameters
    ----------
    horizon_deg, elevation_deg, radius_deg : ndarray of float64
        Elevation of the horizon, elevation of the centre of the disc, and its radius, degrees.

    Returns
    -------
    ndarray of float64
        0 to 1.

    Examples
    --------
    >>> float(visible_fraction(np.array(0.0), np.array(0.0), np.array(0.27)))
    0.5
    """
    u = np.clip((horizon_deg - elevation_deg) / radius_deg, -1.0, 1.0)
    return np.asarray((np.arccos(u) - u * np.sqrt(1.0 - u * u)) / np.pi, dtype=np.float64)


def _body(vectors_au: Float, radius_m: float) -> Body:
    x, y, z = vectors_au.T
    distance = np.sqrt(x * x + y * y + z * z)
    return Body(
        lon_deg=np.degrees(np.arctan2(y, x)),
        lat_deg=np.degrees(np.arcsin(z / distance)),
        distance_m=distance * _AU_M,
        radius_deg=np.degrees(np.arcsin(radius_m / (distance * _AU_M))),
    )


def _turn_z(angle: Float) -> Float:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.moveaxis(np.array([[c, s, o], [-s, c, o], [o, o, i]]), 2, 0)


def _turn_x(angle: Float) -> Float:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.moveaxis(np.array([[i, o, o], [o, c, s], [o, -s, c]]), 2, 0)
