"""Compiled kernel of `template`: whether a rim stands up all around."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_AZIMUTHS = 32

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def evenness(height: Float32, place: Float) -> Float:
    """Return how evenly the rims of circles stand above their floors.

    Parameters
    ----------
    height : ndarray of float32, shape (rows, columns)
        Any unit, NaN for nodata.
    place : ndarray of float64, shape (circles, 3)
        Column, row and radius in pixels.

    Returns
    -------
    ndarray of float64, shape (circles,)
        First quartile, over azimuths, of the height of the rim above the floor, relative to its
        mean; from -1 to 1. The tilt of complete rims is removed first. Zero where less than half of
        the rim is known, or the floor is not below it.
    """
    result = np.zeros(place.shape[0])
    rim = np.zeros(_AZIMUTHS)
    for i in range(place.shape[0]):
        c0, r0, r = place[i]
        floor, parts = 0.0, 0
        east, south, seen = 0.0, 0.0, 0
        for n in range(_AZIMUTHS):
            angle = 2.0 * math.pi * n / _AZIMUTHS
            u, v = math.cos(angle), math.sin(angle)
            for share in (0.1, 0.3):
                z = _at(height, c0 + share * r * u, r0 + share * r * v)
                if not math.isnan(z):
                    floor += z
                    parts += 1
            rim[n] = -math.inf
            for share in (0.9, 1.0, 1.1):
                z = _at(height, c0 + share * r * u, r0 + share * r * v)
                if not math.isnan(z):
                    rim[n] = max(rim[n], z)
            if rim[n] > -math.inf:
                seen += 1
                east += rim[n] * u
                south += rim[n] * v
        if parts == 0 or seen < _AZIMUTHS // 2:
            continue
        floor /= parts
        if seen < _AZIMUTHS:
            # An incomplete ring does not separate tilt from mean height.
            east, south = 0.0, 0.0
        total = 0.0
        for n in range(_AZIMUTHS):
            if rim[n] == -math.inf:
                rim[n] = math.inf
                continue
            angle = 2.0 * math.pi * n / _AZIMUTHS
            tilt = (east * math.cos(angle) + south * math.sin(angle)) * 2.0 / _AZIMUTHS
            rim[n] -= floor + tilt
            total += rim[n]
        if total > 0.0:
            lower = np.sort(rim)[seen // 4] * seen / total
            result[i] = min(max(lower, -1.0), 1.0)
    return result


@_compiled
def _at(height: Float32, x: float, y: float) -> float:
    """Return the bilinearly interpolated height; NaN outside and next to nodata."""
    rows, columns = height.shape
    if not (x >= 0.0 and y >= 0.0 and x <= columns - 1 and y <= rows - 1):
        return math.nan
    c, r = min(int(x), columns - 2), min(int(y), rows - 2)
    u, v = x - c, y - r
    top = height[r, c] * (1.0 - u) + height[r, c + 1] * u
    bottom = height[r + 1, c] * (1.0 - u) + height[r + 1, c + 1] * u
    return float(top * (1.0 - v) + bottom * v)
