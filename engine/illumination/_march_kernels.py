"""Compiled loops of the exact march: the horizon of single places in all bearings.

A ray is followed from the place outwards. Terrain that cannot rise above the horizon found so far
is skipped by cells of a pyramid of maxima (Tevs, Ihrke & Seidel 2008); what remains is sampled
every half pixel. The result is that of a march over every half pixel, at a small part of its time.

Lengths are in units of the Moon's radius, except heights, which are in metres. A point of the ray
at the angular distance θ is u + s t with s = tan θ, not normalised, where u is the unit vector of
the place and t that of the direction; its horizon is kept as a tangent.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lunarsite.engine.illumination._horizon_kernels import farthest

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_BASE_SHIFT = 2
BASE_PX = 1 << _BASE_SHIFT
"""Pixels per side of the smallest cells of the pyramid."""

_PER_RADIUS = 1.0 / 1_737_400.0
_NOTHING = -1e30
_NEAR_PX = 3.0
_FIRST_PX = 0.01
_OUTSIDE_PX = 0.5
_BEYOND_PX = 1e-3
"""What a ray is put beyond the edge of a cell that it leaves, pixels."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


class Terrain(NamedTuple):
    """Elevation models with their pyramids of maxima, the finest first.

    Parameters
    ----------
    fine, far : ndarray of float32, shape (pixels,)
        Heights of the first model, and of the others, metres; NaN for nodata.
    table : ndarray of float64, shape (models, 7)
        As in `_horizon_kernels.Models`, and the reciprocal of the pixel size; offsets of the first
        model are into ``fine``, those of the others into ``far``.
    peaks : ndarray of float32, shape (cells,)
        Maxima of the cells of all models and levels, metres; -inf where nothing is known. A cell
        counts the pixels on all its edges, and finer models that lie in it.
    levels : ndarray of int64, shape (models, levels, 3)
        Offset into ``peaks``, rows and columns of each level; no rows where a model has fewer.
    """

    fine: Float32
    far: Float32
    table: Float
    peaks: Float32
    levels: Int


