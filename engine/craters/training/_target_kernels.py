"""Compiled kernels of `targets`: centre heat maps, shapes and rims of a tile."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def draw_targets(
    circles: Float,
    min_radius_px: float,
    stride: int,
    heat: Float32,
    weight: Float32,
    shape: Float32,
) -> None:
    """Draw the heat maps of centres, their weights and the shapes of circles, in place.

    Parameters
    ----------
    circles : ndarray of float64, shape (craters, 4)
        Column, row and radius in pixels, and 1 for certain, 0 for doubtful craters.
    min_radius_px : float
        Smallest radius of the first octave, pixels.
    stride : int
        Pixels per output pixel.
    heat, weight : ndarray of float32, shape (octaves, rows, columns)
        Zeros and ones on entry.
    shape : ndarray of float32, shape (octaves, 4, rows, columns)
        Zeros on entry. On return the log2 of the radius over that of the octave's middle, the
        offset of the centre to the east and south in radii of the octave's middle, and the weight
        of these three.
    """
    octaves, rows, columns = heat.shape
    for i in range(circles.shape[0]):
        x, y = (circles[i, 0] + 0.5) / stride - 0.5, (circles[i, 1] + 0.5) / stride - 0.5
        r, certain = circles[i, 2], circles[i, 3] > 0.5
        at = math.log2(r / min_radius_px)
        cx, cy = math.floor(x + 0.5), math.floor(y + 0.5)
        for k in range(octaves):
            inside = k <= at < k + 1
            near = k - 0.35 <= at < k + 1.35
            if not near:
                continue
            sigma = max(0.8, r / stride / 6.0)
            reach = math.ceil(3.0 * sigma)
            middle = min_radius_px * 2.0 ** (k + 0.5)
            for row in range(max(0, cy - reach), min(rows, cy + reach + 1)):
                for column in range(max(0, cx - reach), min(columns, cx + reach + 1)):
                    d2 = (column - x) ** 2 + (row - y) ** 2
                    value = math.exp(-d2 / (2.0 * sigma * sigma))
                    if not (inside and certain):
                        # A certain crater keeps the weight of its centre in any order of circles.
                        if value > 0.2 and heat[k, row, column] < 1.0:
                            weight[k, row, column] = 0.0
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
    """Mark the output pixels on the rims of certain and of doubtful circles, in place."""
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
