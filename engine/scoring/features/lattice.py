"""Means over cells of the pixels of an image in any lunar map projection.

Every cell has a lattice of points with a spacing not larger than the pixels of the image; each
point takes the value of its pixel. Memory is bounded by a tile, independent of the image size.
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
    from lunarsite.engine.scoring.features.places import Places

    Float = NDArray[np.float64]
    Read = Callable[[Grid], Iterator[tuple[Window, Float, NDArray[np.bool_]]]]

FEWEST_PX = 4
"""Minimum number of pixels along the side of a cell."""

TILE_PX = 2048
"""Side of the tiles that are read, pixels."""

_OUTLINE_POINTS = 720
"""Points along each side of an image for the transformation of its outline."""


def means_by_cell(
    source: rasterio.DatasetReader,
    places: Places,
    read: Read,
    layers: int,
    what: str,
    context: Context,
) -> tuple[Float, Float]:
    """Return the coverage of each place, and the means of layers over its valid pixels.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The image, for its georeferencing.
    places : Places
        Landing discs or cells.
    read : callable
        Yields windows of a fine grid with the values of the layers (float64, shape (layers, rows,
        columns)) and whether they are valid.
    layers : int
        Number of layers.
    what : str
        Name of the image in messages.
    context : Context
        Warnings.

    Returns
    -------
    known_pct : ndarray of float64, shape of the cells
        Coverage of each place, percent.
    means : ndarray of float64, shape (layers, rows, columns)
        Means; NaN where the coverage is 0.

    Raises
    ------
    InputError
        If the pixels are too coarse for the cells, or the image is in the northern hemisphere.
    """
    coarse = places.coarse
    side = _points(source, coarse, what)
    needed = side**2
    if places.discs is not None:
        needed = max(1, round(math.pi * (places.radius_m * side / coarse.pixel_m) ** 2))
    count, total = np.zeros(coarse.shape), np.zeros((layers, *coarse.shape))
    around = _cells_around(source, coarse)
    if around is not None:
        part = coarse.part(around)
        fine_m = coarse.pixel_m / side
        fine = Grid(part.x_min_m, part.y_max_m, fine_m, part.width * side, part.height * side)
        for window, values, known in read(fine):
            context.check()
            if places.discs is not None:
                _add_on_discs(window, fine, values, known, places, count, total)
                continue
            row = (np.arange(window.row_off, window.row_off + window.height) // side).astype(int)
            column = (np.arange(window.col_off, window.col_off + window.width) // side).astype(int)
            top, left = int(around.row_off) + row[0], int(around.col_off) + column[0]
            at = np.s_[top : top + row[-1] - row[0] + 1, left : left + column[-1] - column[0] + 1]
            count[at] += _summed(known.astype(np.float64), row, column)
            for sums, layer in zip(total, values, strict=True):
                sums[at] += _summed(np.where(known, layer, 0.0), row, column)
    if not count.any():
        context.warn(f"{what} covers no cell of the DEM and is not used.")
    with np.errstate(invalid="ignore"):
        return np.minimum(100.0 * count / needed, 100.0), total / count


def _add_on_discs(
    window: Window,
    fine: Grid,
    values: Float,
    known: NDArray[np.bool_],
    places: Places,
    count: Float,
    total: Float,
) -> None:
    """Add the points of a window that lie on landing discs to their counts and sums."""
    coarse, part = places.coarse, fine.part(window)
    reach = places.radius_m + coarse.pixel_m
    x, y = places.x_m, places.y_m
    near = (x >= part.bounds[0] - reach) & (x <= part.bounds[2] + reach)
    near &= (y >= part.bounds[1] - reach) & (y <= part.bounds[3] + reach)
    for cell in np.argwhere(near & places.found):
        at = tuple(cell)
        rows, columns = (
            np.arange(
                max(0, math.floor((middle - places.radius_m) / part.pixel_m)),
                min(length, math.ceil((middle + places.radius_m) / part.pixel_m)),
            )
            for middle, length in (
                (part.y_max_m - y[at], part.height),
                (x[at] - part.x_min_m, part.width),
            )
        )
        if not (len(rows) and len(columns)):
            continue
        down = part.y_max_m - (rows + 0.5) * part.pixel_m - y[at]
        across = part.x_min_m + (columns + 0.5) * part.pixel_m - x[at]
        own = np.hypot(down[:, None], across[None, :]) <= places.radius_m
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        own &= known[box]
        count[at] += own.sum()
        for sums, layer in zip(total, values, strict=True):
            sums[at] += layer[box][own].sum()


@contextmanager
def resampled_to(source: rasterio.DatasetReader, grid: Grid, nodata: float) -> Iterator[WarpedVRT]:
    """Open an image resampled to a grid by nearest neighbour."""
    options: dict[str, Any] = {
        "crs": moon.SOUTH_POLAR,
        "transform": grid.transform,
        "width": grid.width,
        "height": grid.height,
        "resampling": Resampling.nearest,
        "src_nodata": nodata,
        "nodata": nodata,
    }
    with WarpedVRT(source, **options) as warped:
        yield warped


def to_south_polar(
    source: rasterio.DatasetReader, row: Float, column: Float
) -> tuple[Float, Float]:
    """Return the positions of image coordinates on the south polar map, metres.

    Rows and columns are counted from the corner of the image.
    """
    x, y = source.transform * (column, row)
    crs = pyproj.CRS.from_user_input(source.crs)
    if not moon.is_south_polar(crs):
        to_map = pyproj.Transformer.from_crs(crs, moon.south_polar_crs(), always_xy=True)
        x, y = to_map.transform(x, y)
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def largest_cell_m(source: rasterio.DatasetReader, known_m2: float) -> float:
    """Return a cell size with which an image covers at least half of a cell, map metres.

    Wherever the borders of the cells are, a rectangle of twice the area of a cell that is at least
    as wide as a cell covers half of one, if it has no nodata.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The image, for its extent.
    known_m2 : float
        Area of its valid pixels within the cells, on the map.

    Returns
    -------
    float
        Cell size, map metres.
    """
    down, across = (float(side) for side in _pixel_sides_m(source))
    return float(min(math.sqrt(known_m2 / 2.0), down * source.height, across * source.width))


def smallest_cell_m(source: rasterio.DatasetReader) -> float:
    """Return the smallest cell size for which the pixels are fine enough, map metres."""
    return FEWEST_PX * float(_pixel_sides_m(source).max())


def _summed(values: Float, row: NDArray[np.int64], column: NDArray[np.int64]) -> Float:
    """Return sums over blocks of rows and columns of the same cell."""
    down = np.flatnonzero(np.diff(row, prepend=-1))
    across = np.flatnonzero(np.diff(column, prepend=-1))
    sums: Float = np.add.reduceat(np.add.reduceat(values, down, axis=0), across, axis=1)
    return sums


def _points(source: rasterio.DatasetReader, coarse: Grid, what: str) -> int:
    """Return the number of points along the side of a cell that sample every pixel of an image."""
    x, y = to_south_polar(source, np.array([source.height / 2]), np.array([source.width / 2]))
    if not np.hypot(x, y).max() < 2.1 * moon.RADIUS_M:  # the equator lies at 2
        raise InputError(
            f"{what} is in the northern hemisphere, but the cells are around the south pole",
            "Give an image of the area of the DEM, or correct its coordinate system",
        )
    sides = _pixel_sides_m(source)
    if sides.max() > 1.001 * coarse.pixel_m / FEWEST_PX:
        raise InputError(
            f"{what}: a pixel is {sides.max():g} m wide, more than a quarter of a cell of "
            f"{coarse.pixel_m:g} m",
            f"Use cells of at least {math.ceil(FEWEST_PX * sides.max())} m (--cell-m), or a "
            "finer image",
        )
    return math.ceil(coarse.pixel_m / float(np.sqrt(sides.prod())) - 1e-6)


def _pixel_sides_m(source: rasterio.DatasetReader) -> Float:
    """Return height and width of a pixel in the middle of an image, map metres."""
    row, column = source.height / 2, source.width / 2
    x, y = to_south_polar(
        source, np.array([row, row + 1, row]), np.array([column, column, column + 1])
    )
    sides: Float = np.hypot(x[1:] - x[0], y[1:] - y[0])
    return sides


def _cells_around(source: rasterio.DatasetReader, coarse: Grid) -> Window | None:
    """Return the window of cells that an image may intersect, or None."""
    box = transform_bounds(
        source.crs, moon.SOUTH_POLAR, *source.bounds, densify_pts=_OUTLINE_POINTS
    )
    # An image that extends far north has infinite bounds on the south polar map.
    west, south, east, north = np.nan_to_num(np.asarray(box))
    left = max(math.floor((west - coarse.x_min_m) / coarse.pixel_m) - 1, 0)
    right = min(math.ceil((east - coarse.x_min_m) / coarse.pixel_m) + 1, coarse.width)
    top = max(math.floor((coarse.y_max_m - north) / coarse.pixel_m) - 1, 0)
    bottom = min(math.ceil((coarse.y_max_m - south) / coarse.pixel_m) + 1, coarse.height)
    if right <= left or bottom <= top:
        return None
    return Window(left, top, right - left, bottom - top)
