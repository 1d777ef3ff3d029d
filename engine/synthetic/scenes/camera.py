"""The camera of generated scenes: its rays, how light becomes an image, and its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]
    UInt8 = NDArray[np.uint8]

FINE = 2
"""Pixels of the drawing along a side of a pixel of the image."""


def rays(
    rows: int,
    columns: int,
    fov_deg: float,
    *,
    azimuth_deg: float,
    pitch_deg: float,
    roll_deg: float,
) -> Float32:
    """Return the unit vectors along which the pixels of a pinhole camera look.

    Returns
    -------
    ndarray of float32, shape (rows, columns, 3)
        East, north, up.
    """
    half = np.tan(np.radians(0.5 * fov_deg))
    across = (np.arange(columns) + 0.5 - 0.5 * columns) / (0.5 * columns) * half
    up = (0.5 * rows - np.arange(rows) - 0.5) / (0.5 * columns) * half
    u, v = np.meshgrid(across, up)
    azimuth, pitch, roll = np.radians([azimuth_deg, pitch_deg, roll_deg])
    u, v = u * np.cos(roll) - v * np.sin(roll), u * np.sin(roll) + v * np.cos(roll)
    level = np.cos(pitch) - v * np.sin(pitch)
    seen = np.stack(
        [
            level * np.cos(azimuth) + u * np.sin(azimuth),
            level * np.sin(azimuth) - u * np.cos(azimuth),
            np.sin(pitch) + v * np.cos(pitch),
        ],
        axis=-1,
    )
    unit: Float32 = (seen / np.linalg.norm(seen, axis=-1, keepdims=True)).astype(np.float32)
    return unit


def boxes(seen: Float32, eye: Float, place: Float, radius: Float) -> Int:
    """Return the rows and columns on which spheres may be seen; none as first after last.

    Parameters
    ----------
    seen : ndarray of float32, shape (rows, columns, 3)
        As `rays` gives them.
    eye, place, radius : ndarray
        The camera and the spheres, metres.
    """
    rows, columns, _ = seen.shape
    # The camera's own axes, from its rays.
    corners = seen[[0, 0, -1], [0, -1, 0]].astype(np.float64)
    forward = seen.reshape(-1, 3).mean(axis=0).astype(np.float64)
    forward /= np.linalg.norm(forward)
    right = _across(corners[1], corners[0], forward)
    down = _across(corners[2], corners[0], forward)
    off = place - eye
    ahead = off @ forward
    reach = np.abs(corners[0] @ right) / (corners[0] @ forward)
    scale = 0.5 * columns / reach
    safe = np.maximum(ahead - radius, 0.05)
    spread = 1.2 * radius / safe * scale * np.sqrt(1.0 + reach**2) + 2.0
    column = 0.5 * columns + off @ right / np.maximum(ahead, 0.05) * scale
    row = 0.5 * rows + off @ down / np.maximum(ahead, 0.05) * scale
    found = np.column_stack([row - spread, row + spread, column - spread, column + spread])
    limits = np.array([rows - 1, rows - 1, columns - 1, columns - 1])
    box = np.clip(np.nan_to_num(found), -1e6, 1e6).astype(np.int64)
    outside = (
        (ahead < 0.2)
        | (box[:, 1] < 0)
        | (box[:, 3] < 0)
        | (box[:, 0] >= rows)
        | (box[:, 2] >= columns)
    )
    box = np.clip(box, 0, limits).astype(np.int64)
    box[outside] = [1, 0, 1, 0]
    within: Int = box
    return within


def _across(a: Float, b: Float, forward: Float) -> Float:
    """Return the unit vector from one corner to another, in the plane of the image."""
    way = a / (a @ forward) - b / (b @ forward)
    unit: Float = way / np.linalg.norm(way)
    return unit


def reflectance(rng: np.random.Generator, facing: Float32, looking: Float32, sun: Float) -> Float32:
    """Return how bright sunlit ground is, 1 when lit and seen from above without a surge.

    The lunar-Lambert law (McEwen 1991, Icarus 92, 298) between Lommel-Seeliger and Lambert, times
    a phase function with an opposition surge of Hapke's form (1986, Icarus 67, 264).
    """
    lambert, fall, surge, width = rng.uniform([0.0, 0.2, 0.2, 0.03], [0.6, 0.9, 1.2, 0.12])
    lit = np.clip(facing @ sun.astype(np.float32), 0.0, 1.0)
    seen = np.clip(-(facing * looking).sum(axis=1), 0.05, 1.0)
    phase = np.arccos(np.clip(-looking @ sun.astype(np.float32), -1.0, 1.0))
    shape = (1.0 - lambert) * 2.0 * lit / (lit + seen) + lambert * lit
    bright = np.exp(-fall * phase) * (1.0 + surge / (1.0 + np.tan(0.5 * phase) / width))
    out: Float32 = (shape * bright).astype(np.float32)
    return out


def develop(rng: np.random.Generator, light: Float32, *, photograph: bool) -> UInt8:
    """Return the image that a camera makes of light.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    light : ndarray of float32, shape (rows * FINE, columns * FINE)
        Brightness; 0 for the sky.
    photograph : bool
        Whether the camera has a photograph's faults.
    """
    rows, columns = light.shape[0] // FINE, light.shape[1] // FINE
    if photograph:
        light = ndimage.gaussian_filter(light, rng.uniform(0.2, 1.6))
    seen = light.reshape(rows, FINE, columns, FINE).mean(axis=(1, 3))
    shown = seen[seen > 0.02 * max(float(seen.max()), 1e-9)]
    usual = max(float(np.median(shown)), 1e-9) if shown.size else 1.0
    bright, gamma = rng.uniform([0.27, 1.0], [0.65, 2.4])
    seen = seen * (bright**gamma / usual)
    if photograph:
        v, u = np.mgrid[-1.0 : 1.0 : rows * 1j, -1.0 : 1.0 : columns * 1j]
        seen = seen * (1.0 - rng.uniform(0.0, 0.25) * (u * u + v * v))
        seen = seen + rng.uniform(0.0, 0.01)
        noise = rng.uniform(0.0, 0.02)
        seen = seen + rng.standard_normal(seen.shape) * noise * np.sqrt(np.maximum(seen, 0.02))
    # Highlights are rolled off rather than cut in some cameras.
    if rng.random() < 0.5:
        seen = (1.0 - np.exp(-2.0 * np.maximum(seen, 0.0))) / (1.0 - np.exp(-2.0))
    tone = np.clip(seen, 0.0, 1.0) ** (1.0 / gamma)
    if photograph and rng.random() < 0.6:
        tone = tone + rng.uniform(0.2, 1.0) * (tone - ndimage.gaussian_filter(tone, 1.2))
    cast = np.ones(3)
    if photograph:
        cast = np.array([1.0, rng.uniform(0.88, 1.0), rng.uniform(0.72, 0.98)])
    return _bytes(tone[..., None] * cast)


def lander(rng: np.random.Generator, image: UInt8, mask: UInt8) -> tuple[UInt8, UInt8]:
    """Return an image with pieces of the lander in it, which masks have as ground."""
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        inside = _outline(rng, mask.shape)
        part = _made(rng, mask.shape)
        image = np.where(inside[..., None], part, image)
        mask = np.where(inside, 0, mask).astype(np.uint8)
    return image, mask


def _outline(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where a piece of the lander is: a convex one that enters over the image's edge."""
    rows, columns = shape
    side = rng.choice(["left", "right", "below", "below"])
    along = rng.uniform(0.0, 1.0)
    middle = {
        "left": (0.0, rows * (0.4 + 0.6 * along)),
        "right": (columns, rows * (0.4 + 0.6 * along)),
        "below": (columns * along, rows),
    }[str(side)]
    reach = rng.uniform(0.06, 0.35, 2) * columns
    v, u = np.mgrid[0:rows, 0:columns]
    x, y = (u - middle[0]) / reach[0], (v - middle[1]) / reach[1]
    inside = np.ones(shape, np.bool_)
    first = rng.uniform(0.0, 2.0 * np.pi)
    for turn in first + 2.0 * np.pi * np.arange(4) / 4.0 + rng.normal(0.0, 0.25, 4):
        inside &= x * np.cos(turn) + y * np.sin(turn) < rng.uniform(0.4, 1.0)
    return inside


