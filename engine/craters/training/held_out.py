"""Detections of a network on held-out frames and real ground, compared with the craters there.

A catalogue is incomplete: detections that it does not list count as wrong, so that confidence and
precision are lower bounds on real ground.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.craters import error_curves, morphometry, pyramid
from lunarsite.engine.craters.circles import overlap
from lunarsite.engine.craters.detection import confidence, decoding, multiscale
from lunarsite.engine.craters.training import batches
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic.crater_tiles import tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.detection.decoding import Merged
    from lunarsite.engine.craters.model.onnx_runner import Runner
    from lunarsite.engine.craters.pyramid import Level
    from lunarsite.engine.craters.training.region import Region
    from lunarsite.engine.craters.training.sectors import Sector

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

FIRST_SEED = batches.VALIDATION_SEED + 500_000_000
"""Seed of the first held-out frame."""

FRAMES_PX = (640, 1280)
"""Sides of the frames, in turn: only large ones hold craters that need the coarse scales."""

LEAST_RADIUS_PX = 5.0
"""Craters of at least this radius are to be found."""

REAL_GATE = "iou"
"""Matching criterion on real ground; the strict one on generated frames."""

LEAST_DETECTED_RADIUS_PX = 4.0
"""Detections of at least this radius take part; below `LEAST_RADIUS_PX` none is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Misfit:
    """Errors of the detections that are true positives; NaN for all others.

    Parameters
    ----------
    diameter : ndarray of float64, shape (detections,)
        Natural logarithm of the detected diameter over the true one.
    depth : ndarray of float64, shape (detections,)
        Measured less true depth, over `error_curves.depth_scale`.
    """

    diameter: Float = field(default_factory=lambda: np.empty(0))
    depth: Float = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Detections on generated frames, compared with the craters there.

    Parameters
    ----------
    features : ndarray of float64, shape (detections, 4)
        Features of the calibration curve, `confidence.features_of`.
    score : ndarray of float64, shape (detections,)
        Score before calibration.
    outcome : ndarray of int64, shape (detections,)
        1 true positive, 0 false positive, -1 ignored.
    radius_px : ndarray of float64, shape (detections,)
        Radius of the detection, pixels.
    target_count : int
        Number of craters to be found.
    misfit : Misfit, optional
        Errors of diameters and depths.
    """

    features: Float
    score: Float
    outcome: Int
    radius_px: Float
    target_count: int
    misfit: Misfit = field(default_factory=Misfit)


def frame_px(number: int) -> int:
    """Return the side of a frame, pixels; both halves of the frames have both sides."""
    return FRAMES_PX[number // 2 % 2]


def evaluate(runner: Runner, seed: int, side_px: int, context: Context) -> Evaluation:
    """Compare the detections of a network on a generated frame with the craters there.

    Parameters
    ----------
    runner : Runner
        The network.
    seed, side_px : int
        Seed of the frame, and its side in pixels.
    context : Context
        Memory limit, progress and cancellation.
    """
    tile = tiles.make(seed, side_px)
    grid = Grid(0.0, 0.0, 1.0, side_px, side_px)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch(Path(folder), context.memory_limit_bytes)
        # Heights in pixels, since the grid has pixels of 1 m.
        height = (tile.height_m / np.float32(tile.pixel_m)).astype(np.float32)
        levels = pyramid.of(grid, height, scratch)
        merged = _survivors(multiscale.find(levels, runner, context))
        merged = merged.kept(merged.radius >= LEAST_DETECTED_RADIUS_PX)
        circles = tile.circles.copy()
        circles[:, 4] /= tile.pixel_m
        return _compared(merged, levels, circles, _targets(circles, side_px))


def evaluate_region(
    runner: Runner, region: Region, sectors: dict[str, Sector], context: Context
) -> dict[str, Evaluation]:
    """Compare the detections of a network on real ground with its catalogue, sector by sector.

    Parameters
    ----------
    runner : Runner
        The network.
    region : Region
        The ground; it is searched as a whole, so that no sector has an edge.
    sectors : dict of str to Sector
        Detections and craters count in the sector of their centre.
    context : Context
        Progress and cancellation.
    """
    grid, known = region.grid, region.known
    levels = region.levels()
    merged = _survivors(multiscale.find(levels, runner, context))
    merged = merged.kept(merged.radius_px >= LEAST_DETECTED_RADIUS_PX)
    circles = np.column_stack(
        [
            (known.x_m - grid.x_min_m) / grid.pixel_m - 0.5,
            (grid.y_max_m - known.y_m) / grid.pixel_m - 0.5,
            known.radius_m / grid.pixel_m,
            np.ones(len(known)),
            known.depth_m,
        ]
    )
    large = circles[:, 2] >= LEAST_RADIUS_PX
    lon, _ = moon.xy_to_lonlat(known.x_m, known.y_m)
    found_lon, _ = moon.xy_to_lonlat(merged.x, merged.y)
    valid = region.has_heights(merged.x, merged.y)
    results = {}
    for name, sector in sectors.items():
        target = large & region.has_heights(known.x_m, known.y_m)
        target &= sector.inside(lon, np.zeros(1))
        compared = _compared(merged, levels, circles, target, gate=REAL_GATE)
        counts = valid & sector.inside(found_lon, np.zeros(1))
        # Detections elsewhere may match, but are never wrong.
        outcome = np.where(counts | (compared.outcome == 1), compared.outcome, -1)
        results[name] = replace(compared, outcome=outcome)
    return results


def _survivors(merged: Merged) -> Merged:
    """Return the detections that survive non-maximum suppression, the best first."""
    return merged.kept(
        decoding.suppressed(
            merged.x, merged.y, merged.radius, merged.best, max_iou=confidence.MAX_IOU
        )
    )


def _compared(
    merged: Merged, levels: list[Level], circles: Float, target: Bool, *, gate: str = "strict"
) -> Evaluation:
    """Return the outcome of detections, with circles in pixels of the finest scale."""
    grid = levels[0].grid
    x = (merged.x - grid.x_min_m) / grid.pixel_m - 0.5
    y = (grid.y_max_m - merged.y) / grid.pixel_m - 0.5
    outcome, partner = matched(x, y, merged.radius_px, circles, target, gate=gate)
    hit = outcome == 1
    depth = np.full(x.size, np.nan)
    relief = morphometry.measure(levels, merged.x[hit], merged.y[hit], merged.radius[hit])
    depth[hit] = relief.depth_m
    true = np.where(hit, circles[partner, 4], np.nan) if len(circles) else depth
    size = np.log(merged.radius_px / circles[partner, 2]) if len(circles) else depth
    misfit = Misfit(
        np.where(hit, size, np.nan),
        (depth - true) / error_curves.depth_scale(depth, 2.0 * merged.radius),
    )
    features = confidence.features_of(merged)
    return Evaluation(features, merged.best, outcome, merged.radius_px, int(target.sum()), misfit)


def outcomes(x: Float, y: Float, radius: Float, circles: Float, side_px: int) -> tuple[Int, int]:
    """Match detections to the craters of a frame.

    Each detection takes the nearest free crater within the strict gate, which is so narrow that two
    detections rarely compete for one crater.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (detections,)
        Column, row and radius in pixels, by descending score.
    circles : ndarray of float64, shape (craters, 4 or more)
        Craters of the frame: column, row, radius in pixels, whether the crater is certain.
    side_px : int
        Side of the frame.

    Returns
    -------
    outcome : ndarray of int64, shape (detections,)
        1 true positive, 0 false positive, -1 ignored.
    target_count : int
        Number of craters to be found.
    """
    target = _targets(circles, side_px)
    return matched(x, y, radius, circles, target)[0], int(target.sum())


def _targets(circles: Float, side_px: int) -> Bool:
    """Return which craters of a frame are to be found."""
    target: Bool = (circles[:, 3] > 0) & (circles[:, 2] >= LEAST_RADIUS_PX)
    target &= ((circles[:, :2] >= -0.5) & (circles[:, :2] < side_px - 0.5)).all(axis=1)
    return target


def matched(
    x: Float, y: Float, radius: Float, circles: Float, target: Bool, *, gate: str = "strict"
) -> tuple[Int, Int]:
    """Match detections to craters, as `outcomes`.

    Parameters
    ----------
    x, y, radius, circles
        As for `outcomes`.
    target : ndarray of bool, shape (craters,)
        Which craters are to be found.
    gate : {"strict", "iou"}, optional
        Matching criterion, as in `evaluation.matching`.

    Returns
    -------
    outcome : ndarray of int64, shape (detections,)
        1 true positive, 0 false positive, -1 ignored.
    partner : ndarray of int64, shape (detections,)
        Index of the crater; 0 for none.
    """
    outcome, partner = np.zeros(x.size, np.int64), np.zeros(x.size, np.int64)
    free = np.ones(len(circles), bool)
    for i in range(x.size):
        distance = np.hypot(circles[:, 0] - x[i], circles[:, 1] - y[i]) / circles[:, 2]
        misfit = np.abs(radius[i] / circles[:, 2] - 1.0)
        fits = (distance < 0.5) & (misfit < 0.25)
        if gate == "iou":
            fits = _overlapping(x[i], y[i], radius[i], circles)
        choice = np.where(fits & free, distance + 2.0 * misfit, np.inf)
        # Craters to be found take precedence: an uncertain one must not take their detection.
        choice = np.where(target, choice, choice + 10.0)
        at = int(np.argmin(choice)) if len(circles) else -1
        if at >= 0 and np.isfinite(choice[at]):
            free[at] = False
            outcome[i], partner[i] = (1 if target[at] else -1), at
        elif (fits.any() and not target[fits].any()) or radius[i] < LEAST_RADIUS_PX:
            outcome[i] = -1
    return outcome, partner


def _overlapping(x: float, y: float, radius: float, circles: Float) -> Bool:
    """Return which circles have an intersection over union of one half or more with another."""
    one = np.zeros(len(circles), np.int64)
    shares = overlap(
        np.append(circles[:, 0], x),
        np.append(circles[:, 1], y),
        np.append(circles[:, 2], radius),
        one + len(circles),
        np.arange(len(circles)),
    )
    result: Bool = shares >= 0.5
    return result


def joined(parts: list[Evaluation]) -> Evaluation:
    """Return the evaluations of several frames as one."""
    return Evaluation(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.outcome for part in parts]),
        np.concatenate([part.radius_px for part in parts]),
        sum(part.target_count for part in parts),
        Misfit(
            np.concatenate([part.misfit.diameter for part in parts]),
            np.concatenate([part.misfit.depth for part in parts]),
        ),
    )
