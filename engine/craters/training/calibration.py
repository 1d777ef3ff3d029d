"""Calibration and evaluation of a crater network on held-out frames and on real ground.

A logistic curve (Platt 1999) maps three features of a detection to a probability: the largest
heat-map value at its centre, the mean value over the scales that resolve it, and its size in
pixels. The threshold is the probability with the highest F1. Where there is real ground with a
catalogue, it has the same weight as the generated frames. A catalogue is incomplete: detections
that it does not list count as wrong, so that confidence and precision are lower bounds there.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from lunarsite.engine import moon
from lunarsite.engine.craters import error_curves, morphometry, pyramid
from lunarsite.engine.craters.circles import overlap
from lunarsite.engine.craters.detection import confidence, decoding, multiscale
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.error_curves import ErrorCurves
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


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Real ground on which a network is calibrated.

    Parameters
    ----------
    region : Region
        The ground with its catalogue.
    sector : Sector
        Longitudes of the detections and craters that count for the calibration.
    test : Sector or None
        Longitudes on which the calibrated network is evaluated.
    """

    region: Region
    sector: Sector
    test: Sector | None


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A calibration, and what it reaches.

    Parameters
    ----------
    curve : Calibration
        The fitted calibration.
    errors : ErrorCurves
        Errors of diameters and depths.
    metrics : dict
        Precision, recall, F1 and calibration error on the other half of the frames, JSON-able.
    real : dict
        The same on the sectors of real ground, by their names; empty without real ground.
    """

    curve: Calibration
    errors: ErrorCurves
    metrics: dict[str, Any]
    real: dict[str, Any]


def calibrate(
    runner: Runner,
    context: Context,
    *,
    frames: int = 16,
    first_seed: int = FIRST_SEED,
    ground: Ground | None = None,
) -> Calibrated:
    """Calibrate a network on one half of the frames and on real ground, and evaluate it.

    Parameters
    ----------
    runner : Runner
        The network.
    context : Context
        Memory limit, progress and cancellation.
    frames : int, optional
        Number of generated frames.
    first_seed : int, optional
        Seed of the first frame.
    ground : Ground, optional
        Real ground that counts as much as the generated frames.

    Returns
    -------
    Calibrated
        The calibration, and what it reaches on the other half.
    """
    share = 1.0 if ground is None else 0.8
    evaluations = [
        evaluate(
            runner,
            first_seed + number,
            frame_px(number),
            context.part(share * number / frames, share * (number + 1) / frames),
        )
        for number in range(frames)
    ]
    own, others = joined(evaluations[::2]), joined(evaluations[1::2])
    on_ground: dict[str, Evaluation] = {}
    if ground is not None:
        sectors = {"validation": ground.sector}
        if ground.test is not None:
            sectors["test"] = ground.test
        on_ground = evaluate_region(runner, ground.region, sectors, context.part(share, 1.0))
    curve = fit(own, on_ground.get("validation"))
    trusted = curve.of_features(own.features)
    found = ErrorCurves(
        error_curves.fitted(own.misfit.diameter, trusted, own.radius_px),
        error_curves.fitted(own.misfit.depth, trusted, own.radius_px),
    )
    real = {
        name: {**measure(each, curve), "gate": REAL_GATE, **coverage(each, curve, found)}
        for name, each in on_ground.items()
    }
    reached = {"frames": frames // 2, **measure(others, curve), **coverage(others, curve, found)}
    return Calibrated(curve, found, reached, real)


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


def fit(generated: Evaluation, real: Evaluation | None = None) -> Calibration:
    """Fit the logistic curve to outcomes, and choose the threshold with the highest F1.

    Ignored detections do not count. Without any others the curve is the network's own heat map and
    the threshold one half. Real ground has craters of few sizes: the features are weighed on
    generated frames, and the logit of that curve is shifted and scaled until it fits real ground
    and generated frames, which have the same weight; the threshold has the highest mean F1.

    References
    ----------
    Platt 1999, Probabilistic outputs for support vector machines.
    """
    x, y = _counted(generated)
    weights = _logistic(x, y, np.ones(y.size), np.array([0.0, 1.0, 0.0, 0.0]))
    parts = [generated]
    if real is not None and (real.outcome >= 0).any():
        parts.append(real)
        others, labels = _counted(real)
        both = np.concatenate([x, others]) @ weights
        share = np.concatenate(
            [np.full(y.size, 0.5 / y.size), np.full(labels.size, 0.5 / labels.size)]
        )
        shift, scale = _logistic(
            np.column_stack([np.ones(both.size), both]),
            np.concatenate([y, labels]),
            share * 2.0 * labels.size,
            np.array([0.0, 1.0]),
        )
        weights = scale * weights + np.array([shift, 0.0, 0.0, 0.0])
        x = np.concatenate([x, others])
    constant, by_best, by_mean, by_size = (round(float(w), 6) for w in weights)
    best = round(_best_threshold(parts, special.expit(x @ weights), weights), 3)
    return Calibration(constant, by_best, by_mean, by_size, threshold=best)


def _counted(evaluation: Evaluation) -> tuple[Float, Float]:
    """Return the features and labels of the detections that are not ignored."""
    counted = evaluation.outcome >= 0
    return evaluation.features[counted], evaluation.outcome[counted].astype(np.float64)


def _logistic(x: Float, y: Float, weight: Float, prior: Float) -> Float:
    """Return the coefficients of a logistic regression with a weak ridge towards a prior."""
    weights = prior.copy()
    # Newton's method; the ridge avoids a singular matrix for a network that finds nothing.
    ridge = np.diag([1e-3, *np.full(prior.size - 1, 1e-1)])
    for _ in range(50):
        probability = special.expit(x @ weights)
        gradient = x.T @ (weight * (y - probability)) - ridge @ (weights - prior)
        hessian = (x * (weight * probability * (1.0 - probability))[:, None]).T @ x + ridge
        step = np.linalg.solve(hessian, gradient)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _best_threshold(evaluations: list[Evaluation], candidates: Float, weights: Float) -> float:
    """Return the probability with the highest F1, in the mean over the evaluations."""
    if not candidates.size:
        return 0.5
    levels = np.unique(candidates)[::-1]
    total = np.zeros(levels.size)
    for each in evaluations:
        counted = each.outcome >= 0
        probability = special.expit(each.features[counted] @ weights)
        order = np.argsort(-probability, kind="stable")
        hits = np.concatenate([[0], np.cumsum(each.outcome[counted][order])])
        taken = np.searchsorted(-probability[order], -levels, side="right")
        total += 2.0 * hits[taken] / (taken + max(each.target_count, 1))
    return float(levels[np.argmax(total)])


def measure(evaluation: Evaluation, fitted: Calibration) -> dict[str, Any]:
    """Return precision, recall, F1 and calibration error at the threshold, JSON-able.

    The calibration error is the expected calibration error over ten bins of confidence (Guo et al.
    2017, arXiv 1706.04599).
    """
    counted = evaluation.outcome >= 0
    outcome = evaluation.outcome[counted]
    probability = fitted.of_features(evaluation.features)[counted]
    reported = probability >= fitted.threshold
    hits = int((outcome[reported] == 1).sum())
    precision = hits / max(int(reported.sum()), 1)
    recall = hits / max(evaluation.target_count, 1)
    edges = np.linspace(0.0, 1.0, 11)
    bins = np.digitize(probability, edges[1:-1])
    gaps = [
        abs(float(probability[bins == b].mean() - outcome[bins == b].mean()))
        * float((bins == b).mean())
        for b in range(10)
        if (bins == b).any()
    ]
    return {
        "craters": evaluation.target_count,
        "gate": "strict",
        "least_radius_px": LEAST_RADIUS_PX,
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
        "calibration_error": round(sum(gaps), 4),
    }


def coverage(evaluation: Evaluation, fitted: Calibration, curves: ErrorCurves) -> dict[str, Any]:
    """Return the shares of matched detections whose errors are below the stated ones, JSON-able."""
    trusted, size = fitted.of_features(evaluation.features), evaluation.radius_px
    stated = {
        "diameter": curves.diameter_share(trusted, size),
        "depth": curves.depth_m(trusted, size, np.ones(size.size), np.zeros(size.size)),
    }
    result = {}
    for name, sigma in stated.items():
        error = getattr(evaluation.misfit, name)
        known = np.isfinite(error)
        held = np.abs(error[known]) <= sigma[known]
        result[f"{name}_within_error"] = round(float(held.mean()), 4) if held.size else None
    return result


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
