"""The compiled inner loops of `tiles` and `targets`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_AZIMUTHS = 24

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def evidence(height: Float32, place: Float) -> Float:
    """Return what is left to see of each crater.

    Parameters
    ----------
    height : ndarray of float32, shape (rows, columns)
        Metres.
    place : ndarray of float64, shape (craters, 3)
        Column, row and radius in pixels.

    Returns
    -------
    ndarray of float64, shape (craters, 2)
        Mean height of the rim over the floor in metres, and the share of azimuths at which the
        rim stands above the ground inside by at least half of that.
    """
    rows, columns = height.shape
    found = np.zeros((place.shape[0], 2))
    rise = np.zeros(_AZIMUTHS)
    for i in range(place.shape[0]):
        c0, r0, r = place[i]
        floor = 0.0
        count = 0
        for n in range(_AZIMUTHS):
            angle = 2.0 * math.pi * n / _AZIMUTHS
            for share in (0.1, 0.25):
                floor += _at(
                    height, c0 + share * r * math.cos(angle), r0 + share * r * math.sin(angle)
                )
                count += 1
        floor /= count
        total = 0.0
        seen = 0
        for n in range(_AZIMUTHS):
            angle = 2.0 * math.pi * n / _AZIMUTHS
            x, y = c0 + r * math.cos(angle), r0 + r * math.sin(angle)
            if x < 0.0 or y < 0.0 or x > columns - 1 or y > rows - 1:
                continue
            rise[seen] = _at(height, x, y) - floor
            total += rise[seen]
            seen += 1
        if seen < _AZIMUTHS // 2:
            continue
        mean = total / seen
        high = 0
        for n in range(seen):
            if rise[n] >= 0.5 * mean and mean > 0.0:
                high += 1
        found[i, 0] = mean
        found[i, 1] = high / _AZIMUTHS
    return found


@_compiled
def _at(height: Float32, x: float, y: float) -> float:
    rows, columns = height.shape
    x = min(max(x, 0.0), columns - 1.001)
    y = min(max(y, 0.0), rows - 1.001)
    c, r = int(x), int(y)
    u, v = x - c, y - r
    top = height[r, c] * (1.0 - u) + height[r, c + 1] * u
    bottom = height[r + 1, c] * (1.0 - u) + height[r + 1, c + 1] * u
    return float(top * (1.0 - v) + bottom * v)


@_compiled
def draw_targets(
    circles: Float, least: float, stride: int, heat: Float32, weight: Float32, shape: Float32
) -> None:
    """Draw centre heat, its weight and the shapes of circles, in place.

    Parameters
    ----------
    circles : ndarray of float64, shape (craters, 4)
        Column, row and radius in pixels, and 1 for a crater, 0 for one that may be or not be.
    least : float
        Smallest radius of the first octave, pixels.
    stride : int
        Pixels per output pixel.
    heat, weight : ndarray of float32, shape (octaves, rows, columns)
        Zeros and ones on entry.
    shape : ndarray of float32, shape (octaves, 4, rows, columns)
        Zeros on entry; then log2 of radius above the octave's middle, offset of the centre east
        and south in radii of the octave's middle, and the weight of the three.
    """
    octaves, rows, columns = heat.shape
    for i in range(circles.shape[0]):
        x, y = (circles[i, 0] + 0.5) / stride - 0.5, (circles[i, 1] + 0.5) / stride - 0.5
        r, certain = circles[i, 2], circles[i, 3] > 0.5
        at = math.log2(r / least)
        cx, cy = math.floor(x + 0.5), math.floor(y + 0.5)
        for k in range(octaves):
            inside = k <= at < k + 1
            near = k - 0.35 <= at < k + 1.35
            if not near:
                continue
            sigma = max(0.8, r / stride / 6.0)
            reach = math.ceil(3.0 * sigma)
            middle = least * 2.0 ** (k + 0.5)
            for row in range(max(0, cy - reach), min(rows, cy + reach + 1)):
                for column in range(max(0, cx - reach), min(columns, cx + reach + 1)):
                    d2 = (column - x) ** 2 + (row - y) ** 2
                    value = math.exp(-d2 / (2.0 * sigma * sigma))
                    if not (inside and certain):
                        if value > 0.2:
                            weight[k, row, column] = min(weight[k, row, column], 0.0)
                        continue
                    if row == cy and column == cx:
                        value = 1.0
                        weight[k, row, column] = 1.0
                    heat[k, row, column] = max(heat[k, row, column], value)
                    if value > 0.3 and value > shape[k, 3, row, column]:
                        shape[k, 0, row, column] = at - k - 0.5
                        shape[k, 1, row, column] = (x - column) * stride / middle
                        shape[k, 2, row, column] = (y - row) * stride / middle
                        shape[k, 3, row, column] = value


@_compiled
def draw_rims(circles: Float, stride: int, rim: Float32, doubt: Float32) -> None:
    """Mark the output pixels on the rims of circles, and those of doubtful ones, in place."""
    rows, columns = rim.shape
    for i in range(circles.shape[0]):
        x, y = (circles[i, 0] + 0.5) / stride - 0.5, (circles[i, 1] + 0.5) / stride - 0.5
        r = circles[i, 2] / stride
        steps = max(8, math.ceil(4.0 * math.pi * r))
        for n in range(steps):
            angle = 2.0 * math.pi * n / steps
            column = math.floor(x + r * math.cos(angle) + 0.5)
            row = math.floor(y + r * math.sin(angle) + 0.5)
            if 0 <= row < rows and 0 <= column < columns:
                if circles[i, 3] > 0.5:
                    rim[row, column] = 1.0
                else:
                    doubt[row, column] = 1.0
