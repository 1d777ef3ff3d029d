"""Compiled loops for the shadows of terrain and rocks.

The coordinates are those of `_scene_kernels`. The Sun is in the east, so that the shadow of the
terrain is a sweep along rows.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lunarsite.engine.synthetic.scenes._scene_kernels import sample

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

BINS = 96
"""Cells along a side of each grid level of `shadow_bins`."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def shadow_height(levels: Float32, pixel_m: Float, sun_slope: float) -> Float32:
    """Return the height of the shadow cast by the terrain over every pixel of every level.

    Parameters
    ----------
    levels : ndarray of float32, shape (levels, rows, columns)
        Heights in metres, finest level first.
    pixel_m : ndarray of float64, shape (levels,)
        Pixel sizes.
    sun_slope : float
        Tangent of the elevation of the Sun.

    Returns
    -------
    ndarray of float32, shape (levels, rows, columns)
        Metres; anything below is in shadow.
    """
    count, side, _ = levels.shape
    out = np.full(levels.shape, -1e9, np.float32)
    for k in range(count - 1, -1, -1):
        drop = pixel_m[k] * sun_slope
        for i in range(side):
            line = -1e9
            if k + 1 < count:
                x = 0.5 * (side + 1) * pixel_m[k]
                y = (0.5 * (side - 1) - i) * pixel_m[k]
                line = sample(out[k + 1 :], pixel_m[k + 1 :], x, y)
                line = max(line, sample(levels[k + 1 :], pixel_m[k + 1 :], x, y))
            for j in range(side - 1, -1, -1):
                line -= drop
                out[k, i, j] = line
                line = max(line, float(levels[k, i, j]))
    return out


@_compiled
def lit_by_ground(shade: Float32, pixel_m: Float, point: Float32, blur: float) -> Float32:
    """Return the fraction of sunlight that the terrain leaves at points.

    Parameters
    ----------
    shade : ndarray of float32, shape (levels, rows, columns)
        As from `shadow_height`.
    pixel_m : ndarray of float64, shape (levels,)
        Pixel sizes.
    point : ndarray of float32, shape (points, 3)
        Metres: east, north, up.
    blur : float
        Width of the penumbra per metre of pixel size.

    Returns
    -------
    ndarray of float32, shape (points,)
        0 to 1.
    """
    out = np.empty(point.shape[0], np.float32)
    side = shade.shape[1]
    for n in range(point.shape[0]):
        x, y, z = float(point[n, 0]), float(point[n, 1]), float(point[n, 2])
        line = sample(shade, pixel_m, x, y)
        if line != line:  # noqa: PLR0124  NaN: outside the terrain
            out[n] = 1.0
            continue
        width = pixel_m[-1] * blur
        for k in range(pixel_m.size):
            if max(abs(x), abs(y)) < (0.5 * side - 2.0) * pixel_m[k]:
                width = pixel_m[k] * blur
                break
        out[n] = min(max((z - line) / width + 0.5, 0.0), 1.0)
    return out


@_compiled
def shadow_bins(
    centre: Float, radius: Float, eye: Float, sun: Float, cell: Float
) -> tuple[Int64, Int32]:
    """Index pieces of rock by their position in the plane facing the Sun, on several grid levels.

    Parameters
    ----------
    centre : ndarray of float64, shape (pieces, 3)
        Metres.
    radius : ndarray of float64, shape (pieces,)
        Radii of the bounding spheres, metres.
    eye : ndarray of float64, shape (3,)
        Position of the camera, on which the grids are centred.
    sun : ndarray of float64, shape (3,)
        Unit vector to the Sun.
    cell : ndarray of float64, shape (levels,)
        Cell sizes of the grids, metres.

    Returns
    -------
    first : ndarray of int64, shape (levels * BINS² + 1,)
        Index of the first piece of each cell in ``which``.
    which : ndarray of int32
        Pieces, cell by cell.
    """
    count = centre.shape[0]
    cells = BINS * BINS
    first = np.zeros(cell.size * cells + 1, np.int64)
    which = np.zeros(0, np.int32)
    for run in range(2):  # the first run counts, the second one fills
        if run == 1:
            total = 0
            for c in range(first.size):
                here = first[c]
                first[c] = total
                total += here
            which = np.empty(total, np.int32)
            at = first.copy()
        for p in range(count):
            u, v = _project_to_sun(
                centre[p, 0] - eye[0], centre[p, 1] - eye[1], centre[p, 2] - eye[2], sun
            )
            for k in range(cell.size):
                half = 0.5 * BINS
                u0 = max(math.floor((u - radius[p]) / cell[k] + half), 0)
                u1 = min(math.floor((u + radius[p]) / cell[k] + half), BINS - 1)
                v0 = max(math.floor((v - radius[p]) / cell[k] + half), 0)
                v1 = min(math.floor((v + radius[p]) / cell[k] + half), BINS - 1)
                for a in range(v0, v1 + 1):
                    for b in range(u0, u1 + 1):
                        c = k * cells + a * BINS + b
                        if run == 0:
                            first[c] += 1
                        else:
                            which[at[c]] = p
                            at[c] += 1
    return first, which


