"""Elevation models of either pole, the north as its mirror image across the equator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.context import require_context
from lunarsite.engine.errors import CrsError
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.dem import read_dem, warn_of_assumptions
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.heights import check_heights

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PolarGround:
    """An elevation model of either pole.

    Parameters
    ----------
    grid : Grid
        Its grid on the south polar map; in the north, that of its mirror image.
    height_m : ndarray of float32, shape of the grid
        Metres, NaN for nodata.
    north : bool
        Whether it is the mirror image of the north.
    """

    grid: Grid
    height_m: Float32
    north: bool


def read_polar(
    path: str | Path, *, what: str = "The DEM", context: Context | None = None
) -> PolarGround:
    """Read an elevation model in the polar stereographic projection of either pole.

    The map of the north has x = r sin(lon) and y = -r cos(lon); turned upside down, it is that of
    the south with latitudes of the opposite sign.

    Parameters
    ----------
    path : path
        The elevation model.
    what : str, optional
        Its name in messages.
    context : Context, optional
        Warnings of what was assumed.

    Raises
    ------
    CrsError, InputError
        As `dem.read_dem`; if a map of the north is not that of ``IAU_2015:30130``.
    """
    surroundings = require_context(context)
    with open_elevation(path, what) as model:
        if not moon.is_north_polar(raster.crs_of(model.source, what)):
            dem = read_dem(path, what=what, context=surroundings)
            return PolarGround(dem.grid, dem.height_m, north=False)
        if not moon.is_north_map(raster.crs_of(model.source, what)):
            raise CrsError(
                f"{what} is on a north polar map of its own, turned, shifted or scaled",
                f"Warp it to {moon.NORTH_POLAR}: gdalwarp -t_srs {moon.NORTH_POLAR} -r bilinear "
                "INPUT.tif OUTPUT.tif",
            )
        own = raster.pixels_of(model.source, what)
        heights = model.read()
        south = Grid(
            own.x_min_m,
            own.height * own.pixel_m - own.y_max_m,
            own.pixel_m,
            own.width,
            own.height,
        )
        warn_of_assumptions(model, own, what, surroundings)
        check_heights(heights, own, what, model.command, model.declare)
    return PolarGround(south, np.ascontiguousarray(heights[::-1]), north=True)
