"""Compiled inner loops of scenes: intersections of rays with terrain and rocks.

Coordinates: x east, y north, z up, in metres, with the origin at the centre of the terrain.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def sample(levels: Float32, pixel_m: Float, x: float, y: float) -> float:
    """Return a value interpolated in the finest level that contains the point; NaN outside."""
    side = levels.shape[1]
    for k in range(levels.shape[0]):
        column = x / pixel_m[k] + 0.5 * (side - 1)
        row = 0.5 * (side - 1) - y / pixel_m[k]
        if 0.0 <= column < side - 1 and 0.0 <= row < side - 1:
            j, i = int(column), int(row)
            fx, fy = column - j, row - i
            top = levels[k, i, j] + fx * (levels[k, i, j + 1] - levels[k, i, j])
            low = levels[k, i + 1, j] + fx * (levels[k, i + 1, j + 1] - levels[k, i + 1, j])
            return float(top + fy * (low - top))
    return math.nan


@_compiled
def profiles(
    levels: Float32, pixel_m: Float, eye: Float, azimuth: Float, distance: Float
) -> tuple[Float32, Float32]:
    """Return the slopes from the camera to the terrain along azimuths, and their running maximum.

    Parameters
    ----------
    levels : ndarray of float32, shape (levels, side, side)
        Terrain heights in metres, finest level first.
    pixel_m : ndarray of float64, shape (levels,)
        Pixel sizes of the levels.
    eye : ndarray of float64, shape (3,)
        Position of the camera, metres.
    azimuth : ndarray of float64, shape (columns,)
        Radians from east to north.
    distance : ndarray of float64, shape (steps,)
        Horizontal distances, metres, increasing.

    Returns
    -------
    slope, highest : ndarray of float32, shape (columns, steps)
        Tangents of elevation angles; -1e9 outside the terrain.
    """
    slope = np.empty((azimuth.size, distance.size), np.float32)
    highest = np.empty((azimuth.size, distance.size), np.float32)
    for a in range(azimuth.size):
        east, north = math.cos(azimuth[a]), math.sin(azimuth[a])
        maximum = -1e9
        for s in range(distance.size):
            r = distance[s]
            z = sample(levels, pixel_m, eye[0] + r * east, eye[1] + r * north)
            tangent = (z - eye[2]) / r if z == z else -1e9  # noqa: PLR0124  NaN: outside the terrain
            slope[a, s] = tangent
            maximum = max(maximum, tangent)
            highest[a, s] = maximum
    return slope, highest


@_compiled
def hit_ground(
    rays: Float32,
    first_azimuth: float,
    step: float,
    slope: Float32,
    highest: Float32,
    distance: Float,
) -> Float32:
    """Return the distance along each ray to the terrain; infinite for the sky.

    Parameters
    ----------
    rays : ndarray of float32, shape (rows, columns, 3)
        Unit vectors.
    first_azimuth, step : float
        Azimuths of the rows of ``slope`` and ``highest``, radians.
    slope, highest : ndarray of float32, shape (columns, steps)
        As from `profiles`.
    distance : ndarray of float64, shape (steps,)
        Horizontal distances, metres.
    """
    rows, columns, _ = rays.shape
    out = np.full((rows, columns), np.inf, np.float32)
    steps = distance.size
    for i in range(rows):
        for j in range(columns):
            dx, dy, dz = rays[i, j, 0], rays[i, j, 1], rays[i, j, 2]
            horizontal = math.sqrt(dx * dx + dy * dy)
            if horizontal < 1e-6:
                continue
            tilt = dz / horizontal
            azimuth = (math.atan2(dy, dx) - first_azimuth) % (2.0 * math.pi)
            a = min(int(azimuth / step + 0.5), slope.shape[0] - 1)
            if highest[a, steps - 1] < tilt:
                continue
            low, high = -1, steps - 1
            while high - low > 1:
                middle = (low + high) // 2
                if highest[a, middle] >= tilt:
                    high = middle
                else:
                    low = middle
            near = distance[high]
            if high > 0:
                r0, r1 = distance[high - 1], distance[high]
                # Height of the ray above the terrain at both ends of the step.
                above0 = (tilt - slope[a, high - 1]) * r0
                above1 = (tilt - slope[a, high]) * r1
                near = r0 + (r1 - r0) * above0 / max(above0 - above1, 1e-9)
            out[i, j] = near / horizontal
    return out


@_compiled
def drop_to_ground(levels: Float32, pixel_m: Float, eye: Float, rays: Float32) -> Float32:
    """Return the distance along steep rays to the terrain; infinite outside it."""
    rows, columns, _ = rays.shape
    out = np.full((rows, columns), np.inf, np.float32)
    for i in range(rows):
        for j in range(columns):
            dx, dy, dz = rays[i, j, 0], rays[i, j, 1], rays[i, j, 2]
            t = -eye[2] / dz
            for _ in range(4):
                z = sample(levels, pixel_m, eye[0] + t * dx, eye[1] + t * dy)
                t = (z - eye[2]) / dz
            if t == t:  # noqa: PLR0124  not NaN
                out[i, j] = t
    return out


@_compiled
def hit_rocks(
    rays: Float32,
    eye: Float,
    box: Int64,
    centre: Float,
    axes: Float,
    faces: Float,
    depth: Float32,
    part: Int32,
    normal: Float32,
) -> None:
    """Intersect rays with convex pieces of rock, in place.

    Parameters
    ----------
    rays : ndarray of float32, shape (rows, columns, 3)
        Unit vectors.
    eye : ndarray of float64, shape (3,)
        Position of the camera, metres.
    box : ndarray of int64, shape (pieces, 4)
        First row, last row, first column and last column of the bounding boxes.
    centre : ndarray of float64, shape (pieces, 3)
        Metres.
    axes : ndarray of float64, shape (pieces, 3, 3)
        Matrices from metres about the centre to units of the piece.
    faces : ndarray of float64, shape (pieces, faces, 4)
        Planes n · p = h in units of the piece: n and h.
    depth : ndarray of float32, shape (rows, columns)
        Distance along the rays to the first intersection, metres.
    part : ndarray of int32, shape (rows, columns)
        Piece that is hit; -1 for none.
    normal : ndarray of float32, shape (rows, columns, 3)
        Normal of the face that is hit.
    """
    for p in range(box.shape[0]):
        m = axes[p]
        ox, oy, oz = eye[0] - centre[p, 0], eye[1] - centre[p, 1], eye[2] - centre[p, 2]
        lx = m[0, 0] * ox + m[0, 1] * oy + m[0, 2] * oz
        ly = m[1, 0] * ox + m[1, 1] * oy + m[1, 2] * oz
        lz = m[2, 0] * ox + m[2, 1] * oy + m[2, 2] * oz
        for i in range(box[p, 0], box[p, 1] + 1):
            for j in range(box[p, 2], box[p, 3] + 1):
                dx, dy, dz = rays[i, j, 0], rays[i, j, 1], rays[i, j, 2]
                kx = m[0, 0] * dx + m[0, 1] * dy + m[0, 2] * dz
                ky = m[1, 0] * dx + m[1, 1] * dy + m[1, 2] * dz
                kz = m[2, 0] * dx + m[2, 1] * dy + m[2, 2] * dz
                enter, leave, face = 0.0, 1e9, -1
                for f in range(faces.shape[1]):
                    nx, ny, nz = faces[p, f, 0], faces[p, f, 1], faces[p, f, 2]
                    towards = nx * kx + ny * ky + nz * kz
                    off = faces[p, f, 3] - (nx * lx + ny * ly + nz * lz)
                    if towards < -1e-12:
                        t = off / towards
                        if t > enter:
                            enter, face = t, f
                    elif towards > 1e-12:
                        leave = min(leave, off / towards)
                    elif off < 0.0:
                        leave = -1.0
                    if enter >= leave:
                        break
                if face >= 0 and enter < leave and enter < depth[i, j]:
                    depth[i, j] = enter
                    part[i, j] = p
                    n = faces[p, face]
                    x = m[0, 0] * n[0] + m[1, 0] * n[1] + m[2, 0] * n[2]
                    y = m[0, 1] * n[0] + m[1, 1] * n[1] + m[2, 1] * n[2]
                    z = m[0, 2] * n[0] + m[1, 2] * n[1] + m[2, 2] * n[2]
                    length = math.sqrt(x * x + y * y + z * z)
                    normal[i, j, 0] = x / length
                    normal[i, j, 1] = y / length
                    normal[i, j, 2] = z / length


@_compiled
def ground_normals(levels: Float32, pixel_m: Float, point: Float32, width_m: Float32) -> Float32:
    """Return upward terrain normals at points, over a baseline of at least a pixel."""
    out = np.empty((point.shape[0], 3), np.float32)
    side = levels.shape[1]
    for n in range(point.shape[0]):
        x, y = float(point[n, 0]), float(point[n, 1])
        pixel = pixel_m[-1]
        for k in range(pixel_m.size):
            if max(abs(x), abs(y)) < (0.5 * side - 2.0) * pixel_m[k]:
                pixel = pixel_m[k]
                break
        h = max(pixel, float(width_m[n]))
        east = sample(levels, pixel_m, x + h, y) - sample(levels, pixel_m, x - h, y)
        north = sample(levels, pixel_m, x, y + h) - sample(levels, pixel_m, x, y - h)
        if east != east or north != north:  # noqa: PLR0124  NaN: at the edge of the terrain
            east, north = 0.0, 0.0
        east, north = east / (2.0 * h), north / (2.0 * h)
        length = math.sqrt(1.0 + east * east + north * north)
        out[n, 0], out[n, 1], out[n, 2] = -east / length, -north / length, 1.0 / length
    return out
