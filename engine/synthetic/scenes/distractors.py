"""What is not a rock and looks like one: bright patches of ground, and the tracks of wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

GAUGE = (0.3, 1.4)
"""Range of the distance between the two wheels of an axle, metres."""

LUG = (0.05, 0.16)
"""Range of the distance between the lugs of a wheel, metres along the track."""


def patches(rng: np.random.Generator, point: Float32, scale: float) -> Float32:
    """Return the factor on the albedo of ground with brighter patches, such as fresh ejecta.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    point : ndarray of float32, shape (points, 3)
        Metres: east, north, up.
    scale : float
        Length of the smallest features, in units of 0.04 m.

    Returns
    -------
    ndarray of float32, shape (points,)
        1 for ordinary ground, at most 2.4.
    """
    side = 512
    noise = fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    wave = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None, :])
    # No wave is longer than a fourth of the period, so that the repetition is not seen.
    wave[wave < 4.0 / side] = np.inf
    texture = fft.irfft2(noise * wave ** -rng.uniform(1.4, 2.0), s=(side, side))
    texture /= texture.std()
    pixel = float(np.exp(rng.uniform(np.log(0.03), np.log(0.5)))) * scale
    field = ndimage.map_coordinates(
        texture, (point[:, 1::-1] / pixel).T, order=1, mode="grid-wrap", prefilter=False
    )
    sharpness, level = rng.uniform(1.0, 12.0), rng.uniform(-0.3, 1.5)
    share = 1.0 / (1.0 + np.exp(-sharpness * (field - level)))
    factor: Float32 = (1.0 + rng.uniform(0.2, 1.4) * share).astype(np.float32)
    return factor


def wheel_tracks(
    rng: np.random.Generator,
    point: Float32,
    footprint: Float32,
    eye: Float,
    heading: float,
    scale: float,
) -> tuple[Float32, Float32]:
    """Return how the tracks of a rover change the ground: its normals and its albedo.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    point : ndarray of float32, shape (points, 3)
        Points on the ground, metres: east, north, up.
    footprint : ndarray of float32, shape (points,)
        Size of an image pixel there, metres. Lugs finer than it are not seen.
    eye : ndarray of float64, shape (3,)
        Position of the camera, metres.
    heading : float
        Direction of view, radians from east to north.
    scale : float
        Length of the smallest features, in units of 0.04 m.

    Returns
    -------
    tilt : ndarray of float32, shape (points, 3)
        Change of the normals.
    factor : ndarray of float32, shape (points,)
        Factor on the albedo, 1 beside the tracks.
    """
    gauge, width = rng.uniform(*GAUGE) * scale, rng.uniform(0.08, 0.4) * scale
    lug, depth = rng.uniform(*LUG) * scale, rng.uniform(0.1, 0.7)
    # A circle through a point ahead of the camera, seen along the track or across it.
    at = eye[:2] + rng.uniform(2.0, 9.0) * scale * np.array([np.cos(heading), np.sin(heading)])
    course = heading + rng.choice([rng.normal(0.0, 0.3), rng.uniform(0.0, np.pi)])
    radius = float(np.exp(rng.uniform(np.log(6.0), np.log(300.0)))) * scale * rng.choice([-1, 1])
    centre = at + radius * np.array([-np.sin(course), np.cos(course)])
    away = point[:, :2].astype(np.float64) - centre
    distance = np.hypot(away[:, 0], away[:, 1])
    outward = away / np.maximum(distance, 1e-6)[:, None]
    across = distance - abs(radius)
    along = np.arctan2(away[:, 1], away[:, 0]) * abs(radius)
    # Distance from the middle of the nearer of the two wheels.
    side = np.abs(np.abs(across) - 0.5 * gauge) / (0.5 * width)
    inside = np.clip(4.0 * (1.0 - side), 0.0, 1.0)
    rim = np.exp(-(((side - 1.15) / 0.2) ** 2)) * np.sign(np.abs(across) - 0.5 * gauge)
    rim = rim * np.sign(across)
    resolved = np.clip(0.5 * lug / np.maximum(footprint, 1e-4), 0.0, 1.0)
    ridge = depth * inside * resolved * np.sin(2.0 * np.pi * along / lug)
    forward = np.column_stack([-outward[:, 1], outward[:, 0]])
    tilt = np.zeros_like(point)
    tilt[:, :2] = ridge[:, None] * forward + (0.8 * depth * rim)[:, None] * outward
    shade = rng.uniform(0.6, 1.05)
    factor: Float32 = (1.0 + (shade - 1.0) * inside).astype(np.float32)
    return tilt.astype(np.float32), factor
