"""Calibration of a crater network on held-out frames and on real ground.

A logistic curve (Platt 1999) maps three features of a detection to a probability: the largest
heat-map value at its centre, the mean value over the scales that resolve it, and its size in
pixels. The threshold is the probability with the highest F1. Where there is real ground with a
catalogue, it has the same weight as the generated frames. A catalogue is incomplete: detections
that it does not list count as wrong, so that confidence and precision are lower bounds there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from lunarsite.engine.craters import error_curves
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.error_curves import ErrorCurves
from lunarsite.engine.craters.training.held_out import (
    FIRST_SEED,
    LEAST_RADIUS_PX,
    REAL_GATE,
    Evaluation,
    evaluate,
    evaluate_region,
    frame_px,
    joined,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.model.onnx_runner import Runner
    from lunarsite.engine.craters.training.region import Region
    from lunarsite.engine.craters.training.sectors import Sector

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]


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
