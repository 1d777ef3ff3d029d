"""What cameras and their files do to an image: blur, compression, gain, exposure, noise, shadow.

Networks are trained with some of it, and evaluated on all of it (`benchmarks/bench_rocks.py`):
people's images are not those of the generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from lunarsite.engine.segmentation.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

LEVELS = (1, 2, 3)
"""Strengths of a shift: mild, clear, strong."""

REFERENCE_PX = 160.0
"""Shorter side of an image at which lengths in pixels are meant."""

_BLUR_PX = (0.5, 1.0, 1.7)
_JPEG_QUALITY = (50, 25, 10)
_GAIN = (1.3, 1.7, 2.3)
_EXPOSURE = (1.25, 1.6, 2.2)
_NOISE = (0.02, 0.05, 0.1)
_SHADOW = (0.5, 0.3, 0.15)
_MAGNIFICATION = (1.3, 1.8, 2.5)

_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
"""Steps of quantisation at a quality of 50: ITU-T T.81 (1992), table K.1."""


def shifted(sample: Sample, kind: str, level: int, rng: np.random.Generator) -> Sample:
    """Return an image with its mask after a shift.

    Parameters
    ----------
    sample : Sample
        Image and mask.
    kind : str
        One of `KINDS`.
    level : int
        One of `LEVELS`.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Sample
        Of the same size, except for ``size``.
    """
    if kind == "size":
        return _nearer(sample, _MAGNIFICATION[level - 1], rng)
    values = sample.image.astype(np.float32) / np.float32(255.0)
    return Sample(_bytes(VALUES[kind](values, level, rng)), sample.mask)


def on_values(values: Float32, level: int, rng: np.random.Generator) -> Float32:
    """Return an image after a shift of a random kind that leaves its geometry.

    Parameters
    ----------
    values : ndarray of float32, shape (rows, columns, 3)
        0 to 1.
    level : int
        One of `LEVELS`.
    rng : Generator
        Source of randomness.
    """
    return VALUES[str(rng.choice(list(VALUES)))](values, level, rng)


def _blurred(values: Float32, level: int, rng: np.random.Generator) -> Float32:
    """Blur an image: out of focus, or by motion."""
    sigma = _BLUR_PX[level - 1] * _scale(values)
    if rng.random() < 0.5:
        return np.asarray(ndimage.gaussian_filter(values, (sigma, sigma, 0.0)), np.float32)
    length, angle = 3.5 * sigma, rng.uniform(0.0, np.pi)
    steps = np.linspace(-0.5, 0.5, 7)
    total = np.zeros_like(values)
    for step in steps:
        offset = (step * length * np.sin(angle), step * length * np.cos(angle), 0.0)
        total += ndimage.shift(values, offset, order=1, mode="nearest")
    mean: Float32 = total / np.float32(steps.size)
    return mean


def _compressed(values: Float32, level: int, rng: np.random.Generator) -> Float32:
    """Compress an image as JPEG does: its cosine transform, in blocks of 8, is quantised."""
    quality = _JPEG_QUALITY[level - 1] * float(rng.uniform(0.8, 1.2))
    factor = 50.0 / quality if quality < 50.0 else 2.0 - quality / 50.0
    steps = np.maximum(_LUMINANCE * np.float32(factor), 1.0) / np.float32(255.0)
    rows, columns, _ = values.shape
    padded = np.pad(values, ((0, -rows % 8), (0, -columns % 8), (0, 0)), mode="edge")
    grey = padded.mean(axis=2)
    tall, wide = grey.shape[0] // 8, grey.shape[1] // 8
    blocks = grey.reshape(tall, 8, wide, 8).transpose(0, 2, 1, 3)
    waves = fft.dctn(blocks, axes=(2, 3), norm="ortho")
    stored = np.rint(waves / steps) * steps
    # The colour of a lunar image is a cast: it follows the grey level.
    back = fft.idctn(stored, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3).reshape(grey.shape)
    changed = padded + (back - grey)[..., None]
    return np.asarray(changed[:rows, :columns], np.float32)


def _with_gain(values: Float32, level: int, rng: np.random.Generator) -> Float32:
    """Raise or lower the contrast about the mean."""
    gain = _GAIN[level - 1] ** float(rng.choice([-1.0, 1.0]))
    middle = values.mean()
    return np.asarray((values - middle) * gain + middle, np.float32)


def _exposed(values: Float32, level: int, rng: np.random.Generator) -> Float32:
    """Expose an image longer, so that it saturates, or shorter."""
    return values * np.float32(_EXPOSURE[level - 1] ** float(rng.choice([-1.0, 1.0])))


def _noisy(values: Float32, level: int, rng: np.random.Generator) -> Float32:
    """Add the noise of photons and of reading."""
    strength = np.float32(_NOISE[level - 1])
    noise = rng.standard_normal(values.shape[:2], dtype=np.float32)[..., None]
    added = strength * noise * np.sqrt(np.clip(values, 0.0, 1.0) + np.float32(0.1))
    return np.asarray(values + added, np.float32)


def _shaded(values: Float32, level: int, rng: np.random.Generator) -> Float32:
    """Darken one side of an image, as a shadow does that falls across it."""
    rows, columns, _ = values.shape
    v, u = np.mgrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : columns * 1j]
    angle = rng.uniform(0.0, 2.0 * np.pi)
    across = u * np.cos(angle) + v * np.sin(angle) - rng.uniform(-0.25, 0.25)
    softness = float(np.exp(rng.uniform(np.log(0.004), np.log(0.1))))
    inside = 1.0 / (1.0 + np.exp(np.clip(across / softness, -30.0, 30.0)))
    factor = 1.0 - (1.0 - _SHADOW[level - 1]) * inside
    return np.asarray(values * factor[..., None], np.float32)


def _nearer(sample: Sample, factor: float, rng: np.random.Generator) -> Sample:
    """Return a part of an image, in which everything is larger."""
    rows, columns = sample.mask.shape
    tall, wide = round(rows / factor), round(columns / factor)
    top, left = int(rng.integers(rows - tall + 1)), int(rng.integers(columns - wide + 1))
    image = sample.image[top : top + tall, left : left + wide]
    mask = sample.mask[top : top + tall, left : left + wide]
    return Sample(np.ascontiguousarray(image), np.ascontiguousarray(mask))


VALUES: dict[str, Callable[[Float32, int, np.random.Generator], Float32]] = {
    "blur": _blurred,
    "compression": _compressed,
    "gain": _with_gain,
    "exposure": _exposed,
    "noise": _noisy,
    "shadow": _shaded,
}
"""Shifts that leave the geometry of an image."""

KINDS = (*VALUES, "size")
"""All shifts."""


def _scale(values: Float32) -> float:
    """Return the pixels of an image in a pixel of `REFERENCE_PX`."""
    rows, columns, _ = values.shape
    return max(float(min(rows, columns)) / REFERENCE_PX, 1.0)


def _bytes(values: Float32) -> UInt8:
    levels: UInt8 = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    return levels
