"""Compiled inner loops of `tiles`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_AZIMUTHS = 24

_RINGS = 12
_RING_REACH = 1.35
"""Radius of the outermost ring in crater radii, to include the outer flank of the rim."""

_CLEARED_REACH = 1.3
"""Radius in crater radii within which a crater replaces older terrain (`synthetic.craters`)."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def rim_evidence(height: Float32, circle: Float) -> Float:
    """Return the height and the completeness of the rim of each crater.

    Parameters
    ----------
    height : ndarray of float32, shape (rows, columns)
        Metres.
    circle : ndarray of float64, shape (craters, 3)
        Column, row and radius in pixels.

    Returns
    -------
    ndarray of float64, shape (craters, 2)
        Mean height of the rim above the floor in metres, and the fraction of azimuths at which
        the detrended rim stands above the floor by at least half of that. Without detrending, a
        crater on a slope would have only half a rim.
    """
    rows, columns = height.shape
    found = np.zeros((circle.shape[0], 2))
    rise = np.zeros(_AZIMUTHS)
    along = np.zeros((_AZIMUTHS, 2))
    for i in range(circle.shape[0]):
        c0, r0, r = circle[i]
        floor = 0.0
        count = 0
        for n in range(_AZIMUTHS):
            angle = 2.0 * math.pi * n / _AZIMUTHS
            for share in (0.1, 0.25):
                floor += _bilinear(
                    height, c0 + share * r * math.cos(angle), r0 + share * r * math.sin(angle)
                )
                count += 1
        floor /= count
        total = 0.0
        sampled = 0
        for n in range(_AZIMUTHS):
            angle = 2.0 * math.pi * n / _AZIMUTHS
            x, y = c0 + r * math.cos(angle), r0 + r * math.sin(angle)
            if x < 0.0 or y < 0.0 or x > columns - 1 or y > rows - 1:
                continue
            rise[sampled] = _bilinear(height, x, y) - floor
            along[sampled, 0], along[sampled, 1] = math.cos(angle), math.sin(angle)
            total += rise[sampled]
            sampled += 1
        if sampled < _AZIMUTHS // 2:
            continue
        mean = total / sampled
        if sampled == _AZIMUTHS:
            _detrend(rise, along)
        high = 0
        for n in range(sampled):
            if rise[n] >= 0.5 * mean and mean > 0.0:
                high += 1
        found[i, 0] = mean
        found[i, 1] = high / _AZIMUTHS
    return found


@_compiled
def clarity(height: Float32, circle: Float) -> Float:
    """Return the fraction of the relief in and around each circle that is axially symmetric.

    Terrain as rough as a crater is deep hides it, even if its rim happens to stand above its floor.
    A slope across the circle does not count; pixels outside the tile are ignored.

    Parameters
    ----------
    height : ndarray of float32, shape (rows, columns)
        Metres.
    circle : ndarray of float64, shape (craters, 3)
        Column, row and radius in pixels.

    Returns
    -------
    ndarray of float64, shape (craters,)
        Area-weighted variance of the ring means over the total variance, 0 to 1.
    """
    rows, columns = height.shape
    out = np.zeros(circle.shape[0])
    x = np.zeros((_RINGS, _AZIMUTHS))
    y = np.zeros((_RINGS, _AZIMUTHS))
    z = np.zeros((_RINGS, _AZIMUTHS))
    weight = np.zeros((_RINGS, _AZIMUTHS))
    for i in range(circle.shape[0]):
        c0, r0, r = circle[i]
        for k in range(_RINGS):
            share = _RING_REACH * (k + 0.5) / _RINGS
            for n in range(_AZIMUTHS):
                angle = 2.0 * math.pi * n / _AZIMUTHS
                x[k, n], y[k, n] = share * math.cos(angle), share * math.sin(angle)
                column, row = c0 + r * x[k, n], r0 + r * y[k, n]
                inside = 0.0 <= column <= columns - 1 and 0.0 <= row <= rows - 1
                weight[k, n] = share if inside else 0.0
                z[k, n] = _bilinear(height, column, row)
        _flatten(x, y, z, weight)
        variance = 0.0
        symmetric = 0.0
        for k in range(_RINGS):
            total = weight[k].sum()
            if total > 0.0:
                mean = (weight[k] * z[k]).sum() / total
                symmetric += total * mean * mean
                variance += (weight[k] * z[k] * z[k]).sum()
        if variance > 0.0:
            out[i] = symmetric / variance
    return out


