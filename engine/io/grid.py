"""Where the pixels of a raster lie: immutable geometry, without any file.

All work is done on one kind of grid: square pixels, north up, the Moon's south polar stereographic
map in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from affine import Affine
from rasterio.windows import Window

from lunarsite.engine import moon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Grid:
    """A raster's place on the map.

    Parameters
    ----------
    x_min_m, y_max_m : float
        The outer corner of the first pixel, metres.
    pixel_m : float
        Side of a pixel in map metres.
    width, height : int
        Columns and rows.
    """

    x_min_m: float
    y_max_m: float
    pixel_m: float
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def crs(self) -> str:
        """Its coordinate system."""
        return moon.SOUTH_POLAR

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north edge, metres."""
        return (
            self.x_min_m,
            self.y_max_m - self.height * self.pixel_m,
            self.x_min_m + self.width * self.pixel_m,
            self.y_max_m,
        )

    @property
    def transform(self) -> Affine:
        """Pixel corner to map coordinates."""
        return Affine(self.pixel_m, 0.0, self.x_min_m, 0.0, -self.pixel_m, self.y_max_m)

    def column_x_m(self) -> NDArray[np.float64]:
        """Return the x of every column's centre, metres."""
        return self.x_min_m + (np.arange(self.width, dtype=np.float64) + 0.5) * self.pixel_m

    def row_y_m(self) -> NDArray[np.float64]:
        """Return the y of every row's centre, metres."""
        return self.y_max_m - (np.arange(self.height, dtype=np.float64) + 0.5) * self.pixel_m

    def pixel_of(self, x_m: float, y_m: float) -> tuple[int, int] | None:
        """Return row and column of the pixel that holds a point, or None outside."""
        column = int(np.floor((x_m - self.x_min_m) / self.pixel_m))
        row = int(np.floor((self.y_max_m - y_m) / self.pixel_m))
        if 0 <= row < self.height and 0 <= column < self.width:
            return row, column
        return None

    def part(self, window: Window) -> Grid:
        """Return the grid of a window."""
        return Grid(
            self.x_min_m + window.col_off * self.pixel_m,
            self.y_max_m - window.row_off * self.pixel_m,
            self.pixel_m,
            int(window.width),
            int(window.height),
        )

    def tiles(self, side: int) -> Iterator[Window]:
        """Yield windows of at most ``side`` × ``side`` pixels that cover the grid, row by row."""
        for row in range(0, self.height, side):
            for column in range(0, self.width, side):
                yield Window(
                    column,
                    row,
                    min(side, self.width - column),
                    min(side, self.height - row),
                )


class Place(Protocol):
    """Where the pixels of a raster lie; ``crs`` is None where nobody knows."""

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def transform(self) -> Affine:
        """Pixel corner to map coordinates."""
        ...

    @property
    def crs(self) -> Any:
        """As rasterio takes it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Dem:
    """Heights on a grid: float32 metres above the sphere, NaN where nothing is known."""

    grid: Grid
    height_m: Float32
