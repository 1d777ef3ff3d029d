"""Rough faces and cracks of rocks, from multi-scale noise in space."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

OCTAVES = 7
"""Maximum number of octaves; each halves the wavelength."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def roughen(
    point: Float32, longest_m: Float32, footprint_m: Float32, fall: float, seed: int
) -> tuple[Float32, Float32]:
    """Return the slopes of noise in space and the depth of cracks at points.

    Parameters
    ----------
    point : ndarray of float32, shape (points, 3)
        Metres: east, north, up.
    longest_m : ndarray of float32, shape (points,)
        Longest wavelength of the noise at each point, typically a third of the rock.
    footprint_m : ndarray of float32, shape (points,)
        Footprint of a pixel there; wavelengths shorter than two footprints fade out.
    fall : float
        Ratio of the slopes of successive octaves.
    seed : int
        Seed of the noise.

    Returns
    -------
    slopes : ndarray of float32, shape (points, 3)
        East, north, up; about two in each direction where all octaves are resolved and ``fall``
        is one.
    crack : ndarray of float32, shape (points,)
        From 0 away from cracks to 1 in their middle.
    """
    count = point.shape[0]
    slopes = np.zeros((count, 3), np.float32)
    crack = np.zeros(count, np.float32)
    for n in range(count):
        wave, strength = float(longest_m[n]), 1.0
        for octave in range(OCTAVES):
            resolved = min(max(wave / max(2.0 * footprint_m[n], 1e-5) - 1.0, 0.0), 1.0)
            if resolved <= 0.0:
                break
            x, y, z = point[n, 0] / wave, point[n, 1] / wave, point[n, 2] / wave
            value, dx, dy, dz = _noise(x, y, z, seed + octave)
            # Folding gives the sharp edges of fractured rock.
            sign = -1.0 if value < 0.0 else 1.0
            slopes[n, 0] += sign * strength * resolved * dx
            slopes[n, 1] += sign * strength * resolved * dy
            slopes[n, 2] += sign * strength * resolved * dz
            if octave < 3:
                near = value / 0.04
                crack[n] = max(crack[n], resolved * math.exp(-near * near))
            wave *= 0.5
            strength *= fall
    return slopes, crack


@_compiled
def _corner(i: int, j: int, k: int, seed: int) -> float:
    """Return the noise at a lattice point, -1 to 1."""
    mixed = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    mixed ^= np.uint64(j) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= np.uint64(k) * np.uint64(0x165667B19E3779F9)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return float(mixed >> np.uint64(40)) / 8388608.0 - 1.0


@_compiled
def _noise(x: float, y: float, z: float, seed: int) -> tuple[float, float, float, float]:
    """Return value noise and its gradient, on a lattice of unit spacing."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - i, y - j, z - k
    sx, sy, sz = _smooth(fx), _smooth(fy), _smooth(fz)
    tx, ty, tz = _smooth_slope(fx), _smooth_slope(fy), _smooth_slope(fz)
    value = dx = dy = dz = 0.0
    for a in range(2):
        wx, gx = (sx, tx) if a else (1.0 - sx, -tx)
        for b in range(2):
            wy, gy = (sy, ty) if b else (1.0 - sy, -ty)
            for c in range(2):
                wz, gz = (sz, tz) if c else (1.0 - sz, -tz)
                corner = _corner(int(i) + a, int(j) + b, int(k) + c, seed)
                value += corner * wx * wy * wz
                dx += corner * gx * wy * wz
                dy += corner * wx * gy * wz
                dz += corner * wx * wy * gz
    return value, dx, dy, dz


@_compiled
def _smooth(f: float) -> float:
    """Return the quintic interpolation weight (Perlin 2002)."""
    return f * f * f * (f * (f * 6.0 - 15.0) + 10.0)


@_compiled
def _smooth_slope(f: float) -> float:
    """Return the derivative of `_smooth`."""
    return 30.0 * f * f * (f * (f - 2.0) + 1.0)
