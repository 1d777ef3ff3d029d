"""Sliding-window inference: overlapping tiles, blended, one row of tiles at a time.

The image is mirrored at its edges. Tiles lie on a grid of `STEP` pixels. A prediction has zero
weight within `BLIND_PX` of the edges of its tile, where the receptive field is cut off; from there
its weight rises linearly over the rest of the overlap while that of the neighbour falls, so that
the weights add up to one at every pixel. The rows that are complete are passed on before the next
row of tiles begins: memory is bounded by the width of the image.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from rasterio.windows import Window

from lunarsite.engine.context import GIB
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.segmentation import samples
from lunarsite.engine.segmentation.onnx_runner import BANDS

if TYPE_CHECKING:
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.onnx_runner import Runner

    Bool = NDArray[np.bool_]
    Float32 = NDArray[np.float32]

STEP = 32
"""Tiles begin at multiples of it, so that the network's coarsest pixels align in all of them."""

TILE_PX = 1024
OVERLAP_PX = 416
BLIND_PX = 192
"""Margin along the edges of a tile where predictions have zero weight."""


class Readable(Protocol):
    """An image that is read in windows: an `Image`, or one in memory."""

    def read(self, window: Window, part: Window | None = None) -> tuple[Float32, Bool]:
        """Return a window, mirrored at the edges of ``part``, and its valid pixels."""
        ...


class StripSink(Protocol):
    """Receives the rows of a prediction, from the top, as they are finished."""

    def __call__(self, row: int, prediction: Float32, known: Bool, /) -> None:
        """Take float32 (`BANDS`, rows, columns) from ``row`` on, and the valid pixels."""
        ...


class Watch(Protocol):
    """Receives the tiles of an image before the network does."""

    def __call__(self, channels: Float32, known: Bool, /) -> None:
        """Take float32 (3, rows, columns), and bool (rows, columns): the valid pixels."""
        ...


