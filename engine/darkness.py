"""The two layers that need the whole time series: the darkest month and the longest darkness.

They are computed at chosen points from the horizons that the sweep kept there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from lunarsite.engine.ephemeris import SYNODIC_MONTH_DAYS
from lunarsite.engine.horizon import chunks
from lunarsite.engine.lighting import threshold_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.ephemeris import Ephemeris

    Float32 = NDArray[np.float32]

_POINTS_AT_ONCE = 64


def darkness(
    thresholds: NDArray[np.int16], sky: Ephemeris, context: Context
) -> tuple[Float32, Float32]:
    """Return the illumination of the darkest month and the longest darkness at points.

    Parameters
    ----------
    thresholds : ndarray of int16, shape (bearings, points)
        Horizons as `lighting.light` keeps them.
    sky : Ephemeris
        The span of time.
    context : Context
        Threads, progress, cancellation.

    Returns
    -------
    darkest_month_pct : ndarray of float32, shape (points,)
        Least average visible part of the Sun's disc over any 29.53 days of the span, percent. The
        whole span where it is shorter than that.
    longest_night_days : ndarray of float32, shape (points,)
        Longest time without any part of the Sun's disc, days. NaN where a horizon is unknown.
    """
    bearings, count = thresholds.shape
    month = np.full(count, np.nan, np.float32)
    night = np.full(count, np.nan, np.float32)
    place = np.mod(sky.sun.lon_deg, 360.0) / (360.0 / bearings)
    before = np.floor(place).astype(np.int32) % bearings
    window = min(len(sky.days), max(1, round(SYNODIC_MONTH_DAYS * 24.0 / sky.step_hours)))
    low, scale = threshold_scale()

    def work(part: tuple[int, int]) -> None:
        _darkness(
            thresholds,
            part[0],
            part[1],
            low,
            scale,
            before,
            (place - np.floor(place)).astype(np.float32),
            sky.sun.lat_deg.astype(np.float32),
            sky.sun.radius_deg.astype(np.float32),
            window,
            sky.step_hours / 24.0,
            month,
            night,
        )

    parts = list(chunks(count, context.threads * 4))
    for done, _ in enumerate(context.pool().map(work, parts)):
        context.progress(done / len(parts), "longest darkness")
    return month, night


@njit(cache=True, nogil=True, error_model="numpy")
def _darkness(
    thresholds: NDArray[np.int16],
    point_from: int,
    point_to: int,
    low: float,
    scale: float,
    before: NDArray[np.int32],
    nearness: Float32,
    latitude: Float32,
    radius: Float32,
    window: int,
    step_days: float,
    month: Float32,
    night: Float32,
) -> None:
    bearings, steps = thresholds.shape[0], latitude.size
    local = np.empty((_POINTS_AT_ONCE, bearings + 1), np.float32)
    lit = np.empty(steps, np.float32)
    for first in range(point_from, point_to, _POINTS_AT_ONCE):
        number = min(_POINTS_AT_ONCE, point_to - first)
        for k in range(bearings):
            for n in range(number):
                kept = thresholds[k, first + n]
                if kept == -32768:
                    local[n, k] = math.nan
                else:
                    local[n, k] = -math.degrees(math.atan((kept + 32767.0) / scale + low))
        for n in range(number):
            local[n, bearings] = local[n, 0]
            row = local[n]
            known = True
            for k in range(bearings):
                known = known and row[k] == row[k]
            if not known:
                continue
            run, longest = 0, 0
            total, least = 0.0, math.inf
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
            month[first + n] = max(0.0, 100.0 * least / window)
            night[first + n] = longest * step_days
