"""Compiled kernel of `morphometry`: heights of rim, floor and surroundings."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_AZIMUTHS = 36
_RIM = (0.85, 1.15)
_RIM_STEPS = 7
_FLOOR = 0.5
_FLOOR_STEPS = 5
_AROUND = (2.25, 2.5, 2.75)

EJECTA = sum(share**-3.0 for share in _AROUND) / len(_AROUND)
"""Thickness of the ejecta on the rings of the surroundings, as a share of the rim's height."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def rings(height: Float32, place: Float) -> Float:
    """Return the heights of rim, floor and surroundings.

    Parameters
    ----------
    height : ndarray of float32, shape (rows, columns)
        Metres, NaN for nodata.
    place : ndarray of float64, shape (craters, 3)
        Column, row and radius in pixels.

    Returns
    -------
    ndarray of float64, shape (craters, 3)
        Metres; NaN where less than half of the samples have data. The surroundings still carry the
        ejecta.
    """
    out = np.full((place.shape[0], 3), np.nan)
    crests = np.empty(_AZIMUTHS)
    inside = np.empty(_AZIMUTHS * _FLOOR_STEPS)
    around = np.empty(len(_AROUND) * _AZIMUTHS)
    for i in range(place.shape[0]):
        c0, r0, r = place[i]
        rims = floors = others = 0
        for n in range(_AZIMUTHS):
            angle = 2.0 * math.pi * n / _AZIMUTHS
            east, south = r * math.cos(angle), r * math.sin(angle)
            crest = -math.inf
            for step in range(_RIM_STEPS):
                share = _RIM[0] + (_RIM[1] - _RIM[0]) * step / (_RIM_STEPS - 1)
                value = _at(height, c0 + share * east, r0 + share * south)
                crest = max(crest, value)
            if crest > -math.inf:
                crests[rims] = crest
                rims += 1
            for step in range(_FLOOR_STEPS):
                share = _FLOOR * (step + 0.5) / _FLOOR_STEPS
                value = _at(height, c0 + share * east, r0 + share * south)
                if not math.isnan(value):
                    inside[floors] = value
                    floors += 1
            for share in _AROUND:
                value = _at(height, c0 + share * east, r0 + share * south)
                if not math.isnan(value):
                    around[others] = value
                    others += 1
        if 2 * rims >= _AZIMUTHS:
            out[i, 0] = np.median(crests[:rims])
        if 2 * floors >= inside.size:
            out[i, 1] = np.quantile(inside[:floors], 0.1)
        if 2 * others >= around.size:
            out[i, 2] = np.median(around[:others])
    return out


@_compiled
def _at(height: Float32, x: float, y: float) -> float:
    """Return the bilinearly interpolated height; NaN outside and next to nodata."""
    rows, columns = height.shape
    c, r = math.floor(x), math.floor(y)
    if c < 0 or r < 0 or c >= columns - 1 or r >= rows - 1:
        return math.nan
    u, v = x - c, y - r
    top = height[r, c] * (1.0 - u) + height[r, c + 1] * u
    bottom = height[r + 1, c] * (1.0 - u) + height[r + 1, c + 1] * u
    return float(top * (1.0 - v) + bottom * v)
