"""Camera of generated scenes: rays, image formation and image defects."""

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
"""Supersampling: rendered pixels along a side of an image pixel."""


def rays(
    rows: int,
    columns: int,
    fov_deg: float,
    *,
    azimuth_deg: float,
    pitch_deg: float,
    roll_deg: float,
) -> Float32:
    """Return the viewing directions of the pixels of a pinhole camera.

    Parameters
    ----------
    rows, columns : int
        Size of the image.
    fov_deg : float
        Horizontal field of view.
    azimuth_deg, pitch_deg, roll_deg : float
        Orientation; the azimuth counts from east to north.

    Returns
    -------
    ndarray of float32, shape (rows, columns, 3)
        Unit vectors: east, north, up.
    """
    half = np.tan(np.radians(0.5 * fov_deg))
    across = (np.arange(columns) + 0.5 - 0.5 * columns) / (0.5 * columns) * half
    up = (0.5 * rows - np.arange(rows) - 0.5) / (0.5 * columns) * half
    u, v = np.meshgrid(across, up)
    azimuth, pitch, roll = np.radians([azimuth_deg, pitch_deg, roll_deg])
    u, v = u * np.cos(roll) - v * np.sin(roll), u * np.sin(roll) + v * np.cos(roll)
    level = np.cos(pitch) - v * np.sin(pitch)
    directions = np.stack(
        [
            level * np.cos(azimuth) + u * np.sin(azimuth),
            level * np.sin(azimuth) - u * np.cos(azimuth),
            np.sin(pitch) + v * np.cos(pitch),
        ],
        axis=-1,
    )
    length = np.linalg.norm(directions, axis=-1, keepdims=True)
    unit: Float32 = (directions / length).astype(np.float32)
    return unit


def boxes(rays: Float32, eye: Float, centre: Float, radius: Float) -> Int:
    """Return the bounding boxes of spheres in the image.

    Parameters
    ----------
    rays : ndarray of float32, shape (rows, columns, 3)
        As from `rays`.
    eye : ndarray of float64, shape (3,)
        Position of the camera, metres.
    centre : ndarray of float64, shape (spheres, 3)
        Positions of the spheres, metres.
    radius : ndarray of float64, shape (spheres,)
        Their radii, metres.

    Returns
    -------
    ndarray of int64, shape (spheres, 4)
        First row, last row, first column and last column; first after last for those outside.
    """
    rows, columns, _ = rays.shape
    # The axes of the camera follow from its rays.
    corners = rays[[0, 0, -1], [0, -1, 0]].astype(np.float64)
    forward = rays.reshape(-1, 3).mean(axis=0).astype(np.float64)
    forward /= np.linalg.norm(forward)
    right = _image_axis(corners[1], corners[0], forward)
    down = _image_axis(corners[2], corners[0], forward)
    off = centre - eye
    ahead = off @ forward
    reach = np.abs(corners[0] @ right) / (corners[0] @ forward)
    scale = 0.5 * columns / reach
    safe = np.maximum(ahead - radius, 0.05)
    spread = 1.2 * radius / safe * scale * np.sqrt(1.0 + reach**2) + 2.0
    column = 0.5 * columns + off @ right / np.maximum(ahead, 0.05) * scale
    row = 0.5 * rows + off @ down / np.maximum(ahead, 0.05) * scale
    edges = np.column_stack([row - spread, row + spread, column - spread, column + spread])
    limits = np.array([rows - 1, rows - 1, columns - 1, columns - 1])
    box = np.clip(np.nan_to_num(edges), -1e6, 1e6).astype(np.int64)
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


def _image_axis(a: Float, b: Float, forward: Float) -> Float:
    """Return the unit vector from one corner to another, in the plane of the image."""
    step = a / (a @ forward) - b / (b @ forward)
    unit: Float = step / np.linalg.norm(step)
    return unit


