"""The far field: coarser elevation models of what can be seen from an area.

The model that ships, LOLA at 1.6 km from 70 to 90° S, surrounds whatever is given.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.context import log
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name, part_of
from lunarsite.engine.io import raster, remedies
from lunarsite.engine.io.averaging import block_mean
from lunarsite.engine.io.elevation import agreement
from lunarsite.engine.io.elevation.polar_lookup import PolarLookup
from lunarsite.engine.io.elevation.source import Elevation, open_elevation
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.io.heights import check_heights

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyproj
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.elevation.source import Elevation

    Bounds = tuple[float, float, float, float]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

FARTHEST_M = 400_000.0
"""Maximum line of sight on the Moon: two summits of 10 km are visible to each other at 370 km."""

BUILTIN = Path(__file__).parents[3] / "resources" / "moon" / "lola_70S_1600m.tif"
"""The model that ships."""

BUILTIN_TITLE = "LOLA, 1.6 km, 70 to 90° S"

_COARSE_M = 2_000.0
"""Pixels above this lower horizons: 5 km raise the mean illumination of a real frame by 1.8."""

_SAMPLE_PX = 1024
"""Side at which an elevation model is compared with the model that ships."""

_METRES_SLOPE = 0.2
"""How far from 1 the slope against another model may be for heights in metres."""

_MAX_FAR_SIDE = 4096

_NEAR_M, _NEAR_FACTOR = 25_000.0, 4
"""Width of the near ring around an area of interest, and its pixels in those of the area."""

_REST_SIDE = 1_024
"""Pixels per side, at most, of what is in sight of an area of interest."""

_BLOCK = 2048


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
        Whether the model that ships surrounds them. It never does for generated ground.

    Returns
    -------
    Surroundings
        The models that are given and the one that ships.

    Raises
    ------
    CrsError, InputError
        As `read_far`; also if two models contradict each other.
    """
    read = [_read_one(path, dem.grid, context) for path in paths]
    far = [crests for crests, _ in read]
    means = [mean for _, mean in read]
    names = [display_name(path) for path in paths]
    files = [str(path) for path in paths]
    for path, model in zip(paths, means, strict=True):
        agreement.check(dem, "The DEM", model, f"the far field {display_name(path)}", context)
        _warn_of_coarse(model, display_name(path), context, builtin=builtin)
    rest = rest_of(dem_path, dem.grid)
    far += rest
    names += [f"the rest of {display_name(dem_path)}"] if rest else []
    if builtin and uses_builtin(dem_path, dem.grid):
        shipped = builtin_far_field(dem.grid)
        what = f"the model that ships ({BUILTIN_TITLE})"
        agreement.check(dem, "The DEM", shipped, what, context, remedy=_NOT_THE_MOON)
        for path, model in zip(paths, means, strict=True):
            name = f"The far field {display_name(path)}"
            agreement.check(model, name, shipped, what, context, remedy=_NOT_THE_MOON)
        far.append(shipped)
        names.append(f"{BUILTIN_TITLE} (ships with LunarSite)")
        files.append(str(BUILTIN))
        log.info("surrounded by the model that ships: %s", BUILTIN_TITLE)
    return Surroundings(far, names, files)


