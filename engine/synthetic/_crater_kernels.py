"""Compiled inner loop of `craters`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

_REACH = 4.0
_MAX_STRETCH = 1.3
"""Largest factor by which lobes widen a crater."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def stamp(height: Float32, geometry: Float, outline: Float, shape: Int32, tables: Float32) -> None:
    """Stamp craters into the terrain, one after the other, in place.

    Inside the rim, the previous terrain is replaced by the plane through the rim. The profile is
    then added, stretched by the outline 1 + Σ lobe cos n(θ - angle), n = 2 to 5.

    Parameters
    ----------
    height : ndarray of float32, shape (rows, columns)
        Metres, changed in place.
    geometry : ndarray of float64, shape (craters, 5)
        Column, row and radius in pixels, fresh depth in metres, fractional column of wear.
    outline : ndarray of float64, shape (craters, 4, 2)
        Cosine and sine coefficients of the lobes.
    shape : ndarray of int32, shape (craters,)
        Row of ``tables``.
    tables : ndarray of float32, shape (classes, wears, radii)
        As from `profiles.tables`.
    """
    rows, columns = height.shape
    samples, wears = tables.shape[2], tables.shape[1]
    per_radius = (samples - 1) / _REACH
    for i in range(shape.size):
        c0, r0, r, depth, wear = geometry[i]
        extent = _REACH * r * _MAX_STRETCH
        first_row, last_row = max(0, math.ceil(r0 - extent)), min(rows - 1, math.floor(r0 + extent))
        first_column = max(0, math.ceil(c0 - extent))
        last_column = min(columns - 1, math.floor(c0 + extent))
        if first_row > last_row or first_column > last_column:
            continue
        ground, east, south = plane_around(height, c0, r0, r)
        low = min(int(wear), wears - 2)
        weight = wear - low
        old, new = tables[shape[i], low], tables[shape[i], low + 1]
        # A degraded crater is older than the fine relief around it, so less of that is cleared.
        cleared = 0.85 * math.sqrt(1.0 - wear / (wears - 1))
        for y in range(first_row, last_row + 1):
            dy = (y - r0) / r
            for x in range(first_column, last_column + 1):
                dx = (x - c0) / r
                q = dx * dx + dy * dy
                if q > (_REACH * _MAX_STRETCH) ** 2:
                    continue
                d = math.sqrt(q)
                u, v = (dx / d, dy / d) if d > 0.0 else (1.0, 0.0)
                un, vn, stretch = u, v, 1.0
                for n in range(4):
                    un, vn = un * u - vn * v, vn * u + un * v
                    stretch += outline[i, n, 0] * un + outline[i, n, 1] * vn
                d /= min(max(stretch, 0.7), _MAX_STRETCH)
                at = d * per_radius
                j = int(at)
                if j >= samples - 1:
                    continue
                f = at - j
                before = old[j] + f * (old[j + 1] - old[j])
                after = new[j] + f * (new[j + 1] - new[j])
                value = height[y, x]
                if d < 1.3:
                    inside = min(1.0, (1.3 - d) / 0.5)
                    inside = inside * inside * (3.0 - 2.0 * inside)
                    level = ground + east * (x - c0) + south * (y - r0)
                    value += cleared * inside * (level - value)
                height[y, x] = value + depth * (before + weight * (after - before))


@_compiled
def plane_around(height: Float32, c0: float, r0: float, r: float) -> tuple[float, float, float]:
    """Return height and slopes per pixel of the plane through 16 points on a crater's rim."""
    rows, columns = height.shape
    total = 0.0
    east = 0.0
    south = 0.0
    for n in range(16):
        angle = n * math.pi / 8.0
        dx, dy = r * math.cos(angle), r * math.sin(angle)
        y = min(max(math.floor(r0 + dy + 0.5), 0), rows - 1)
        x = min(max(math.floor(c0 + dx + 0.5), 0), columns - 1)
        total += height[y, x]
        east += height[y, x] * dx
        south += height[y, x] * dy
    return total / 16.0, east / (8.0 * r * r), south / (8.0 * r * r)
