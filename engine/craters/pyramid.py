"""The scales at which an elevation model is looked at, and its reading block by block.

Coarser pixels and what a network takes together follow the map, not the frame: they begin at
whole multiples of their size from the map's origin. So the same ground is seen alike in every
frame whose pixels lie alike, and a part of an elevation model has the craters of the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.io.averaging import block_mean
from lunarsite.engine.io.dem import read_fine
from lunarsite.engine.io.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.workspace import Allocator, Scratch

    Float32 = NDArray[np.float32]

LEAST_SIDE_PX = 48
"""Scales whose longer side has fewer pixels are not looked at."""

CORE_PX = 384
"""Side of the square in which a block's answer counts; a multiple of `ALIGNED_PX`."""

HALO_PX = 192
"""What the network sees around it: more than the heat-map network's answer depends on (186)."""

ALIGNED_PX = 32
"""The widest stride of a network: shifted by a multiple of it, ground gives the same answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One scale: heights as means over squares of 2 to the power of ``number`` pixels."""

    number: int
    grid: Grid
    height_m: Float32

    def blocks(self) -> Iterator[Block]:
        """Yield blocks from the level's first pixel on that cover it, row by row."""
        yield from self._blocks(0, 0)

    def aligned_blocks(self) -> Iterator[Block]:
        """Yield blocks that cover the level and begin at multiples of `ALIGNED_PX` on the map."""
        row, column = origin(self.grid)
        yield from self._blocks(-(row % ALIGNED_PX), -(column % ALIGNED_PX))

    def _blocks(self, first_row: int, first_column: int) -> Iterator[Block]:
        for row in range(first_row, self.grid.height, CORE_PX):
            for column in range(first_column, self.grid.width, CORE_PX):
                yield Block(row, column)

    def around(self, row: int, column: int, rows: int, columns: int) -> Float32:
        """Return heights of a window that may stick out; NaN outside."""
        out = np.full((rows, columns), np.nan, np.float32)
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + rows, self.grid.height), min(column + columns, self.grid.width)
        if top < bottom and left < right:
            inner = self.height_m[top:bottom, left:right]
            out[top - row : bottom - row, left - column : right - column] = inner
        return out


@dataclass(frozen=True, slots=True)
class Block:
    """The first row and column of a block's core on its level; they may lie before its own."""

    row: int
    column: int


def levels(path: str | Path, scratch: Scratch, context: Context) -> list[Level]:
    """Return an elevation model at all scales, the finest first.

    Heights of a coarser level are means of what is known of 2 × 2 pixels; a first or last row or
    column that is odd stands for itself.

    Raises
    ------
    CrsError, InputError
        As `dem.read_dem`.
    """
    dem = read_fine(path, scratch, context)
    return of(dem.grid, dem.height_m, scratch)


def of(grid: Grid, height_m: Float32, scratch: Allocator) -> list[Level]:
    """Return heights at all scales, the finest first.

    Parameters
    ----------
    grid : Grid
        Where they lie.
    height_m : ndarray of float32, shape of the grid
        Metres, NaN for nodata.
    scratch : callable
        Makes the arrays of the coarser scales.
    """
    found = [Level(0, grid, height_m)]
    while max(found[-1].grid.shape) >= 2 * LEAST_SIDE_PX:
        found.append(_coarser(found[-1], scratch))
    return found


def origin(grid: Grid) -> tuple[int, int]:
    """Return which row and column a grid's first pixel is, counted from the map's origin."""
    # Pixels whose edges or whose centres lie on multiples of their size are common: a quarter of
    # a pixel keeps both away from the step.
    row = math.floor(-grid.y_max_m / grid.pixel_m + 0.25)
    return row, math.floor(grid.x_min_m / grid.pixel_m + 0.25)


def coarser(grid: Grid) -> Grid:
    """Return the grid of twice the pixel that covers a grid, its pixels even on the map."""
    before = [n % 2 for n in origin(grid)]
    rows, columns = (-(-(n + b) // 2) for n, b in zip(grid.shape, before, strict=True))
    return Grid(
        grid.x_min_m - before[1] * grid.pixel_m,
        grid.y_max_m + before[0] * grid.pixel_m,
        2.0 * grid.pixel_m,
        columns,
        rows,
    )


def _coarser(finer: Level, scratch: Allocator) -> Level:
    grid = coarser(finer.grid)
    rows, columns = grid.shape
    above, left = (n % 2 for n in origin(finer.grid))
    height = scratch(grid.shape, np.float32)
    for row in range(0, rows, 1024):
        part = finer.around(2 * row - above, -left, 2 * min(1024, rows - row), 2 * columns)
        height[row : row + 1024] = block_mean(part, 2)
    return Level(finer.number + 1, grid, height)
