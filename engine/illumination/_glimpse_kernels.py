"""Compiled loops that look for glimpses of the Sun between the bearings of a horizon.

The Sun moves west and passes the fine bearings one after another; the times at which it does are
counted from the first coarse bearing that it passes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lunarsite.engine.illumination._march_kernels import Terrain, march_between
from lunarsite.engine.illumination._series_kernels import (
    Path,
    Places,
    above_horizon,
    thresholds,
)

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

_EQUAL_DAYS = 0.01
"""Periods that differ by less are taken as equally long."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


class When(NamedTuple):
    """Times at which the Sun passes coarse bearings, and the fine bearings.

    Parameters
    ----------
    days : ndarray of float64, shape (crossings,)
        When the Sun passes the coarse bearings, days.
    span : float
        End of the last time step, days.
    parts : int
        Fine bearings for each coarse one.
    bearing, sine, cosine : ndarray of float64, shape (fine bearings,)
        Longitudes of points of the equator, radians; a multiple of the coarse ones.
    lowest : float
        Latitude of the southernmost edge of the Sun, radians.
    margin : float
        How far below the interpolated horizon the Sun may yet be visible, radians.
    """

    days: Float
    span: float
    parts: int
    bearing: Float
    sine: Float
    cosine: Float
    lowest: float
    margin: float


@_compiled
def follow(
    terrain: Terrain,
    x: Float,
    y: Float,
    places: Places,
    crossings: Path,
    when: When,
    place_from: int,
    place_to: int,
    dark: Float,
    darkness: Float32,
) -> None:
    """Follow the longest periods of darkness at the fine bearings.

    The longest period of a place is followed from the light before it to the light after it; where
    the Sun comes within a margin of the horizon, that is marched at the fine bearings. What remains
    longest replaces the period, until none that is longer is left.

    Parameters
    ----------
    terrain : Terrain
        All models.
    x, y : ndarray of float64, shape (places,)
        Positions on the map, radii of the Moon.
    places : Places
        The observers, and their horizons at the coarse bearings.
    crossings : Path
        The Sun where it passes a coarse bearing.
    when : When
        These times.
    place_from, place_to : int
        Range of places.
    dark : ndarray of float64, shape (places, periods, 2)
        Begin and end of the longest periods of darkness, days; those followed are replaced.
    darkness : ndarray of float32, shape (places,)
        Filled with the longest of them, days; left as it is where the height is unknown.
    """
    coarse, parts, bearings = places.horizon.shape[1], when.parts, when.bearing.size
    count = (when.days.size - 1) * parts + 1
    for n in range(place_from, place_to):
        if math.isnan(places.eye[n]) or np.isnan(places.horizon[n]).any():
            continue
        if when.days.size < 2:  # the Sun does not move from one bearing to another
            darkness[n] = (dark[n, :, 1] - dark[n, :, 0]).max()
            continue
        row = np.empty((1, bearings))
        for gap in range(coarse):
            edge = places.horizon[n, gap]
            rise = places.horizon[n, (gap + 1) % coarse] - edge
            for k in range(parts):
                row[0, gap * parts + k] = edge + rise * k / parts
        here = _one(places, n, row)
        runs = _runs(_one(places, n, places.horizon[n : n + 1]), when)
        marched, depth = np.zeros(coarse, np.bool_), np.full(coarse, when.margin)
        ray = (x[n], y[n])
        followed = np.zeros(dark.shape[1], np.bool_)
        longest = 0.0
        # Periods that are not kept are at most this long.
        others = (dark[n, :, 1] - dark[n, :, 0]).min()
        while True:
            at = np.argmax(dark[n, :, 1] - dark[n, :, 0])
            begun, ended = dark[n, at]
            if followed[at] or ended - begun <= longest + _EQUAL_DAYS:
                break
            followed[at] = True
            dark[n, at] = 0.0
            first = _index(when, begun)
            before, height, begun = 0.0, 0.0, 0.0
            while first > 0 and height <= 0.0:
                first -= 1
                height, _ = _above(terrain, ray, crossings, when, first, here, depth, marched)
            if height > 0.0:  # else it is dark from the first time on
                before = _time(when, first)
            k = first + (height > 0.0)
            while k <= count and (height <= 0.0 or before < ended):
                then, level, jump = when.span, height, 1
                if k < count:
                    then = _time(when, k)
                    level, place = _above(terrain, ray, crossings, when, k, here, depth, marched)
                    if level < 0.0:
                        jump = _below(crossings, when, k, here, depth, level, place, runs)
                if (height > 0.0) != (level > 0.0):
                    turn = before + (then - before) * height / (height - level)
                    if level <= 0.0:
                        begun = turn
                    else:
                        _longer(dark[n, at], begun, turn)
                before, height = then, level
                k = min(k + jump, count) if k < count else k + 1
            if height <= 0.0:
                _longer(dark[n, at], begun, when.span)
            longest = max(longest, dark[n, at, 1] - dark[n, at, 0])
        # Rather too long than too short, if all that were kept turn out shorter than the others.
        darkness[n] = max(longest, others)


