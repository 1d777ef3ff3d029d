"""From the pixels of an image in any lunar map to means over cells.

Every cell has a lattice of points, no coarser than the image's pixels; each point takes the pixel
that it lies in. What is read is bounded by a tile, not by the image.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float = NDArray[np.float64]
    Read = Callable[[Grid], Iterator[tuple[Window, Float, NDArray[np.bool_]]]]

FEWEST_PX = 4
"""Pixels along a cell's side that it takes to tell a share."""

TILE_PX = 2048
"""Side of what is read at a time."""

_OUTLINE_POINTS = 720
"""Points along each side of an image by which its outline is carried to another map."""


def means_by_cell(
    source: rasterio.DatasetReader,
    coarse: Grid,
    read: Read,
    layers: int,
    what: str,
    context: Context,
) -> tuple[Float, Float]:
    """Return how much of each cell is known, and the means of layers over what is.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The image, for its place.
    coarse : Grid
        The cells.
    read : callable
        Yields, for a fine grid, windows of it, the layers there (float64, shape (layers, rows,
        columns)) and where they are known.
    layers : int
        How many there are.
    what : str
        How messages call the image.
    context : Context
        Warnings.

    Returns
    -------
    ndarray of float64, shape of ``coarse``
        Percent of each cell that is known.
    ndarray of float64, shape (layers, rows, columns)
        Means; NaN where nothing is known.

    Raises
    ------
    InputError
        If the image's pixels are too coarse for the cells, or it lies on the northern half.
    """
    side = _points(source, coarse, what)
    count, total = np.zeros(coarse.shape), np.zeros((layers, *coarse.shape))
    around = _cells_around(source, coarse)
    if around is not None:
        part = coarse.part(around)
        fine_m = coarse.pixel_m / side
        fine = Grid(part.x_min_m, part.y_max_m, fine_m, part.width * side, part.height * side)
        for window, values, known in read(fine):
            context.check()
            row = (np.arange(window.row_off, window.row_off + window.height) // side).astype(int)
            column = (np.arange(window.col_off, window.col_off + window.width) // side).astype(int)
            top, left = int(around.row_off) + row[0], int(around.col_off) + column[0]
            at = np.s_[top : top + row[-1] - row[0] + 1, left : left + column[-1] - column[0] + 1]
            count[at] += _summed(known.astype(np.float64), row, column)
            for sums, layer in zip(total, values, strict=True):
                sums[at] += _summed(np.where(known, layer, 0.0), row, column)
    if not count.any():
        context.warn(f"{what} covers no cell of the DEM: nothing is known from it.")
    with np.errstate(invalid="ignore"):
        return 100.0 * count / side**2, total / count


@contextmanager
def laid_on(source: rasterio.DatasetReader, grid: Grid, nodata: float) -> Iterator[WarpedVRT]:
    """Open an image as it lies on a grid, each point the pixel that it lies in."""
    options: dict[str, Any] = {
        "crs": moon.SOUTH_POLAR,
        "transform": grid.transform,
        "width": grid.width,
        "height": grid.height,
        "resampling": Resampling.nearest,
        "src_nodata": nodata,
        "nodata": nodata,
    }
    with WarpedVRT(source, **options) as laid:
        yield laid


def on_the_map(source: rasterio.DatasetReader, row: Float, column: Float) -> tuple[Float, Float]:
    """Return where places of an image lie on the south polar map, metres.

    Rows and columns count from the image's corner.
    """
    x, y = source.transform * (column, row)
    crs = pyproj.CRS.from_user_input(source.crs)
    if not moon.is_south_polar(crs):
        to_map = pyproj.Transformer.from_crs(crs, moon.south_polar_crs(), always_xy=True)
        x, y = to_map.transform(x, y)
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def largest_cell_m(source: rasterio.DatasetReader, known_m2: float) -> float:
    """Return a side of cells, map metres, at which an image shows half of one or more.

    Wherever borders fall, they cut a rectangle of twice a cell's area, and no narrower than a
    cell, so that half of a cell is left whole. That holds where nothing within is unknown.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The image, for its sides.
    known_m2 : float
        The known ground within the cells, on the map.
    """
    down, across = (float(side) for side in _pixel_sides_m(source))
    return float(min(math.sqrt(known_m2 / 2.0), down * source.height, across * source.width))


def smallest_cell_m(source: rasterio.DatasetReader) -> float:
    """Return the least side of cells for which an image's pixels are fine enough, map metres."""
    return FEWEST_PX * float(_pixel_sides_m(source).max())


def _summed(values: Float, row: NDArray[np.int64], column: NDArray[np.int64]) -> Float:
    """Return sums over blocks of rows and columns that belong to the same cell."""
    down = np.flatnonzero(np.diff(row, prepend=-1))
    across = np.flatnonzero(np.diff(column, prepend=-1))
    sums: Float = np.add.reduceat(np.add.reduceat(values, down, axis=0), across, axis=1)
    return sums


def _points(source: rasterio.DatasetReader, coarse: Grid, what: str) -> int:
    """Return how many points along a cell's side leave no pixel of an image out."""
    x, y = on_the_map(source, np.array([source.height / 2]), np.array([source.width / 2]))
    if not np.hypot(x, y).max() < 2.1 * moon.RADIUS_M:  # the equator lies at 2
        raise InputError(
            f"{what} lies on the northern half of the Moon, and the cells about the south pole",
            "Give an image of the DEM's area, or set its coordinate system right",
        )
    sides = _pixel_sides_m(source)
    if sides.max() > 1.001 * coarse.pixel_m / FEWEST_PX:
        raise InputError(
            f"{what}: a pixel is {sides.max():g} m wide, more than a quarter of a cell of "
            f"{coarse.pixel_m:g} m",
            f"Take cells of at least {math.ceil(FEWEST_PX * sides.max())} m (--cell-m), or a "
            "finer image",
        )
    return math.ceil(coarse.pixel_m / float(np.sqrt(sides.prod())) - 1e-6)


def _pixel_sides_m(source: rasterio.DatasetReader) -> Float:
    """Return height and width of the pixel in an image's middle, map metres."""
    row, column = source.height / 2, source.width / 2
    x, y = on_the_map(source, np.array([row, row + 1, row]), np.array([column, column, column + 1]))
    sides: Float = np.hypot(x[1:] - x[0], y[1:] - y[0])
    return sides


def _cells_around(source: rasterio.DatasetReader, coarse: Grid) -> Window | None:
    """Return the cells that an image may touch, or None."""
    box = transform_bounds(
        source.crs, moon.SOUTH_POLAR, *source.bounds, densify_pts=_OUTLINE_POINTS
    )
    # What reaches far north has no end on the map of the south.
    west, south, east, north = np.nan_to_num(np.asarray(box))
    left = max(math.floor((west - coarse.x_min_m) / coarse.pixel_m) - 1, 0)
    right = min(math.ceil((east - coarse.x_min_m) / coarse.pixel_m) + 1, coarse.width)
    top = max(math.floor((coarse.y_max_m - north) / coarse.pixel_m) - 1, 0)
    bottom = min(math.ceil((coarse.y_max_m - south) / coarse.pixel_m) + 1, coarse.height)
    if right <= left or bottom <= top:
        return None
    return Window(left, top, right - left, bottom - top)
