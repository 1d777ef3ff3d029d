"""Statistics, distances and areas of the pixels of cells, compiled."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

CLEARANCE_M = 500.0
"""Largest distance from steep slopes that is measured, metres."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def cell_statistics(pixels: Float32, side: int) -> Float32:
    """Return count, mean, standard deviation, minimum and maximum of every cell.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        NaN for nodata; the last cells may be incomplete.
    side : int
        Side of a cell, pixels.

    Returns
    -------
    ndarray of float32, shape (5, cell rows, cell columns)
        NaN for cells without valid pixels, whose count is 0.
    """
    rows, columns = pixels.shape
    cell_rows, cell_columns = (rows + side - 1) // side, (columns + side - 1) // side
    out = np.full((5, cell_rows, cell_columns), np.nan, np.float32)
    for r in range(cell_rows):
        for c in range(cell_columns):
            count, total, low, high = 0, 0.0, math.inf, -math.inf
            for j in range(r * side, min((r + 1) * side, rows)):
                for i in range(c * side, min((c + 1) * side, columns)):
                    value = float(pixels[j, i])
                    if not math.isnan(value):
                        count += 1
                        total += value
                        low = min(low, value)
                        high = max(high, value)
            out[0, r, c] = count
            if count == 0:
                continue
            mean = total / count
            squares = 0.0
            for j in range(r * side, min((r + 1) * side, rows)):
                for i in range(c * side, min((c + 1) * side, columns)):
                    value = float(pixels[j, i])
                    if not math.isnan(value):
                        squares += (value - mean) ** 2
            out[1, r, c] = mean
            out[2, r, c] = math.sqrt(squares / count)
            out[3, r, c] = low
            out[4, r, c] = high
    return out


@_compiled
def clearance(pixels: Float32, limit: float, reach: int) -> Float32:
    """Return the distance of every pixel to the nearest one above a limit, in pixels.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        NaN for nodata, which is not above the limit.
    limit : float
        The limit.
    reach : int
        Maximum distance, pixels.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        Exact Euclidean distance between centres, at most ``reach``; NaN for nodata.
    """
    rows, columns = pixels.shape
    vertical = np.empty((rows, columns), np.int32)
    far = reach + 1
    for i in range(columns):
        last = -far
        for j in range(rows):
            if pixels[j, i] > limit:
                last = j
            vertical[j, i] = min(j - last, far)
        last = rows + far
        for j in range(rows - 1, -1, -1):
            if pixels[j, i] > limit:
                last = j
            vertical[j, i] = min(vertical[j, i], last - j)
    out = np.empty((rows, columns), np.float32)
    for j in range(rows):
        for i in range(columns):
            value = pixels[j, i]
            if math.isnan(value):
                out[j, i] = math.nan
                continue
            least = float(reach * reach)
            for k in range(max(0, i - reach), min(columns, i + reach + 1)):
                squared = float(vertical[j, k]) ** 2 + float(k - i) ** 2
                least = min(least, squared)
            out[j, i] = math.sqrt(least)
    return out


@_compiled
def area_within(mask: NDArray[np.uint8], x_px: Float, y_px: Float, radius_px: Float) -> Float32:
    """Return the number of pixels of a mask within a radius of each point.

    Parameters
    ----------
    mask : ndarray of uint8
        1 for pixels that are counted.
    x_px, y_px : ndarray of float64, shape (points,)
        Column and row of the points; 0 is the centre of the first pixel.
    radius_px : ndarray of float64, shape (points,)
        Radii, pixels.

    Returns
    -------
    ndarray of float32, shape (points,)
        Numbers of pixels.
    """
    rows, columns = mask.shape
    before = np.zeros((rows, columns + 1), np.int32)
    for j in range(rows):
        for i in range(columns):
            before[j, i + 1] = before[j, i] + (1 if mask[j, i] == 1 else 0)
    out = np.zeros(x_px.size, np.float32)
    for n in range(x_px.size):
        radius = radius_px[n]
        total = 0
        for j in range(
            max(0, math.ceil(y_px[n] - radius)), min(rows, math.floor(y_px[n] + radius) + 1)
        ):
            half = math.sqrt(max(radius * radius - (j - y_px[n]) ** 2, 0.0))
            left = max(0, math.ceil(x_px[n] - half))
            right = min(columns - 1, math.floor(x_px[n] + half))
            if right >= left:
                total += before[j, right + 1] - before[j, left]
        out[n] = total
    return out


@_compiled
def points_within(x_px: Float, y_px: Float, radius_px: Float) -> Float32:
    """Return the number of pixels within a radius of each point on a raster without edges.

    Parameters and result are those of `area_within`.
    """
    out = np.zeros(x_px.size, np.float32)
    for n in range(x_px.size):
        radius = radius_px[n]
        total = 0
        for j in range(math.ceil(y_px[n] - radius), math.floor(y_px[n] + radius) + 1):
            half = math.sqrt(max(radius * radius - (j - y_px[n]) ** 2, 0.0))
            total += max(math.floor(x_px[n] + half) - math.ceil(x_px[n] - half) + 1, 0)
        out[n] = total
    return out


def edge_pixels(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return row and column of the pixels of a mask on its edge or on the border."""
    inside = mask == 1
    return np.argwhere(inside & ~ndimage.binary_erosion(inside))


@_compiled
def burn_circles(mask: NDArray[np.uint8], x_px: Float, y_px: Float, radius_px: Float) -> None:
    """Set the pixels whose centres are inside a circle to 1."""
    rows, columns = mask.shape
    for n in range(x_px.size):
        radius = radius_px[n]
        for j in range(
            max(0, math.ceil(y_px[n] - radius)), min(rows, math.floor(y_px[n] + radius) + 1)
        ):
            half = math.sqrt(max(radius * radius - (j - y_px[n]) ** 2, 0.0))
            left = max(0, math.ceil(x_px[n] - half))
            right = min(columns - 1, math.floor(x_px[n] + half))
            for i in range(left, right + 1):
                mask[j, i] = 1