def cells_across(pixels: int) -> int:
    """Return the number of the smallest cells along a side of some pixels."""
    return max(1, -(-(pixels - 1) // BASE_PX))


@_compiled
def base_peaks(
    heights: Float32, rows: int, columns: int, row_from: int, row_to: int, out: Float32
) -> None:
    """Write the maxima of the smallest cells of some rows of cells.

    Parameters
    ----------
    heights : ndarray of float32, shape (rows * columns,)
        Metres; NaN for nodata.
    rows, columns : int
        Shape of the model.
    row_from, row_to : int
        Range of rows of cells.
    out : ndarray of float32, shape (cell rows, cell columns)
        Filled with metres, -inf where all pixels are nodata.
    """
    for row in range(row_from, row_to):
        for column in range(out.shape[1]):
            peak = -np.inf
            for j in range(row * BASE_PX, min((row + 1) * BASE_PX + 1, rows)):
                for i in range(column * BASE_PX, min((column + 1) * BASE_PX + 1, columns)):
                    z = heights[j * columns + i]
                    if z > peak:  # noqa: PLR1730  max would keep a NaN
                        peak = z
            out[row, column] = peak


@_compiled
def raise_peaks(fine: Float32, fine_model: Float, coarse: Float32, coarse_model: Float) -> None:
    """Raise the smallest cells of a model to those of a finer one that lie in them.

    Parameters
    ----------
    fine, coarse : ndarray of float32, shape (cell rows, cell columns)
        Maxima of the smallest cells, metres; those of ``coarse`` are raised.
    fine_model, coarse_model : ndarray of float64, shape (7,)
        Their rows of the table.
    """
    side, across = fine_model[5] * BASE_PX, coarse_model[5] * BASE_PX
    for row in range(fine.shape[0]):
        top = (coarse_model[4] - (fine_model[4] - (row - 0.25) * side)) / across
        bottom = top + 1.5 * side / across
        for column in range(fine.shape[1]):
            left = ((fine_model[3] + (column - 0.25) * side) - coarse_model[3]) / across
            right = left + 1.5 * side / across
            for j in range(max(int(top), 0), min(int(bottom) + 1, coarse.shape[0])):
                for i in range(max(int(left), 0), min(int(right) + 1, coarse.shape[1])):
                    coarse[j, i] = max(coarse[j, i], fine[row, column])


@_compiled
def next_peaks(finer: Float32, out: Float32) -> None:
    """Write the maxima of 2 × 2 cells of a level to the next one."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            peak = finer[2 * row, 2 * column]
            for j in range(2 * row, min(2 * row + 2, finer.shape[0])):
                for i in range(2 * column, min(2 * column + 2, finer.shape[1])):
                    peak = max(peak, finer[j, i])
            out[row, column] = peak


@_compiled
def march_places(
    terrain: Terrain,
    x: Float,
    y: Float,
    eye: Float,
    bearing: Float,
    limits: Float,
    place_from: int,
    place_to: int,
    horizon: Float,
    reach: Float,
) -> None:
    """Follow the rays of some places in all bearings.

    Parameters
    ----------
    terrain : Terrain
        All models.
    x, y : ndarray of float64, shape (places,)
        Positions on the map.
    eye : ndarray of float64, shape (places,)
        Radius of the observer; NaN where the height is unknown.
    bearing : ndarray of float64, shape (bearings,)
        Longitudes of points of the equator in the directions of view, radians.
    limits : ndarray of float64, shape (bearings, 2)
        Between what the horizon matters, as tangents of the latitude south of which a body is
        visible: a horizon below the first is returned as that, and a ray ends above the second.
    place_from, place_to : int
        Range of places.
    horizon : ndarray of float64, shape (places, bearings)
        Filled with tangents of the elevation of the horizon; NaN where the height is unknown.
    reach : ndarray of float64, shape (places, bearings)
        Filled with tangents of the angular distance of the horizon.
    """
    count = bearing.size
    for n in range(place_from, place_to):
        if math.isnan(eye[n]):
            horizon[n, :] = math.nan
            reach[n, :] = math.nan
            continue
        grow = 1.0 / (1.0 + (x[n] * x[n] + y[n] * y[n]) * 0.25)
        up = (x[n] * grow, y[n] * grow, 2.0 * grow - 1.0)
        end = math.tan(min(farthest(terrain.table, x[n], y[n]), 1.2))
        # The terrain that was the horizon in the bearings before is often so here.
        hint, hint_before = 0.0, 0.0
        for b in range(count):
            ahead = up[0] * math.sin(bearing[b]) + up[1] * math.cos(bearing[b])
            least = _elevation(limits[b, 0], ahead, up[2])
            most = _elevation(limits[b, 1], ahead, up[2])
            tangent, s = _follow(
                terrain, up, bearing[b], eye[n], end, least, most, hint, hint_before
            )
            if tangent == _NOTHING:  # no terrain is known: a smooth sphere
                s = math.sqrt(max(eye[n] * eye[n] - 1.0, 0.0))
                tangent = -s
            horizon[n, b] = tangent
            reach[n, b] = s
            hint, hint_before = s, hint


@_compiled
def march_between(
    terrain: Terrain,
    x: float,
    y: float,
    eye: float,
    bearing: Float,
    bearing_from: int,
    bearing_to: int,
    horizon: Float,
) -> None:
    """Follow the rays of one place in a range of bearings, without limits.

    Parameters
    ----------
    terrain : Terrain
        All models.
    x, y : float
        Position on the map.
    eye : float
        Radius of the observer.
    bearing : ndarray of float64, shape (bearings,)
        Longitudes of points of the equator in the directions of view, radians.
    bearing_from, bearing_to : int
        Range of bearings.
    horizon : ndarray of float64, shape (bearings,)
        Filled in that range with tangents of the elevation of the horizon.
    """
    grow = 1.0 / (1.0 + (x * x + y * y) * 0.25)
    up = (x * grow, y * grow, 2.0 * grow - 1.0)
    end = math.tan(min(farthest(terrain.table, x, y), 1.2))
    hint, hint_before = 0.0, 0.0
    for b in range(bearing_from, bearing_to):
        tangent, s = _follow(
            terrain, up, bearing[b], eye, end, _NOTHING, math.inf, hint, hint_before
        )
        if tangent == _NOTHING:  # no terrain is known: a smooth sphere
            tangent = -math.sqrt(max(eye * eye - 1.0, 0.0))
        horizon[b] = tangent
        hint, hint_before = s, hint


@_compiled
def _elevation(tangent: float, ahead: float, south: float) -> float:
    """Return the tangent of the elevation at a place from that of a latitude of a bearing.

    ``ahead`` and ``south`` are the cosines of its angles from the equator's point and the pole.
    """
    if math.isinf(tangent):
        return tangent if tangent > 0.0 else _NOTHING
    sine = math.sqrt(1.0 - ahead * ahead)
    slope = tangent * south / sine
    return (slope * sine + ahead) / (sine - slope * ahead)


@_inlined
def _bilinear(heights: Float32, offset: int, rows: int, columns: int, u: float, v: float) -> float:
    u, v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
    i, j = min(int(u), columns - 2), min(int(v), rows - 2)
    a, b = u - i, v - j
    at = offset + j * columns + i
    above = heights[at] + a * (heights[at + 1] - heights[at])
    below = heights[at + columns] + a * (heights[at + columns + 1] - heights[at + columns])
    return float(above + b * (below - above))


@_inlined
def _within(corners: tuple[float, float, float, float], a: float, b: float) -> float:
    """Return the bilinear height in a patch, at its edge for a position beyond it."""
    a, b = min(max(a, 0.0), 1.0), min(max(b, 0.0), 1.0)
    above = corners[0] + a * (corners[1] - corners[0])
    below = corners[2] + a * (corners[3] - corners[2])
    return float(above + b * (below - above))


@_inlined
def _higher(best: float, where: float, z: float, s: float, eye: float) -> tuple[float, float]:
    """Return the horizon and its distance after terrain of a height at a distance."""
    radius, level_eye = 1.0 + z * _PER_RADIUS, eye * math.sqrt(1.0 + s * s)
    if radius * (1.0 - best * s) > level_eye:
        return (radius - level_eye) / (radius * s), s
    return best, where


@_inlined
def _model_at(table: Float, x: float, y: float) -> int:
    """Return the finest model that covers a position, -1 for none."""
    for k in range(table.shape[0]):
        u, v = (x - table[k, 3]) * table[k, 6], (table[k, 4] - y) * table[k, 6]
        if u >= -0.5 and v >= -0.5 and u <= table[k, 2] - 0.5 and v <= table[k, 1] - 0.5:
            return k
    return -1


@_compiled
def _gap(table: Float, models: int, x: float, y: float) -> float:
    """Return the distance on the map from a position to the nearest of the finest models."""
    nearest = math.inf
    for k in range(models):
        half = 0.5 * table[k, 5]
        left, top = table[k, 3] - half, table[k, 4] + half
        right, bottom = left + table[k, 2] * table[k, 5], top - table[k, 1] * table[k, 5]
        away_x = max(left - x, x - right, 0.0)
        away_y = max(bottom - y, y - top, 0.0)
        nearest = min(nearest, math.hypot(away_x, away_y))
    return nearest


@_compiled
def _follow(
    terrain: Terrain,
    up: tuple[float, float, float],
    bearing: float,
    eye: float,
    end: float,
    least: float,
    most: float,
    hint: float,
    hint_before: float,
) -> tuple[float, float]:
    """Return the tangent of the horizon along a ray, and that of its angular distance.

    The ray ends where the horizon is above ``most``; ``least`` is returned for a lower one.
    """
    fine, far, table, peaks, levels = terrain
    ux, uy, us = up
    ex, ey = math.sin(bearing), math.cos(bearing)
    cosine = ex * ux + ey * uy
    scale = 1.0 / math.sqrt(1.0 - cosine * cosine)
    tx, ty, ts = (ex - cosine * ux) * scale, (ey - cosine * uy) * scale, -cosine * us * scale
    pixel = table[0, 5]
    best, where = least, 0.0
    for guess in range(4):
        s = hint_before if guess == 3 else hint * (1.0 + 0.005 * (guess - 1))
        if s <= pixel or s >= end:
            continue
        n = math.sqrt(1.0 + s * s)
        shrink = 2.0 / (n + us + s * ts)
        x, y = (ux + s * tx) * shrink, (uy + s * ty) * shrink
        k = _model_at(table, x, y)
        if k < 0:
            continue
        u, v = (x - table[k, 3]) * table[k, 6], (table[k, 4] - y) * table[k, 6]
        z = _bilinear(
            fine if k == 0 else far,
            int(table[k, 0]),
            int(table[k, 1]),
            int(table[k, 2]),
            u,
            v,
        )
        radius = 1.0 + z * _PER_RADIUS
        if radius * (1.0 - best * s) > eye * n:
            best, where = (radius - eye * n) / (radius * s), s
    # Close to the place every quarter of a pixel counts, and no cell can be skipped.
    s = _FIRST_PX * pixel
    level = 0
    while s < end and best < most:
        n = math.sqrt(1.0 + s * s)
        over = 1.0 / (n + us + s * ts)
        shrink = 2.0 * over
        x, y = (ux + s * tx) * shrink, (uy + s * ty) * shrink
        k = _model_at(table, x, y)
        if k < 0:
            s += max(_OUTSIDE_PX * pixel, 0.5 * _gap(table, table.shape[0], x, y))
            level = 0
            continue
        per_pixel = table[k, 6]
        rows, columns = int(table[k, 1]), int(table[k, 2])
        u, v = (x - table[k, 3]) * per_pixel, (table[k, 4] - y) * per_pixel
        turn = s / n + ts
        du = (2.0 * tx - x * turn) * (over * per_pixel)
        dv = (y * turn - 2.0 * ty) * (over * per_pixel)
        speed = math.sqrt(du * du + dv * dv)
        near = s * speed < _NEAR_PX
        while levels[k, level, 1] == 0:
            level -= 1
        while True:
            side = BASE_PX << level
            across, down = levels[k, level, 2], levels[k, level, 1]
            shift = level + _BASE_SHIFT
            i = min(max(int(u), 0) >> shift, across - 1)
            j = min(max(int(v), 0) >> shift, down - 1)
            edge_u = min((i + 1.0) * side, columns - 0.5) if du > 0.0 else i * side - 0.5 * (i == 0)
            edge_v = min((j + 1.0) * side, rows - 0.5) if dv > 0.0 else j * side - 0.5 * (j == 0)
            if i == across - 1 and du > 0.0:
                edge_u = columns - 0.5
            if j == down - 1 and dv > 0.0:
                edge_v = rows - 0.5
            ahead_u = (edge_u - u) / du if du != 0.0 else math.inf
            ahead_v = (edge_v - v) / dv if dv != 0.0 else math.inf
            ahead = max(min(ahead_u, ahead_v), 0.0) + _BEYOND_PX / speed
            if near:
                break
            peak = 1.0 + peaks[levels[k, level, 0] + j * across + i] * _PER_RADIUS
            worst = min(max(-best, s), s + ahead)
            if peak * (1.0 - best * worst) <= eye * math.sqrt(1.0 + worst * worst):
                break
            if level == 0:
                near = True
                break
            level -= 1
        if not near:
            s += ahead
            u += ahead * du
            v += ahead * dv
            elsewhere = int(u) >> (shift + 1) != i >> 1 or int(v) >> (shift + 1) != j >> 1
            if elsewhere and level + 1 < levels.shape[1] and levels[k, level + 1, 1] > 0:
                level += 1
            continue
        if k > 0:  # a finer model may begin within the cell
            ahead = min(ahead, max(0.9 * _gap(table, k, x, y), _OUTSIDE_PX * pixel))
        heights, offset = (fine if k == 0 else far), int(table[k, 0])
        first_s, first_u, first_v, last = s, u, v, s + ahead
        # The bilinear surface has its creases where the ray crosses lines through pixel centres.
        per_u = 1.0 / abs(du) if du != 0.0 else math.inf
        per_v = 1.0 / abs(dv) if dv != 0.0 else math.inf
        next_u = s + per_u * (math.floor(u) + 1.0 - u if du > 0.0 else u - math.ceil(u) + 1.0)
        next_v = s + per_v * (math.floor(v) + 1.0 - v if dv > 0.0 else v - math.ceil(v) + 1.0)
        while s < last:
            following = min(next_u, next_v)
            if next_u <= next_v:
                next_u += per_u
            else:
                next_v += per_v
            stop = min(following, last)
            gap = stop - s
            # All of the segment lies in the patch between four pixels.
            u_first, v_first = first_u + (s - first_s) * du, first_v + (s - first_s) * dv
            i = min(int(max(u_first + 0.5 * gap * du, 0.0)), columns - 2)
            j = min(int(max(v_first + 0.5 * gap * dv, 0.0)), rows - 2)
            at = offset + j * columns + i
            corners = (
                heights[at],
                heights[at + 1],
                heights[at + columns],
                heights[at + columns + 1],
            )
            top = max(corners[0], corners[1], corners[2], corners[3])
            worst = min(max(-best, s), stop)
            square = worst * worst
            level_eye = eye * (1.0 + 0.5 * square - 0.125 * square * square)
            if (1.0 + top * _PER_RADIUS) * (1.0 - best * worst) > level_eye:
                z = _within(corners, u_first - i, v_first - j)
                best, where = _higher(best, where, z, s, eye)
                # The middle, and where the parabola through three points is highest.
                half = 0.5 * gap
                z_half = _within(corners, u_first + half * du - i, v_first + half * dv - j)
                best, where = _higher(best, where, z_half, s + half, eye)
                z_stop = _within(corners, u_first + gap * du - i, v_first + gap * dv - j)
                rise = 4.0 * z_half - 3.0 * z - z_stop
                bend = 2.0 * (z_stop + z) - 4.0 * z_half
                below = (z - (eye - 1.0) / _PER_RADIUS) * gap
                root = bend * s * (bend * s) - bend * gap * (rise * s - below)
                if bend < 0.0 and root > 0.0:
                    share = -(bend * s + math.sqrt(root)) / (bend * gap)
                    if 0.0 < share < 1.0:
                        part = share * gap
                        z = _within(corners, u_first + part * du - i, v_first + part * dv - j)
                        best, where = _higher(best, where, z, s + part, eye)
            s = following
        u, v = first_u + (last - first_s) * du, first_v + (last - first_s) * dv
        if k > 0 or not (0.0 < u < columns - 1.0 and 0.0 < v < rows - 1.0):
            # Looking down, the last of a model is what is seen highest.
            z = _bilinear(heights, offset, rows, columns, u, v)
            best, where = _higher(best, where, z, last - 2.0 * _BEYOND_PX / speed, eye)
        s = last
        level = 0
    return best, where
