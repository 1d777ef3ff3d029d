"""Training batches: random crops of tiles, rotated and mirrored, reproducible from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from lunarsite.engine.craters.model import architecture, inputs
from lunarsite.engine.craters.training import _target_kernels, targets
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training.sample_cache import SampleCache

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Float16 = NDArray[np.float16]

VALIDATION_SEED = 1_000_000_000
"""Tiles with seeds from this one on are held out from training."""

BEYOND_PX = 48
"""Crops may extend beyond their tile by this much, so that networks learn to handle edges."""

STRETCH = (0.4, 1.6)
"""Heights are scaled by a random factor in this range, so that networks learn shapes: on terrain
steeper than the training set, absolute slopes are misleading."""

UNLABELLED = 0.84
"""Octaves that begin below this share of the smallest listed radius are left out of the loss."""


class Sample(NamedTuple):
    """A tile and its craters.

    Parameters
    ----------
    channels : ndarray of float16, shape (channels, rows, columns)
        Input of the network, `inputs.channels`.
    circles : ndarray of float64, shape (craters, 5)
        Column, row and radius in pixels; whether the crater is certain; depth.
    least_px : float
        Radius from which the list of craters is complete, pixels.
    """

    channels: Float16
    circles: Float
    least_px: float


class Source(Protocol):
    """Samples by number; the same number gives the same sample."""

    def __call__(self, number: int) -> Sample:
        """Return the sample of a number."""
        ...


def generated_tiles(
    first_seed: int, side_px: int, folder: Path | None, capacity_bytes: int
) -> SampleCache[Sample]:
    """Return a source of generated tiles.

    Parameters
    ----------
    first_seed : int
        Seed of tile 0; those of the following tiles follow.
    side_px : int
        Side of the tiles.
    folder : Path or None
        Folder that caches tiles between runs.
    capacity_bytes : int
        Memory that cached samples may occupy.
    """

    def load(number: int) -> Sample:
        tile = tiles.load(first_seed + number, side_px, folder)
        rng = np.random.default_rng([first_seed, number])
        stretch = np.exp(rng.uniform(*np.log(STRETCH)))
        channels = inputs.channels(tile.height_m, tile.pixel_m / stretch).astype(np.float16)
        return Sample(channels, tile.circles, 0.0)

    return SampleCache(load, size_of, capacity_bytes)


def size_of(sample: Sample) -> int:
    """Return the size of a sample in memory, bytes; its circles are negligible."""
    return sample.channels.nbytes


class Batch(NamedTuple):
    """Input channels and targets (`targets.Targets`) of several tiles, stacked."""

    channels: Float32
    heat: Float32
    weight: Float32
    shape: Float32
    rim: Float32


def draw(
    source: Source,
    count: int,
    size: int,
    crop_px: int,
    key: list[int],
    *,
    rim_stride: int = architecture.STRIDE,
) -> Batch:
    """Return a batch of random crops.

    Parameters
    ----------
    source : Source
        Tiles to draw from.
    count : int
        Number of tiles in the source.
    size : int
        Number of crops in the batch.
    crop_px : int
        Side of a crop, pixels.
    key : list of int
        Seed; the same key gives the same batch.
    rim_stride : int
        Input pixels per pixel of the rim mask.
    """
    rng = np.random.default_rng(key)
    crops = [_crop(source(int(rng.integers(count))), crop_px, rng) for _ in range(size)]
    return stacked(crops, rim_stride=rim_stride)


def stacked(samples: list[Sample], *, rim_stride: int = architecture.STRIDE) -> Batch:
    """Return samples of equal size as a batch."""
    drawn = [_targets(sample, rim_stride) for sample in samples]
    return Batch(
        np.stack([sample.channels.astype(np.float32) for sample in samples]),
        *(
            np.stack([getattr(each, name) for each in drawn])
            for name in ("heat", "weight", "shape", "rim")
        ),
    )


def centred(sample: Sample, side_px: int) -> Sample:
    """Return the central square of a sample."""
    _, rows, columns = sample.channels.shape
    row, column = (rows - side_px) // 2, (columns - side_px) // 2
    circles = sample.circles.copy()
    circles[:, 0] -= column
    circles[:, 1] -= row
    channels = sample.channels[:, row : row + side_px, column : column + side_px]
    return Sample(channels, circles, sample.least_px)


def _targets(sample: Sample, rim_stride: int) -> targets.Targets:
    """Return the targets of a sample, masked where its list of craters is incomplete."""
    side = sample.channels.shape[1]
    drawn = targets.draw(sample.circles, side)
    for octave in range(architecture.OCTAVES):
        # Craters of this octave may be missing from the catalogue.
        if architecture.LEAST_RADIUS_PX * 2.0**octave < UNLABELLED * sample.least_px:
            drawn.weight[octave] = 0.0
            drawn.shape[octave, 3] = 0.0
    if rim_stride == architecture.STRIDE:
        return drawn
    rim = np.zeros((2, side // rim_stride, side // rim_stride), np.float32)
    large = sample.circles[sample.circles[:, 2] >= architecture.LEAST_RADIUS_PX]
    _target_kernels.draw_rims(large[:, :4], rim_stride, rim[0], rim[1])
    rim[1] = 1.0 - np.where(rim[0] > 0.0, 0.0, rim[1])
    return targets.Targets(drawn.heat, drawn.weight, drawn.shape, rim)


def _crop(sample: Sample, crop_px: int, rng: np.random.Generator) -> Sample:
    """Return a random crop, rotated and mirrored; zero beyond the tile."""
    channels, circles, least_px = sample
    side = channels.shape[1]
    row, column = rng.integers(-BEYOND_PX, side + BEYOND_PX - crop_px + 1, 2)
    out = np.zeros((channels.shape[0], crop_px, crop_px), np.float16)
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + crop_px, side), min(column + crop_px, side)
    out[:, top - row : bottom - row, left - column : right - column] = channels[
        :, top:bottom, left:right
    ]
    moved = circles.copy()
    moved[:, 0] -= column
    moved[:, 1] -= row
    rotated, moved = rotate(out, moved, int(rng.integers(8)))
    # Craters whose centre has no valid height are uncertain: neither required nor wrong.
    at = np.rint(moved[:, :2]).astype(np.int64)
    within = np.flatnonzero(((at >= 0) & (at < crop_px)).all(axis=1))
    invalid = rotated[-1, at[within, 1], at[within, 0]] == 0
    moved[within[invalid], 3] = 0.0
    return Sample(rotated, moved, least_px)


def rotate(channels: Float16, circles: Float, way: int) -> tuple[Float16, Float]:
    """Return channels and circles rotated by ``way % 4`` quarter turns and, from 4 on, mirrored."""
    last = channels.shape[1] - 1
    out = circles.copy()
    for _ in range(way % 4):
        out[:, 0], out[:, 1] = out[:, 1].copy(), last - out[:, 0]
    rotated = np.rot90(channels, way % 4, axes=(1, 2))
    if way >= 4:
        rotated = rotated[:, :, ::-1]
        out[:, 0] = last - out[:, 0]
    return np.ascontiguousarray(rotated), out
