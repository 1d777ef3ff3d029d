"""Compiled loops that take what a sweep found to the pixels.

A pixel's centre lies between two lines of the sweep; its tangent is interpolated between them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_BLOCK = 64

_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


@_inlined
def _place(
    x: float, y: float, nx: float, ny: float, first: float, per_spacing: float
) -> tuple[float, float, float]:
    """Return on which line a map position lies, its offset t, and its gnomonic stretch."""
    grow = 1.0 / (1.0 - (x * x + y * y) * 0.25)
    t = (nx * x + ny * y) * grow
    return (t - first) * per_spacing, t, grow


@_inlined
def _between(values: Float32, first_line: int, column: int, place: float) -> float:
    """Return the tangent between the two lines around a place; that of one where one is unknown."""
    line = int(place)
    slot = line - first_line
    lower, upper = values[slot, column], values[slot + 1, column]
    tangent = lower + np.float32(place - line) * (upper - lower)
    if math.isnan(tangent):
        tangent = upper if math.isnan(lower) else lower
    return float(tangent)


@_compiled
def gather_horizon(
    values: Float32,
    base: NDArray[np.int64],
    first: float,
    spacing: float,
    geometry: Float,
    swapped: bool,
    row_from: int,
    row_to: int,
    out: Float32,
) -> None:
    """Write the horizon above the local level, degrees, of every pixel of some rows."""
    columns = out.shape[1]
    qx, qy, nx, ny, x0, dx, y0, dy = geometry
    per_spacing = 1.0 / spacing
    for top in range(row_from, row_to, _BLOCK):
        for left in range(0, columns, _BLOCK):
            for j in range(top, min(top + _BLOCK, row_to)):
                for i in range(left, min(left + _BLOCK, columns)):
                    column, row = (j, i) if swapped else (i, j)
                    x, y = x0 + column * dx, y0 + row * dy
                    place, t, grow = _place(x, y, nx, ny, first, per_spacing)
                    tangent = _between(values, base[column], column, place)
                    # The sum of the slope's angle and the turn of the local level, in one
                    # arctangent.
                    cosine = 1.0 / math.sqrt(1.0 + t * t)
                    a, b = tangent * cosine, (qx * x + qy * y) * grow * cosine
                    out[j, i] = math.degrees(math.atan((a + b) / (1.0 - a * b)))


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
    _, _, nx, ny, x0, dx, y0, dy = geometry
    for n in range(point_rows.size):
        j, i = point_rows[n], point_columns[n]
        column, row = (j, i) if swapped else (i, j)
        place, _, _ = _place(x0 + column * dx, y0 + row * dy, nx, ny, first, 1.0 / spacing)
        tangent = _between(values, base[column], column, place)
        if not math.isnan(tangent):
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
    _, _, nx, ny, x0, dx, y0, dy = geometry
    per_spacing = 1.0 / spacing
    for top in range(row_from, row_to, _BLOCK):
        for left in range(0, columns, _BLOCK):
            for j in range(top, min(top + _BLOCK, row_to)):
                for i in range(left, min(left + _BLOCK, columns)):
                    column, row = (j, i) if swapped else (i, j)
                    line, _, _ = _place(x0 + column * dx, y0 + row * dy, nx, ny, first, per_spacing)
                    tangent = _between(values, base[column], column, line)
                    if math.isnan(tangent):
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
