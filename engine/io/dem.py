"""Reading and validation of elevation models: a fine model and its coarser far field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.averaging import block_mean
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.io.heights import check_heights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    from collections.abc import Sequence

    import rasterio

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.workspace import Scratch

FARTHEST_M = 400_000.0
"""Maximum line of sight on the Moon: two summits of 10 km are visible to each other at 370 km."""

_MAX_FAR_SIDE = 4096
_BLOCK = 2048

_PICTURES = ("PNG", "JPEG", "GIF", "BMP", "WEBP")

_COLOURS = 3
"""Least number of unsigned integer bands of a picture."""


def dem_grid(path: str | Path, what: str = "The DEM") -> Grid:
    """Return the grid of an elevation model, after the checks that do not read pixels."""
    with raster.opened(path, what) as source:
        check_no_picture(source, what)
        return raster.grid_of(source, what)


def check_no_picture(source: rasterio.DatasetReader, what: str) -> None:
    """Raise `InputError` if an open raster is a picture rather than an elevation model."""
    coloured = source.count >= _COLOURS and np.dtype(source.dtypes[0]).kind == "u"
    if source.driver in _PICTURES or coloured:
        raise InputError(
            f"{what} {Path(source.name).name} is a picture ({source.driver}, {source.count} bands "
            f"of {source.dtypes[0]}): its pixels are shades or colours, not heights",
            "Give an elevation model: one band of heights in metres, such as LOLA's GeoTIFF",
        )


def read_dem(path: str | Path, *, what: str = "The DEM", window: Window | None = None) -> Dem:
    """Read the first band of an elevation model, whole or a window.

    Scale and offset of the band are applied; nodata of any value, NaN and values below -3e38
    become NaN.

    Parameters
    ----------
    path : path
        A raster in a format that GDAL reads.
    what : str, optional
        Name of the raster in messages.
    window : rasterio.windows.Window, optional
        Part to read; pixels outside the raster are NaN.

    Returns
    -------
    Dem
        float32 metres.

    Raises
    ------
    CrsError
        If it is on another body, in degrees or in another projection.
    InputError
        If it is unreadable, a picture, too small, all nodata, or not in metres.

    Examples
    --------
    >>> import tempfile
    >>> from lunarsite.engine import run
    >>> folder = tempfile.mkdtemp()
    >>> made = run("synthesize", out=f"{folder}/dem.tif", size_px=64, pixel_m=100.0)
    >>> dem = read_dem(f"{folder}/dem.tif")
    >>> dem.grid.shape, dem.grid.pixel_m
    ((64, 64), 100.0)
    """
    with raster.opened(path, what) as source:
        check_no_picture(source, what)
        grid = raster.grid_of(source, what)
        heights = raster.read_band(source, 1, window=window)
    read = grid if window is None else grid.part(window)
    check_heights(heights, read, what)
    return Dem(read, heights)


def read_fine(path: str | Path, scratch: Scratch, context: Context | None = None) -> Dem:
    """Read the fine elevation model into a work array, block by block.

    Parameters
    ----------
    path : path
        The elevation model.
    scratch : Scratch
        Allocates the array.
    context : Context, optional
        Cancellation between blocks.

    Returns
    -------
    Dem
        float32 metres.

    Raises
    ------
    CrsError, InputError
        As `read_dem`.
    """
    what = "The DEM"
    with raster.opened(path, what) as source:
        grid = raster.grid_of(source, what)
        heights = scratch(grid.shape, np.float32)
        for window in grid.tiles(_BLOCK):
            if context is not None:
                context.check()
            rows, columns = window.toslices()
            heights[rows, columns] = raster.read_band(source, 1, window=window)
    check_heights(heights, grid, what)
    return Dem(grid, heights)


def read_far(paths: Sequence[str | Path], around: Grid, context: Context) -> list[Dem]:
    """Read the far field: the terrain within sight of a grid, at most 4096 pixels per side.

    Rasters in another lunar coordinate system are warped and finer ones averaged, with a warning.

    Parameters
    ----------
    paths : sequence of path
        Elevation models.
    around : Grid
        The area.
    context : Context
        Warnings.

    Returns
    -------
    list of Dem
        float32 metres.

    Raises
    ------
    CrsError, InputError
        As `read_dem`; also if a raster has less than 2 × 2 pixels within sight of the area.
    """
    return [_read_one(path, around, context) for path in paths]


def _read_one(path: str | Path, around: Grid, context: Context) -> Dem:
    what = f"The far field {Path(path).name}"
    with raster.opened(path, what) as source:
        crs = raster.crs_of(source, what)
        moon.check_body(crs, what)
        if moon.is_south_polar(crs):
            dem = _cut(source, raster.grid_of(source, what), around, what, context)
        else:
            context.warn(f"{what} is in {crs.name!r} and was warped to the south polar map.")
            transform, width, height = calculate_default_transform(
                source.crs, moon.SOUTH_POLAR, source.width, source.height, *source.bounds
            )
            if width is None or height is None:
                raise InputError(f"{what} cannot be placed on the south polar map", "Warp it first")
            grid = Grid(transform.c, transform.f, transform.a, width, height)
            with WarpedVRT(
                source,
                crs=moon.SOUTH_POLAR,
                transform=grid.transform,
                width=width,
                height=height,
                resampling=Resampling.bilinear,
                nodata=np.nan if source.nodata is None else source.nodata,
                dtype="float32",
            ) as warped:
                dem = _cut(warped, grid, around, what, context)
    check_heights(dem.height_m, dem.grid, what)
    return dem


def _cut(
    source: rasterio.DatasetReader | WarpedVRT,
    grid: Grid,
    around: Grid,
    what: str,
    context: Context,
) -> Dem:
    """Read the part of a raster within sight of a grid, averaged if it is too fine."""
    west, south, east, north = around.bounds
    left, bottom, right, top = grid.bounds
    box = (
        max(west - FARTHEST_M, left),
        max(south - FARTHEST_M, bottom),
        min(east + FARTHEST_M, right),
        min(north + FARTHEST_M, top),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise InputError(
            f"{what} lies more than {FARTHEST_M / 1000:.0f} km away from the DEM",
            "Give a model that surrounds the DEM",
        )
    window = _whole_pixels(box, grid)
    factor = int(np.ceil(max(window.width, window.height) / _MAX_FAR_SIDE))
    if min(window.width, window.height) < 2 * factor:
        raise InputError(
            f"{what} has too few pixels within {FARTHEST_M / 1000:.0f} km of the DEM: "
            f"{window.width} × {window.height}"
            + (f", averaged over {factor} × {factor}" if factor > 1 else ""),
            "Give a model that surrounds the DEM, or leave this one out",
        )
    if factor == 1:
        return Dem(grid.part(window), raster.read_band(source, 1, window=window))
    context.warn(f"{what} was averaged over {factor} × {factor} pixels for the far horizons.")
    part = grid.part(window)
    width, height = part.width // factor, part.height // factor
    coarse = Grid(part.x_min_m, part.y_max_m, part.pixel_m * factor, width, height)
    values = np.full(coarse.shape, np.nan, np.float32)
    rows = max(1, _BLOCK // factor)
    for row in range(0, height, rows):
        count = min(rows, height - row)
        strip = Window(
            window.col_off, window.row_off + row * factor, width * factor, count * factor
        )
        fine = raster.read_band(source, 1, window=strip)
        values[row : row + count] = block_mean(fine, factor)
    return Dem(coarse, values)


def _whole_pixels(box: tuple[float, float, float, float], grid: Grid) -> Window:
    """Return the window of all pixels that a box touches."""
    left = int(np.floor((box[0] - grid.x_min_m) / grid.pixel_m + 1e-6))
    right = int(np.ceil((box[2] - grid.x_min_m) / grid.pixel_m - 1e-6))
    top = int(np.floor((grid.y_max_m - box[3]) / grid.pixel_m + 1e-6))
    bottom = int(np.ceil((grid.y_max_m - box[1]) / grid.pixel_m - 1e-6))
    return Window(left, top, right - left, bottom - top)


def posting(grid: Grid, posting_m: float) -> tuple[Grid, int]:
    """Return a coarser grid with the same upper left corner.

    Its last row and column may extend beyond the edge of the fine grid.

    Parameters
    ----------
    grid : Grid
        The fine grid.
    posting_m : float
        Cell size, map metres, rounded to whole pixels.

    Returns
    -------
    coarse : Grid
        The coarser grid.
    side : int
        Its cell size in pixels of the fine grid.

    Raises
    ------
    InputError
        If the posting is smaller than a pixel.
    """
    if posting_m < grid.pixel_m * 0.999:
        raise InputError(
            f"A cell of {posting_m:g} m is smaller than a pixel of {grid.pixel_m:g} m",
            f"Take a cell of at least {grid.pixel_m:g} m",
        )
    side = max(1, round(posting_m / grid.pixel_m))
    coarse = Grid(
        grid.x_min_m,
        grid.y_max_m,
        grid.pixel_m * side,
        -(-grid.width // side),
        -(-grid.height // side),
    )
    return coarse, side
