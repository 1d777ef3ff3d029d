"""The best disc of every cell, and its landable ground, compiled."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def best_of_cells(
    value: Float32,
    top: int,
    shift_row: int,
    shift_column: int,
    side: int,
    best: Float32,
    where: Int,
    known: Int,
) -> None:
    """Update the greatest value of every cell, its pixel, and the number of known pixels.

    Parameters
    ----------
    value : ndarray of float32, shape (rows, columns)
        Rows of a raster from row ``top``; NaN for nodata.
    top : int
        Row of the first of them.
    shift_row, shift_column : int
        Pixels by which the borders of the cells are moved up and to the left.
    side : int
        Side of a cell, pixels.
    best : ndarray of float32, shape (cell rows, cell columns)
        Changed in place; NaN for none.
    where : ndarray of int64, same shape
        Index of the pixel in the raster, row by row; of equal pixels the first.
    known : ndarray of int64, same shape
        Numbers of known pixels.
    """
    rows, columns = value.shape
    for j in range(rows):
        r = (top + j + shift_row) // side
        for i in range(columns):
            one = value[j, i]
            if math.isnan(one):
                continue
            c = (i + shift_column) // side
            known[r, c] += 1
            if not one <= best[r, c]:
                best[r, c] = one
                where[r, c] = (top + j) * columns + i


@_compiled
def landable(
    probability: Float32, least: float, side: int, pixel_m: float
) -> tuple[Float32, Float32, Float32]:
    """Return share, largest circle and number of areas of landable ground in cells.

    Parameters
    ----------
    probability : ndarray of float32, shape (rows, columns)
        Whole rows of cells; NaN for nodata.
    least : float
        Probability from which the disc around a pixel is landable.
    side : int
        Side of a cell, pixels.
    pixel_m : float
        Pixel size, metres.

    Returns
    -------
    share_pct, radius_m, areas : ndarray of float32, shape (cell rows, cell columns)
        Share of the known pixels; radius of the largest circle of centres of landable discs inside
        the cell; 8-connected areas. NaN without known pixels.
    """
    rows, columns = probability.shape
    cell_rows, cell_columns = (rows + side - 1) // side, (columns + side - 1) // side
    share = np.full((cell_rows, cell_columns), np.nan, np.float32)
    radius = np.full((cell_rows, cell_columns), np.nan, np.float32)
    areas = np.full((cell_rows, cell_columns), np.nan, np.float32)
    label = np.zeros((side + 2, side + 2), np.int32)
    queue = np.empty((side * side, 2), np.int32)
    for r in range(cell_rows):
        for c in range(cell_columns):
            top, left = r * side, c * side
            height, width = min(side, rows - top), min(side, columns - left)
            known, good = 0, 0
            label[:] = 0
            for j in range(height):
                for i in range(width):
                    one = probability[top + j, left + i]
                    if not math.isnan(one):
                        known += 1
                        if one >= least:
                            good += 1
                            label[j + 1, i + 1] = -1
            if known == 0:
                continue
            share[r, c] = 100.0 * good / known
            radius[r, c] = 0.0
            count = 0
            if good > 0:
                radius[r, c] = _circle(label, height, width) * pixel_m
                count = _areas(label, queue, height, width)
            areas[r, c] = count
    return share, radius, areas


@_compiled
def _circle(label: NDArray[np.int32], height: int, width: int) -> float:
    """Return the radius of the largest circle around a marked pixel without others, pixels."""
    best = 0
    for j in range(1, height + 1):
        for i in range(1, width + 1):
            if label[j, i] == 0:
                continue
            edge = min(j, i, height + 1 - j, width + 1 - i)
            nearest = edge * edge
            if nearest <= best:
                continue
            for k in range(max(1, j - edge + 1), min(height, j + edge - 1) + 1):
                down = (k - j) * (k - j)
                if down >= nearest:
                    continue
                for m in range(max(1, i - edge + 1), min(width, i + edge - 1) + 1):
                    if label[k, m] == 0:
                        nearest = min(nearest, down + (m - i) * (m - i))
                if nearest <= best:
                    break
            best = max(best, nearest)
    return max(math.sqrt(best) - 0.5, 0.0)


@_compiled
def _areas(label: NDArray[np.int32], queue: NDArray[np.int32], height: int, width: int) -> int:
    """Count the 8-connected areas of marked pixels, which are numbered from 1."""
    count = 0
    for j in range(1, height + 1):
        for i in range(1, width + 1):
            if label[j, i] != -1:
                continue
            count += 1
            label[j, i] = count
            queue[0, 0], queue[0, 1] = j, i
            first, last = 0, 1
            while first < last:
                y, x = queue[first, 0], queue[first, 1]
                first += 1
                for k in range(y - 1, y + 2):
                    for m in range(x - 1, x + 2):
                        if label[k, m] == -1:
                            label[k, m] = count
                            queue[last, 0], queue[last, 1] = k, m
                            last += 1
    return count