@_compiled
def in_rock_shadow(
    point: Float32,
    own: Int32,
    eye: Float,
    sun: Float,
    cell: Float,
    first: Int64,
    which: Int32,
    centre: Float,
    radius: Float,
    axes: Float,
    faces: Float,
) -> NDArray[np.bool_]:
    """Return which points lie in the shadow of a piece of rock.

    Parameters
    ----------
    point : ndarray of float32, shape (points, 3)
        Metres from the camera.
    own : ndarray of int32, shape (points,)
        Piece on which each point lies. Pieces are convex and cast no shadow on themselves.
    eye, sun, cell, centre, radius
        As for `shadow_bins`.
    first, which
        As from `shadow_bins`.
    axes, faces
        Shapes of the pieces, as of `rocks.Rocks`.
    """
    out = np.zeros(point.shape[0], np.bool_)
    cells = BINS * BINS
    half = 0.5 * BINS
    for n in range(point.shape[0]):
        u, v = _project_to_sun(point[n, 0], point[n, 1], point[n, 2], sun)
        for k in range(cell.size):
            a, b = math.floor(v / cell[k] + half), math.floor(u / cell[k] + half)
            if not (0 <= a < BINS and 0 <= b < BINS):
                continue
            c = k * cells + a * BINS + b
            for w in range(first[c], first[c + 1]):
                p = which[w]
                if p == own[n]:
                    continue
                dx = point[n, 0] + eye[0] - centre[p, 0]
                dy = point[n, 1] + eye[1] - centre[p, 1]
                dz = point[n, 2] + eye[2] - centre[p, 2]
                along = -(dx * sun[0] + dy * sun[1] + dz * sun[2])
                off = dx * dx + dy * dy + dz * dz - along * along
                if along < -radius[p] or off > radius[p] ** 2:
                    continue
                if _intersects(dx, dy, dz, sun, axes[p], faces[p]):
                    out[n] = True
                    break
            break
    return out


@_compiled
def _project_to_sun(x: float, y: float, z: float, sun: Float) -> tuple[float, float]:
    """Return the coordinates of a point in the plane facing the Sun, which is in the east."""
    return y, z * sun[0] - x * sun[2]


@_compiled
def _intersects(dx: float, dy: float, dz: float, sun: Float, m: Float, faces: Float) -> bool:
    """Return whether the ray from a point to the Sun passes through a piece."""
    lx = m[0, 0] * dx + m[0, 1] * dy + m[0, 2] * dz
    ly = m[1, 0] * dx + m[1, 1] * dy + m[1, 2] * dz
    lz = m[2, 0] * dx + m[2, 1] * dy + m[2, 2] * dz
    kx = m[0, 0] * sun[0] + m[0, 1] * sun[1] + m[0, 2] * sun[2]
    ky = m[1, 0] * sun[0] + m[1, 1] * sun[1] + m[1, 2] * sun[2]
    kz = m[2, 0] * sun[0] + m[2, 1] * sun[1] + m[2, 2] * sun[2]
    enter, leave = 1e-4, 1e9
    for f in range(faces.shape[0]):
        nx, ny, nz = faces[f, 0], faces[f, 1], faces[f, 2]
        towards = nx * kx + ny * ky + nz * kz
        off = faces[f, 3] - (nx * lx + ny * ly + nz * lz)
        if towards < -1e-12:
            enter = max(enter, off / towards)
        elif towards > 1e-12:
            leave = min(leave, off / towards)
        elif off < 0.0:
            return False
        if enter >= leave:
            return False
    return True
