"""The compiled inner loops of `horizon`. Lengths are in units of the Moon's radius throughout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Allocator = Callable[[Any, Any], Any]
Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_RADIUS_M = 1_737_400.0
_BLOCK = 64

_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


def line_offsets(geometry: Float, rows: int, columns: int) -> tuple[Float, Float]:
    """Return, for every column, the least and greatest line offset that its pixels need."""
    _, _, nx, ny, x0, dx, y0, dy = geometry
    x = x0 + np.arange(columns) * dx
    ends = []
    for y in (y0 - dy, y0 + rows * dy):
        ends.append((nx * x + ny * y) / (1.0 - (x * x + y * y) / 4.0))
    middle = y0 + (rows - 1) / 2 * dy
    ends.append((nx * x + ny * middle) / (1.0 - (x * x + middle * middle) / 4.0))
    return np.min(ends, axis=0), np.max(ends, axis=0)


@_compiled
def transpose(source: Float32, target: Float32) -> None:
    """Write the transpose of ``source`` into ``target``, block by block."""
    rows, columns = source.shape
    for row in range(0, rows, _BLOCK):
        for column in range(0, columns, _BLOCK):
            for j in range(row, min(row + _BLOCK, rows)):
                for i in range(column, min(column + _BLOCK, columns)):
                    target[i, j] = source[j, i]


@_compiled
def sample(heights: Float32, table: Float, x: float, y: float) -> tuple[float, int]:
    """Return the bilinear height (metres) of the finest model that knows a place, and which.

    NaN and -1 where none does.
    """
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
        if z == z:
            return z, k
    return math.nan, -1


@_compiled
def sample_many(heights: Float32, table: Float, x: Float, y: Float) -> Float32:
    """Return `sample` of many places, float32 metres."""
    out = np.empty(x.size, np.float32)
    for n in range(x.size):
        out[n] = sample(heights, table, x[n], y[n])[0]
    return out


@_compiled
def sweep_lines(
    heights: Float32,
    geometry: Float,
    far_heights: Float32,
    far_table: Float,
    swapped: bool,
    first: float,
    spacing: float,
    line_from: int,
    line_to: int,
    mast: float,
    base: NDArray[np.int64],
    values: Float32,
    reach: Float,
) -> None:
    """Sweep the lines of one bearing from ``line_from`` to before ``line_to``.

    The line with offset t crosses the column at x where n·p = t (1 - |p|²/4), p being the
    stereographic position: a quadratic in y. The profile is taken at every crossing of a column and of a row;
    the tangent is kept at the crossings of columns.
    """
    qx, qy, nx, ny, x0, dx, y0, dy = geometry
    rows, columns = heights.shape
    hull_x = np.empty(2 * columns + far_capacity(far_table))
    hull_y = np.empty(hull_x.size)
    at_row = np.empty(columns)
    at_s = np.empty(columns)
    sunward = 1 if qx * dx > 0 else -1
    for line in range(line_from, line_to):
        t = first + line * spacing
        cosine = 1.0 / math.sqrt(1.0 + t * t)
        for i in range(columns):
            x = x0 + i * dx
            c = nx * x - t + t * x * x * 0.25
            root = math.sqrt(max(ny * ny - t * c, 0.0))
            y = -2.0 * c / (ny + math.copysign(root, ny))
            at_row[i] = (y - y0) / dy
            at_s[i] = (qx * x + qy * y) / (1.0 - (x * x + y * y) * 0.25) * cosine
        # The column nearest to the Sun that the line crosses inside the grid, and the last one.
        start = columns - 1 if sunward > 0 else 0
        stop = -1 if sunward > 0 else columns
        while start != stop and not (-1.0 < at_row[start] < rows):
            start -= sunward
        if start == stop:
            continue
        top = -1
        known = -math.inf
        if far_table.shape[0] > 0:
            top, known = _far_profile(
                far_heights, far_table, swapped, qx, qy, nx, ny, t, cosine, at_s[start],
                hull_x, hull_y,
            )
        previous_row = math.nan
        previous_s = 0.0
        previous_i = start
        i = start
        while i != stop:
            row = at_row[i]
            if not (-1.0 < row < rows):
                break
            s = at_s[i]
            j = math.floor(row)
            if previous_row == previous_row and j != math.floor(previous_row):
                crossed = max(j, math.floor(previous_row))
                if 0 <= crossed < rows:
                    part = (crossed - previous_row) / (row - previous_row)
                    z = (1.0 - part) * heights[crossed, previous_i] + part * heights[crossed, i]
                    if z == z:
                        top = _push(hull_x, hull_y, top, previous_s + part * (s - previous_s), z)
            inside = min(max(row, 0.0), rows - 1.0)
            lower = min(int(inside), rows - 2)
            part = inside - lower
            z = (1.0 - part) * heights[lower, i] + part * heights[lower + 1, i]
            if z == z:
                known = max(known, s)
                inverse = 1.0 / math.sqrt(1.0 + s * s)
                radius = 1.0 + z / _RADIUS_M
                top = _push(hull_x, hull_y, top, s, z)
                slot = line - base[i]
                if top > 0 and 0 <= slot < values.shape[0]:
                    px, py = (radius + mast) * s * inverse, (radius + mast) * inverse
                    k = top - 1
                    if mast > 0.0:
                        k = _tangent(hull_x, hull_y, k, px, py)
                    values[slot, i] = (hull_y[k] - py) / (hull_x[k] - px) / cosine
                elif 0 <= slot < values.shape[0]:
                    # Nothing ahead: the horizon is that of the sphere, level with the observer.
                    dip = math.sqrt(max(1.0 - 1.0 / (radius + mast) ** 2, 0.0))
                    values[slot, i] = math.tan(-math.atan(s) - (math.asin(dip) if radius + mast > 1.0 else 0.0)) / cosine
            previous_row, previous_s, previous_i = row, s, i
            i -= sunward
        reach[line] = known


@_compiled
def _push(hull_x: Float, hull_y: Float, top: int, s: float, z: float) -> int:
    """Put a point on the upper hull of the points ahead of it; return the new top."""
    inverse = 1.0 / math.sqrt(1.0 + s * s)
    radius = 1.0 + z / _RADIUS_M
    x, y = radius * s * inverse, radius * inverse
    while top > 0 and (hull_y[top - 1] - y) * (hull_x[top] - x) >= (hull_y[top] - y) * (
        hull_x[top - 1] - x
    ):
        top -= 1
    top += 1
    hull_x[top] = x
    hull_y[top] = y
    return top


@_compiled
def _tangent(hull_x: Float, hull_y: Float, k: int, x: float, y: float) -> int:
    """Return the hull's point that a raised observer sees highest, from ``k`` outwards."""
    while k > 0 and (hull_y[k - 1] - y) * (hull_x[k] - x) >= (hull_y[k] - y) * (hull_x[k - 1] - x):
        k -= 1
    return k