def _made(rng: np.random.Generator, shape: tuple[int, ...]) -> UInt8:
    """Return what a piece of the lander looks like: plain, ribbed, or of crumpled foil."""
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]]
    tone = np.full(shape, rng.choice([rng.uniform(0.0, 0.1), rng.uniform(0.1, 0.9)]))
    angle = rng.uniform(0.0, np.pi)
    tone = tone + rng.uniform(-0.15, 0.15) * (u * np.cos(angle) + v * np.sin(angle)) / shape[1]
    kind = rng.integers(3)
    if kind > 0:
        along = (u * np.cos(angle) + v * np.sin(angle)) / rng.uniform(5.0, 60.0)
        tone = np.where(along % 1.0 < rng.uniform(0.05, 0.4), rng.uniform(0.0, 1.0), tone)
    if kind > 1:
        noise = ndimage.gaussian_filter(rng.standard_normal(shape), rng.uniform(1.5, 8.0))
        tone = tone + rng.uniform(0.1, 0.5) * (np.abs(noise) / noise.std() - 0.8)
    cast = np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.3, 1.0)])
    return _bytes(tone[..., None] * cast)


def _bytes(tone: Float) -> UInt8:
    shown: UInt8 = np.rint(np.clip(tone, 0.0, 1.0) * 255.0).astype(np.uint8)
    return shown
