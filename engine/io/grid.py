"""Immutable geometry of rasters, and elevation models in memory.

All computations use one kind of grid: square pixels, north up, on the Moon's south polar
stereographic map in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from affine import Affine
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.io.heights import check_heights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Float32 = NDArray[np.float32]

MIN_SIDE_PX = 3
"""Least side of a raster: slope and curvature need 3 × 3 pixels."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Position and size of a raster on the map.

    Parameters
    ----------
    x_min_m, y_max_m : float
        Upper left corner of the first pixel, metres.
    pixel_m : float
        Pixel size, map metres.
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
        """Coordinate system, ``IAU_2015:30135``."""
        return moon.SOUTH_POLAR

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north edges, metres."""
        return (
            self.x_min_m,
            self.y_max_m - self.height * self.pixel_m,
            self.x_min_m + self.width * self.pixel_m,
            self.y_max_m,
        )

    @property
    def transform(self) -> Affine:
        """Affine transform from column and row to map coordinates."""
        return Affine(self.pixel_m, 0.0, self.x_min_m, 0.0, -self.pixel_m, self.y_max_m)

    def column_x_m(self) -> NDArray[np.float64]:
        """Return x of the centre of every column, float64 metres."""
        return self.x_min_m + (np.arange(self.width, dtype=np.float64) + 0.5) * self.pixel_m

    def row_y_m(self) -> NDArray[np.float64]:
        """Return y of the centre of every row, float64 metres."""
        return self.y_max_m - (np.arange(self.height, dtype=np.float64) + 0.5) * self.pixel_m

    def pixel_of(self, x_m: float, y_m: float) -> tuple[int, int] | None:
        """Return row and column of the pixel that contains a point, or None outside the grid."""
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
    """Geometry of any raster; ``crs`` is None if it is not georeferenced."""

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
        """Affine transform from column and row to map coordinates."""
        ...

    @property
    def crs(self) -> Any:
        """Coordinate system, in any form that rasterio accepts."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Dem:
    """An elevation model: heights on a grid.

    Parameters
    ----------
    grid : Grid
        Its geometry.
    height_m : ndarray of float32, shape of the grid
        Metres above the sphere of 1,737,400 m; NaN for nodata.
    surrounds : bool
        Whether other models count where they are known, even if they are coarser.

    Examples
    --------
    >>> import numpy as np
    >>> dem = Dem.from_array(np.zeros((100, 200)), pixel_m=20.0)
    >>> dem.grid.shape, dem.grid.bounds
    ((100, 200), (0.0, -2000.0, 4000.0, 0.0))
    """

    grid: Grid
    height_m: Float32
    surrounds: bool = False

    @classmethod
    def from_array(
        cls, height_m: ArrayLike, *, pixel_m: float, x_min_m: float = 0.0, y_max_m: float = 0.0
    ) -> Self:
        """Create an elevation model from an array of heights.

        Parameters
        ----------
        height_m : array_like of numbers, shape (rows, columns)
            Metres above the sphere, first row at the top of the map; NaN, infinite or masked for
            nodata. It is copied.
        pixel_m : float
            Pixel size, map metres.
        x_min_m, y_max_m : float
            Upper left corner of the first pixel on the south polar stereographic map, metres; the
            pole where not given.

        Returns
        -------
        Dem
            float32.

        Raises
        ------
        InputError
            If the array is not two-dimensional, not of numbers, smaller than 3 × 3, all nodata, or
            its values cannot be heights on the Moon in metres.
        ParameterError
            If pixel size or corner is not a finite number.

        Examples
        --------
        >>> import numpy as np
        >>> x_m = np.arange(50) * 100.0
        >>> ramp = Dem.from_array(np.tile(0.1 * x_m, (50, 1)), pixel_m=100.0)
        >>> ramp.height_m.dtype, round(float(ramp.height_m.max()))
        (dtype('float32'), 490)
        """
        try:
            array: np.ma.MaskedArray[Any, Any] = np.ma.asarray(height_m)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The heights are not an array of numbers: {error}",
                "Give a two-dimensional array of metres",
            ) from error
        if array.dtype.kind not in "iuf":
            raise InputError(
                f"The heights are not an array of numbers, but of {array.dtype}",
                "Give a two-dimensional array of metres",
            )
        values = np.ma.filled(array.astype(np.float64), np.nan)
        if values.ndim != 2:
            raise InputError(
                f"The heights have the shape {values.shape}, not rows and columns",
                "Give a two-dimensional array: one band of heights",
            )
        if min(values.shape) < MIN_SIDE_PX:
            raise InputError(
                f"The heights have the shape {values.shape}; at least {MIN_SIDE_PX} × "
                f"{MIN_SIDE_PX} pixels are needed",
                "Give a larger piece",
            )
        for name, value in (("pixel_m", pixel_m), ("x_min_m", x_min_m), ("y_max_m", y_max_m)):
            number = isinstance(value, int | float | np.number) and np.isfinite(value)
            if not number or (name == "pixel_m" and value <= 0):
                raise ParameterError(
                    f"{name} is {value!r}",
                    "Give a finite number of metres" + (" above 0" if name == "pixel_m" else ""),
                )
        with np.errstate(over="ignore"):  # what float32 cannot hold is nodata of another program
            heights = values.astype(np.float32)
        heights[~np.isfinite(heights)] = np.nan
        rows, columns = heights.shape
        grid = Grid(float(x_min_m), float(y_max_m), float(pixel_m), columns, rows)
        check_heights(heights, grid, "The array")
        return cls(grid, heights)


def require_dem(value: object, name: str = "dem") -> Dem:
    """Return the value if it is an elevation model.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if not isinstance(value, Dem):
        raise ParameterError(
            f"{name} is a {type(value).__name__}, not an elevation model",
            "Give what read_dem or Dem.from_array return",
        )
    heights = value.height_m
    fits = isinstance(heights, np.ndarray) and heights.dtype == np.float32
    if not fits or heights.shape != value.grid.shape:
        raise ParameterError(
            f"{name} holds {getattr(heights, 'dtype', type(heights).__name__)} heights of the "
            f"shape {np.shape(heights)} on a grid of {value.grid.shape}",
            "Make it with read_dem or Dem.from_array",
        )
    return value


def require_number(name: str, value: object, low: float, high: float) -> float:
    """Return a number in a closed range, or raise what to give instead.

    Raises
    ------
    ParameterError
        If it is no number, or outside.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ParameterError(f"{name} is {value!r}, not a number", "Give a number")
    if not low <= value <= high:
        raise ParameterError(
            f"{name} is {value!r}; it must be from {low:g} to {high:g}",
            "Give a number in that range",
        )
    return float(value)


def require_dems(values: object, name: str = "far_field") -> list[Dem]:
    """Return the values if they are a list of elevation models.

    Raises
    ------
    ParameterError
        If they are not.
    """
    if not isinstance(values, list | tuple):
        raise ParameterError(
            f"{name} is a {type(values).__name__}, not a list of elevation models",
            "Give a list, such as [read_dem('wide.tif')]",
        )
    return [require_dem(value, name) for value in values]
