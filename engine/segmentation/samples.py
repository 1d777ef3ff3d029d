"""Images with their masks, and what a network is given of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from lunarsite.engine.segmentation import resampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]


MEAN, SPREAD = 100.0, 60.0
"""Of grey levels: what a network sees is (grey - mean) / spread."""


class Sample(NamedTuple):
    """An image, uint8 (rows, columns, 3), and its mask, uint8 (rows, columns)."""

    image: UInt8
    mask: UInt8


class Source(Protocol):
    """Where samples come from, by number; the same number gives the same sample."""

    def __call__(self, number: int) -> Sample:
        """Return a sample."""
        ...


def channels(image: UInt8 | Float32) -> Float32:
    """Return what a network sees of an image, float32 (3, rows, columns)."""
    seen = (np.moveaxis(image, 2, 0).astype(np.float32) - MEAN) / np.float32(SPREAD)
    return np.ascontiguousarray(seen, dtype=np.float32)


def reduced(sample: Sample, side_px: int | None) -> Sample:
    """Return a sample at the size at which a network looks at it: `resampling.shape_of`."""
    before = (sample.mask.shape[0], sample.mask.shape[1])
    shape = resampling.shape_of(before, side_px)
    if shape == before:
        return sample
    image = resampling.reduced(sample.image.astype(np.float32), shape)
    rows, columns = (
        ((np.arange(few) + 0.5) * many / few).astype(np.int64)
        for few, many in zip(shape, before, strict=True)
    )
    return Sample(np.rint(image).astype(np.uint8), sample.mask[np.ix_(rows, columns)])


def whole(sample: Sample, multiple: int = 32) -> Sample:
    """Return a sample cut down to sides that networks take."""
    rows, columns = (side // multiple * multiple for side in sample.mask.shape)
    return Sample(sample.image[:rows, :columns], sample.mask[:rows, :columns])
