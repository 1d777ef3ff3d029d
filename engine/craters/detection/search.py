"""Craters of an elevation model with their confidence, by a network or by templates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.detection import confidence, decoding, multiscale, template
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.dem import check_no_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.model import weights
    from lunarsite.engine.craters.model.onnx_runner import Runner
    from lunarsite.engine.craters.pyramid import Level
    from lunarsite.engine.io.grid import Grid

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

COARSEST_M = 1_000.0
"""Elevation models of coarser pixels are refused: the network never saw any."""

SMALLEST_PX = 10.0
"""Diameter of the smallest crater that is searched for, in pixels, where none is given."""


def find(
    levels: list[Level],
    runner: Runner,
    fitted: Calibration,
    context: Context,
    rims: multiscale.Rims | None = None,
) -> Circles:
    """Return the craters of a pyramid with their confidence, of every size and likelihood."""
    merged = multiscale.find(levels, runner, context, rims)
    probability = fitted.confidence(merged)
    kept = decoding.suppressed(
        merged.x, merged.y, merged.radius, merged.best, shared=confidence.COVERED
    )
    kept = kept[np.argsort(-probability[kept], kind="stable")]
    return Circles.on_map(merged.x[kept], merged.y[kept], merged.radius[kept], probability[kept])


def find_by_template(levels: list[Level], context: Context) -> Circles:
    """Return the craters of a pyramid by template matching, of every size and likelihood."""
    found, chance = template.find(levels, template.Curve.fitted(), context)
    return Circles.on_map(found.x, found.y, found.radius, chance)


def check_dem(path: str, context: Context) -> Grid:
    """Return the grid of an elevation model in which craters can be looked for.

    Raises
    ------
    CrsError, InputError
        As `dem.dem_grid`; if its pixels are too coarse.
    """
    with raster.opened(path, "The DEM") as source:
        check_no_picture(source, "The DEM")
        grid = raster.grid_of(source, "The DEM")
        plain = not source.units[0] and (source.scales[0], source.offsets[0]) == (1.0, 0.0)
        if source.dtypes[0] in ("uint8", "int8") and plain:
            context.warn(
                f"The DEM {Path(path).name} looks like a picture: whole numbers of 8 bits without "
                "a unit. Craters are looked for in heights in metres; give an elevation model."
            )
    _check_pixel(grid)
    return grid


def _check_pixel(grid: Grid) -> None:
    if grid.pixel_m > COARSEST_M:
        raise InputError(
            f"The DEM has pixels of {grid.pixel_m:,.0f} m; craters are looked for at up to "
            f"{COARSEST_M:,.0f} m, and a crater must be {SMALLEST_PX:.0f} pixels wide",
            "Give a DEM of finer pixels, such as LOLA's at 20 to 240 m",
        )


def calibration_of(checkpoint: weights.Checkpoint) -> Calibration:
    """Return the calibration in a checkpoint's card.

    Raises
    ------
    InputError
        If it holds none.
    """
    try:
        return Calibration(**checkpoint.card["calibration"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"The card of {checkpoint.path.name} holds no calibration",
            "Give a checkpoint of the recipe heat-maps that train-craters wrote",
        ) from error
