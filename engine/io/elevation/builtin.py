"""The built-in elevation model: LOLA at 1.6 km, and comparisons with it."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rasterio.windows import Window

from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation import agreement
from lunarsite.engine.io.elevation.coarse import FARTHEST_M, read_coarse, window_in_sight
from lunarsite.engine.io.elevation.numbers import title_of
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.grid import Dem, Grid

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.io.elevation.source import Elevation

BUILTIN = Path(__file__).parents[3] / "resources" / "moon" / "lola_70S_1600m.tif"
"""The built-in model."""

BUILTIN_TITLE = "LOLA, 1.6 km, 70 to 90° S"

_SAMPLE_PX = 1024
"""Side at which an elevation model is compared with the built-in model."""

_METRES_SLOPE = 0.2
"""How far from 1 the slope against another model may be for heights in metres."""


def uses_builtin(dem_path: str | Path, grid: Grid) -> bool:
    """Return whether the built-in model may surround an elevation model.

    It does not surround generated ground, nor a model that it does not reach.
    """
    reach = 609_600.0 + FARTHEST_M
    west, south, east, north = grid.bounds
    near = west < reach and east > -reach and south < reach and north > -reach
    with open_elevation(dem_path, "The DEM") as model:
        return near and not model.synthetic


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
    sample = None if model.synthetic else _sample(model, grid, context)
    if sample is not None:
        agreement.check(
            sample,
            what,
            _whole_builtin(),
            f"the built-in model ({BUILTIN_TITLE})",
            context,
            remedy="Correct the file, unless it is not of the real Moon",
            refuse=False,
        )


def check_whole_numbers(model: Elevation, grid: Grid, what: str, context: Context) -> bool:
    """Warn of whole numbers that may not be metres, unless they agree with the built-in model.

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

    Returns
    -------
    bool
        Whether it was warned of.
    """
    if not model.whole_numbers or model.synthetic:
        return False
    found = None
    sample = _sample(model, grid, context)
    if sample is not None:
        found = agreement.compare(sample, _whole_builtin())
    if found is not None and abs(found.slope - 1.0) < _METRES_SLOPE:
        return False
    half = found is not None and abs(found.slope - 2.0) < _METRES_SLOPE
    guess = "; compared with the built-in model they are half metres" if half else ""
    context.warn(
        f"{title_of(what, model.source.name)} holds whole numbers, and nothing says what "
        f"they count: they are taken for metres{guess}. LOLA's whole numbers count half metres; if "
        f"these do, say so: {model.command(0.5, 0.0)}"
    )
    return True


def builtin_far_field(around: Grid) -> Dem:
    """Return the part of the built-in model within sight of a grid; it yields to all others."""
    if not BUILTIN.is_file():
        raise InputError(
            f"The built-in elevation model is missing: {BUILTIN.name}",
            "Install LunarSite again, or go on without it: --no-builtin-far-field",
        )
    with open_elevation(BUILTIN, "The built-in model") as model:
        grid = raster.grid_of(model.source, "The built-in model")
        window = window_in_sight(grid, around, "The built-in model")
        return Dem(grid.part(window), model.read(window), surrounds=True)


@cache
def _whole_builtin() -> Dem:
    with open_elevation(BUILTIN, "The built-in model") as shipped:
        return Dem(raster.grid_of(shipped.source, "It"), shipped.read())


def _sample(model: Elevation, grid: Grid, context: Context) -> Dem | None:
    """Return a model in pixels that suit a comparison; None if there is nothing to compare."""
    factor = max(1, math.ceil(max(grid.shape) / _SAMPLE_PX))
    if not BUILTIN.is_file() or min(grid.shape) < 2 * factor:
        return None
    window = Window(0, 0, grid.width // factor * factor, grid.height // factor * factor)
    return read_coarse(model, grid, window, factor, context)
