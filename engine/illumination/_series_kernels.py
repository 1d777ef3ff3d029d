"""Compiled loops over time that follow Sun and Earth above the horizons of places.

A body is tested at its true elevation and azimuth. The horizon is known at *bearings*, longitudes
of points of the equator; the bearing of a body at the latitude δ and the hour angle H differs from
its longitude by atan2(κ sin H, 1 - κ cos H), κ = cot φ tan δ, of which two terms are taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


class Path(NamedTuple):
    """A body over time; arrays of float64, shape (times,).

    Parameters
    ----------
    place : ndarray
        Longitude, in steps between two bearings, 0 to their number.
    sin_lon, cos_lon, sin_lat, cos_lat : ndarray
        Of the point of the Moon under the body.
    parallax : ndarray
        Radius of the Moon over the distance of the body.
    radius : ndarray
        Apparent radius, radians.
    """

    place: Float
    sin_lon: Float
    cos_lon: Float
    sin_lat: Float
    cos_lat: Float
    parallax: Float
    radius: Float


class Range(NamedTuple):
    """Limits within which a body moves over a span.

    Parameters
    ----------
    south, north : float
        Sines of its least and greatest latitude.
    least_cos_lat : float
        Least cosine of its latitude.
    least_parallax : float
        Least parallax, as in `Path`.
    greatest_radius : float
        Greatest apparent radius, radians.
    """

    south: float
    north: float
    least_cos_lat: float
    least_parallax: float
    greatest_radius: float


class Times(NamedTuple):
    """The times at which the bodies are followed.

    Parameters
    ----------
    step_days : float
        Time between two steps, days.
    window : int
        Steps in a month.
    first : ndarray of int64, shape (steps + 1,)
        Index of the first time between each step and the next at which the Sun crosses a bearing.
    between : ndarray of float64, shape (crossings,)
        These times, days after the step before.
    """

    step_days: float
    window: int
    first: Int
    between: Float

    def when(self) -> Float:
        """Return the times at which the Sun crosses a bearing, days after the start."""
        step = np.repeat(np.arange(self.first.size - 1), np.diff(self.first))
        return np.asarray(step * self.step_days + self.between, np.float64)


class Places(NamedTuple):
    """Observers and their horizons.

    Parameters
    ----------
    sin_lon, cos_lon, sin_lat, cos_lat : ndarray of float64, shape (places,)
        Of their positions.
    eye : ndarray of float64, shape (places,)
        Radius of the observer, in radii of the Moon.
    horizon : ndarray of float64, shape (places, bearings)
        Tangents of the elevation of the horizon.
    """

    sin_lon: Float
    cos_lon: Float
    sin_lat: Float
    cos_lat: Float
    eye: Float
    horizon: Float


class Results(NamedTuple):
    """What is filled for each place; float32, shape (places,).

    Parameters
    ----------
    light, earth : ndarray
        Average visible fraction of the Sun's disc, and share of time with the Earth, percent.
    month : ndarray
        Least average visible fraction of the Sun's disc over a month, percent.
    darkness : ndarray
        Longest time during which no part of the Sun's disc is visible, days.
    dark : ndarray of float64, shape (places, periods, 2)
        Begin and end of the longest of these times, days, in any order; both 0 for none.
    """

    light: Float32
    earth: Float32
    month: Float32
    darkness: Float32
    dark: Float


@_compiled
def _keep(dark: Float, begun: float, ended: float) -> None:
    """Keep a period of darkness if it is longer than the shortest one kept."""
    shortest = 0
    for k in range(1, dark.shape[0]):
        if dark[k, 1] - dark[k, 0] < dark[shortest, 1] - dark[shortest, 0]:
            shortest = k
    if ended - begun > dark[shortest, 1] - dark[shortest, 0]:
        dark[shortest, 0], dark[shortest, 1] = begun, ended


@_compiled
def range_of(path: Path) -> Range:
    """Return the limits within which a body moves."""
    return Range(
        path.sin_lat.min(),
        path.sin_lat.max(),
        path.cos_lat.min(),
        path.parallax.min(),
        path.radius.max(),
    )


@_compiled
def never_seen(sun: Range, places: Places, n: int, never: Bool) -> None:
    """Find the bearings at which no part of the Sun is ever above the horizon of a place.

    Parameters
    ----------
    sun : Range
        Limits within which the Sun moves.
    places : Places
        The observers.
    n : int
        The one of them.
    never : ndarray of bool, shape (bearings,)
        Filled for longitudes between each bearing and the next.
    """
    bearings = never.size
    step = 2.0 * math.pi / bearings
    overhead = max(places.sin_lat[n] * sun.south, places.sin_lat[n] * sun.north)
    # How far the bearing of the Sun at the place may be from its longitude, in steps.
    kappa = places.cos_lat[n] * max(-sun.south, sun.north) / sun.least_cos_lat
    kappa /= max(abs(places.sin_lat[n]), 1e-9)
    aside = kappa * (1.0 + kappa) / step
    never[:] = False
    if aside > 0.25 * bearings:
        return
    beside = math.ceil(aside)
    bulge = 1.0 - math.cos(0.5 * step)
    parallax = sun.least_parallax * places.eye[n]
    ahead = places.cos_lon[n]
    for gap in range(bearings):
        behind = ahead
        angle = (gap + 1) * step
        ahead = math.cos(angle) * places.cos_lon[n] + math.sin(angle) * places.sin_lon[n]
        high = places.cos_lat[n] * (max(behind, ahead) + bulge)
        if high < 0.0:
            high *= sun.least_cos_lat
        high = min(high + overhead, 1.0)
        level = math.sqrt(1.0 - high * high)
        high -= parallax
        lowest = math.inf
        for k in range(gap - beside, gap + beside + 2):
            lowest = min(lowest, places.horizon[n, k % bearings])
        never[gap] = (high - lowest * level) / (level + lowest * high) + sun.greatest_radius < 0.0


@_inlined
def _clear(path: Path, t: int, places: Places, n: int) -> float:
    """Return how far the centre of a body is above the horizon of a place, radians."""
    return above_horizon(
        path.place[t],
        path.sin_lon[t],
        path.cos_lon[t],
        path.sin_lat[t],
        path.cos_lat[t],
        path.parallax[t],
        places,
        n,
    )[0]


@_inlined
def above_horizon(
    line: float,
    sin_lon: float,
    cos_lon: float,
    sin_lat: float,
    cos_lat: float,
    parallax: float,
    places: Places,
    n: int,
) -> tuple[float, float]:
    """Return how far the centre of a body is above the horizon of a place, radians, and where.

    The body is given as in `Path`; the second value is its bearing at the place, in steps between
    two bearings.
    """
    bearings = places.horizon.shape[1]
    sin_hour = sin_lon * places.cos_lon[n] - cos_lon * places.sin_lon[n]
    cos_hour = cos_lon * places.cos_lon[n] + sin_lon * places.sin_lon[n]
    high = cos_lat * cos_hour * places.cos_lat[n] + sin_lat * places.sin_lat[n]
    level = math.sqrt(1.0 - high * high)
    high -= parallax * places.eye[n]
    kappa = places.cos_lat[n] * sin_lat / (places.sin_lat[n] * cos_lat)
    turn = kappa * sin_hour * (1.0 + kappa * cos_hour)
    place = line + turn * (bearings / (2.0 * math.pi))
    before = math.floor(place)
    part = place - before
    k = int(before)
    if k >= bearings:
        k -= bearings
    elif k < 0:
        k += bearings
    after = k + 1 if k + 1 < bearings else 0
    tangent = places.horizon[n, k] + part * (places.horizon[n, after] - places.horizon[n, k])
    return float((high - tangent * level) / (level + tangent * high)), k + part


@_compiled
def follow(
    sun: Path,
    crossings: Path,
    earth: Path,
    times: Times,
    places: Places,
    earth_offset: float,
    means_only: bool,
    place_from: int,
    place_to: int,
    results: Results,
) -> None:
    """Follow Sun and Earth above the horizons of some places.

    Parameters
    ----------
    sun, earth : Path
        At the steps; of the Sun also at the end of the last one.
    crossings : Path
        The Sun where it crosses a bearing, between the steps.
    times : Times
        Their times.
    places : Places
        The observers; results of one whose horizon is unknown are left as they are.
    earth_offset : float
        How far above the horizon the centre of the Earth must be, in apparent radii of the Earth.
    means_only : bool
        Whether month and darkness are left out.
    place_from, place_to : int
        Range of places.
    results : Results
        Filled.
    """
    steps, window = earth.place.size, times.window
    shown = np.empty(steps, np.float32)
    never = np.empty(places.horizon.shape[1], np.bool_)
    moves = range_of(sun)
    for n in range(place_from, place_to):
        if math.isnan(places.eye[n]) or np.isnan(places.horizon[n]).any():
            continue
        visible = 0
        for t in range(steps):
            if _clear(earth, t, places, n) > earth_offset * earth.radius[t]:
                visible += 1
        results.earth[n] = 100.0 * visible / steps
        if not means_only:
            never_seen(moves, places, n, never)
        total = 0.0
        month, least = 0.0, math.inf
        begun, longest = -1.0, 0.0  # when darkness has begun; negative where there is light
        now = _clear(sun, 0, places, n) + sun.radius[0]
        if now <= 0.0:
            begun = 0.0
        for t in range(steps):
            radius = sun.radius[t]
            if now >= 2.0 * radius:
                share = 1.0
            elif now <= 0.0:
                share = 0.0
            else:
                u = 1.0 - now / radius
                share = (math.acos(u) - u * math.sqrt(1.0 - u * u)) / math.pi
            shown[t] = share
            total += share
            if means_only:
                now = _clear(sun, t + 1, places, n) + sun.radius[t + 1]
                continue
            month += shown[t]
            if t >= window:
                month -= shown[t - window]
            if t >= window - 1:
                least = min(least, month)
            after = _clear(sun, t + 1, places, n) + sun.radius[t + 1]
            # Within a step the height above the horizon is linear between bearings: each where the
            # Sun may be seen is tested, but for darkness that begins and ends within a step while
            # there is a longer one.
            if now <= 0.0 or after <= 0.0 or longest < times.step_days:
                start = t * times.step_days
                when, height = 0.0, now
                skipped = False
                last = times.first[t + 1]
                for k in range(times.first[t], last + 1):
                    if k == last:
                        then, level = times.step_days, after
                    elif height <= 0.0 and never[min(int(crossings.place[k]), never.size - 1)]:
                        skipped = True
                        continue
                    else:
                        then = times.between[k]
                        level = _clear(crossings, k, places, n) + crossings.radius[k]
                    if (height > 0.0) != (level > 0.0):
                        if skipped:
                            when = times.between[k - 1]
                            height = _clear(crossings, k - 1, places, n) + crossings.radius[k - 1]
                        turn = start + when + (then - when) * height / (height - level)
                        if level > 0.0:
                            longest = max(longest, turn - begun)
                            _keep(results.dark[n], begun, turn)
                            begun = -1.0
                        else:
                            begun = turn
                    when, height, skipped = then, level, False
            now = after
        results.light[n] = 100.0 * total / steps
        if means_only:
            continue
        if begun >= 0.0:
            longest = max(longest, steps * times.step_days - begun)
            _keep(results.dark[n], begun, steps * times.step_days)
        results.month[n] = max(0.0, 100.0 * least / window)
        results.darkness[n] = longest


@_compiled
def thresholds(
    places: Places, bearing: Float, place_from: int, place_to: int, tangents: Float32
) -> None:
    """Write the tangents of the latitude south of which a body at each bearing is visible.

    Parameters
    ----------
    places : Places
        The observers.
    bearing : ndarray of float64, shape (bearings,)
        Longitudes, radians.
    place_from, place_to : int
        Range of places.
    tangents : ndarray of float32, shape (places, bearings)
        Filled.
    """
    for n in range(place_from, place_to):
        for b in range(bearing.size):
            # In the plane of the great circle: the angle from the equator's point to the zenith,
            # less that between the zenith and the horizon.
            cosine = places.cos_lat[n] * (
                math.cos(bearing[b]) * places.cos_lon[n] + math.sin(bearing[b]) * places.sin_lon[n]
            )
            sine = math.sqrt(1.0 - cosine * cosine)
            tangent = places.horizon[n, b]
            slope = (tangent * sine - cosine) / (sine + tangent * cosine)
            # The cosine of the angle between the plane and the pole.
            tangents[n, b] = -slope * sine / places.sin_lat[n]


@_compiled
def horizons(
    places: Places, bearing: Float, place_from: int, place_to: int, tangents: Float32
) -> None:
    """Fill ``places.horizon`` from thresholds: the reverse of `thresholds`."""
    for n in range(place_from, place_to):
        for b in range(bearing.size):
            cosine = places.cos_lat[n] * (
                math.cos(bearing[b]) * places.cos_lon[n] + math.sin(bearing[b]) * places.sin_lon[n]
            )
            sine = math.sqrt(1.0 - cosine * cosine)
            slope = -tangents[n, b] * places.sin_lat[n] / sine
            places.horizon[n, b] = (slope * sine + cosine) / (sine - slope * cosine)


@_compiled
def responses(
    tangents: Float32,
    share: Float32,
    low: float,
    per_step: float,
    place_from: int,
    place_to: int,
    loss: Float32,
) -> None:
    """Write what is lost of a body per degree of horizon, from its tables.

    Parameters
    ----------
    tangents : ndarray of float32, shape (places, bearings)
        From `thresholds`.
    share, low, per_step : ndarray of float32, shape (bearings, nodes, 2); float
        As in `tables.Tables`.
    place_from, place_to : int
        Range of places.
    loss : ndarray of float32, shape (places,)
        Filled with percentage points per degree.
    """
    last = share.shape[1] - 2
    for n in range(place_from, place_to):
        lost = 0.0
        for b in range(share.shape[0]):
            place = min(max((tangents[n, b] - low) * per_step, 0.0), last + 0.999)
            at = int(place)
            part = place - at
            lost += share[b, at, 1] + part * (share[b, at + 1, 1] - share[b, at, 1])
        loss[n] = lost
