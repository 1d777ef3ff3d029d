"""Compiled loops that compute horizons: the sweep and the march.

Lengths are in units of the Moon's radius, except heights, which are in metres.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_RADIUS_M = 1_737_400.0
_PER_RADIUS = 1.0 / _RADIUS_M
_BLOCK = 64

_NEAR_PX, _LEAST_STEP = 25.0, 0.02
"""Pixels within which the steps of the march are smaller, and their least share of a step."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


class Models(NamedTuple):
    """Elevation models in one flat array, the finest first.

    Parameters
    ----------
    heights : ndarray of float32, shape (pixels,)
        Metres; NaN for nodata.
    table : ndarray of float64, shape (models, 6)
        Offset into ``heights``, rows, columns, x and y of the centre of the first pixel and pixel
        size, the last three in units of the Moon's radius.
    """

    heights: Float32
    table: Float


class Slopes(NamedTuple):
    """The horizon of a grid towards one bearing, on the lines of the sweep.

    Parameters
    ----------
    values : ndarray of float32, shape (slots, columns)
        ``values[slot, column]`` is the tangent of the threshold latitude at the crossing of line
        ``base[column] + slot`` with a column (with a row if ``swapped``); NaN where unknown.
    base : ndarray of int64, shape (columns,)
        First line of each column.
    first_offset, spacing : float
        Offset of the first line, and distance between two lines.
    reach : ndarray of float64, shape (lines,)
        Distance along each line to which terrain is known.
    geometry : ndarray of float64, shape (8,)
        Unit vectors along and across the bearing, then x, column spacing, y and row spacing of the
        grid.
    swapped : bool
        Whether rows and columns are exchanged.
    """

    values: Float32
    base: NDArray[np.int64]
    first_offset: float
    spacing: float
    reach: Float
    geometry: Float
    swapped: bool


def line_offsets(geometry: Float, rows: int, columns: int) -> tuple[Float, Float]:
    """Return the least and greatest line offset at the pixels of every column."""
    _, _, nx, ny, x0, dx, y0, dy = geometry
    x = x0 + np.arange(columns) * dx
    edges = (y0 - dy, y0 + (rows - 1) / 2 * dy, y0 + rows * dy)
    ends = [(nx * x + ny * y) / (1.0 - (x * x + y * y) / 4.0) for y in edges]
    return np.min(ends, axis=0), np.max(ends, axis=0)


@_compiled
def transpose(source: Float32, target: Float32) -> None:
    """Write the transpose of ``source`` to ``target``, block by block for the cache."""
    rows, columns = source.shape
    for row in range(0, rows, _BLOCK):
        for column in range(0, columns, _BLOCK):
            for j in range(row, min(row + _BLOCK, rows)):
                for i in range(column, min(column + _BLOCK, columns)):
                    target[i, j] = source[j, i]


@_compiled
def sample(models: Models, x: float, y: float) -> tuple[float, int]:
    """Return the bilinear height at a position and the index of its model, the finest with data.

    NaN and -1 where no model has data.
    """
    heights, table = models.heights, models.table
    for k in range(table.shape[0]):
        pixel = table[k, 5]
        rows, columns = int(table[k, 1]), int(table[k, 2])
        u, v = (x - table[k, 3]) / pixel, (table[k, 4] - y) / pixel
        if u < -0.5 or v < -0.5 or u > columns - 0.5 or v > rows - 0.5:
            continue
        u, v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
        i, j = min(int(u), columns - 2), min(int(v), rows - 2)
        a, b = u - i, v - j
        at = int(table[k, 0]) + j * columns + i
        z = (1.0 - b) * ((1.0 - a) * heights[at] + a * heights[at + 1]) + b * (
            (1.0 - a) * heights[at + columns] + a * heights[at + columns + 1]
        )
        if not math.isnan(z):
            return z, k
    return math.nan, -1


@_compiled
def sample_many(models: Models, x: Float, y: Float) -> Float32:
    """Return the heights at many positions, float32 metres; see `sample`."""
    out = np.empty(x.size, np.float32)
    for n in range(x.size):
        out[n] = sample(models, x[n], y[n])[0]
    return out


