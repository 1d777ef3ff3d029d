"""Calibration and evaluation of a crater network on generated, held-out frames.

A logistic curve (Platt 1999) maps three features of a detection to a probability: the largest
heat-map value at its centre, the mean value over the scales that resolve it, and its size in
pixels. The default threshold is the probability with the highest F1. Real terrain is used for
neither.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import confidence, decoding, multiscale
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.training import batches
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic.crater_tiles import tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.model.onnx_runner import Runner

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

FIRST_SEED = batches.VALIDATION_SEED + 500_000_000
"""Seed of the first held-out frame."""

FRAMES_PX = (640, 1280)
"""Sides of the frames, in turn: only large ones hold craters that need the coarse scales."""

LEAST_RADIUS_PX = 5.0
"""Craters of at least this radius are to be found."""

LEAST_DETECTED_RADIUS_PX = 4.0
"""Detections of at least this radius take part; below `LEAST_RADIUS_PX` none is wrong."""


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
    """

    features: Float
    score: Float
    outcome: Int
    radius_px: Float
    target_count: int


def calibrate(
    runner: Runner, context: Context, *, frames: int = 16, first_seed: int = FIRST_SEED
) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate a network on one half of the frames, and evaluate it on the other.

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

    Returns
    -------
    Calibration
        The fitted calibration.
    dict
        Precision, recall, F1 and calibration error by the strict gate, JSON-able.
    """
    evaluations = [
        evaluate(
            runner,
            first_seed + number,
            frame_px(number),
            context.part(number / frames, (number + 1) / frames),
        )
        for number in range(frames)
    ]
    fitted = fit(joined(evaluations[::2]))
    return fitted, {"frames": frames // 2, **measure(joined(evaluations[1::2]), fitted)}


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
        merged = multiscale.find(pyramid.of(grid, height, scratch), runner, context)
    features = confidence.features_of(merged)
    score = merged.best
    kept = decoding.suppressed(merged.x, merged.y, merged.radius, score, max_iou=confidence.MAX_IOU)
    kept = kept[merged.radius[kept] >= LEAST_DETECTED_RADIUS_PX]
    x, y, radius = merged.x[kept] - 0.5, -merged.y[kept] - 0.5, merged.radius[kept]
    outcome, target_count = outcomes(x, y, radius, tile.circles, side_px)
    return Evaluation(features[kept], score[kept], outcome, radius, target_count)


def fit(evaluation: Evaluation) -> Calibration:
    """Fit the logistic curve to outcomes, and choose the threshold with the highest F1.

    Ignored detections do not count. Without any others the curve is the network's own heat map and
    the threshold one half.

    References
    ----------
    Platt 1999, Probabilistic outputs for support vector machines.
    """
    counted = evaluation.outcome >= 0
    x, y = evaluation.features[counted], evaluation.outcome[counted].astype(np.float64)
    prior = np.array([0.0, 1.0, 0.0, 0.0])
    weights = prior.copy()
    # Newton's method; the ridge avoids a singular matrix for a network that finds nothing.
    ridge = np.diag([1e-3, 1e-1, 1e-1, 1e-1])
    for _ in range(50):
        probability = special.expit(x @ weights)
        gradient = x.T @ (y - probability) - ridge @ (weights - prior)
        hessian = (x * (probability * (1.0 - probability))[:, None]).T @ x + ridge
        step = np.linalg.solve(hessian, gradient)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    probability = special.expit(x @ weights)
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(y[order])
    f1 = 2.0 * hits / (np.arange(1, hits.size + 1) + max(evaluation.target_count, 1))
    best = float(probability[order][np.argmax(f1)]) if f1.size else 0.5
    constant, by_best, by_mean, by_size = (round(float(w), 6) for w in weights)
    return Calibration(constant, by_best, by_mean, by_size, threshold=round(best, 3))


def measure(evaluation: Evaluation, fitted: Calibration) -> dict[str, Any]:
    """Return precision, recall, F1 and calibration error at the threshold, JSON-able.

    The calibration error is the expected calibration error over ten bins of confidence (Guo et al.
    2017, arXiv 1706.04599).
    """
    counted = evaluation.outcome >= 0
    outcome = evaluation.outcome[counted]
    probability = special.expit(evaluation.features @ fitted.weights())[counted]
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
    outcome = np.zeros(x.size, np.int64)
    target = (circles[:, 3] > 0) & (circles[:, 2] >= LEAST_RADIUS_PX)
    inside = ((circles[:, :2] >= -0.5) & (circles[:, :2] < side_px - 0.5)).all(axis=1)
    target &= inside
    free = np.ones(len(circles), bool)
    for i in range(x.size):
        distance = np.hypot(circles[:, 0] - x[i], circles[:, 1] - y[i]) / circles[:, 2]
        misfit = np.abs(radius[i] / circles[:, 2] - 1.0)
        fits = (distance < 0.5) & (misfit < 0.25)
        choice = np.where(fits & free, distance + 2.0 * misfit, np.inf)
        # Craters to be found take precedence: an uncertain one must not take their detection.
        choice = np.where(target, choice, choice + 10.0)
        at = int(np.argmin(choice)) if len(circles) else -1
        if at >= 0 and np.isfinite(choice[at]):
            free[at] = False
            outcome[i] = 1 if target[at] else -1
        elif (fits.any() and not target[fits].any()) or radius[i] < LEAST_RADIUS_PX:
            outcome[i] = -1
    return outcome, int(target.sum())


def joined(parts: list[Evaluation]) -> Evaluation:
    """Return the evaluations of several frames as one."""
    return Evaluation(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.outcome for part in parts]),
        np.concatenate([part.radius_px for part in parts]),
        sum(part.target_count for part in parts),
    )
