"""Training batches: random crops of scenes with geometric and photometric augmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.samples import Sample, Source, channels
from lunarsite.engine.segmentation.training import camera_shifts
from lunarsite.engine.synthetic.scenes import orbital, surface
from lunarsite.engine.training.sample_cache import SampleCache

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

VALIDATION_SEED = 1_000_000_000
"""Scenes with seeds from this one on are held out from training."""

GENERATORS = {"surface": surface, "orbital": orbital}
"""Scene generators by view."""


def scenes(
    view: str, first_seed: int, folder: Path | None, capacity_bytes: int
) -> SampleCache[Sample]:
    """Return a source of generated scenes.

    Parameters
    ----------
    view : str
        ``surface`` or ``orbital``.
    first_seed : int
        Seed of scene 0; those of the following scenes follow.
    folder : Path or None
        Folder that caches scenes between runs.
    capacity_bytes : int
        Memory that cached scenes may occupy.
    """

    def load_scene(number: int) -> Sample:
        return load(view, first_seed + number, folder)

    def size_of(scene: Sample) -> int:
        return scene.image.nbytes + scene.mask.nbytes

    return SampleCache(load_scene, size_of, capacity_bytes)


def load(view: str, seed: int, folder: Path | None) -> Sample:
    """Return the scene of a seed, from the cache folder or generated and cached there."""
    generator = GENERATORS[view]
    if folder is None:
        scene = generator.make(seed)
        return Sample(scene.image, scene.mask)
    path = folder / f"{view}-v{generator.VERSION}-{seed}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as cached:
            return Sample(cached["image"], cached["mask"])
    scene = generator.make(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, image=scene.image, mask=scene.mask)
    return Sample(scene.image, scene.mask)


def draw(
    source: Source,
    count: int,
    size: int,
    crop_px: int,
    key: list[int],
    *,
    zoom: tuple[float, float],
    rotate: bool,
    shifts: float = 0.0,
) -> dict[str, NDArray[np.generic]]:
    """Return a batch of random crops.

    Parameters
    ----------
    source : Source
        Samples to draw from.
    count : int
        Number of samples in the source.
    size : int
        Number of crops in the batch.
    crop_px : int
        Side of a crop, pixels.
    key : list of int
        Seed; the same key gives the same batch.
    zoom : tuple of float
        Lower and upper bound of the random magnification.
    rotate : bool
        Whether to rotate crops by multiples of 90°: orbital images have no "up".
    shifts : float
        Share of the crops that go through the camera model (`camera_shifts`), mild or clear.

    Returns
    -------
    dict of str to ndarray
        ``channels``, float32 (size, 3, crop_px, crop_px), and ``mask``, uint8 (size, crop_px,
        crop_px).
    """
    rng = np.random.default_rng(key)
    crops = [
        _crop(source(int(rng.integers(count))), crop_px, zoom, rng, rotate=rotate, shifts=shifts)
        for _ in range(size)
    ]
    return stacked(crops)


def stacked(samples: list[Sample]) -> dict[str, NDArray[np.generic]]:
    """Return samples of equal size as a batch."""
    return {
        "channels": np.stack([channels(sample.image) for sample in samples]),
        "mask": np.stack([sample.mask for sample in samples]),
    }


def _crop(
    sample: Sample,
    crop_px: int,
    zoom: tuple[float, float],
    rng: np.random.Generator,
    *,
    rotate: bool,
    shifts: float,
) -> Sample:
    """Return a random crop, augmented."""
    image, mask = sample
    factor = float(np.exp(rng.uniform(*np.log(zoom))))
    side = round(crop_px / factor)
    image, mask = _padded(image, mask, side)
    row, column = (int(rng.integers(0, length - side + 1)) for length in mask.shape)
    image = image[row : row + side, column : column + side]
    mask = mask[row : row + side, column : column + side]
    if side != crop_px:
        at = (np.arange(crop_px) + 0.5) * side / crop_px - 0.5
        nearest = np.clip(np.rint(at).astype(np.int64), 0, side - 1)
        mask = mask[nearest[:, None], nearest[None, :]]
        image = _resampled(image, at)
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if rotate:
        quarters = int(rng.integers(4))
        image, mask = np.rot90(image, quarters), np.rot90(mask, quarters)
    looks = photometric_jitter(np.ascontiguousarray(image), rng, shifts)
    return Sample(looks, np.ascontiguousarray(mask))


def _padded(image: UInt8, mask: UInt8, side: int) -> tuple[UInt8, UInt8]:
    """Return an image of at least a side, mirrored at its edges; the padding is unlabelled."""
    missing = [max(0, side - length) for length in mask.shape]
    if not any(missing):
        return image, mask
    padding = [(each // 2, each - each // 2) for each in missing]
    padded_image: UInt8 = np.pad(image, [*padding, (0, 0)], mode="symmetric")
    padded_mask: UInt8 = np.pad(mask, padding, constant_values=classes.NODATA)
    return padded_image, padded_mask


def _resampled(image: UInt8, at: NDArray[np.float64]) -> UInt8:
    """Return a square image at fractional rows and columns, bilinearly."""
    side = image.shape[0]
    low = np.clip(np.floor(at).astype(np.int64), 0, side - 2)
    share = np.clip(at - low, 0.0, 1.0).astype(np.float32)
    rows = image[low] * (1.0 - share[:, None, None]) + image[low + 1] * share[:, None, None]
    both = rows[:, low] * (1.0 - share[:, None]) + rows[:, low + 1] * share[:, None]
    out: UInt8 = np.rint(both).astype(np.uint8)
    return out


def photometric_jitter(image: UInt8, rng: np.random.Generator, shifts: float = 0.0) -> UInt8:
    """Return an image with random gamma, contrast, brightness, blur or sharpening, noise and grey.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    rng : Generator
        Source of randomness.
    shifts : float
        Probability that the image goes through the camera model besides.
    """
    values = image.astype(np.float32) / np.float32(255.0)
    values = values ** np.float32(np.exp(rng.uniform(-0.35, 0.35)))
    values = values * np.float32(rng.uniform(0.75, 1.3)) + np.float32(rng.uniform(-0.03, 0.03))
    choice = rng.random()
    if choice < 0.25:
        values = ndimage.gaussian_filter(values, (rng.uniform(0.3, 1.2),) * 2 + (0.0,))
    elif choice < 0.45:
        soft = ndimage.gaussian_filter(values, (1.0, 1.0, 0.0))
        values = values + np.float32(rng.uniform(0.2, 0.9)) * (values - soft)
    if rng.random() < 0.4:
        noise = rng.standard_normal(values.shape[:2], dtype=np.float32)
        values = values + (noise * np.float32(rng.uniform(0.0, 0.03)))[..., None]
    if rng.random() < 0.15:
        values = np.repeat(values.mean(axis=2, keepdims=True), 3, axis=2)
    if shifts and rng.random() < shifts:
        values = camera_shifts.on_values(np.clip(values, 0.0, 1.0), int(rng.integers(1, 3)), rng)
    out: UInt8 = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    return out
