"""A network over an image of any size: tiles that overlap, row by row of tiles.

The image is seen as if mirrored at its edges. Tiles keep to a grid of `STEP` pixels, and what a
tile says counts nothing within `BLIND` of its edges, where the network misses what lies beyond;
from there its weight rises in a straight line over the rest of the overlap, as that of its
neighbour falls, so that the weights of all tiles are one at every pixel. What has been summed for
a row of tiles is written before the next one begins: memory is bounded by the image's width.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from rasterio.windows import Window

from lunarsite.engine.errors import ParameterError
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
"""Tiles begin at multiples of it: the network's coarsest pixels lie alike in all of them."""

TILE_PX = 1024
OVERLAP_PX = 416
BLIND_PX = 192
"""Of a tile's edge that counts nothing."""


class Seen(Protocol):
    """What is looked at: an `Image`, or one in memory."""

    def read(self, window: Window, part: Window | None = None) -> tuple[Float32, Bool]:
        """Return a window of a part, mirrored where it sticks out, and where it has data."""
        ...


class Strip(Protocol):
    """What takes the rows of an image, from the top, as they are finished."""

    def __call__(self, row: int, answer: Float32, known: Bool) -> None:
        """Take float32 (`BANDS`, rows, columns) from ``row`` on, and where there is data."""
        ...


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image is cut; multiples of `STEP` all.

    Parameters
    ----------
    side : int
        Of a tile.
    overlap : int
        Of neighbours.
    blind : int
        Of a tile's edge that counts nothing; less than half of the overlap.
    """

    side: int = TILE_PX
    overlap: int = OVERLAP_PX
    blind: int = BLIND_PX

    def __post_init__(self) -> None:
        """Raise `ParameterError` unless the sides fit together."""
        sides = (self.side, self.overlap, self.blind)
        if any(side % STEP for side in sides) or not 2 * self.blind < self.overlap < self.side:
            raise ParameterError(
                f"Tiles of {self.side} px that overlap by {self.overlap} px cannot be laid",
                f"Give --tile-px as a multiple of {STEP}, above {self.overlap}",
            )

    def starts(self, length: int) -> list[int]:
        """Return where tiles begin along a side of an image."""
        step = self.side - self.overlap
        count = 1 + max(0, -(-(length - self.side) // step))
        return [step * number for number in range(count)]

    def length(self, start: int, length: int) -> int:
        """Return the side of a tile that begins at ``start``: none is larger than need be."""
        return min(self.side, -(-length // STEP) * STEP - start)

    def ramp(self, *, first: bool, last: bool) -> Float32:
        """Return the weights along a side of a tile; no ramp at the edge of the image."""
        across = self.overlap - 2 * self.blind
        rise = (np.arange(self.side) - self.blind + 0.5) / max(across, 1)
        weight = np.clip(rise, 0.0, 1.0)
        one = np.ones(self.side)
        ramp = (one if first else weight) * (one if last else weight[::-1])
        return ramp.astype(np.float32)


def run(
    image: Seen, part: Window, runner: Runner, strip: Strip, context: Context, tiling: Tiling
) -> None:
    """Let a network look at a part of an image.

    Parameters
    ----------
    image : Seen
        What is looked at.
    part : Window
        Which part; the image is mirrored at the part's edges.
    runner : Runner
        The network.
    strip : callable
        Takes the answers, in order of rows; NaN-free, but without meaning where nothing is known.
    context : Context
        Threads and progress; may cancel.
    tiling : Tiling
        How to cut.
    """
    height, width = int(part.height), int(part.width)
    rows, columns = tiling.starts(height), tiling.starts(width)
    jobs = [(row, column) for row in rows for column in columns]
    depth = min(tiling.side, -(-height // STEP) * STEP)
    sums = _Sums(strip, height, width, depth)
    cores = context.threads if runner.at_once else 1
    with ThreadPoolExecutor(1, thread_name_prefix="lunarsite-read") as reading:
        # Read ahead by one thread, since a dataset is read by one at a time.
        ahead: deque[Future[tuple[Float32, Bool]]] = deque()
        following = iter(jobs)

        def order() -> None:
            for row, column in following:
                sides = (tiling.length(column, width), tiling.length(row, height))
                ahead.append(reading.submit(image.read, Window(column, row, *sides), part))
                return

        for _ in range(2 * cores):
            order()
        with ThreadPoolExecutor(cores, thread_name_prefix="lunarsite-look") as looking:
            for start in range(0, len(jobs), cores):
                context.progress(start / len(jobs), "Looking at the image")
                some = jobs[start : start + cores]
                parts = []
                for _ in some:
                    parts.append(ahead.popleft().result())
                    order()
                answers = looking.map(lambda part: _look(runner, *part), parts)
                for (row, column), (_, known), answer in zip(some, parts, answers, strict=True):
                    if column == 0:
                        sums.begin(row)
                    weight = np.outer(
                        tiling.ramp(first=row == 0, last=row == rows[-1])[: known.shape[0]],
                        tiling.ramp(first=column == 0, last=column == columns[-1])[
                            : known.shape[1]
                        ],
                    )
                    sums.add(row, column, answer, weight, known)
    sums.finish()


def _look(runner: Runner, seen: Float32, known: Bool) -> Float32 | None:
    """Return a network's answer for a tile, or None where there is nothing to be seen."""
    if not known.any():
        return None
    seen[~known] = samples.MEAN
    return runner(samples.channels(seen))


class _Sums:
    """Sums of weighted answers over the rows that are not finished."""

    def __init__(self, strip: Strip, height: int, width: int, depth: int) -> None:
        self._strip, self._height, self._width = strip, height, width
        self._first = 0
        self._sum = np.zeros((BANDS, depth, width), np.float32)
        self._known = np.zeros((depth, width), bool)

    def begin(self, row: int) -> None:
        """Hand over the rows above a row of tiles that begins."""
        done = min(row, self._height) - self._first
        if done <= 0:
            return
        self._strip(self._first, self._sum[:, :done].copy(), self._known[:done].copy())
        self._sum[:, :-done] = self._sum[:, done:].copy()
        self._known[:-done] = self._known[done:].copy()
        self._sum[:, -done:] = 0.0
        self._known[-done:] = False
        self._first += done

    def add(
        self, row: int, column: int, answer: Float32 | None, weight: Float32, known: Bool
    ) -> None:
        """Add a tile."""
        down = min(weight.shape[0], self._height - row)
        across = min(weight.shape[1], self._width - column)
        at = (slice(row - self._first, row - self._first + down), slice(column, column + across))
        self._known[at] = known[:down, :across]
        if answer is not None:
            self._sum[(slice(None), *at)] += answer[:, :down, :across] * weight[:down, :across]

    def finish(self) -> None:
        """Hand over what is left."""
        left = self._height - self._first
        self._strip(self._first, self._sum[:, :left], self._known[:left])
