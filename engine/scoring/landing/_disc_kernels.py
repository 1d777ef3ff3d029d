"""Statistics of the pixels on discs, compiled.

Rasters come with a margin of the disc's reach on every side, NaN outside. Every sum runs in an
order that depends on the columns alone, so that a strip has the values of the whole.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def disc_mean(padded: Float32, half: Int, least: int) -> Float32:
    """Return the mean over the known pixels of the disc around every pixel.

    Parameters
    ----------
    padded : ndarray of float32, shape (rows + 2 reach, columns + 2 reach)
        NaN for nodata.
    half : ndarray of int64, shape (reach + 1,)
        Half widths of the disc's rows, from its middle.
    least : int
        Number of known pixels below which the mean is NaN.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        Means.
    """
    reach = half.size - 1
    rows, columns = padded.shape[0] - 2 * reach, padded.shape[1] - 2 * reach
    wide = padded.shape[1]
    sums = np.zeros((2 * reach + 1, wide + 1))
    counts = np.zeros((2 * reach + 1, wide + 1), np.int32)
    out = np.empty((rows, columns), np.float32)
    for j in range(rows + 2 * reach):
        slot = j % (2 * reach + 1)
        total, count = 0.0, 0
        for i in range(wide):
            value = padded[j, i]
            if not math.isnan(value):
                total += value
                count += 1
            sums[slot, i + 1] = total
            counts[slot, i + 1] = count
        row = j - 2 * reach
        if row < 0:
            continue
        for c in range(columns):
            total, count = 0.0, 0
            for k in range(-reach, reach + 1):
                line = (row + reach + k) % (2 * reach + 1)
                width = half[abs(k)]
                left, right = c + reach - width, c + reach + width + 1
                total += sums[line, right] - sums[line, left]
                count += counts[line, right] - counts[line, left]
            out[row, c] = total / count if count >= least else math.nan
    return out


@_compiled
def disc_greatest(padded: Float32, half: Int, least: int) -> Float32:
    """Return the greatest known pixel of the disc around every pixel; see `disc_mean`."""
    reach = half.size - 1
    rows, columns = padded.shape[0] - 2 * reach, padded.shape[1] - 2 * reach
    out = np.full((rows, columns), -np.inf, np.float32)
    count = np.zeros((rows, columns), np.int32)
    best = np.empty(columns, np.float32)
    known = np.empty(columns, np.int32)
    for j in range(rows + 2 * reach):
        for c in range(columns):
            value = padded[j, c + reach]
            known[c] = 0 if math.isnan(value) else 1
            best[c] = -np.inf if math.isnan(value) else value
        for width in range(half[0] + 1):
            if width > 0:
                for c in range(columns):
                    for value in (padded[j, c + reach - width], padded[j, c + reach + width]):
                        if not math.isnan(value):
                            known[c] += 1
                            best[c] = max(best[c], value)
            for k in range(reach + 1):
                if half[k] != width:
                    continue
                for row in (j - reach - k, j - reach + k):
                    if 0 <= row < rows:
                        for c in range(columns):
                            out[row, c] = max(out[row, c], best[c])
                            count[row, c] += known[c]
                    if k == 0:
                        break
    for row in range(rows):
        for c in range(columns):
            if count[row, c] < least:
                out[row, c] = math.nan
    return out


@_compiled
def disc_deviation(padded: Float32, half: Int, least: int) -> Float32:
    """Return the standard deviation of the known pixels of the disc; see `disc_mean`."""
    reach = half.size - 1
    rows, columns = padded.shape[0] - 2 * reach, padded.shape[1] - 2 * reach
    out = np.empty((rows, columns), np.float32)
    for row in range(rows):
        for c in range(columns):
            found = _statistics(padded, half, row + reach, c + reach)
            out[row, c] = found[2] if found[0] >= least else math.nan
    return out


@_compiled
def statistics_at(padded: Float32, half: Int, row: Int, column: Int) -> Float32:
    """Return count, mean, standard deviation, minimum and maximum on discs around pixels.

    Parameters
    ----------
    padded, half
        See `disc_mean`.
    row, column : ndarray of int64, shape (places,)
        Pixels of ``padded`` at least ``reach`` from its edge.

    Returns
    -------
    ndarray of float32, shape (5, places)
        NaN without known pixels, whose count is 0.
    """
    out = np.full((5, row.size), np.nan, np.float32)
    for n in range(row.size):
        found = _statistics(padded, half, row[n], column[n])
        out[0, n] = found[0]
        if found[0] > 0:
            for k in range(1, 5):
                out[k, n] = found[k]
    return out


@_compiled
def _statistics(
    padded: Float32, half: Int, row: int, column: int
) -> tuple[float, float, float, float, float]:
    reach = half.size - 1
    count, total, low, high = 0, 0.0, math.inf, -math.inf
    for k in range(-reach, reach + 1):
        width = half[abs(k)]
        for i in range(column - width, column + width + 1):
            value = float(padded[row + k, i])
            if not math.isnan(value):
                count += 1
                total += value
                low = min(low, value)
                high = max(high, value)
    if count == 0:
        return 0.0, math.nan, math.nan, math.nan, math.nan
    mean, squares = total / count, 0.0
    for k in range(-reach, reach + 1):
        width = half[abs(k)]
        for i in range(column - width, column + width + 1):
            value = float(padded[row + k, i])
            if not math.isnan(value):
                squares += (value - mean) ** 2
    return float(count), mean, math.sqrt(squares / count), low, high