@dataclass(frozen=True, slots=True)
class Tiling:
    """Layout of the tiles, in pixels; all multiples of `STEP`.

    Parameters
    ----------
    side : int
        Side of a tile.
    overlap : int
        Overlap of neighbouring tiles.
    blind : int
        Margin of a tile with zero weight; less than half of the overlap.

    Raises
    ------
    ParameterError
        If the three do not fit together.
    """

    side: int = TILE_PX
    overlap: int = OVERLAP_PX
    blind: int = BLIND_PX

    def __post_init__(self) -> None:
        """Check that side, overlap and margin fit together."""
        sides = (self.side, self.overlap, self.blind)
        if any(side % STEP for side in sides) or not 2 * self.blind < self.overlap < self.side:
            raise ParameterError(
                f"Tiles of {self.side} px cannot overlap by {self.overlap} px",
                f"Give --tile-px as a multiple of {STEP} above {self.overlap}",
            )

    def starts(self, length: int) -> list[int]:
        """Return the first pixels of the tiles along a side of an image."""
        step = self.side - self.overlap
        count = 1 + max(0, -(-(length - self.side) // step))
        return [step * number for number in range(count)]

    def length(self, start: int, length: int) -> int:
        """Return the side of the tile at ``start``; the last one may be shorter than `side`."""
        return min(self.side, -(-length // STEP) * STEP - start)

    def ramp(self, *, first: bool, last: bool) -> Float32:
        """Return the blending weights along a side of a tile; no ramp at the edge of the image."""
        across = self.overlap - 2 * self.blind
        rise = (np.arange(self.side) - self.blind + 0.5) / max(across, 1)
        weight = np.clip(rise, 0.0, 1.0)
        one = np.ones(self.side)
        ramp = (one if first else weight) * (one if last else weight[::-1])
        return ramp.astype(np.float32)


def run(
    image: Readable,
    part: Window,
    runner: Runner,
    take: StripSink,
    context: Context,
    tiling: Tiling,
    watch: Watch | None = None,
) -> None:
    """Run sliding-window inference over a part of an image.

    Parameters
    ----------
    image : Readable
        The image.
    part : Window
        Part to predict; the image is mirrored at its edges.
    runner : Runner
        The network.
    take : callable
        Receives the predictions in order of rows: finite, but meaningless where pixels are invalid.
    context : Context
        Threads, progress and cancellation.
    tiling : Tiling
        Layout of the tiles.
    watch : callable, optional
        Receives the input channels of every tile with valid pixels, and which pixels of it are
        valid and within the part; called by several threads.

    Raises
    ------
    InputError
        If a row of tiles does not fit in memory.
    """
    height, width = int(part.height), int(part.width)
    rows, columns = tiling.starts(height), tiling.starts(width)
    jobs = [(row, column) for row in rows for column in columns]
    depth = min(tiling.side, height)
    _check_memory(depth, width, context, tiling)
    sums = _WeightedSums(take, height, width, depth)
    cores = context.threads if runner.thread_safe else 1
    with ThreadPoolExecutor(1, thread_name_prefix="lunarsite-read") as reading:
        # One thread reads ahead, since only one thread at a time may read a dataset.
        ahead: deque[Future[tuple[Float32, Bool]]] = deque()
        remaining = iter(jobs)

        def read_next() -> None:
            for row, column in remaining:
                sides = (tiling.length(column, width), tiling.length(row, height))
                ahead.append(reading.submit(image.read, Window(column, row, *sides), part))
                return

        def predict_tile(number: int, read: tuple[Float32, Bool]) -> Float32 | None:
            row, column = jobs[number]
            inside = (slice(height - row), slice(width - column))
            return _predict(runner, watch, inside, *read)

        for _ in range(2 * cores):
            read_next()
        with ThreadPoolExecutor(cores, thread_name_prefix="lunarsite-predict") as predicting:
            for start in range(0, len(jobs), cores):
                context.progress(start / len(jobs), "Predicting")
                batch = jobs[start : start + cores]
                parts = []
                for _ in batch:
                    parts.append(ahead.popleft().result())
                    read_next()
                tiles = predicting.map(predict_tile, range(start, len(jobs)), parts)
                for (row, column), (_, known), tile in zip(batch, parts, tiles, strict=True):
                    if column == 0:
                        sums.begin(row)
                    weight = np.outer(
                        tiling.ramp(first=row == 0, last=row == rows[-1])[: known.shape[0]],
                        tiling.ramp(first=column == 0, last=column == columns[-1])[
                            : known.shape[1]
                        ],
                    )
                    sums.add(row, column, tile, weight, known)
    sums.finish()


def _check_memory(depth: int, width: int, context: Context, tiling: Tiling) -> None:
    """Raise if the sums over a row of tiles, and the copy of its finished rows, are too large."""
    finished = min(depth, tiling.side - tiling.overlap)
    needed = width * (depth + finished) * (4 * BANDS + 1)
    if needed > context.memory_limit_bytes:
        raise InputError(
            f"The image is {width} pixels wide: a row of its tiles takes {needed / GIB:.1f} GiB, "
            f"more than the memory limit of {context.memory_limit_bytes / GIB:.2g} GiB",
            f"Raise the memory limit to {math.ceil(needed / GIB)} GiB, or process the image in "
            "parts, by the window",
        )


def _predict(
    runner: Runner, watch: Watch | None, inside: tuple[slice, slice], image: Float32, known: Bool
) -> Float32 | None:
    """Return the prediction for a tile, or None if it has no valid pixel."""
    if not known.any():
        return None
    image[~known] = samples.MEAN
    channels = samples.channels(image)
    if watch is not None:
        seen = np.zeros_like(known)
        seen[inside] = known[inside]
        watch(channels, seen)
    return runner(channels)


class _WeightedSums:
    """Weighted sums of the tiles' predictions, over the rows that are not finished."""

    def __init__(self, take: StripSink, height: int, width: int, depth: int) -> None:
        self._take, self._height, self._width = take, height, width
        self._first = 0
        self._sum = np.zeros((BANDS, depth, width), np.float32)
        self._known = np.zeros((depth, width), bool)

    def begin(self, row: int) -> None:
        """Pass on the rows above a new row of tiles, which are finished."""
        done = min(row, self._height) - self._first
        if done <= 0:
            return
        self._take(self._first, self._sum[:, :done].copy(), self._known[:done].copy())
        self._sum[:, :-done] = self._sum[:, done:].copy()
        self._known[:-done] = self._known[done:].copy()
        self._sum[:, -done:] = 0.0
        self._known[-done:] = False
        self._first += done

    def add(
        self, row: int, column: int, tile: Float32 | None, weight: Float32, known: Bool
    ) -> None:
        """Add the prediction of a tile, None if it has no valid pixel."""
        down = min(weight.shape[0], self._height - row)
        across = min(weight.shape[1], self._width - column)
        at = (slice(row - self._first, row - self._first + down), slice(column, column + across))
        self._known[at] = known[:down, :across]
        if tile is not None:
            self._sum[(slice(None), *at)] += tile[:, :down, :across] * weight[:down, :across]

    def finish(self) -> None:
        """Pass on the remaining rows."""
        left = self._height - self._first
        self._take(self._first, self._sum[:, :left], self._known[:left])
