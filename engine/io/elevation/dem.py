"""Reading of elevation models on the south polar map, whole, by windows and by blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.builtin import check_whole_numbers, compare_with_builtin
from lunarsite.engine.io.elevation.source import Elevation, open_elevation
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.io.heights import check_heights

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from lunarsite.engine.io.workspace import Scratch

    Float32 = NDArray[np.float32]

_BLOCK = 2048


def dem_grid(path: str | Path, what: str = "The DEM") -> Grid:
    """Return the grid of an elevation model, after the checks that do not read pixels."""
    with open_elevation(path, what) as model:
        return raster.grid_of(model.source, what)


def read_dem(
    path: str | Path,
    *,
    what: str = "The DEM",
    window: Window | None = None,
    context: Context | None = None,
) -> Dem:
    """Read an elevation model, whole or a window.

    The band of the heights is found by its description. Scale, offset and unit of the band are
    applied, or those of a PDS label beside the file; nodata, masks, undeclared fill values and NaN
    become NaN.

    Parameters
    ----------
    path : path
        A raster in a format that GDAL reads.
    what : str, optional
        Name of the raster in messages.
    window : rasterio.windows.Window, optional
        Part to read; pixels outside the raster are NaN.
    context : Context, optional
        Warnings of what was assumed.

    Returns
    -------
    Dem
        float32 metres.

    Raises
    ------
    CrsError
        If it is on another body, in degrees or in another projection.
    InputError
        If it is unreadable, a picture, too small, all nodata, not heights above the sphere, or
        has several bands and nothing says which one holds the heights.

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
    with open_elevation(path, what) as model:
        grid = raster.grid_of(model.source, what)
        heights = model.read(window)
        read = grid if window is None else grid.part(window)
        warn_of_assumptions(model, grid, what, context or Context())
        check_heights(heights, read, what, model.command, model.declare)
    return Dem(read, heights)


def read_fine(
    path: str | Path,
    scratch: Scratch,
    context: Context | None = None,
    *,
    compare: bool = False,
) -> Dem:
    """Read the fine elevation model into a work array, block by block.

    Parameters
    ----------
    path : path
        The elevation model.
    scratch : Scratch
        Allocates the array.
    context : Context, optional
        Cancellation between blocks, and warnings.
    compare : bool, optional
        Whether to compare the model with the one that ships, for stages that do not surround it.

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
    with open_elevation(path, what) as model:
        grid = raster.grid_of(model.source, what)
        heights = scratch(grid.shape, np.float32)
        for window in grid.tiles(_BLOCK):
            if context is not None:
                context.check()
            rows, columns = window.toslices()
            heights[rows, columns] = model.read(window)
        warn_of_assumptions(model, grid, what, context or Context(), compare=compare)
        check_heights(heights, grid, what, model.command, model.declare)
    return Dem(grid, heights)


def warn_of_assumptions(
    model: Elevation, grid: Grid, what: str, context: Context, *, compare: bool = False
) -> None:
    """Warn of what was assumed to get heights in metres, and of what looks like a fill value.

    Stages that do not surround the model, which compares it, ``compare`` it with the real Moon.
    """
    model.warn(context, what)
    doubted = check_whole_numbers(model, grid, what, context)
    if compare and not doubted:
        compare_with_builtin(model, grid, what, context)


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
