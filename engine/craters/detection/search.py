"""Crater detection with calibrated confidence, by a network or by template matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.detection import (
    confidence,
    decoding,
    decoys,
    multiscale,
    template,
)
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

COARSEST_M = 20_000.0
"""Coarsest pixel of an elevation model: ten of them are as wide as the largest craters."""

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
    *,
    upside_down: bool = False,
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
    rims, upside_down : optional
        As in `multiscale.find`.

    Returns
    -------
    Circles
        Detections of any size and confidence, the most likely first.
    """
    merged = multiscale.find(levels, runner, context, rims, upside_down=upside_down)
    probability = fitted.confidence(merged)
    kept = decoding.suppressed(
        merged.x, merged.y, merged.radius, merged.best, max_iou=confidence.MAX_IOU
    )
    kept = kept[np.argsort(-probability[kept], kind="stable")]
    return Circles.on_map(merged.x[kept], merged.y[kept], merged.radius[kept], probability[kept])


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least confidence of the craters that are listed, and where it is from.

    Parameters
    ----------
    confidence : float
        The threshold.
    source : str
        `GIVEN`, `OF_DEM` or `CALIBRATED`.
    estimate : Precision or None
        Estimated precision above it; None if it was not estimated, or of too few detections.
    """

    confidence: float
    source: str
    estimate: decoys.Precision | None

    def as_dict(self) -> dict[str, Any]:
        """Return the threshold as JSON."""
        return {
            "min_confidence": self.confidence,
            "threshold_from": self.source,
            "estimated_precision": None if self.estimate is None else self.estimate.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return what the summary says of the threshold."""
        said = [] if self.estimate is None else [self.estimate.sentence()]
        return [f"Confidence from {self.confidence:.3g}, the threshold of {self.source}", *said]


GIVEN, OF_DEM, CALIBRATED = "--min-confidence", "this elevation model", "the calibration"
"""Sources of a threshold."""


def find_listed(
    levels: list[Level],
    runner: Runner,
    fitted: Calibration,
    context: Context,
    rims: multiscale.Rims | None = None,
    *,
    precision: float,
    least_m: float,
    min_confidence: float | None = None,
    by_confidence: bool = False,
) -> tuple[Circles, Threshold]:
    """Detect craters, and choose the threshold by a second search in the ground upside down.

    Parameters
    ----------
    levels, runner, fitted, context, rims
        As for `find`.
    precision : float
        Least precision, 0 to 1.
    least_m : float
        Least diameter of the craters that are listed, metres.
    min_confidence : float, optional
        A threshold that is given: there is no second search, and the precision is not estimated.
    by_confidence : bool, optional
        As for `decoys.estimate`: `is_calibrated_on_real_ground` of the network.

    Returns
    -------
    Circles
        Detections of any size and confidence.
    Threshold
        The one given, or as `chosen_threshold` returns it.
    """
    if min_confidence is not None:
        found = find(levels, runner, fitted, context, rims)
        return found, Threshold(min_confidence, GIVEN, None)
    found = find(levels, runner, fitted, context.part(0.0, 0.5), rims)
    again = context.part(0.5, 1.0, "In the ground upside down")
    false = find(levels, runner, fitted, again, upside_down=True)
    return found, chosen_threshold(
        found,
        false,
        fitted,
        precision=precision,
        least_m=least_m,
        context=context,
        by_confidence=by_confidence,
    )


def is_calibrated_on_real_ground(checkpoint: weights.Checkpoint) -> bool:
    """Return whether the confidence of a network is calibrated on real ground too."""
    return bool(checkpoint.card.get("metrics_on_real_ground"))


def warn_of_calibration(checkpoint: weights.Checkpoint, context: Context) -> None:
    """Warn of a network whose confidence is not calibrated on real ground."""
    if not is_calibrated_on_real_ground(checkpoint):
        context.warn(
            f"{checkpoint.path.name}: {confidence.UNCALIBRATED}. Train it with --recipe mixed and "
            "real terrain, or trust the estimated precision rather than the confidence."
        )


def chosen_threshold(
    found: Circles,
    false: Circles,
    fitted: Calibration,
    *,
    precision: float,
    least_m: float,
    context: Context,
    by_confidence: bool = False,
) -> Threshold:
    """Return the lowest threshold that keeps the estimated precision of an elevation model.

    It is that of the calibration, with a warning, if there are too few detections for an estimate
    or no threshold reaches the precision.

    Parameters
    ----------
    found, false : Circles
        Detections in the ground, and in the ground upside down.
    fitted : Calibration
        Calibration of the network.
    precision : float
        Least precision, 0 to 1.
    least_m : float
        Least diameter of the craters that are listed, metres.
    context : Context
        Takes the warning.
    by_confidence : bool, optional
        As for `decoys.estimate`.
    """
    best = decoys.threshold_for(found, false, precision, least_m, by_confidence=by_confidence)
    if best is not None:
        return Threshold(best.threshold, OF_DEM, best)
    ours, theirs = (each.at_least(least_m, 0.0).confidence for each in (found, false))
    held = decoys.estimate(ours, theirs, fitted.threshold, by_confidence=by_confidence)
    count = int((ours >= decoys.LEAST_CONFIDENCE).sum())
    why = (
        f"{count} detections are too few to estimate their precision"
        if count < decoys.FEWEST
        else f"no threshold reaches an estimated precision of {precision:g}"
    )
    context.warn(
        f"The threshold is that of the calibration, a confidence of {fitted.threshold:g}: {why}. "
        "--min-confidence sets another."
    )
    return Threshold(fitted.threshold, CALIBRATED, held)


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
            f"The DEM has pixels of {grid.pixel_m:,.0f} m; the limit is {COARSEST_M:,.0f} m, since "
            f"a crater must be {SMALLEST_PX:.0f} pixels wide",
            "Give a DEM with finer pixels, such as LOLA's at 20 m to 4 km",
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


def cpu_s(grid: Grid, context: Context, *, searches: int = 1) -> float:
    """Return about how long the network takes on the CPU, all scales included, seconds.

    A threshold chosen for the elevation model needs two searches.
    """
    return searches * _NETWORK_CORE_S * grid.width * grid.height / context.threads


def calibration_of(checkpoint: weights.Checkpoint) -> Calibration:
    """Return the calibration on the card of a checkpoint.

    Raises
    ------
    InputError
        If the card has none.
    """
    try:
        return Calibration.of(checkpoint.card)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"The card of {checkpoint.path.name} holds no calibration",
            "Give a checkpoint that train-craters wrote with the recipe heat-maps",
        ) from error