@_compiled
def _flatten(x: Float, y: Float, z: Float, weight: Float) -> None:
    """Subtract the least-squares plane from heights, in place."""
    total = weight.sum()
    if total <= 0.0:
        return
    mx, my = (weight * x).sum() / total, (weight * y).sum() / total
    z -= (weight * z).sum() / total
    xx = (weight * (x - mx) ** 2).sum()
    yy = (weight * (y - my) ** 2).sum()
    xy = (weight * (x - mx) * (y - my)).sum()
    xz = (weight * (x - mx) * z).sum()
    yz = (weight * (y - my) * z).sum()
    size = xx * yy - xy * xy
    if size > 1e-12:
        east, south = (xz * yy - yz * xy) / size, (yz * xx - xz * xy) / size
        z -= east * (x - mx) + south * (y - my)


@_compiled
def survival(circle: Float, cleared: Float) -> Float:
    """Return the fraction of each crater that younger ones have left, 0 to 1.

    Heights alone do not tell: the bowl of a younger crater could be mistaken for that of an older
    one that it has erased.

    Parameters
    ----------
    circle : ndarray of float64, shape (craters, 3)
        Column, row and radius in pixels, in order of formation.
    cleared : ndarray of float64, shape (craters,)
        Fraction of the previous terrain that each crater removes inside its rim.
    """
    count = circle.shape[0]
    left = np.ones(count)
    points = np.ones(2 * _AZIMUTHS)
    for i in range(count):
        x, y, r = circle[i]
        touched = False
        for j in range(i + 1, count):
            reach = r + _CLEARED_REACH * circle[j, 2]
            dx, dy = circle[j, 0] - x, circle[j, 1] - y
            if dx * dx + dy * dy >= reach * reach:
                continue
            if not touched:
                points[:] = 1.0
                touched = True
            for n in range(2 * _AZIMUTHS):
                angle = math.pi * n / _AZIMUTHS
                # Rim and mid-wall alternate.
                out = r if n % 2 == 0 else 0.5 * r
                u = (x + out * math.cos(angle) - circle[j, 0]) / circle[j, 2]
                v = (y + out * math.sin(angle) - circle[j, 1]) / circle[j, 2]
                d = math.sqrt(u * u + v * v)
                if d < _CLEARED_REACH:
                    inside = min(1.0, (_CLEARED_REACH - d) / 0.5)
                    points[n] *= 1.0 - cleared[j] * inside * inside * (3.0 - 2.0 * inside)
        if touched:
            left[i] = points.mean()
    return left


@_compiled
def _detrend(rise: Float, along: Float) -> None:
    """Remove the tilt from heights around a full circle, in place."""
    east = 0.0
    south = 0.0
    for n in range(rise.size):
        east += rise[n] * along[n, 0]
        south += rise[n] * along[n, 1]
    for n in range(rise.size):
        rise[n] -= 2.0 * (east * along[n, 0] + south * along[n, 1]) / rise.size


@_compiled
def _bilinear(height: Float32, x: float, y: float) -> float:
    """Return a height interpolated bilinearly, clamped to the tile."""
    rows, columns = height.shape
    x = min(max(x, 0.0), columns - 1.001)
    y = min(max(y, 0.0), rows - 1.001)
    c, r = int(x), int(y)
    u, v = x - c, y - r
    top = height[r, c] * (1.0 - u) + height[r, c + 1] * u
    bottom = height[r + 1, c] * (1.0 - u) + height[r + 1, c + 1] * u
    return float(top * (1.0 - v) + bottom * v)
