"""The far field: coarser elevation models of what can be seen from an area.

The built-in model, LOLA at 1.6 km from 70 to 90° S, surrounds whatever is given.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.context import log
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name, part_of
from lunarsite.engine.io import raster, remedies
from lunarsite.engine.io.elevation import agreement
from lunarsite.engine.io.elevation.builtin import (
    BUILTIN,
    BUILTIN_TITLE,
    builtin_far_field,
    check_whole_numbers,
    uses_builtin,
)
from lunarsite.engine.io.elevation.coarse import (
    FARTHEST_M,
    read_coarse,
    whole_pixels,
    window_in_sight,
)
from lunarsite.engine.io.elevation.polar_lookup import PolarLookup
from lunarsite.engine.io.elevation.source import Elevation, open_elevation
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.io.heights import check_heights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyproj
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Bounds = tuple[float, float, float, float]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_COARSE_M = 2_000.0
"""Pixels above this lower horizons: 5 km raise the mean illumination of a real frame by 1.8."""

_MAX_FAR_SIDE = 4096

_NEAR_M, _NEAR_FACTOR = 25_000.0, 4
"""Width of the near ring around an area of interest, and its pixels in those of the area."""

_REST_SIDE = 1_024
"""Pixels per side, at most, of what is in sight of an area of interest."""


class Surroundings(NamedTuple):
    """What surrounds an elevation model.

    Parameters
    ----------
    models : list of Dem
        Coarser models.
    names : list of str
        What they are called in results.
    files : list of str
        Their files.
    """

    models: list[Dem]
    names: list[str]
    files: list[str]


def read_surroundings(
    dem_path: str | Path,
    dem: Dem,
    paths: Sequence[str | Path],
    context: Context,
    *,
    builtin: bool,
) -> Surroundings:
    """Read what surrounds an elevation model, and compare where models overlap.

    Parameters
    ----------
    dem_path : path
        File of the elevation model.
    dem : Dem
        The elevation model.
    paths : sequence of path
        Coarser models that are given.
    context : Context
        Warnings.
    builtin : bool
        Whether the built-in model surrounds them. It never does for generated ground.

    Returns
    -------
    Surroundings
        The models that are given and the one that ships.

    Raises
    ------
    CrsError, InputError
        As `read_far`; also if two models contradict each other.
    """
    far, means = read_far(paths, dem.grid, context)
    names = [display_name(path) for path in paths]
    files = [str(path) for path in paths]
    for path, model in zip(paths, means, strict=True):
        agreement.check(dem, "The DEM", model, f"the far field {display_name(path)}", context)
        _warn_of_coarse(model, display_name(path), context, builtin=builtin)
    rest = rest_of(dem_path, dem.grid, context)
    far += rest
    names += [f"the rest of {display_name(dem_path)}"] if rest else []
    if builtin and uses_builtin(dem_path, dem.grid):
        shipped = builtin_far_field(dem.grid)
        what = f"the built-in model ({BUILTIN_TITLE})"
        agreement.check(dem, "The DEM", shipped, what, context, remedy=_NOT_THE_MOON)
        for path, model in zip(paths, means, strict=True):
            name = f"The far field {display_name(path)}"
            agreement.check(model, name, shipped, what, context, remedy=_NOT_THE_MOON)
        far.append(shipped)
        names.append(f"{BUILTIN_TITLE} (ships with LunarSite)")
        files.append(str(BUILTIN))
        log.info("surrounded by the built-in model: %s", BUILTIN_TITLE)
    return Surroundings(far, names, files)


def rest_of(dem_path: str | Path, around: Grid, context: Context) -> list[Dem]:
    """Return what surrounds an area of interest in its own elevation model, in coarser pixels.

    Parameters
    ----------
    dem_path : path
        The name of a part of a raster; others have no rest.
    around : Grid
        The area.
    context : Context
        Cancellation.

    Returns
    -------
    list of Dem
        A near ring in pixels four times as large, and all that is in sight in at most 1,024 pixels
        a side; from overviews where the raster has them.
    """
    found = part_of(dem_path)
    if found is None:
        return []
    what = "The DEM"
    rings = []
    with open_elevation(found[0], what) as model:
        grid = raster.grid_of(model.source, what)
        sight = window_in_sight(grid, around, what)
        coarsest = 1
        while max(sight.width, sight.height) > coarsest * _REST_SIDE:
            coarsest *= 2
        margin_m = max(_NEAR_M, 0.25 * max(around.width, around.height) * around.pixel_m)
        for side in sorted({min(_NEAR_FACTOR, coarsest), coarsest}):
            window = sight
            if side < coarsest:
                west, south, east, north = around.bounds
                box = (west - margin_m, south - margin_m, east + margin_m, north + margin_m)
                window = whole_pixels(_overlap(box, grid.bounds), grid)
            window = _multiple(window, side)
            rings.append(read_coarse(model, grid, window, side, context))
    return rings


def _overlap(one: Bounds, other: Bounds) -> Bounds:
    return (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )


def _multiple(window: Window, side: int) -> Window:
    """Return a window whose edges are multiples of a number of pixels, as those of overviews."""
    left = window.col_off // side * side
    top = window.row_off // side * side
    return Window(
        left,
        top,
        (window.col_off + window.width - left) // side * side,
        (window.row_off + window.height - top) // side * side,
    )


_NOT_THE_MOON = (
    "Correct the file; if it is right, or not of the real Moon, leave the built-in model out: "
    "--no-builtin-far-field"
)


def read_far(
    paths: Sequence[str | Path], around: Grid, context: Context
) -> tuple[list[Dem], list[Dem]]:
    """Read the far field: the terrain within sight of a grid, at most 4096 pixels per side.

    Rasters in another lunar coordinate system are warped, at about their own spacing, and finer
    ones averaged, with a warning. Where a raster gives mean and standard deviation of each pixel,
    the height is the mean and one standard deviation: means alone are lower than the crests that
    make the horizon.

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
    crests : list of Dem
        Heights for horizons, float32 metres.
    means : list of Dem
        Mean heights, to compare with other models; the same where no spread is given.

    Raises
    ------
    CrsError, InputError
        As `read_dem`; also if a raster has less than 2 × 2 pixels within sight of the area.
    """
    read = [_read_one(path, around, context) for path in paths]
    return [crests for crests, _ in read], [mean for _, mean in read]


def _read_one(path: str | Path, around: Grid, context: Context) -> tuple[Dem, Dem]:
    """Return a model of the far field as horizons need it, and its mean heights."""
    what = f"The far field {display_name(path)}"
    with open_elevation(path, what) as model:
        crs = raster.crs_of(model.source, what)
        model.drop_areas(context, what)
        model.warn(context, what)
        if moon.is_south_polar(crs):
            grid = raster.grid_of(model.source, what)
            check_whole_numbers(model, grid, what, context)
            mean, spread = _cut(model, grid, around, what, context)
        else:
            mean, spread = _warped(model, crs, around, what, context)
        model.warn_of_fills(context, what)
        check_heights(mean.height_m, mean.grid, what, model.command, model.declare)
        _refuse_constant(mean.height_m, what)
    if spread is None:
        return mean, mean
    log.info("%s gives mean and spread of its cells: horizons are taken from their sum", what)
    known = np.where(np.isfinite(spread), spread, np.float32(0.0))
    return Dem(mean.grid, mean.height_m + known), mean


def _refuse_constant(height_m: Float32, what: str) -> None:
    """Raise if all heights are the same: no horizon can be taken from them."""
    low, high = float(np.nanmin(height_m)), float(np.nanmax(height_m))
    if low == high:
        raise InputError(
            f"{what} holds one height everywhere within sight of the DEM, {low:g} m",
            "Give a model with the heights of the surroundings, or leave this one out",
        )


def _warn_of_coarse(model: Dem, name: str, context: Context, *, builtin: bool) -> None:
    if model.grid.pixel_m > _COARSE_M:
        better = (
            f"leave it out, and the built-in model ({BUILTIN_TITLE}) is used in its place"
            if builtin
            else "give a finer model, or let the one that ships surround the DEM: "
            "--builtin-far-field"
        )
        context.warn(
            f"The far field {name} has pixels of {model.grid.pixel_m / 1000:.2g} km: horizons "
            f"from pixels above {_COARSE_M / 1000:g} km are too low, and illumination comes out "
            f"one to two points too high. For better ones {better}."
        )


def _cut(
    model: Elevation, grid: Grid, around: Grid, what: str, context: Context
) -> tuple[Dem, Float32 | None]:
    """Read the part of a raster within sight of a grid, averaged if it is too fine.

    Returns
    -------
    mean : Dem
        The heights.
    spread : ndarray of float32 or None
        Their standard deviation within each pixel, where the raster gives it.
    """
    window = window_in_sight(grid, around, what)
    factor = math.ceil(max(window.width, window.height) / _MAX_FAR_SIDE)
    if min(window.width, window.height) < 2 * factor:
        raise InputError(
            f"{what} has too few pixels within {FARTHEST_M / 1000:.0f} km of the DEM: "
            f"{window.width} × {window.height}"
            + (f", averaged over {factor} × {factor}" if factor > 1 else ""),
            "Give a model that surrounds the DEM, or leave this one out",
        )
    if factor > 1:
        context.warn(f"{what} was averaged over {factor} × {factor} pixels for the far horizons.")
    mean = read_coarse(model, grid, window, factor, context)
    if model.spread_band is None:
        return mean, None
    whole = Window(
        window.col_off, window.row_off, mean.grid.width * factor, mean.grid.height * factor
    )
    return mean, model.read_spread(whole, shape=mean.grid.shape)


def _warped(
    model: Elevation, crs: pyproj.CRS, around: Grid, what: str, context: Context
) -> tuple[Dem, Float32 | None]:
    """Read a raster in another coordinate system on the map, where it can be seen.

    Each pixel of the map is looked up in the raster, so that neither the pole nor the meridian at
    which a cylindrical map is cut leaves a seam.
    """
    source = model.source
    spacing = remedies.spacing_m(source)
    west, south, east, north = around.bounds
    x, y = remedies.map_points(source)
    box = (
        max(west - FARTHEST_M, float(np.nanmin(x))),
        max(south - FARTHEST_M, float(np.nanmin(y))),
        min(east + FARTHEST_M, float(np.nanmax(x))),
        min(north + FARTHEST_M, float(np.nanmax(y))),
    )
    sides = box[2] - box[0], box[3] - box[1]
    if min(sides) < 2 * spacing:
        raise InputError(
            f"{what} shows less than 2 × 2 pixels within {FARTHEST_M / 1000:.0f} km of the DEM",
            "Give a model that surrounds the DEM, or leave this one out",
        )
    side_m = max(spacing, max(sides) / _MAX_FAR_SIDE)
    width, height = (max(2, math.ceil(side / side_m)) for side in sides)
    grid = Grid(box[0], box[3], side_m, width, height)
    ratio = side_m / spacing
    mean = PolarLookup(model.source, crs, grid, ratio, model.read).on(grid)
    spread = None
    if model.spread_band is not None:
        spread = PolarLookup(model.source, crs, grid, ratio, model.read_spread).on(grid)
    context.warn(
        f"{what} is in {crs.name!r}: what can be seen of it was warped to the south polar map, "
        f"in pixels of {side_m:,.0f} m."
    )
    return Dem(grid, mean), spread