@_compiled
def sweep_lines(
    heights: Float32,
    far: Models,
    mast: float,
    slopes: Slopes,
    line_from: int,
    line_to: int,
) -> None:
    """Sweep the lines of one bearing from ``line_from`` to before ``line_to``.

    The line of offset t crosses the column at x where n·p = t (1 - |p|²/4), p being the
    stereographic position: a quadratic in y. The profile is sampled at the crossings with columns
    and rows; the tangent is stored at the crossings with columns.

    Parameters
    ----------
    heights : ndarray of float32, shape (rows, columns)
        Metres, transposed if ``slopes.swapped``; NaN for nodata.
    far : Models
        The far field.
    mast : float
        Height of the observer above the ground.
    slopes : Slopes
        Its ``values`` and ``reach`` are filled.
    line_from, line_to : int
        Range of lines.
    """
    values, base, first, spacing, reach, geometry, _ = slopes
    qx, qy, nx, ny, x0, dx, y0, dy = geometry
    rows, columns = heights.shape
    hull_x = np.empty(2 * columns + far_capacity(far.table))
    hull_y = np.empty(hull_x.size)
    at_row = np.empty(columns)
    at_s = np.empty(columns)
    at_inverse = np.empty(columns)
    sunward = 1 if qx * dx > 0 else -1
    for line in range(line_from, line_to):
        t = first + line * spacing
        cosine = 1.0 / math.sqrt(1.0 + t * t)
        for i in range(columns):
            x = x0 + i * dx
            c = nx * x - t + t * x * x * 0.25
            root = math.sqrt(max(ny * ny - t * c, 0.0))
            y = -2.0 * c / (ny + math.copysign(root, ny))
            s = (qx * x + qy * y) / (1.0 - (x * x + y * y) * 0.25) * cosine
            at_row[i] = (y - y0) / dy
            at_s[i] = s
            at_inverse[i] = 1.0 / math.sqrt(1.0 + s * s)
        # From the column nearest to the body that the line crosses inside the grid to the last.
        i = columns - 1 if sunward > 0 else 0
        stop = -1 if sunward > 0 else columns
        while i != stop and not (-1.0 < at_row[i] < rows):
            i -= sunward
        if i == stop:
            continue
        top = -1
        known = -math.inf
        if far.table.shape[0] > 0:
            top, known = _far_profile(far, slopes, t, cosine, at_s[i], hull_x, hull_y)
        x1, y1 = (hull_x[top], hull_y[top]) if top >= 0 else (0.0, 0.0)
        x2, y2 = (hull_x[top - 1], hull_y[top - 1]) if top >= 1 else (0.0, 0.0)
        before = -1  # the previous column, towards the body; none yet
        row_before, s_before, inverse_before = 0.0, 0.0, 1.0
        while i != stop:
            row = at_row[i]
            if not (-1.0 < row < rows):
                # A curved line may enter the grid again.
                before = -1
                i -= sunward
                continue
            s, inverse = at_s[i], at_inverse[i]
            inside = min(max(row, 0.0), rows - 1.0)
            j = min(int(inside), rows - 2)
            z_low, z_high = float(heights[j, i]), float(heights[j + 1, i])
            z = z_low + (inside - j) * (z_high - z_low)
            on_grid = 0.0 <= row <= rows - 1.0
            if before >= 0:
                whole, whole_before = math.floor(row), math.floor(row_before)
                edge = max(whole, whole_before)
                if whole != whole_before and 0 <= edge < rows:
                    part = (edge - row_before) / (row - row_before)
                    z_edge = heights[edge, before] + part * (
                        heights[edge, i] - heights[edge, before]
                    )
                    if not math.isnan(z_edge):
                        s_edge = s_before + part * (s - s_before)
                        inverse_edge = _sharpen(
                            inverse_before + part * (inverse - inverse_before), s_edge
                        )
                        top, x1, y1, x2, y2 = _push(
                            hull_x, hull_y, top, x1, y1, x2, y2, s_edge, inverse_edge, z_edge
                        )
            if not math.isnan(z) and on_grid:
                known = max(known, s)
                top, x1, y1, x2, y2 = _push(hull_x, hull_y, top, x1, y1, x2, y2, s, inverse, z)
                slot = line - base[i]
                if 0 <= slot < values.shape[0]:
                    if top > 0 and mast == 0.0:
                        values[slot, i] = (y2 - y1) / ((x2 - x1) * cosine)
                    elif top > 0:
                        y = y1 + mast * inverse
                        x = y * s
                        k = _tangent(hull_x, hull_y, top - 1, x, y)
                        values[slot, i] = (hull_y[k] - y) / ((hull_x[k] - x) * cosine)
                    else:
                        eye = 1.0 + z * _PER_RADIUS + mast
                        values[slot, i] = math.tan(-math.atan(s) - _dip(eye)) / cosine
            before, row_before, s_before, inverse_before = i, row, s, inverse
            i -= sunward
        reach[line] = known