@_compiled
def far_capacity(table: Float) -> int:
    """Return how many points a line through the far field may have."""
    if table.shape[0] == 0:
        return 2
    finest = table[:, 5].min()
    widest = 0.0
    for k in range(table.shape[0]):
        widest = max(widest, (table[k, 1] + table[k, 2]) * table[k, 5])
    return int(8.0 * widest / finest) + 16


@_compiled
def _far_profile(
    heights: Float32,
    table: Float,
    swapped: bool,
    qx: float,
    qy: float,
    nx: float,
    ny: float,
    t: float,
    cosine: float,
    s_stop: float,
    hull_x: Float,
    hull_y: Float,
) -> tuple[int, float]:
    """Put the far field ahead of the grid on an empty hull; return its top and its reach."""
    far = 0.0
    coarsest = table[:, 5].max()
    for k in range(table.shape[0]):
        x1 = table[k, 3] + table[k, 2] * table[k, 5]
        y1 = table[k, 4] - table[k, 1] * table[k, 5]
        corner = max(
            max(math.hypot(table[k, 3], table[k, 4]), math.hypot(x1, y1)),
            max(math.hypot(table[k, 3], y1), math.hypot(x1, table[k, 4])),
        )
        far = max(far, corner)
    far = far / max(1.0 - far * far / 4.0, 0.1)
    s = far
    top = -1
    known = -math.inf
    stop = s_stop / cosine
    while s > stop:
        shrink = 2.0 / (math.sqrt(1.0 + s * s + t * t) + 1.0)
        x, y = (s * qx + t * nx) * shrink, (s * qy + t * ny) * shrink
        if swapped:
            x, y = y, x
        z, level = sample(heights, table, x, y)
        if level >= 0:
            known = max(known, s * cosine)
            top = _push(hull_x, hull_y, top, s * cosine, z)
            s -= 0.5 * table[level, 5]
        else:
            s -= 0.5 * coarsest
    return top, known


