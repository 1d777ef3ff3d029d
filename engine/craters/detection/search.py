"""Crater detection with calibrated confidence, by a network or by template matching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.detection import confidence, decoding, multiscale, template
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.elevation.dem import dem_grid

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

COARSEST_M = 2_000.0
"""Coarsest pixel of an elevation model; the network was not trained on coarser ones."""

SMALLEST_PX = 10.0
"""Default of the smallest diameter that is searched for, in pixels."""


_NETWORK_CORE_S = 1.6e-6
"""Core seconds of the network per pixel of the elevation model, without those of its channels."""


def find(
    levels: list[Level],
    runner: Runner,
    fitted: Calibration,
    context: Context,
    rims: multiscale.Rims | None = None,
) -> Circles:
    """Detect craters with a network.

    Parameters
    ----------
    levels : list of Level
        The elevation model at all scales, the finest first.
    runner : Runner
        The network.
    fitted : Calibration
        Calibration of the network.
    context : Context
        Progress and cancellation; its pool runs the blocks.
    rims : callable, optional
        As in `multiscale.find`.

    Returns
    -------
    Circles
        Detections of any size and confidence, the most likely first.
    """
    merged = multiscale.find(levels, runner, context, rims)
    probability = fitted.confidence(merged)
    kept = decoding.suppressed(
        merged.x, merged.y, merged.radius, merged.best, max_iou=confidence.MAX_IOU
    )
    kept = kept[np.argsort(-probability[kept], kind="stable")]
    return Circles.on_map(merged.x[kept], merged.y[kept], merged.radius[kept], probability[kept])


def find_by_template(levels: list[Level], context: Context) -> Circles:
    """Detect craters by template matching; as `find`."""
    matches, probability = template.find(levels, template.Curve.fitted(), context)
    return Circles.on_map(matches.x, matches.y, matches.radius, probability)


def check_dem(path: str) -> Grid:
    """Return the grid of an elevation model, checked to be suitable for crater detection.

    Raises
    ------
    CrsError, InputError
        As `dem.dem_grid`; if its pixels are too coarse.
    """
    grid = dem_grid(path)
    check_pixel(grid)
    return grid


def check_pixel(grid: Grid) -> None:
    """Raise `InputError` if pixels are too coarse for crater detection."""
    if grid.pixel_m > COARSEST_M:
        raise InputError(
            f"The DEM has pixels of {grid.pixel_m:,.0f} m; the limit is {COARSEST_M:,.0f} m, and a "
            f"crater must be {SMALLEST_PX:.0f} pixels wide",
            "Give a DEM with finer pixels, such as LOLA's at 20 to 240 m",
        )


def least_diameter_m(requested: float | None, grid: Grid, context: Context) -> float:
    """Return the minimum diameter of listed craters; warn if a smaller one was requested."""
    seen = 2.0 * LEAST_RADIUS_PX * grid.pixel_m
    if requested is not None and requested < seen:
        context.warn(
            f"Craters below {seen:,.0f} m cannot be seen at {grid.pixel_m:g} m a pixel, so none is "
            "listed. A DEM of finer pixels would show them."
        )
        return seen
    west, south, east, north = grid.bounds
    middle = moon.map_scale(0.5 * (west + east), 0.5 * (south + north))
    largest_m = max(east - west, north - south) / float(middle)
    if requested is not None and requested > largest_m:
        context.warn(
            f"Craters of {requested:,.0f} m and more are larger than the DEM, whose longer side is "
            f"{largest_m:,.0f} m: hardly one can be found. Give a lower "
            "--min-diameter-m, or a larger DEM."
        )
    return requested or SMALLEST_PX * grid.pixel_m


def cpu_s(grid: Grid, context: Context) -> float:
    """Return about how long the network takes on the CPU, all scales included, seconds."""
    return _NETWORK_CORE_S * grid.width * grid.height / context.threads


def calibration_of(checkpoint: weights.Checkpoint) -> Calibration:
    """Return the calibration on the card of a checkpoint.

    Raises
    ------
    InputError
        If the card has none.
    """
    try:
        return Calibration(**checkpoint.card["calibration"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"The card of {checkpoint.path.name} holds no calibration",
            "Give a checkpoint that train-craters wrote with the recipe heat-maps",
        ) from error
