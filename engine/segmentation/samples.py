"""Samples, images with their masks, and the input channels of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from lunarsite.engine.segmentation import resampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]
    UInt8 = NDArray[np.uint8]

MEAN, SPREAD = 100.0, 60.0
"""Normalisation of grey levels: an input channel is (grey - mean) / spread."""


class Sample(NamedTuple):
    """An image and its mask.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    mask : ndarray of uint8, shape (rows, columns)
        Classes 0 to 3; `classes.NODATA` where unlabelled.
    """

    image: UInt8
    mask: UInt8


class Source(Protocol):
    """Samples by number; the same number gives the same sample."""

    def __call__(self, number: int) -> Sample:
        """Return the sample of a number."""
        ...


def channels(image: UInt8 | Float32) -> Float32:
    """Return the normalised input of a network.

    Parameters
    ----------
    image : ndarray, shape (rows, columns, 3)
        Red, green and blue, 0 to 255.

    Returns
    -------
    ndarray of float32, shape (3, rows, columns)
        Numbers of order one.
    """
    normalised = (np.moveaxis(image, 2, 0).astype(np.float32) - MEAN) / np.float32(SPREAD)
    return np.ascontiguousarray(normalised, dtype=np.float32)


def reduced(sample: Sample, side_px: int | None) -> Sample:
    """Return a sample at the training resolution (`resampling.reduced_shape`).

    The image is averaged over areas; the mask is sampled at the nearest pixel.
    """
    before = (sample.mask.shape[0], sample.mask.shape[1])
    shape = resampling.reduced_shape(before, side_px)
    if shape == before:
        return sample
    image = resampling.reduced(sample.image.astype(np.float32), shape)
    mask = sample.mask[np.ix_(*nearest(before, shape))]
    return Sample(np.rint(image).astype(np.uint8), mask)


def nearest(before: tuple[int, int], after: tuple[int, int]) -> tuple[Int, Int]:
    """Return the rows and the columns that are nearest to those of a smaller image."""
    rows, columns = (
        ((np.arange(few) + 0.5) * many / few).astype(np.int64)
        for few, many in zip(after, before, strict=True)
    )
    return rows, columns


def trimmed(sample: Sample, multiple: int = 32) -> Sample:
    """Return a sample trimmed to rows and columns that are multiples of the network's stride."""
    rows, columns = (side // multiple * multiple for side in sample.mask.shape)
    return Sample(sample.image[:rows, :columns], sample.mask[:rows, :columns])
