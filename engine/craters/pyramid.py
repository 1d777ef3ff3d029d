"""Resolution pyramid of an elevation model, and its blocks.

Coarse pixels and the strides of a network are aligned with the map, not with the extent of the
elevation model: they begin at multiples of their size from the origin of the map. The same ground
thus has the same input in every elevation model on the same pixel grid, and a part of an elevation
model has the craters of the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.io.averaging import block_mean
from lunarsite.engine.io.elevation.dem import read_fine
from lunarsite.engine.io.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.workspace import Allocator, Scratch

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

LEAST_SIDE_PX = 48
"""Least longer side of a scale, pixels."""

CORE_PX = 384
"""Side of the core of a block, whose output counts; a multiple of `ALIGNED_PX`."""

HALO_PX = 192
"""Halo around the core; more than the receptive field of the heat-map network (186)."""

ALIGNED_PX = 32
"""Largest stride of a network: shifting the ground by a multiple of it shifts the output."""


def has_heights(grid: Grid, height_m: Float32, x_m: Float, y_m: Float) -> Bool:
    """Return which points of the map lie on a pixel with a height; False beyond the grid."""
    column = np.floor((x_m - grid.x_min_m) / grid.pixel_m).astype(np.int64)
    row = np.floor((grid.y_max_m - y_m) / grid.pixel_m).astype(np.int64)
    rows, columns = grid.shape
    known: Bool = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    known[known] = np.isfinite(height_m[row[known], column[known]])
    return known


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A scale of an elevation model.

    Parameters
    ----------
    number : int
        Heights are means over squares of 2 to the power of ``number`` pixels.
    grid : Grid
        Grid of the scale.
    height_m : ndarray of float32, shape of the grid
        Metres, NaN for nodata.
    """

    number: int
    grid: Grid
    height_m: Float32

    def blocks(self) -> Iterator[Block]:
        """Yield blocks that cover the level, from its first pixel on, row by row."""
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
        """Return the heights of a window that may extend beyond the level; NaN outside."""
        out = np.full((rows, columns), np.nan, np.float32)
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + rows, self.grid.height), min(column + columns, self.grid.width)
        if top < bottom and left < right:
            inner = self.height_m[top:bottom, left:right]
            out[top - row : bottom - row, left - column : right - column] = inner
        return out


@dataclass(frozen=True, slots=True)
class Block:
    """First row and column of a block's core on its level; they may be negative."""

    row: int
    column: int


def levels(path: str | Path, scratch: Scratch, context: Context) -> list[Level]:
    """Read an elevation model and return it at all scales, the finest first.

    Heights of a coarser level are means of the valid ones of 2 × 2 pixels. At the edges, a row or
    column without a partner is averaged alone.

    Parameters
    ----------
    path : path
        The elevation model.
    scratch : Scratch
        Allocates the arrays.
    context : Context
        Cancellation.

    Raises
    ------
    CrsError, InputError
        As `dem.read_dem`.
    """
    dem = read_fine(path, scratch, context, compare=True)
    return of(dem.grid, dem.height_m, scratch)


def of(grid: Grid, height_m: Float32, scratch: Allocator) -> list[Level]:
    """Return heights at all scales, the finest first.

    Parameters
    ----------
    grid : Grid
        Grid of the heights.
    height_m : ndarray of float32, shape of the grid
        Metres, NaN for nodata.
    scratch : callable
        Allocates the arrays of the coarser scales.
    """
    pyramid = [Level(0, grid, height_m)]
    while max(pyramid[-1].grid.shape) >= 2 * LEAST_SIDE_PX:
        pyramid.append(_coarser(pyramid[-1], scratch))
    return pyramid


def origin(grid: Grid) -> tuple[int, int]:
    """Return the row and column of a grid's first pixel, counted from the origin of the map."""
    # In most grids either the edges or the centres of pixels lie on multiples of the pixel size: an
    # offset of a quarter of a pixel keeps both away from the rounding step.
    row = math.floor(-grid.y_max_m / grid.pixel_m + 0.25)
    return row, math.floor(grid.x_min_m / grid.pixel_m + 0.25)


def coarser(grid: Grid) -> Grid:
    """Return the grid of twice the pixel that covers a grid, aligned with the map."""
    shift = [n % 2 for n in origin(grid)]
    rows, columns = (-(-(n + s) // 2) for n, s in zip(grid.shape, shift, strict=True))
    return Grid(
        grid.x_min_m - shift[1] * grid.pixel_m,
        grid.y_max_m + shift[0] * grid.pixel_m,
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
