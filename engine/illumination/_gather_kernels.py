"""Compiled loops that interpolate the horizons on the lines of a sweep to pixels.

The centre of a pixel lies between two lines; its tangent is interpolated linearly between them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lunarsite.engine.illumination._horizon_kernels import Slopes

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_BLOCK = 64

_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


class Response(NamedTuple):
    """What a body contributes at one bearing as a function of the horizon.

    Parameters
    ----------
    table : ndarray of float32, shape (nodes, 2)
        Share of time, percent, and its loss per degree of horizon.
    low, per_step : float
        Tangent at the first node, and nodes per unit of tangent.
    """

    table: Float32
    low: float
    per_step: float


class Encoding(NamedTuple):
    """Encoding of tangents as int16: ``(tangent - low) * scale - 32767``; -32768 for unknown."""

    low: float
    scale: float


@_inlined
def _place(
    x: float, y: float, nx: float, ny: float, first: float, per_spacing: float
) -> tuple[float, float, float]:
    """Return the fractional line number of a map position, its offset t and its gnomonic scale."""
    grow = 1.0 / (1.0 - (x * x + y * y) * 0.25)
    t = (nx * x + ny * y) * grow
    return (t - first) * per_spacing, t, grow


@_inlined
def _between(values: Float32, first_line: int, column: int, place: float) -> float:
    """Interpolate the tangent between two lines; if one is unknown, return the other."""
    line = int(place)
    slot = line - first_line
    lower, upper = values[slot, column], values[slot + 1, column]
    tangent = lower + np.float32(place - line) * (upper - lower)
    if math.isnan(tangent):
        tangent = upper if math.isnan(lower) else lower
    return float(tangent)


@_compiled
def gather_horizon(slopes: Slopes, row_from: int, row_to: int, out: Float32) -> None:
    """Write the elevation of the horizon, degrees, at the pixels of some rows."""
    values, base, first, spacing, _, geometry, swapped = slopes
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
                    # The angle of the tangent plus that between the local level and the pole's.
                    cosine = 1.0 / math.sqrt(1.0 + t * t)
                    a, b = tangent * cosine, (qx * x + qy * y) * grow * cosine
                    out[j, i] = math.degrees(math.atan((a + b) / (1.0 - a * b)))


@_compiled
def gather_points(
    slopes: Slopes,
    point_rows: NDArray[np.int64],
    point_columns: NDArray[np.int64],
    encoding: Encoding,
    out: NDArray[np.int16],
) -> None:
    """Write the encoded tangents of selected pixels, clipped to the range of the encoding."""
    values, base, first, spacing, _, geometry, swapped = slopes
    low, scale = encoding
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
    slopes: Slopes,
    response: Response,
    row_from: int,
    row_to: int,
    seen: Float32,
    sensitivity: Float32,
) -> None:
    """Add what a body contributes at one bearing to the pixels of some rows.

    Parameters
    ----------
    slopes : Slopes
        The horizon towards the bearing.
    response : Response
        Contribution of the body as a function of the horizon.
    row_from, row_to : int
        Range of rows.
    seen, sensitivity : ndarray of float32, shape (rows, columns)
        Sums over bearings of the share of time, percent, and of its loss per degree of horizon;
        NaN where the horizon is unknown.
    """
    values, base, first, spacing, _, geometry, swapped = slopes
    table, low, per_step = response
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
    slopes: Slopes,
    required: float,
    share: float,
    row_from: int,
    row_to: int,
    covered: Float32,
) -> None:
    """Add ``share`` to the pixels of some rows whose terrain is known to a required distance."""
    _, _, first, spacing, reach, geometry, swapped = slopes
    columns = covered.shape[1]
    for j in range(row_from, row_to):
        for i in range(columns):
            column, row = (j, i) if swapped else (i, j)
            x, y = geometry[4] + column * geometry[5], geometry[6] + row * geometry[7]
            grow = 1.0 / (1.0 - (x * x + y * y) * 0.25)
            t = (geometry[2] * x + geometry[3] * y) * grow
            s = (geometry[0] * x + geometry[1] * y) * grow / math.sqrt(1.0 + t * t)
            line = int((t - first) / spacing + 0.5)
            if reach[line] - s >= required:
                covered[j, i] += share