@_inlined
def _sharpen(guess: float, s: float) -> float:
    """Refine an estimate of 1/√(1 + s²) by one step of Newton's method."""
    return guess * (1.5 - 0.5 * (1.0 + s * s) * guess * guess)


@_compiled
def _dip(eye: float) -> float:
    """Return the dip of the horizon of a smooth sphere for an observer at a radius."""
    return math.acos(1.0 / eye) if eye > 1.0 else 0.0


@_inlined
def _push(
    hull_x: Float,
    hull_y: Float,
    top: int,
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    s: float,
    inverse: float,
    z: float,
) -> tuple[int, float, float, float, float]:
    """Push a point onto the stack of the upper hull of the points ahead of it.

    The two topmost points are passed as (x1, y1) and (x2, y2), in registers, so that the
    comparison does not wait for memory. Returns the new index of the top and the new two points.
    """
    y = (1.0 + z * _PER_RADIUS) * inverse
    x = y * s
    while top > 0 and (y2 - y) * (x1 - x) >= (y1 - y) * (x2 - x):
        top -= 1
        x1, y1 = x2, y2
        if top > 0:
            x2, y2 = hull_x[top - 1], hull_y[top - 1]
    top += 1
    hull_x[top] = x
    hull_y[top] = y
    return top, x, y, x1, y1


@_compiled
def _tangent(hull_x: Float, hull_y: Float, k: int, x: float, y: float) -> int:
    """Return the hull point with the highest elevation for an observer on a mast, from ``k`` on."""
    while k > 0 and (hull_y[k - 1] - y) * (hull_x[k] - x) >= (hull_y[k] - y) * (hull_x[k - 1] - x):
        k -= 1
    return k


@_compiled
def far_capacity(table: Float) -> int:
    """Return the maximum number of points of a line through the far field.

    Two per pixel along the sides of the models, for gnomonic lengths up to four times those of the
    map, and some more near the grid.
    """
    points = 256.0
    for k in range(table.shape[0]):
        points += 8.0 * (table[k, 1] + table[k, 2])
    return int(points)


@_compiled
def _far_profile(
    models: Models,
    slopes: Slopes,
    t: float,
    cosine: float,
    s_stop: float,
    hull_x: Float,
    hull_y: Float,
) -> tuple[int, float]:
    """Push the far field ahead of the grid onto an empty hull; return its top and its reach."""
    qx, qy, nx, ny, _, dx, _, _ = slopes.geometry
    swapped, table, fine = slopes.swapped, models.table, abs(dx)
    far = 0.0
    coarsest = table[:, 5].max()
    for k in range(table.shape[0]):
        x1 = table[k, 3] + table[k, 2] * table[k, 5]
        y1 = table[k, 4] - table[k, 1] * table[k, 5]
        far = max(far, math.hypot(max(abs(table[k, 3]), abs(x1)), max(abs(table[k, 4]), abs(y1))))
    far = far / max(1.0 - far * far / 4.0, 0.1)
    s = far
    top = -1
    x1 = y1 = x2 = y2 = 0.0
    known = -math.inf
    stop = s_stop / cosine
    while s > stop:
        shrink = 2.0 / (math.sqrt(1.0 + s * s + t * t) + 1.0)
        x, y = (s * qx + t * nx) * shrink, (s * qy + t * ny) * shrink
        if swapped:
            x, y = y, x
        z, level = sample(models, x, y)
        # Finer towards the grid, so that the terrain near its edge is sampled densely.
        nearer = max(0.25 * (s - stop), fine)
        if level >= 0:
            known = max(known, s * cosine)
            ahead = s * cosine
            inverse = 1.0 / math.sqrt(1.0 + ahead * ahead)
            top, x1, y1, x2, y2 = _push(hull_x, hull_y, top, x1, y1, x2, y2, ahead, inverse, z)
            s -= min(0.5 * table[level, 5], nearer)
        else:
            s -= min(0.5 * coarsest, nearer)
    return top, known


