"""The compiled inner loops of `scene_light`: what the Sun lights, and what stands before it.

Frames as of `scene_kernels`. The Sun stands in the east, so that the shadow of the ground is a
sweep along rows.
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
"""Cells along a side of each level of `shadow_bins`."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def shadow(levels: Float32, pixel_m: Float, sun_slope: float) -> Float32:
    """Return the height below which the ground's own shadow lies, for every pixel of every level.

    Parameters
    ----------
    levels : ndarray of float32, shape (levels, rows, columns)
        Heights in metres, the finest first.
    pixel_m : ndarray of float64, shape (levels,)
        Sides of pixels.
    sun_slope : float
        Tangent of the Sun's elevation; the Sun is in the east.
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
def lit_by_ground(shade: Float32, pixel_m: Float, place: Float32, blur: float) -> Float32:
    """Return how much of the Sun the ground leaves to places, 0 to 1.

    ``shade`` is as `shadow` gives it; ``blur`` the width of the penumbra per metre of a pixel.
    """
    out = np.empty(place.shape[0], np.float32)
    side = shade.shape[1]
    for n in range(place.shape[0]):
        x, y, z = float(place[n, 0]), float(place[n, 1]), float(place[n, 2])
        line = sample(shade, pixel_m, x, y)
        if line != line:  # noqa: PLR0124  NaN: beyond the ground
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
    place: Float, radius: Float, eye: Float, sun: Float, cell: Float
) -> tuple[Int64, Int32]:
    """Sort parts by where they stand before the Sun, at several scales about the camera.

    Returns
    -------
    first : ndarray of int64, shape (levels * BINS² + 1,)
        Where each cell's parts begin.
    which : ndarray of int32
        The parts, cell by cell.
    """
    count = place.shape[0]
    cells = BINS * BINS
    first = np.zeros(cell.size * cells + 1, np.int64)
    which = np.zeros(0, np.int32)
    for turn in range(2):
        if turn == 1:
            total = 0
            for c in range(first.size):
                here = first[c]
                first[c] = total
                total += here
            which = np.empty(total, np.int32)
            at = first.copy()
        for p in range(count):
            u, v = _before_sun(
                place[p, 0] - eye[0], place[p, 1] - eye[1], place[p, 2] - eye[2], sun
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
                        if turn == 0:
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
    place: Float,
    radius: Float,
    axes: Float,
    faces: Float,
) -> NDArray[np.bool_]:
    """Return which points a part stands before, as the Sun sees them.

    Parameters
    ----------
    point : ndarray of float32, shape (points, 3)
        Metres from the camera.
    own : ndarray of int32, shape (points,)
        Part the point lies on, which casts no shadow on itself: it is convex.
    """
    out = np.zeros(point.shape[0], np.bool_)
    cells = BINS * BINS
    half = 0.5 * BINS
    for n in range(point.shape[0]):
        u, v = _before_sun(point[n, 0], point[n, 1], point[n, 2], sun)
        for k in range(cell.size):
            a, b = math.floor(v / cell[k] + half), math.floor(u / cell[k] + half)
            if not (0 <= a < BINS and 0 <= b < BINS):
                continue
            c = k * cells + a * BINS + b
            for w in range(first[c], first[c + 1]):
                p = which[w]
                if p == own[n]:
                    continue
                dx = point[n, 0] + eye[0] - place[p, 0]
                dy = point[n, 1] + eye[1] - place[p, 1]
                dz = point[n, 2] + eye[2] - place[p, 2]
                along = -(dx * sun[0] + dy * sun[1] + dz * sun[2])
                off = dx * dx + dy * dy + dz * dz - along * along
                if along < -radius[p] or off > radius[p] ** 2:
                    continue
                if _meets(dx, dy, dz, sun, axes[p], faces[p]):
                    out[n] = True
                    break
            break
    return out


@_compiled
def _before_sun(x: float, y: float, z: float, sun: Float) -> tuple[float, float]:
    """Return where a point stands in the plane that faces the Sun, which is in the east."""
    return y, z * sun[0] - x * sun[2]


@_compiled
def _meets(dx: float, dy: float, dz: float, sun: Float, m: Float, faces: Float) -> bool:
    """Return whether the way from a point to the Sun leads through a part."""
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
