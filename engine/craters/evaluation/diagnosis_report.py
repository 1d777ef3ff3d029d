"""The stage ``diagnose-craters``: a network on real ground, under four preparations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.craters import morphometry
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import diagnosis, preprocessing, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.craters.evaluation.protocol import Rules
    from lunarsite.engine.craters.pyramid import Level


def diagnose(
    found: Mapping[str, Circles],
    known: Circles,
    ruling: Rules,
    levels: list[Level],
    *,
    threshold: float,
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the report, JSON-able, and distances of rims to draw.

    Parameters
    ----------
    found : mapping of str to Circles
        Detections of every likelihood by preparation, `preprocessing.NAMES`.
    known : Circles
        The catalogue, in the order of `protocol.sides_of`.
    ruling : Rules
        Who counts.
    levels : list of Level
        The elevation model, for depths that the catalogue lacks.
    threshold : float
        Confidence from which detect-craters reports.
    seed : int
        Of bootstrap and chance.
    """
    cells = [
        diagnosis.cell(found[name], known, ruling, name, limit)
        for name in preprocessing.NAMES
        for limit in diagnosis.THRESHOLDS
    ]
    plain = next(iter(preprocessing.NAMES))
    first = diagnosis.cell(found[plain], known, ruling, plain, threshold)
    others = {
        name: diagnosis.cell(found[name], known, ruling, name, threshold)
        for name in preprocessing.NAMES
    }
    wanted = protocol.sides_of(known, known, ruling).wanted
    true = _with_depth(known.kept(wanted), levels)
    large = found[plain].kept(found[plain].diameter_m >= ruling.min_detected_diameter_m)
    counted = large.inside(ruling.bounds) & (large.diameter_m >= ruling.min_diameter_m)
    predicted = _with_depth(large.kept(counted & (large.confidence >= threshold)), levels)
    likely = large.kept(large.confidence >= diagnosis.LIKELY)
    to_prediction = diagnosis.rim_distance(true, likely)
    to_true = diagnosis.rim_distance(predicted, known)
    chance = diagnosis.near_by_chance(predicted, known, ruling.bounds, seed)
    near = float((to_true < diagnosis.NEAR).mean()) if to_true.size else 0.0
    gained = diagnosis.gain(cells, first, seed)
    missed = ~first.hit
    lower = diagnosis.lower(cells, first)
    said, reason = diagnosis.verdict(int(missed.sum()), len(predicted), gained, near, chance)
    report = {
        "verdict": said,
        "reason": reason,
        "bounds_m": list(ruling.bounds),
        "min_diameter_m": ruling.min_diameter_m,
        "gate": diagnosis.GATE,
        "catalogued": int(wanted.sum()),
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
            "by_chance": float(chance.mean()),
            "by_chance_high": float(np.quantile(chance, 0.975)),
            "of_misses": _share(to_prediction[missed] < diagnosis.NEAR),
        },
        "classes": [
            {
                "class": name,
                "catalogued": int(mine.sum()),
                "hits": int(first.hit[mine].sum()),
                "recall": {key: _share(value.hit[mine]) for key, value in others.items()},
                "misses_to_prediction_radii": _median(to_prediction[mine & missed]),
                "predictions": int(its.sum()),
                "predictions_to_true_radii": _median(to_true[its]),
            }
            for name in diagnosis.CLASSES
            for mine, its in [
                (diagnosis.degradation(true) == name, diagnosis.degradation(predicted) == name)
            ]
            if mine.any() or its.any()
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
    """Return circles whose unknown depths are measured."""
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
    """Return the median, None where there is none or it is not finite."""
    middle = float(np.median(values)) if values.size else np.inf
    return middle if np.isfinite(middle) else None