def reflectance(rng: np.random.Generator, normal: Float32, looking: Float32, sun: Float) -> Float32:
    """Return the reflectance of sunlit surfaces with randomly drawn photometric parameters.

    The lunar-Lambert law, between Lommel-Seeliger and Lambert, times a phase function with an
    opposition surge.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    normal : ndarray of float32, shape (points, 3)
        Unit normals of the surface.
    looking : ndarray of float32, shape (points, 3)
        Unit vectors from the camera to the points.
    sun : ndarray of float64, shape (3,)
        Unit vector to the Sun.

    Returns
    -------
    ndarray of float32, shape (points,)
        1 for nadir view and overhead Sun without a surge.

    References
    ----------
    McEwen 1991, Icarus 92, 298 (lunar-Lambert law); Hapke 1986, Icarus 67, 264 (surge).
    """
    lambert, fall, surge, width = rng.uniform([0.0, 0.2, 0.2, 0.03], [0.6, 0.9, 1.2, 0.12])
    lit = np.clip(normal @ sun.astype(np.float32), 0.0, 1.0)
    emission = np.clip(-(normal * looking).sum(axis=1), 0.05, 1.0)
    phase = np.arccos(np.clip(-looking @ sun.astype(np.float32), -1.0, 1.0))
    shape = (1.0 - lambert) * 2.0 * lit / (lit + emission) + lambert * lit
    bright = np.exp(-fall * phase) * (1.0 + surge / (1.0 + np.tan(0.5 * phase) / width))
    out: Float32 = (shape * bright).astype(np.float32)
    return out


def develop(rng: np.random.Generator, light: Float32, *, photograph: bool) -> UInt8:
    """Return the image that a camera takes of a rendered scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    light : ndarray of float32, shape (rows * FINE, columns * FINE)
        Rendered brightness; 0 for the sky.
    photograph : bool
        Whether to add the defects of photographs: blur, vignetting, noise, sharpening, colour cast.
    """
    rows, columns = light.shape[0] // FINE, light.shape[1] // FINE
    if photograph:
        light = ndimage.gaussian_filter(light, rng.uniform(0.2, 1.6))
    exposure = light.reshape(rows, FINE, columns, FINE).mean(axis=(1, 3))
    lit = exposure[exposure > 0.02 * max(float(exposure.max()), 1e-9)]
    median = max(float(np.median(lit)), 1e-9) if lit.size else 1.0
    bright, gamma = rng.uniform([0.27, 1.0], [0.65, 2.4])
    exposure = exposure * (bright**gamma / median)
    if photograph:
        v, u = np.mgrid[-1.0 : 1.0 : rows * 1j, -1.0 : 1.0 : columns * 1j]
        exposure = exposure * (1.0 - rng.uniform(0.0, 0.25) * (u * u + v * v))
        exposure = exposure + rng.uniform(0.0, 0.01)
        noise = rng.uniform(0.0, 0.02)
        sigma = noise * np.sqrt(np.maximum(exposure, 0.02))
        exposure = exposure + rng.standard_normal(exposure.shape) * sigma
    # Some cameras roll highlights off instead of clipping them.
    if rng.random() < 0.5:
        exposure = (1.0 - np.exp(-2.0 * np.maximum(exposure, 0.0))) / (1.0 - np.exp(-2.0))
    tone = np.clip(exposure, 0.0, 1.0) ** (1.0 / gamma)
    if photograph and rng.random() < 0.6:
        tone = tone + rng.uniform(0.2, 1.0) * (tone - ndimage.gaussian_filter(tone, 1.2))
    cast = np.ones(3)
    if photograph:
        cast = np.array([1.0, rng.uniform(0.88, 1.0), rng.uniform(0.72, 0.98)])
    return _to_bytes(tone[..., None] * cast)


def add_lander(rng: np.random.Generator, image: UInt8, mask: UInt8) -> tuple[UInt8, UInt8]:
    """Return an image and mask with parts of a lander added, which are labelled as ground."""
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        inside = _outline(rng, mask.shape)
        part = _lander_texture(rng, mask.shape)
        image = np.where(inside[..., None], part, image)
        mask = np.where(inside, 0, mask).astype(np.uint8)
    return image, mask


def _outline(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels of a convex part of the lander that enters over an edge of the image."""
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


def _lander_texture(rng: np.random.Generator, shape: tuple[int, ...]) -> UInt8:
    """Return the texture of a part of the lander: plain, ribbed, or of crumpled foil."""
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
    return _to_bytes(tone[..., None] * cast)


def _to_bytes(tone: Float) -> UInt8:
    """Return tones from 0 to 1 as 8-bit grey levels."""
    levels: UInt8 = np.rint(np.clip(tone, 0.0, 1.0) * 255.0).astype(np.uint8)
    return levels
