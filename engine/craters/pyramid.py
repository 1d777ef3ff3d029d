"""The scales at which an elevation model is looked at, and its reading block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import raster
from lunarsite.engine.raster import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scratch import Scratch

    Float32 = NDArray[np.float32]

LEAST_SIDE_PX = 48
"""Scales whose longer side has fewer pixels are not looked at."""

CORE_PX = 384
"""Side of the square in which a block's answer counts."""

HALO_PX = 128
"""What the network sees around it: twice the radius of the largest crater of a scale."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One scale: heights as means over squares of 2 to the power of ``number`` pixels."""

    number: int
    grid: Grid
    height_m: Float32

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks that cover the level, row by row."""
        for row in range(0, self.grid.height, CORE_PX):
            for column in range(0, self.grid.width, CORE_PX):
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
    """The first row and column of a block's core on its level."""

    row: int
    column: int


def levels(path: str | Path, scratch: Scratch, context: Context) -> list[Level]:
    """Return an elevation model at all scales, the finest first.

    Heights of a coarser level are means of what is known of 2 × 2 pixels; a last odd row or
    column stands for itself.

    Raises
    ------
    CrsError, InputError
        As `raster.read_dem`.
    """
    with raster.opened(path, "The DEM") as source:
        grid = raster.grid_of(source, "The DEM")
        height = scratch(grid.shape, np.float32)
        known = False
        for window in grid.tiles(2048):
            context.check()
            part = raster.read_band(source, 1, window=window)
            if np.isfinite(part).any():
                raster.check_heights(part, grid, "The DEM")
                known = True
            rows = slice(int(window.row_off), int(window.row_off + window.height))
            columns = slice(int(window.col_off), int(window.col_off + window.width))
            height[rows, columns] = part
    if not known:
        raster.check_heights(height, grid, "The DEM")
    return of(grid, height, scratch)


def of(grid: Grid, height_m: Float32, scratch: Scratch) -> list[Level]:
    """Return heights at all scales, the finest first.

    Parameters
    ----------
    grid : Grid
        Where they lie.
    height_m : ndarray of float32, shape of the grid
        Metres, NaN for nodata.
    scratch : Scratch
        Makes the arrays of the coarser scales.
    """
    found = [Level(0, grid, height_m)]
    while max(found[-1].grid.shape) >= 2 * LEAST_SIDE_PX:
        found.append(_coarser(found[-1], scratch))
    return found


def _coarser(finer: Level, scratch: Scratch) -> Level:
    rows, columns = (-(-n // 2) for n in finer.grid.shape)
    fine = finer.grid
    grid = Grid(fine.x_min_m, fine.y_max_m, 2.0 * fine.pixel_m, columns, rows)
    height = scratch(grid.shape, np.float32)
    for row in range(0, rows, 1024):
        part = finer.around(2 * row, 0, 2 * min(1024, rows - row), 2 * columns)
        quads = part.reshape(-1, 2, columns, 2)
        known = np.isfinite(quads)
        count = known.sum(axis=(1, 3))
        total = np.where(known, quads, 0.0).sum(axis=(1, 3), dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            height[row : row + 1024] = np.where(count > 0, total / count, np.nan)
    return Level(finer.number + 1, grid, height)