@_compiled
def march_points(
    models: Models,
    x: Float,
    y: Float,
    azimuth: Float,
    mast: float,
    step_px: float,
    horizon_deg: Float,
    distance: Float,
) -> None:
    """March from each point along each azimuth to the edge of all models.

    Parameters
    ----------
    models : Models
        All models, the finest first.
    x, y : ndarray of float64, shape (points,)
        Positions.
    azimuth : ndarray of float64, shape (azimuths,)
        Geographic azimuths, radians.
    mast, step_px : float
        Height of the observer above the ground; step in pixels of the sampled model, smaller near
        the observer in proportion to the distance.
    horizon_deg, distance : ndarray of float64, shape (points, azimuths)
        Filled with the elevation of the horizon, degrees, and its angular distance, radians.
    """
    table = models.table
    for n in range(x.size):
        z0, _ = sample(models, x[n], y[n])
        eye = 1.0 + z0 / _RADIUS_M + mast
        rho2 = (x[n] * x[n] + y[n] * y[n]) * 0.25
        lon = math.atan2(x[n], y[n])
        sin_c, cos_c = 2.0 * math.sqrt(rho2) / (1.0 + rho2), (1.0 - rho2) / (1.0 + rho2)
        end = 0.0 if math.isnan(z0) else farthest(table, x[n], y[n])
        for a in range(azimuth.size):
            best, where = -math.pi / 2, 0.0
            theta = _LEAST_STEP * step_px * table[0, 5]
            while theta < end:
                # Spherical triangle of the observer, the point along the azimuth, and the pole.
                cos_d = cos_c * math.cos(theta) - sin_c * math.sin(theta) * math.cos(azimuth[a])
                sin_turn = math.sin(theta) * math.sin(azimuth[a])
                cos_turn = math.cos(theta) * sin_c + math.sin(theta) * cos_c * math.cos(azimuth[a])
                bearing = lon + math.atan2(sin_turn, cos_turn)
                r = 2.0 * math.tan(0.5 * math.acos(min(max(cos_d, -1.0), 1.0)))
                z, level = sample(models, r * math.sin(bearing), r * math.cos(bearing))
                if level < 0:
                    theta += table[0, 5]
                    continue
                radius = 1.0 + z / _RADIUS_M
                angle = math.atan2(radius * math.cos(theta) - eye, radius * math.sin(theta))
                if angle > best:
                    best, where = angle, theta
                near = theta / (_NEAR_PX * table[0, 5])
                theta += step_px * table[level, 5] * min(max(near, _LEAST_STEP), 1.0)
            horizon_deg[n, a] = math.degrees(best) if not math.isnan(z0) else math.nan
            distance[n, a] = where


@_compiled
def farthest(table: Float, x: float, y: float) -> float:
    """Return an upper bound of the angular distance to the farthest corner of all models."""
    farthest = 0.0
    for k in range(table.shape[0]):
        across = table[k, 2] * table[k, 5]
        down = table[k, 1] * table[k, 5]
        for corner in range(4):
            u = table[k, 3] + (across if corner % 2 else 0.0)
            v = table[k, 4] - (down if corner // 2 else 0.0)
            farthest = max(farthest, math.hypot(u - x, v - y))
    return min(farthest, 1.0)
