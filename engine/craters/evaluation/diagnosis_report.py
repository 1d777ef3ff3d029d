"""Diagnosis report: a network on real terrain, with four preparations of its heights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.craters import morphometry
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import diagnosis, preprocessing, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.craters.evaluation.protocol import InclusionCriteria
    from lunarsite.engine.craters.pyramid import Level


def diagnose(
    found: Mapping[str, Circles],
    known: Circles,
    criteria: InclusionCriteria,
    levels: list[Level],
    *,
    threshold: float,
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Diagnose why a network misses craters.

    Parameters
    ----------
    found : mapping of str to Circles
        Detections of any confidence by preparation, `preprocessing.NAMES`.
    known : Circles
        The catalogue, in the order of `protocol.comparison_of`.
    criteria : InclusionCriteria
        Bounds and diameters.
    levels : list of Level
        The elevation model, for depths that the catalogue lacks.
    threshold : float
        Least confidence that detect-craters reports.
    seed : int
        Seed of the bootstrap and of random places.

    Returns
    -------
    report : dict
        Verdict, metrics by preparation, threshold and degradation class, JSON-able.
    distances : dict of str to ndarray
        Rim distances of misses, hits and predictions, radii.
    """
    cells = [
        diagnosis.cell(found[name], known, criteria, name, limit)
        for name in preprocessing.NAMES
        for limit in diagnosis.THRESHOLDS
    ]
    plain = next(iter(preprocessing.NAMES))
    first = diagnosis.cell(found[plain], known, criteria, plain, threshold)
    others = {
        name: diagnosis.cell(found[name], known, criteria, name, threshold)
        for name in preprocessing.NAMES
    }
    targets = protocol.comparison_of(known, known, criteria).targets
    true = _with_depth(known.kept(targets), levels)
    large = found[plain].kept(found[plain].diameter_m >= criteria.min_detected_diameter_m)
    counted = large.inside(criteria.bounds) & (large.diameter_m >= criteria.min_diameter_m)
    predicted = _with_depth(large.kept(counted & (large.confidence >= threshold)), levels)
    likely = large.kept(large.confidence >= diagnosis.LIKELY)
    to_prediction = diagnosis.rim_distance(true, likely)
    to_true = diagnosis.rim_distance(predicted, known)
    at_random = diagnosis.near_at_random(predicted, known, criteria.bounds, seed)
    near = float((to_true < diagnosis.NEAR).mean()) if to_true.size else 0.0
    gained = diagnosis.gain(cells, first, seed)
    missed = ~first.hit
    lower = diagnosis.lower_threshold(cells, first)
    verdict, reason = diagnosis.verdict(int(missed.sum()), len(predicted), gained, near, at_random)
    report = {
        "verdict": verdict,
        "reason": reason,
        "bounds_m": list(criteria.bounds),
        "min_diameter_m": criteria.min_diameter_m,
        "gate": diagnosis.GATE,
        "catalogued": int(targets.sum()),
        "threshold": threshold,
        "recall": first.recall,
        "precision": first.precision,
        "gain": gained,
        "lower_threshold": None
        if lower is None
        else {
            "threshold": lower.threshold,
            "recall": lower.recall,
            "precision": lower.precision,
        },
        "near": {
            "within_radii": diagnosis.NEAR,
            "predictions": len(predicted),
            "of_predictions": near,
            "by_chance": float(at_random.mean()),
            "by_chance_high": float(np.quantile(at_random, 0.975)),
            "of_misses": _share(to_prediction[missed] < diagnosis.NEAR),
        },
        "classes": [
            {
                "class": name,
                "catalogued": int(in_class.sum()),
                "hits": int(first.hit[in_class].sum()),
                "recall": {key: _share(value.hit[in_class]) for key, value in others.items()},
                "misses_to_prediction_radii": _median(to_prediction[in_class & missed]),
                "predictions": int(predicted_in_class.sum()),
                "predictions_to_true_radii": _median(to_true[predicted_in_class]),
            }
            for name in diagnosis.CLASSES
            for in_class, predicted_in_class in [
                (diagnosis.degradation(true) == name, diagnosis.degradation(predicted) == name)
            ]
            if in_class.any() or predicted_in_class.any()
        ],
        "grid": [
            {
                "preparation": one.preparation,
                "threshold": one.threshold,
                "recall": one.recall,
                "precision": one.precision,
                "hits": int(one.hit.sum()),
                "new": one.new,
            }
            for one in cells
        ],
    }
    distances = {
        "misses": to_prediction[missed],
        "hits": to_prediction[first.hit],
        "predictions": to_true,
    }
    return report, distances


def _with_depth(circles: Circles, levels: list[Level]) -> Circles:
    """Return circles whose missing depths are measured in the elevation model."""
    measured = morphometry.measure(levels, circles.x_m, circles.y_m, circles.radius_m).depth_m
    known = np.isfinite(circles.depth_m)
    return Circles(
        circles.x_m,
        circles.y_m,
        circles.radius_m,
        circles.confidence,
        np.where(known, circles.depth_m, measured),
    )


def _share(which: Any) -> float | None:
    return float(which.mean()) if which.size else None


def _median(values: Any) -> float | None:
    """Return the median; None if it is undefined or infinite."""
    middle = float(np.median(values)) if values.size else np.inf
    return middle if np.isfinite(middle) else None
