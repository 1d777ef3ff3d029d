"""Compiled loops of the terrain attributes.

A block has a halo. Every sum over a window runs outward from the pixel, columns first, in a fixed
order, so that the value of a pixel does not depend on the block in which it is computed.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_RADIUS_M = 1_737_400.0

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def derive(
    height_m: Float32, halo: int, x_m: float, y_m: float, pixel_m: float, out: Float32
) -> None:
    """Write slope, aspect, profile and plan curvature of a block into ``out[0:4]``.

    Slope and aspect after Horn (1981, Proc. IEEE 69, 14); curvatures from the quadratic that fits
    the 3 x 3 heights best (Evans 1980, Z. Geomorph. Suppl. 36, 274), as the curvatures of the
    surface's normal sections along and across the slope (Krcho 1973; Minár, Evans & Jenčo 2020,
    Earth-Sci. Rev. 211, 103414), positive where convex. Any missing neighbour makes all missing.

    Parameters
    ----------
    height_m : ndarray of float32, shape (rows + 2 halo, columns + 2 halo)
        Metres; NaN where missing.
    halo : int
        At least one pixel.
    x_m, y_m : float
        Map coordinates of the centre of the block's first pixel, metres.
    pixel_m : float
        Side of a pixel in map metres.
    out : ndarray of float32, shape (at least 4, rows, columns)
        Degrees, degrees clockwise from geographic north, per kilometre twice.
    """
    rows, columns = out.shape[1], out.shape[2]
    for row in range(rows):
        north_row = height_m[row + halo - 1]
        own_row = height_m[row + halo]
        south_row = height_m[row + halo + 1]
        y = y_m - row * pixel_m
        for column in range(columns):
            at = column + halo
            a, b, c = float(north_row[at - 1]), float(north_row[at]), float(north_row[at + 1])
            d, e, f = float(own_row[at - 1]), float(own_row[at]), float(own_row[at + 1])
            g, h, i = float(south_row[at - 1]), float(south_row[at]), float(south_row[at + 1])
            x = x_m + column * pixel_m
            step = pixel_m / (1.0 + (x * x + y * y) / (4.0 * _RADIUS_M * _RADIUS_M))
            west, east = a + g, c + i
            p = (east - west + 2.0 * (f - d)) / (8.0 * step)
            q = (a + c - g - i + 2.0 * (b - h)) / (8.0 * step)
            if math.isnan(e + p + q):
                out[0, row, column] = math.nan
                out[1, row, column] = math.nan
                out[2, row, column] = math.nan
                out[3, row, column] = math.nan
                continue
            steepness = p * p + q * q
            out[0, row, column] = math.degrees(math.atan(math.sqrt(steepness)))
            if steepness == 0.0:
                out[1, row, column] = math.nan
            else:
                # Downhill, turned so that north is the way outward from the pole.
                north, right = -(p * x + q * y), q * x - p * y
                if x == 0.0 and y == 0.0:
                    north, right = -q, -p
                azimuth = np.float32(math.degrees(math.atan2(right, north)))
                if azimuth < 0.0:
                    azimuth += np.float32(360.0)
                out[1, row, column] = azimuth if azimuth < 360.0 else 0.0
            third = 3.0 * step * step
            zx, zy = (east - west + f - d) / (6.0 * step), (a + b + c - g - h - i) / (6.0 * step)
            zxx = (west + east + d + f - 2.0 * (b + e + h)) / third
            zyy = (west + east + b + h - 2.0 * (d + e + f)) / third
            zxy = (c + g - a - i) / (4.0 * step * step)
            xx, yy, xy = zx * zx, zy * zy, zx * zy
            s = xx + yy
            if s == 0.0:
                out[2, row, column] = out[3, row, column] = -500.0 * (zxx + zyy)
                continue
            root = math.sqrt(1.0 + s)
            along = xx * zxx + 2.0 * xy * zxy + yy * zyy
            across = yy * zxx - 2.0 * xy * zxy + xx * zyy
            out[2, row, column] = -1000.0 * along / (s * root * root * root)
            out[3, row, column] = -1000.0 * across / (s * root)


@_compiled
def sum_along(line: Float, skip: int, half: int, order: int, out: Float) -> None:
    """Write, for every pixel, the sum over 2 half + 1 columns of value x (column offset)^order.

    ``line`` has ``skip`` more columns than ``out`` on either side.
    """
    columns = out.size
    for c in range(columns):
        out[c] = line[c + skip] if order == 0 else 0.0
    for j in range(1, half + 1):
        if order == 0:
            for c in range(columns):
                out[c] += line[c + skip + j] + line[c + skip - j]
        elif order == 1:
            for c in range(columns):
                out[c] += j * (line[c + skip + j] - line[c + skip - j])
        else:
            for c in range(columns):
                out[c] += (j * j) * (line[c + skip + j] + line[c + skip - j])


@_compiled
def sum_across(ring: Float, row: int, half: int, order: int, out: Float) -> None:
    """Write the sum over 2 half + 1 rows of value x (row offset)^order, about ``row``.

    ``ring`` holds row n at n modulo its length.
    """
    columns, length = out.size, ring.shape[0]
    own = ring[row % length]
    for c in range(columns):
        out[c] = own[c] if order == 0 else 0.0
    for j in range(1, half + 1):
        below, above = ring[(row + j) % length], ring[(row - j) % length]
        if order == 0:
            for c in range(columns):
                out[c] += below[c] + above[c]
        elif order == 1:
            for c in range(columns):
                out[c] += j * (below[c] - above[c])
        else:
            for c in range(columns):
                out[c] += (j * j) * (below[c] + above[c])


@_compiled
def windowed(
    height_m: Float32, halo: int, half: int, whole: bool, spread: Float32, position: Float32
) -> None:
    """Write roughness and position index for one window.

    Parameters
    ----------
    height_m : ndarray of float32, shape (rows + 2 halo, columns + 2 halo)
        Metres; NaN where missing.
    halo, half : int
        The halo, and half of the window, which must not exceed it.
    whole : bool
        Whether no height is missing, halo included: then the windows' weights are known.
    spread : ndarray of float32, shape (rows, columns)
        Gets the standard deviation of the heights about their least-squares plane, metres: the
        sum of squares is divided by n - 3, the degrees of freedom that the plane leaves.
    position : ndarray of float32, shape (rows, columns)
        Gets the height above the mean, metres.
    """
    rows, columns = spread.shape
    first, wide, side = halo - half, height_m.shape[1], 2 * half + 1
    full = float(side * side)
    line, square, held = np.empty(wide), np.empty(wide), np.empty(wide)
    # Sums along rows are kept for as many rows as a window has, so that they stay in the cache.
    z0, z1, z2 = np.empty((side, columns)), np.empty((side, columns)), np.empty((side, columns))
    kept = 1 if whole else side
    n0, n1, n2 = np.empty((kept, columns)), np.empty((kept, columns)), np.empty((kept, columns))
    sums, weights = np.empty((4, columns)), np.empty((6, columns))
    weights[0], weights[1], weights[2], weights[4] = full, 0.0, 0.0, 0.0
    weights[3] = weights[5] = full * (full - 1.0) / 12.0
    for ahead in range(rows + 2 * half):
        for c in range(wide):
            z = height_m[ahead + first, c]
            known = 0.0 if math.isnan(z) else float(z)
            line[c] = known
            square[c] = known * known
        slot = ahead % side
        sum_along(line, halo, half, 0, z0[slot])
        sum_along(line, halo, half, 1, z1[slot])
        sum_along(square, halo, half, 0, z2[slot])
        if not whole:
            for c in range(wide):
                held[c] = 0.0 if math.isnan(height_m[ahead + first, c]) else 1.0
            sum_along(held, halo, half, 0, n0[slot])
            sum_along(held, halo, half, 1, n1[slot])
            sum_along(held, halo, half, 2, n2[slot])
        row = ahead - 2 * half
        if row < 0:
            continue
        at = ahead - half
        sum_across(z0, at, half, 0, sums[0])
        sum_across(z1, at, half, 0, sums[1])
        sum_across(z0, at, half, 1, sums[2])
        sum_across(z2, at, half, 0, sums[3])
        if not whole:
            sum_across(n0, at, half, 0, weights[0])
            sum_across(n1, at, half, 0, weights[1])
            sum_across(n0, at, half, 1, weights[2])
            sum_across(n2, at, half, 0, weights[3])
            sum_across(n1, at, half, 1, weights[4])
            sum_across(n0, at, half, 2, weights[5])
        own = height_m[row + halo]
        for c in range(columns):
            z = float(own[c + halo])
            n = weights[0, c]
            if 2.0 * n < full:
                z = math.nan
            # Every number of the weights is whole, so a window without gaps gives one result on
            # either way.
            mean = sums[0, c] / n
            mx, my = weights[1, c] / n, weights[2, c] / n
            cxx = weights[3, c] - weights[1, c] * mx
            cxy = weights[4, c] - weights[1, c] * my
            cyy = weights[5, c] - weights[2, c] * my
            cxz = sums[1, c] - weights[1, c] * mean
            cyz = sums[2, c] - weights[2, c] * mean
            czz = sums[3, c] - sums[0, c] * mean
            explained = (cxz * cxz * cyy - 2.0 * cxz * cyz * cxy + cyz * cyz * cxx) / (
                cxx * cyy - cxy * cxy
            )
            # Three degrees of freedom are the plane's; half of a window is more than three.
            rest = max((czz - explained) / (n - 3.0), 0.0)
            spread[row, c] = math.sqrt(rest) + (z - z)
            position[row, c] = z - mean


@_compiled
def relief(height_m: Float32, halo: int, half: int, whole: bool, out: Float32) -> None:
    """Write the greatest less the least height of the window, metres; parameters as `windowed`."""
    rows, columns = out.shape
    tall = rows + 2 * half
    first = halo - half
    high, low = np.empty((tall, columns), np.float32), np.empty((tall, columns), np.float32)
    held = np.zeros((1, 1) if whole else (tall, columns), np.float32)
    wide = columns + 2 * half
    upper, lower = np.empty(wide, np.float32), np.empty(wide, np.float32)
    for row in range(tall):
        line = height_m[row + first, first : first + wide]
        for c in range(wide):
            z = line[c]
            upper[c] = z if not math.isnan(z) else np.float32(-np.inf)
            lower[c] = z if not math.isnan(z) else np.float32(np.inf)
        _extremes(upper, lower, 2 * half + 1, high[row], low[row])
        if not whole:
            for c in range(columns):
                for j in range(2 * half + 1):
                    if not math.isnan(line[c + j]):
                        held[row, c] += np.float32(1.0)
    needed = (2 * half + 1) * (2 * half + 1) / 2.0
    top, bottom = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for row in range(rows):
        top[:] = high[row]
        bottom[:] = low[row]
        for j in range(1, 2 * half + 1):
            above, below = high[row + j], low[row + j]
            for c in range(columns):
                top[c] = max(top[c], above[c])
                bottom[c] = min(bottom[c], below[c])
        own = height_m[row + halo]
        for c in range(columns):
            z = own[c + halo]
            out[row, c] = (top[c] - bottom[c]) + (z - z)
        if not whole:
            for c in range(columns):
                count = np.float32(0.0)
                for j in range(2 * half + 1):
                    count += held[row + j, c]
                if count < needed:
                    out[row, c] = math.nan


@_compiled
def _extremes(upper: Float32, lower: Float32, side: int, high: Float32, low: Float32) -> None:
    for c in range(high.size):
        high[c] = upper[c]
        low[c] = lower[c]
    for j in range(1, side):
        for c in range(high.size):
            high[c] = max(high[c], upper[c + j])
            low[c] = min(low[c], lower[c + j])