def rest_of(dem_path: str | Path, around: Grid) -> list[Dem]:
    """Return what surrounds an area of interest in its own elevation model, in coarser pixels.

    Parameters
    ----------
    dem_path : path
        The name of a part of a raster; others have no rest.
    around : Grid
        The area.

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
        sight = _window_in_sight(grid, around, what)
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
            rings.append(read_coarse(model, grid, window, side))
    return rings


def compare_with_builtin(model: Elevation, grid: Grid, what: str, context: Context) -> None:
    """Warn of an elevation model that is not of the real Moon, or not as it was meant.

    Parameters
    ----------
    model : Elevation
        The open model; generated ground is not compared.
    grid : Grid
        Its grid.
    what : str
        Its name in the message.
    context : Context
        Takes the warning.
    """
    sample = None if model.synthetic else _sample(model, grid)
    if sample is not None:
        agreement.check(
            sample,
            what,
            _whole_builtin(),
            f"the model that ships ({BUILTIN_TITLE})",
            context,
            remedy="Correct the file, unless it is not of the real Moon",
            refuse=False,
        )


def _sample(model: Elevation, grid: Grid) -> Dem | None:
    """Return a model in pixels that suit a comparison; None if there is nothing to compare."""
    factor = max(1, math.ceil(max(grid.shape) / _SAMPLE_PX))
    if not BUILTIN.is_file() or min(grid.shape) < 2 * factor:
        return None
    window = Window(0, 0, grid.width // factor * factor, grid.height // factor * factor)
    return read_coarse(model, grid, window, factor)


@cache
def _whole_builtin() -> Dem:
    with open_elevation(BUILTIN, "The model that ships") as shipped:
        return Dem(raster.grid_of(shipped.source, "It"), shipped.read())


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
    "Correct the file; if it is right, or not of the real Moon, leave the model that ships out: "
    "--no-builtin-far-field"
)


def uses_builtin(dem_path: str | Path, grid: Grid) -> bool:
    """Return whether the model that ships may surround an elevation model.

    It does not surround generated ground, nor a model that it does not reach.
    """
    reach = 609_600.0 + FARTHEST_M
    west, south, east, north = grid.bounds
    near = west < reach and east > -reach and south < reach and north > -reach
    with open_elevation(dem_path, "The DEM") as model:
        return near and not model.synthetic


def check_whole_numbers(model: Elevation, grid: Grid, what: str, context: Context) -> None:
    """Warn of whole numbers that may not be metres, unless they agree with the model that ships.

    LOLA's products in whole numbers count half metres and say so in a separate label only.

    Parameters
    ----------
    model : Elevation
        The open model.
    grid : Grid
        Its grid.
    what : str
        Its name in the message.
    context : Context
        Takes the warning.
    """
    if not model.whole_numbers or model.synthetic:
        return
    found = None
    sample = _sample(model, grid)
    if sample is not None:
        found = agreement.compare(sample, _whole_builtin())
    if found is not None and abs(found.slope - 1.0) < _METRES_SLOPE:
        return
    half = found is not None and abs(found.slope - 2.0) < _METRES_SLOPE
    guess = "; compared with the model that ships they are half metres" if half else ""
    context.warn(
        f"{what} {display_name(model.source.name)} holds whole numbers, and nothing says what "
        f"they count: they are taken for metres{guess}. LOLA's whole numbers count half metres; if "
        f"these do, say so: {model.command(0.5, 0.0)}"
    )


def builtin_far_field(around: Grid) -> Dem:
    """Return the part of the model that ships within sight of a grid; it yields to all others."""
    if not BUILTIN.is_file():
        raise InputError(
            f"The elevation model that ships with LunarSite is missing: {BUILTIN.name}",
            "Install LunarSite again, or go on without it: --no-builtin-far-field",
        )
    with open_elevation(BUILTIN, "The model that ships") as model:
        grid = raster.grid_of(model.source, "The model that ships")
        window = _window_in_sight(grid, around, "The model that ships")
        return Dem(grid.part(window), model.read(window), surrounds=True)


def read_far(paths: Sequence[str | Path], around: Grid, context: Context) -> list[Dem]:
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
    list of Dem
        float32 metres.

    Raises
    ------
    CrsError, InputError
        As `read_dem`; also if a raster has less than 2 × 2 pixels within sight of the area.
    """
    return [_read_one(path, around, context)[0] for path in paths]


def _read_one(path: str | Path, around: Grid, context: Context) -> tuple[Dem, Dem]:
    """Return a model of the far field as horizons need it, and its mean heights."""
    what = f"The far field {display_name(path)}"
    with open_elevation(path, what) as model:
        crs = raster.crs_of(model.source, what)
        moon.check_body(crs, what)
        model.drop_edge_fill(context, what)
        model.warn(context, what)
        if moon.is_south_polar(crs):
            check_whole_numbers(model, raster.grid_of(model.source, what), what, context)
        if moon.is_south_polar(crs):
            mean, spread = _cut(model, raster.grid_of(model.source, what), around, what, context)
        else:
            mean, spread = _warped(model, crs, around, what, context)
        check_heights(mean.height_m, mean.grid, what, model.command)
    if spread is None:
        return mean, mean
    log.info("%s gives mean and spread of its cells: horizons are taken from their sum", what)
    known = np.where(np.isfinite(spread), spread, np.float32(0.0))
    return Dem(mean.grid, mean.height_m + known), mean


def _warn_of_coarse(model: Dem, name: str, context: Context, *, builtin: bool) -> None:
    if model.grid.pixel_m > _COARSE_M:
        better = (
            f"leave it out, and the model that ships ({BUILTIN_TITLE}) is used in its place"
            if builtin
            else "give a finer model, or let the one that ships surround the DEM: "
            "--builtin-far-field"
        )
        context.warn(
            f"The far field {name} has pixels of {model.grid.pixel_m / 1000:.2g} km: horizons "
            f"from pixels above {_COARSE_M / 1000:g} km are too low, and illumination comes out "
            f"one to two points too high. For better ones {better}."
        )


def _window_in_sight(grid: Grid, around: Grid, what: str) -> Window:
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
    window = _window_in_sight(grid, around, what)
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
    mean = read_coarse(model, grid, window, factor)
    if model.spread_band is None:
        return mean, None
    whole = Window(
        window.col_off, window.row_off, mean.grid.width * factor, mean.grid.height * factor
    )
    return mean, model.read_spread(whole, shape=mean.grid.shape)


def read_coarse(model: Elevation, grid: Grid, window: Window, factor: int) -> Dem:
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
    rows = height if overviews else max(1, _BLOCK // factor)
    for row in range(0, height, rows):
        count = min(rows, height - row)
        strip = Window(
            window.col_off, window.row_off + row * factor, width * factor, count * factor
        )
        if overviews and factor > 1:
            values[row : row + count] = model.read(strip, shape=(count, width))
        else:
            values[row : row + count] = block_mean(model.read(strip), factor)
    return Dem(coarse, values)


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
