"""Parts of elevation models in coarser pixels, and what of them is in sight of an area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from lunarsite.engine.errors import InputError
from lunarsite.engine.io.averaging import block_mean
from lunarsite.engine.io.grid import Dem, Grid

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.io.elevation.source import Elevation

FARTHEST_M = 400_000.0
"""Maximum line of sight on the Moon: two summits of 10 km are visible to each other at 370 km."""

_BLOCK = 2048


def whole_pixels(box: tuple[float, float, float, float], grid: Grid) -> Window:
    """Return the window of all pixels of a grid that a box touches.

    Parameters
    ----------
    box : tuple of float
        West, south, east and north edges, metres.
    grid : Grid
        The grid.

    Returns
    -------
    rasterio.windows.Window
        Whole pixels.
    """
    left = int(np.floor((box[0] - grid.x_min_m) / grid.pixel_m + 1e-6))
    right = int(np.ceil((box[2] - grid.x_min_m) / grid.pixel_m - 1e-6))
    top = int(np.floor((grid.y_max_m - box[3]) / grid.pixel_m + 1e-6))
    bottom = int(np.ceil((grid.y_max_m - box[1]) / grid.pixel_m - 1e-6))
    return Window(left, top, right - left, bottom - top)


def read_coarse(model: Elevation, grid: Grid, window: Window, factor: int, context: Context) -> Dem:
    """Read a window of an elevation model, averaged over blocks of pixels.

    Parameters
    ----------
    model : Elevation
        The open model.
    grid : Grid
        Its grid.
    window : rasterio.windows.Window
        Whole pixels inside the grid.
    factor : int
        Side of a block, pixels. Overviews are used where the model has them; what is left of the
        last row and column is dropped.
    context : Context
        Cancellation: without overviews every pixel is read.

    Returns
    -------
    Dem
        Mean heights.
    """
    part = grid.part(window)
    width, height = part.width // factor, part.height // factor
    coarse = Grid(part.x_min_m, part.y_max_m, part.pixel_m * factor, width, height)
    values = np.full(coarse.shape, np.nan, np.float32)
    overviews = [level for level in model.source.overviews(model.band) if factor % level == 0]
    # Wide models in strips of as many pixels as narrow ones.
    rows = height if overviews else max(1, _BLOCK**2 // max(part.width, _BLOCK) // factor)
    for row in range(0, height, rows):
        context.check()
        count = min(rows, height - row)
        strip = Window(
            window.col_off, window.row_off + row * factor, width * factor, count * factor
        )
        if overviews and factor > 1:
            values[row : row + count] = model.read(strip, shape=(count, width))
        else:
            values[row : row + count] = block_mean(model.read(strip), factor)
    return Dem(coarse, values)


def window_in_sight(grid: Grid, around: Grid, what: str) -> Window:
    """Return the pixels of a grid within sight of another one."""
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
    return whole_pixels(box, grid)
