"""Compiled loops over the circles of craters."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_NEAR, _SURE = 4.0, 3.25
"""Distance from the centre of a cell, in cells, within which every rim is first entered into the
raster, and that from a place in the cell within which all of them are.
"""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def rim_distance(at_y: Float, at_x: Float, x: Float, y: Float, radius: Float) -> Float:
    """Return the distance from a place in every cell to the nearest circle.

    Rims are entered into nearby cells; for the few cells without a rim nearby all circles are
    evaluated.

    Parameters
    ----------
    at_y, at_x : ndarray of float64, shape (rows, columns)
        Row and column of the places, in their cells; 0 is the centre of the first cell.
    x, y, radius : ndarray of float64, shape (circles,)
        Column, row and radius in cells.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        Distance, in cells.
    """
    rows, columns = at_y.shape
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
                across, down = at_x[j, i] - x[n], at_y[j, i] - y[n]
                away = abs(math.sqrt(across * across + down * down) - radius[n])
                out[j, i] = min(out[j, i], away)
    for j in range(rows):
        for i in range(columns):
            if out[j, i] <= _SURE:
                continue
            for n in range(x.size):
                across, down = at_x[j, i] - x[n], at_y[j, i] - y[n]
                away = abs(math.sqrt(across * across + down * down) - radius[n])
                out[j, i] = min(out[j, i], away)
    return out


@_compiled
def craters_on_discs(
    row: Float,
    column: Float,
    radius_px: Float,
    diameter: Float,
    depth: Float,
    disc_row: Int,
    disc_column: Int,
    disc_px: float,
    side: int,
) -> Float:
    """Return what the craters that reach into the landing disc of each cell add up to.

    Parameters
    ----------
    row, column, radius_px : ndarray of float64, shape (craters,)
        Circles in pixels; 0 is the centre of the first pixel.
    diameter, depth : ndarray of float64, shape (craters,)
        Diameters, metres, and ratios of depth to diameter, NaN where unknown.
    disc_row, disc_column : ndarray of int64, shape (cell rows, cell columns)
        Centres of the discs; -1 where a cell has none.
    disc_px : float
        Radius of the discs, pixels.
    side : int
        Side of a cell, pixels.

    Returns
    -------
    ndarray of float64, shape (5, cell rows, cell columns)
        Count, sum and maximum of the diameters, sum and number of the known ratios.
    """
    rows, columns = disc_row.shape
    out = np.zeros((5, rows, columns))
    for n in range(row.size):
        reach = radius_px[n] + disc_px
        top = max(0, math.floor((row[n] - reach) / side))
        bottom = min(rows - 1, math.floor((row[n] + reach) / side))
        left = max(0, math.floor((column[n] - reach) / side))
        right = min(columns - 1, math.floor((column[n] + reach) / side))
        for j in range(top, bottom + 1):
            for i in range(left, right + 1):
                if disc_row[j, i] < 0:
                    continue
                down, across = disc_row[j, i] - row[n], disc_column[j, i] - column[n]
                if down * down + across * across >= reach * reach:
                    continue
                out[0, j, i] += 1.0
                out[1, j, i] += diameter[n]
                out[2, j, i] = max(out[2, j, i], diameter[n])
                if not math.isnan(depth[n]):
                    out[3, j, i] += depth[n]
                    out[4, j, i] += 1.0
    return out
