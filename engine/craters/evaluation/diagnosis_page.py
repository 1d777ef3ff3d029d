"""Diagnosis report as text: lines for the terminal and a Markdown page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.craters.evaluation import diagnosis, preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Float = NDArray[np.float64]


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return the summary lines."""
    near, precision = report["near"], _number(report["precision"])
    scores = f"Recall {report['recall']:.2f} of {report['catalogued']} craters, precision at least"
    share = f"Predictions near true rims: {near['of_predictions']:.0%}; at random places"
    at_random = f"{near['by_chance']:.0%} on average, {near['by_chance_high']:.0%} at most in "
    at_random += "97.5 % of draws"
    lower = _lower_threshold(report)
    return [
        f"Verdict: {report['verdict']}",
        f"Reason: {report['reason']}",
        f"{scores} {precision} at confidence {report['threshold']:.2f}",
        *([lower] if lower else []),
        f"{share} {at_random}",
    ]


def markdown(report: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the report as a Markdown page."""
    files = ", ".join(f"`{given['name']}`" for given in record["inputs"])
    west, south, east, north = report["bounds_m"]
    gained, near = report["gain"], report["near"]
    helps = (
        "No other preparation reaches the same precision."
        if gained["preparation"] is None
        else f"At the same precision, the best other preparation ({gained['preparation']}, "
        f"confidence {gained['threshold']:g}) brings {gained['recall']:+.2f} recall "
        f"[{gained['low']:.2f}, {gained['high']:.2f}]."
    )
    place = (
        f"{files}. Bounds x {west:,.0f} to {east:,.0f} m, y {south:,.0f} to {north:,.0f} m; "
        f"{report['catalogued']} catalogued craters of {report['min_diameter_m']:,.0f} m and more; "
        "criterion: IoU ≥ 0.5; precision is a lower bound."
    )
    distances = (
        f"Rims are near each other within {near['within_radii']:g} radii. Of {near['predictions']} "
        f"predictions, {near['of_predictions']:.0%} lie near a catalogued rim; of circles of the "
        f"same sizes at random places, {near['by_chance']:.0%} do on average, and "
        f"{near['by_chance_high']:.0%} at most in 97.5 % of the draws. Of the missed craters, "
        f"{_percent(near['of_misses'])} have a prediction of confidence {diagnosis.LIKELY:g} or "
        "more nearby. Distances are medians in radii."
    )
    lower = _lower_threshold(report)
    parts = [
        "# Wrong model or wrong data?",
        f"**{report['verdict'].capitalize()}**: {report['reason']}.",
        *([f"**The threshold is too high here**: {lower}."] if lower else []),
        place,
        "## Preparation and threshold",
        _grid(report),
        helps,
        "## Rim distances",
        distances,
        _classes(report),
    ]
    return "\n\n".join(parts) + "\n"


def _lower_threshold(report: Mapping[str, Any]) -> str:
    """Return what a lower threshold gains and the option for it; empty if it gains little."""
    lower = report["lower_threshold"]
    if lower is None:
        return ""
    return (
        f"at --min-confidence {lower['threshold']:g} recall is {lower['recall']:.2f} with a "
        f"precision of {lower['precision']:.2f} or more (at {report['threshold']:.2f} recall is "
        f"{report['recall']:.2f}): run detect-craters with that option"
    )


def _grid(report: Mapping[str, Any]) -> str:
    limits = diagnosis.THRESHOLDS
    rows = [f"| Heights | {' | '.join(f'{limit:g}' for limit in limits)} |"]
    rows.append("| --- " * (len(limits) + 1) + "|")
    for name in preprocessing.NAMES:
        selected = [one for one in report["grid"] if one["preparation"] == name]
        cells = (f"{_number(one['recall'])} / {_number(one['precision'])}" for one in selected)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "Recall / precision by least confidence.\n\n" + "\n".join(rows)


def _classes(report: Mapping[str, Any]) -> str:
    names = list(preprocessing.NAMES)
    head = ["Degradation", "Catalogued", *(f"Recall, {name}" for name in names)]
    head += ["Misses to predictions", "Predictions", "Predictions to true rims"]
    rows = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for row in report["classes"]:
        cells = [row["class"], str(row["catalogued"])]
        cells += [_number(row["recall"][name]) for name in names]
        cells += [
            _number(row["misses_to_prediction_radii"]),
            str(row["predictions"]),
            _number(row["predictions_to_true_radii"]),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.0%}"