@_inlined
def _between(
    values: Float32,
    base: NDArray[np.int64],
    first: float,
    spacing: float,
    geometry: Float,
    column: int,
    row: int,
) -> tuple[float, float, float]:
    """Return the tangent at a pixel's centre from the two lines around it, its s and its t."""
    x, y = geometry[4] + column * geometry[5], geometry[6] + row * geometry[7]
    grow = 1.0 / (1.0 - (x * x + y * y) * 0.25)
    t = (geometry[2] * x + geometry[3] * y) * grow
    s = (geometry[0] * x + geometry[1] * y) * grow
    place = (t - first) / spacing
    line = int(place)
    part = place - line
    slot = line - base[column]
    lower, upper = values[slot, column], values[slot + 1, column]
    tangent = lower + part * (upper - lower)
    if not (tangent == tangent):
        tangent = upper if lower != lower else lower
    return tangent, s, t


@_compiled
def gather_horizon(
    values: Float32,
    base: NDArray[np.int64],
    first: float,
    spacing: float,
    geometry: Float,
    swapped: bool,
    out: Float32,
) -> None:
    """Write the horizon above the local level, degrees, of every pixel."""
    rows, columns = out.shape
    for j in range(rows):
        for i in range(columns):
            column, row = (j, i) if swapped else (i, j)
            tangent, s, t = _between(values, base, first, spacing, geometry, column, row)
            cosine = 1.0 / math.sqrt(1.0 + t * t)
            out[j, i] = math.degrees(math.atan(tangent * cosine) + math.atan(s * cosine))


@_compiled
def gather_points(
    values: Float32,
    base: NDArray[np.int64],
    first: float,
    spacing: float,
    geometry: Float,
    swapped: bool,
    point_rows: NDArray[np.int64],
    point_columns: NDArray[np.int64],
    low: float,
    scale: float,
    out: NDArray[np.int16],
) -> None:
    """Write the tangents of chosen pixels as ``(tangent - low) * scale``, clipped to int16.

    -32768 stands for an unknown horizon.
    """
    for n in range(point_rows.size):
        j, i = point_rows[n], point_columns[n]
        column, row = (j, i) if swapped else (i, j)
        tangent, _, _ = _between(values, base, first, spacing, geometry, column, row)
        if tangent == tangent:
            out[n] = int(min(max((tangent - low) * scale, 0.0), 65534.0)) - 32767
        else:
            out[n] = -32768