@_compiled
def _one(places: Places, n: int, horizon: Float) -> Places:
    """Return a single observer with other horizons."""
    return Places(
        places.sin_lon[n : n + 1],
        places.cos_lon[n : n + 1],
        places.sin_lat[n : n + 1],
        places.cos_lat[n : n + 1],
        places.eye[n : n + 1],
        horizon,
    )


@_compiled
def _runs(place: Places, when: When) -> Int:
    """Return how many gaps on from each between coarse bearings the Sun is never near the horizon.

    They are counted westwards, as the Sun moves: 0 where it may be near.
    """
    count = place.horizon.shape[1]
    tangents = np.empty((1, count), np.float32)
    thresholds(place, when.bearing[:: when.parts], 0, 1, tangents)
    # These are positive for latitudes south of the equator.
    most = math.tan(1.5 * when.margin - when.lowest)
    runs = np.zeros(count, np.int64)
    for turn in range(2 * count):  # twice around, since a run may pass north
        gap = turn % count
        if min(tangents[0, gap], tangents[0, (gap + 1) % count]) > most:
            runs[gap] = min(runs[gap - 1] + 1, count)
        else:
            runs[gap] = 0
    return runs


@_compiled
def _index(when: When, day: float) -> int:
    """Return the number of the first time from a day on."""
    after = int(np.searchsorted(when.days, day))
    if after in (0, when.days.size):
        return max(after - 1, 0) * when.parts + (after > 0)
    first, last = when.days[after - 1], when.days[after]
    return int((after - 1) * when.parts + math.ceil((day - first) / (last - first) * when.parts))


@_compiled
def _time(when: When, k: int) -> float:
    """Return when the Sun passes a fine bearing, days."""
    c = min(k // when.parts, when.days.size - 2)
    share = k / when.parts - c
    return float(when.days[c] + (when.days[c + 1] - when.days[c]) * share)


@_compiled
def _level(crossings: Path, when: When, k: int, here: Places) -> tuple[float, float]:
    """Return how far the Sun's upper edge is above the horizon at one of the times, radians.

    The second value is its bearing at the place, in steps between fine bearings.
    """
    c = min(k // when.parts, when.days.size - 2)
    step = k - c * when.parts
    share = step / when.parts
    line = int(round(crossings.place[c])) * when.parts - step  # noqa: RUF046  a float in numba
    line %= when.bearing.size
    clear, place = above_horizon(
        line,
        when.sine[line],
        when.cosine[line],
        crossings.sin_lat[c] + share * (crossings.sin_lat[c + 1] - crossings.sin_lat[c]),
        crossings.cos_lat[c] + share * (crossings.cos_lat[c + 1] - crossings.cos_lat[c]),
        crossings.parallax[c],
        here,
        0,
    )
    radius = crossings.radius[c] + share * (crossings.radius[c + 1] - crossings.radius[c])
    return clear + radius, place


@_compiled
def _below(
    crossings: Path,
    when: When,
    k: int,
    here: Places,
    depth: Float,
    level: float,
    place: float,
    runs: Int,
) -> int:
    """Return how many times on the Sun may be visible next, at the earliest.

    Between two coarse bearings the interpolated horizon is a line: if the Sun is farther below it
    at both than the horizon is anywhere between them, it is not seen there.
    """
    parts, bearings = when.parts, when.bearing.size
    to_edge = int(round(place % parts))  # noqa: RUF046  a float in numba
    run = runs[int(place) // parts]
    if run > 0:
        return int(max(to_edge + (run - 1) * parts, 1))
    jump = to_edge if to_edge > 0 else parts
    gap = int((place - 0.5 * jump) % bearings) // parts
    if level >= -depth[gap] or k + jump > (when.days.size - 1) * parts:
        return 1
    return jump if _level(crossings, when, k + jump, here)[0] < -depth[gap] else 1


@_compiled
def _above(
    terrain: Terrain,
    ray: tuple[float, float],
    crossings: Path,
    when: When,
    k: int,
    here: Places,
    depth: Float,
    marched: Bool,
) -> tuple[float, float]:
    """Return how far the Sun's upper edge is above the horizon of a place, radians, and where.

    If it is close to the horizon between two coarse bearings, the fine ones between them are
    marched, and how far they are below the line at most is noted.
    """
    level, place = _level(crossings, when, k, here)
    parts = when.parts
    gap = int(place) // parts
    if marched[gap] or abs(level) > depth[gap]:
        return level, place
    marched[gap] = True
    horizon = here.horizon[0]
    first, last = gap * parts, (gap + 1) * parts
    edge, rise = horizon[first], (horizon[first + 1] - horizon[first]) * parts
    march_between(terrain, *ray, here.eye[0], when.bearing, first + 1, last, horizon)
    depth[gap] = 0.0
    for step in range(1, parts):
        depth[gap] = max(depth[gap], edge + rise * step / parts - horizon[first + step])
    return _level(crossings, when, k, here)


@_compiled
def _longer(period: Float, begun: float, ended: float) -> None:
    """Replace a period by a longer one."""
    if ended - begun > period[1] - period[0]:
        period[0], period[1] = begun, ended
