"""Batches for training: tiles, cropped, turned and mirrored, the same for a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from lunarsite.engine.craters.model import architecture, inputs
from lunarsite.engine.craters.training import _target_kernels, targets
from lunarsite.engine.synthetic.crater_tiles import tiles

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Float16 = NDArray[np.float16]

VALIDATION_SEED = 1_000_000_000
"""Tiles from this seed on are for validation: nothing is learned from them."""

BEYOND_PX = 48
"""Crops may stick out of their tile as far, so that networks learn what an edge looks like."""

STRETCH = (0.4, 1.6)
"""Heights are stretched by a factor between these, so that networks learn shapes: on ground that
is steeper than what they learned from, absolute slopes mislead them."""

UNLABELLED = 0.84
"""Octaves that begin below this share of the smallest listed radius are not asked for."""


class Sample(NamedTuple):
    """Channels (float16) and circles of a tile, and the radius from which on all are listed."""

    channels: Float16
    circles: Float
    least_px: float


class Source(Protocol):
    """Where samples come from, by number; the same number gives the same sample."""

    def __call__(self, number: int) -> Sample:
        """Return a sample."""
        ...


@dataclass(slots=True, eq=False)
class Tiles:
    """Generated tiles, made when first asked for and kept while there is room.

    Parameters
    ----------
    first_seed : int
        Of the first tile.
    side_px : int
        Side of the tiles.
    folder : Path or None
        Where tiles are kept between runs.
    room_bytes : int
        What may be held in memory.
    """

    first_seed: int
    side_px: int
    folder: Path | None
    room_bytes: int
    _kept: dict[int, Sample] = field(default_factory=dict)

    def __call__(self, number: int) -> Sample:
        """Return a tile."""
        found = self._kept.get(number)
        if found is None:
            tile = tiles.load(self.first_seed + number, self.side_px, self.folder)
            rng = np.random.default_rng([self.first_seed, number])
            stretch = np.exp(rng.uniform(*np.log(STRETCH)))
            seen = inputs.channels(tile.height_m, tile.pixel_m / stretch).astype(np.float16)
            found = Sample(seen, tile.circles, 0.0)
            if (len(self._kept) + 1) * seen.nbytes <= self.room_bytes:
                self._kept[number] = found
        return found


class Batch(NamedTuple):
    """Channels and answers of some tiles, each with the tiles as first dimension."""

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
        Where from.
    count : int
        How many tiles there are to draw from.
    size : int
        How many crops.
    crop_px : int
        Their side.
    key : list of int
        The same key gives the same batch.
    rim_stride : int
        Pixels per pixel of the rim mask.
    """
    rng = np.random.default_rng(key)
    crops = [_crop(source(int(rng.integers(count))), crop_px, rng) for _ in range(size)]
    return stacked(crops, rim_stride=rim_stride)


def stacked(samples: list[Sample], *, rim_stride: int = architecture.STRIDE) -> Batch:
    """Return samples as one batch."""
    answers = [_answers(sample, rim_stride) for sample in samples]
    return Batch(
        np.stack([sample.channels.astype(np.float32) for sample in samples]),
        *(
            np.stack([getattr(answer, name) for answer in answers])
            for name in ("heat", "weight", "shape", "rim")
        ),
    )


def centred(sample: Sample, side_px: int) -> Sample:
    """Return the middle of a sample."""
    _, rows, columns = sample.channels.shape
    row, column = (rows - side_px) // 2, (columns - side_px) // 2
    circles = sample.circles.copy()
    circles[:, 0] -= column
    circles[:, 1] -= row
    seen = sample.channels[:, row : row + side_px, column : column + side_px]
    return Sample(seen, circles, sample.least_px)


def _answers(sample: Sample, rim_stride: int) -> targets.Targets:
    side = sample.channels.shape[1]
    answers = targets.draw(sample.circles, side)
    for octave in range(architecture.OCTAVES):
        # Where the catalogue lists none there may be some.
        if architecture.LEAST_RADIUS_PX * 2.0**octave < UNLABELLED * sample.least_px:
            answers.weight[octave] = 0.0
            answers.shape[octave, 3] = 0.0
    if rim_stride == architecture.STRIDE:
        return answers
    rim = np.zeros((2, side // rim_stride, side // rim_stride), np.float32)
    large = sample.circles[sample.circles[:, 2] >= architecture.LEAST_RADIUS_PX]
    _target_kernels.draw_rims(large[:, :4], rim_stride, rim[0], rim[1])
    rim[1] = 1.0 - np.where(rim[0] > 0.0, 0.0, rim[1])
    return targets.Targets(answers.heat, answers.weight, answers.shape, rim)


def _crop(sample: Sample, crop_px: int, rng: np.random.Generator) -> Sample:
    seen, circles, least_px = sample
    side = seen.shape[1]
    row, column = rng.integers(-BEYOND_PX, side + BEYOND_PX - crop_px + 1, 2)
    out = np.zeros((seen.shape[0], crop_px, crop_px), np.float16)
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + crop_px, side), min(column + crop_px, side)
    out[:, top - row : bottom - row, left - column : right - column] = seen[
        :, top:bottom, left:right
    ]
    moved = circles.copy()
    moved[:, 0] -= column
    moved[:, 1] -= row
    turned, moved = turn(out, moved, int(rng.integers(8)))
    # Where nothing was seen no centre is asked for, nor is it wrong to say one.
    at = np.rint(moved[:, :2]).astype(np.int64)
    within = np.flatnonzero(((at >= 0) & (at < crop_px)).all(axis=1))
    unseen = turned[-1, at[within, 1], at[within, 0]] == 0
    moved[within[unseen], 3] = 0.0
    return Sample(turned, moved, least_px)


def turn(seen: Float16, circles: Float, way: int) -> tuple[Float16, Float]:
    """Return channels and circles turned by ``way % 4`` quarters and, from 4 on, mirrored."""
    last = seen.shape[1] - 1
    out = circles.copy()
    for _ in range(way % 4):
        out[:, 0], out[:, 1] = out[:, 1].copy(), last - out[:, 0]
    turned = np.rot90(seen, way % 4, axes=(1, 2))
    if way >= 4:
        turned = turned[:, :, ::-1]
        out[:, 0] = last - out[:, 0]
    return np.ascontiguousarray(turned), out