@_compiled
def gather_light(
    values: Float32,
    base: NDArray[np.int64],
    first: float,
    spacing: float,
    geometry: Float,
    swapped: bool,
    table: Float32,
    low: float,
    per_step: float,
    row_from: int,
    row_to: int,
    seen: Float32,
    sensitivity: Float32,
) -> None:
    """Add to every pixel of some rows what a body at this bearing gives over its horizon.

    ``table[:, 0]`` is the share of time by tangent, from ``low`` in steps of ``1 / per_step``;
    ``table[:, 1]`` its loss per degree of horizon.
    """
    columns = seen.shape[1]
    last = table.shape[0] - 2
    for top in range(row_from, row_to, _BLOCK):
        for left in range(0, columns, _BLOCK):
            for j in range(top, min(top + _BLOCK, row_to)):
                for i in range(left, min(left + _BLOCK, columns)):
                    column, row = (j, i) if swapped else (i, j)
                    tangent, _, _ = _between(values, base, first, spacing, geometry, column, row)
                    if not (tangent == tangent):
                        seen[j, i] = math.nan
                        continue
                    place = min(max((tangent - low) * per_step, 0.0), last + 0.999)
                    at = int(place)
                    part = np.float32(place - at)
                    seen[j, i] += table[at, 0] + part * (table[at + 1, 0] - table[at, 0])
                    sensitivity[j, i] += table[at, 1] + part * (table[at + 1, 1] - table[at, 1])


@_compiled
def gather_reach(
    reach: Float,
    first: float,
    spacing: float,
    geometry: Float,
    swapped: bool,
    wanted: float,
    share: float,
    row_from: int,
    row_to: int,
    covered: Float32,
) -> None:
    """Add ``share`` to every pixel of some rows whose line knows terrain ``wanted`` ahead."""
    columns = covered.shape[1]
    for j in range(row_from, row_to):
        for i in range(columns):
            column, row = (j, i) if swapped else (i, j)
            x, y = geometry[4] + column * geometry[5], geometry[6] + row * geometry[7]
            grow = 1.0 / (1.0 - (x * x + y * y) * 0.25)
            t = (geometry[2] * x + geometry[3] * y) * grow
            s = (geometry[0] * x + geometry[1] * y) * grow / math.sqrt(1.0 + t * t)
            line = int((t - first) / spacing + 0.5)
            if reach[line] - s >= wanted:
                covered[j, i] += share


@_compiled
def march_points(
    heights: Float32,
    table: Float,
    x: Float,
    y: Float,
    azimuth: Float,
    mast: float,
    step_px: float,
    horizon_deg: Float,
    distance: Float,
) -> None:
    """March from each point along each azimuth to the end of all models."""
    for n in range(x.size):
        z0, _ = sample(heights, table, x[n], y[n])
        eye = 1.0 + z0 / _RADIUS_M + mast
        rho2 = (x[n] * x[n] + y[n] * y[n]) * 0.25
        lon = math.atan2(x[n], y[n])
        sin_c, cos_c = 2.0 * math.sqrt(rho2) / (1.0 + rho2), (1.0 - rho2) / (1.0 + rho2)
        for a in range(azimuth.size):
            best, where = -math.pi / 2, 0.0
            theta, missed = step_px * table[0, 5], 0
            while z0 == z0 and missed < 4 and theta < 1.0:
                # Away from the pole along the azimuth: the spherical triangle with the pole.
                cos_d = cos_c * math.cos(theta) - sin_c * math.sin(theta) * math.cos(azimuth[a])
                sin_turn = math.sin(theta) * math.sin(azimuth[a])
                cos_turn = math.cos(theta) * sin_c + math.sin(theta) * cos_c * math.cos(azimuth[a])
                bearing = lon + math.atan2(sin_turn, cos_turn)
                r = 2.0 * math.tan(0.5 * math.acos(min(max(cos_d, -1.0), 1.0)))
                z, level = sample(heights, table, r * math.sin(bearing), r * math.cos(bearing))
                if level < 0:
                    missed += 1
                    theta += table[table.shape[0] - 1, 5]
                    continue
                missed = 0
                radius = 1.0 + z / _RADIUS_M
                angle = math.atan2(radius * math.cos(theta) - eye, radius * math.sin(theta))
                if angle > best:
                    best, where = angle, theta
                theta += step_px * table[level, 5]
            horizon_deg[n, a] = math.degrees(best) if z0 == z0 else math.nan
            distance[n, a] = where
