"""Compiled loop over time that follows the Sun above the horizons of points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lunarsite.engine.illumination._gather_kernels import Encoding

Float32 = NDArray[np.float32]

_POINTS_AT_ONCE = 64


class SunPath(NamedTuple):
    """The Sun over time, and the averaging window.

    Parameters
    ----------
    bearing : ndarray of int32, shape (times,)
        Index of the bearing before the Sun.
    fraction : ndarray of float32, shape (times,)
        Position between that bearing and the next, 0 to 1.
    latitude, radius : ndarray of float32, shape (times,)
        Latitude of the sub-solar point and apparent radius, degrees.
    window : int
        Number of times in a month.
    step_days : float
        Time step, days.
    """

    bearing: NDArray[np.int32]
    fraction: Float32
    latitude: Float32
    radius: Float32
    window: int
    step_days: float


@njit(cache=True, nogil=True, error_model="numpy")
def follow_sun(
    thresholds: NDArray[np.int16],
    encoding: Encoding,
    sun: SunPath,
    point_from: int,
    point_to: int,
    darkest_month: Float32,
    longest_darkness: Float32,
) -> None:
    """Compute darkest month and longest continuous darkness of some points, in blocks.

    Parameters
    ----------
    thresholds : ndarray of int16, shape (bearings, points)
        Encoded horizons.
    encoding : Encoding
        Their encoding.
    sun : SunPath
        The Sun over time.
    point_from, point_to : int
        Range of points.
    darkest_month : ndarray of float32, shape (points,)
        Filled with percent; unchanged where a horizon is unknown.
    longest_darkness : ndarray of float32, shape (points,)
        Filled with days; likewise.
    """
    low, scale = encoding
    before, nearness, latitude, radius, window, step_days = sun
    bearings, steps = thresholds.shape[0], latitude.size
    local = np.empty((_POINTS_AT_ONCE, bearings + 1), np.float32)
    lit = np.empty(steps, np.float32)
    for first in range(point_from, point_to, _POINTS_AT_ONCE):
        number = min(_POINTS_AT_ONCE, point_to - first)
        for k in range(bearings):
            for n in range(number):
                code = thresholds[k, first + n]
                if code == -32768:
                    local[n, k] = math.nan
                else:
                    local[n, k] = -math.degrees(math.atan((code + 32767.0) / scale + low))
        for n in range(number):
            local[n, bearings] = local[n, 0]
            row = local[n]
            known = True
            for k in range(bearings):
                known = known and not math.isnan(row[k])
            if not known:
                continue
            run, longest = 0, 0
            total, least = np.float64(0.0), np.float64(math.inf)
            for t in range(steps):
                k = before[t]
                up = row[k] + nearness[t] * (row[k + 1] - row[k]) - latitude[t]
                rho = radius[t]
                if up >= rho:
                    shown = np.float32(1.0)
                    run = 0
                elif up <= -rho:
                    shown = np.float32(0.0)
                    run += 1
                    longest = max(longest, run)
                else:
                    u = -up / rho
                    shown = np.float32((math.acos(u) - u * math.sqrt(1.0 - u * u)) / math.pi)
                    run = 0
                lit[t] = shown
                total += shown
                if t >= window:
                    total -= lit[t - window]
                if t >= window - 1:
                    least = min(least, total)
            darkest_month[first + n] = max(0.0, 100.0 * least / window)
            longest_darkness[first + n] = longest * step_days
