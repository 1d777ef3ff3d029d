"""Compiled loop for the distance to crater rims."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]

_NEAR = 3.0
"""Distance, in cells, within which every rim is first entered into the raster."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def rim_distance(rows: int, columns: int, x: Float, y: Float, radius: Float) -> Float:
    """Return the distance from the centre of every cell to the nearest circle.

    Rims are entered into nearby cells; for the few cells without a rim nearby all circles are
    evaluated.

    Parameters
    ----------
    rows, columns : int
        Shape of the grid.
    x, y, radius : ndarray of float64, shape (circles,)
        Column, row and radius in cells; 0 is the centre of the first cell.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        Distance, in cells.
    """
    out = np.full((rows, columns), np.inf)
    for n in range(x.size):
        outer = radius[n] + _NEAR
        inner = max(0.0, radius[n] - _NEAR)
        for j in range(max(0, math.ceil(y[n] - outer)), min(rows, math.floor(y[n] + outer) + 1)):
            dy = j - y[n]
            half = math.sqrt(max(outer * outer - dy * dy, 0.0))
            hollow = math.sqrt(max(inner * inner - dy * dy, 0.0))
            first, last = max(0, math.ceil(x[n] - half)), min(columns - 1, math.floor(x[n] + half))
            for i in range(first, last + 1):
                if abs(i - x[n]) < hollow:
                    continue
                away = abs(math.sqrt((i - x[n]) ** 2 + dy * dy) - radius[n])
                out[j, i] = min(out[j, i], away)
    for j in range(rows):
        for i in range(columns):
            if out[j, i] <= _NEAR:
                continue
            for n in range(x.size):
                away = abs(math.sqrt((i - x[n]) ** 2 + (j - y[n]) ** 2) - radius[n])
                out[j, i] = min(out[j, i], away)
    return out
