"""The compiled loop over time behind `darkness`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_POINTS_AT_ONCE = 64


@njit(cache=True, nogil=True, error_model="numpy")
def follow(
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
    """Follow the Sun over some points' horizons, a block of points at a time."""
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
            month[first + n] = max(0.0, 100.0 * least / window)
            night[first + n] = longest * step_days
