"""Batches for training: scenes, cropped, zoomed, mirrored and developed anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.samples import Sample, Source, channels
from lunarsite.engine.synthetic.scenes import orbital, surface

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

VALIDATION_SEED = 1_000_000_000
"""Scenes from this seed on are for validation: nothing is learned from them."""


WORLDS = {"surface": surface, "orbital": orbital}


@dataclass(slots=True, eq=False)
class Scenes:
    """Generated scenes, made when first asked for and kept while there is room.

    Parameters
    ----------
    view : str
        ``surface`` or ``orbital``.
    first_seed : int
        Of the first scene.
    folder : Path or None
        Where scenes are kept between runs.
    room_bytes : int
        What may be held in memory.
    """

    view: str
    first_seed: int
    folder: Path | None
    room_bytes: int
    _kept: dict[int, Sample] = field(default_factory=dict)

    def __call__(self, number: int) -> Sample:
        """Return a scene."""
        found = self._kept.get(number)
        if found is None:
            found = load(self.view, self.first_seed + number, self.folder)
            bytes_each = found.image.nbytes + found.mask.nbytes
            if (len(self._kept) + 1) * bytes_each <= self.room_bytes:
                self._kept[number] = found
        return found


def load(view: str, seed: int, folder: Path | None) -> Sample:
    """Return the scene of a seed: from the cache folder, or made and kept there."""
    world = WORLDS[view]
    if folder is None:
        made = world.make(seed)
        return Sample(made.image, made.mask)
    path = folder / f"{view}-v{world.VERSION}-{seed}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Sample(kept["image"], kept["mask"])
    made = world.make(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, image=made.image, mask=made.mask)
    return Sample(made.image, made.mask)


def draw(
    source: Source,
    count: int,
    size: int,
    crop_px: int,
    key: list[int],
    *,
    zoom: tuple[float, float],
    turned: bool,
) -> dict[str, NDArray[np.generic]]:
    """Return a batch of random crops.

    Parameters
    ----------
    source : Source
        Where from.
    count : int
        How many samples there are to draw from.
    size : int
        How many crops.
    crop_px : int
        Their side.
    key : list of int
        The same key gives the same batch.
    zoom : tuple of float
        They are enlarged by factors between these.
    turned : bool
        Turn crops by quarters too: what is seen from orbit has no up.
    """
    rng = np.random.default_rng(key)
    crops = [
        _crop(source(int(rng.integers(count))), crop_px, zoom, rng, turned=turned)
        for _ in range(size)
    ]
    return stacked(crops)


def stacked(samples: list[Sample]) -> dict[str, NDArray[np.generic]]:
    """Return samples of one size as a batch."""
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
    turned: bool,
) -> Sample:
    image, mask = sample
    factor = float(np.exp(rng.uniform(*np.log(zoom))))
    side = round(crop_px / factor)
    image, mask = _at_least(image, mask, side)
    row, column = (int(rng.integers(0, length - side + 1)) for length in mask.shape)
    image = image[row : row + side, column : column + side]
    mask = mask[row : row + side, column : column + side]
    if side != crop_px:
        at = (np.arange(crop_px) + 0.5) * side / crop_px - 0.5
        near = np.clip(np.rint(at).astype(np.int64), 0, side - 1)
        mask = mask[near[:, None], near[None, :]]
        image = _resampled(image, at)
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if turned:
        quarters = int(rng.integers(4))
        image, mask = np.rot90(image, quarters), np.rot90(mask, quarters)
    return Sample(developed(np.ascontiguousarray(image), rng), np.ascontiguousarray(mask))


def _at_least(image: UInt8, mask: UInt8, side: int) -> tuple[UInt8, UInt8]:
    """Return an image of at least a side, mirrored at its edges; nobody is asked of those."""
    short = [max(0, side - length) for length in mask.shape]
    if not any(short):
        return image, mask
    more = [(each // 2, each - each // 2) for each in short]
    padded: UInt8 = np.pad(image, [*more, (0, 0)], mode="symmetric")
    asked: UInt8 = np.pad(mask, more, constant_values=classes.NODATA)
    return padded, asked


def _resampled(image: UInt8, at: NDArray[np.float64]) -> UInt8:
    """Return an image at other rows and columns, linearly."""
    side = image.shape[0]
    low = np.clip(np.floor(at).astype(np.int64), 0, side - 2)
    share = np.clip(at - low, 0.0, 1.0).astype(np.float32)
    rows = image[low] * (1.0 - share[:, None, None]) + image[low + 1] * share[:, None, None]
    both = rows[:, low] * (1.0 - share[:, None]) + rows[:, low + 1] * share[:, None]
    out: UInt8 = np.rint(both).astype(np.uint8)
    return out


def developed(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Return an image as another camera or another printing would have it."""
    seen = image.astype(np.float32) / np.float32(255.0)
    seen = seen ** np.float32(np.exp(rng.uniform(-0.35, 0.35)))
    seen = seen * np.float32(rng.uniform(0.75, 1.3)) + np.float32(rng.uniform(-0.03, 0.03))
    draw_of = rng.random()
    if draw_of < 0.25:
        seen = ndimage.gaussian_filter(seen, (rng.uniform(0.3, 1.2),) * 2 + (0.0,))
    elif draw_of < 0.45:
        soft = ndimage.gaussian_filter(seen, (1.0, 1.0, 0.0))
        seen = seen + np.float32(rng.uniform(0.2, 0.9)) * (seen - soft)
    if rng.random() < 0.4:
        noise = rng.standard_normal(seen.shape[:2], dtype=np.float32)
        seen = seen + (noise * np.float32(rng.uniform(0.0, 0.03)))[..., None]
    if rng.random() < 0.15:
        seen = np.repeat(seen.mean(axis=2, keepdims=True), 3, axis=2)
    out: UInt8 = np.rint(np.clip(seen, 0.0, 1.0) * 255.0).astype(np.uint8)
    return out
