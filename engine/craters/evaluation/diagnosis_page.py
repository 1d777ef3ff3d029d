"""A diagnosis in words and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.craters.evaluation import diagnosis, preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Float = NDArray[np.float64]


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return what a person wants to read first."""
    near, precision = report["near"], _number(report["precision"])
    reached = f"recall {report['recall']:.2f} of {report['catalogued']} craters, precision at least"
    lie = f"rims of predictions near true ones: {near['of_predictions']:.0%}, by chance"
    chance = f"{near['by_chance']:.0%} in the mean, {near['by_chance_high']:.0%} at most in 97.5 %"
    chance += " of random draws"
    lower = _lower(report)
    return [
        f"Verdict: {report['verdict']}",
        f"Because {report['reason']}",
        f"{reached} {precision} at confidence {report['threshold']:.2f}",
        *([lower] if lower else []),
        f"{lie} {chance}",
    ]


def markdown(report: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the page."""
    files = ", ".join(f"`{given['name']}`" for given in record["inputs"])
    west, south, east, north = report["bounds_m"]
    gained, near = report["gain"], report["near"]
    helps = (
        "No other preparation keeps the precision."
        if gained["preparation"] is None
        else f"At the precision of today the best other preparation ({gained['preparation']}, "
        f"confidence {gained['threshold']:g}) brings {gained['recall']:+.2f} recall "
        f"[{gained['low']:.2f}, {gained['high']:.2f}]."
    )
    place = (
        f"{files}. Bounds x {west:,.0f} to {east:,.0f} m, y {south:,.0f} to {north:,.0f} m; "
        f"{report['catalogued']} catalogued craters of {report['min_diameter_m']:,.0f} m and more; "
        "gate: IoU ≥ 0.5; precision is a lower bound."
    )
    lie = (
        f"A rim is near another within {near['within_radii']:g} radii. Of {near['predictions']} "
        f"predictions {near['of_predictions']:.0%} lie near a catalogued rim; circles of the same "
        f"sizes at random places do so {near['by_chance']:.0%} of the time in the mean of the "
        f"draws, and {near['by_chance_high']:.0%} at most in 97.5 % of them. Of the missed "
        f"craters {_percent(near['of_misses'])} have a prediction near, of confidence "
        f"{diagnosis.LIKELY:g} or more. Distances are medians in radii."
    )
    lower = _lower(report)
    parts = [
        "# Wrong model or wrong data?",
        f"**{report['verdict'].capitalize()}**: {report['reason']}.",
        *([f"**The threshold is too high here**: {lower}."] if lower else []),
        place,
        "## Preparation and threshold",
        _grid(report),
        helps,
        "## Where rims lie",
        lie,
        _classes(report),
    ]
    return "\n\n".join(parts) + "\n"


def _lower(report: Mapping[str, Any]) -> str:
    """Return what a lower threshold brings and how to ask for it; empty where it brings little."""
    found = report["lower_threshold"]
    if found is None:
        return ""
    return (
        f"at --min-confidence {found['threshold']:g} recall is {found['recall']:.2f} with a "
        f"precision of {found['precision']:.2f} or more (at {report['threshold']:.2f} recall is "
        f"{report['recall']:.2f}): ask detect-craters for that"
    )


def _grid(report: Mapping[str, Any]) -> str:
    limits = diagnosis.THRESHOLDS
    rows = [f"| Heights | {' | '.join(f'{limit:g}' for limit in limits)} |"]
    rows.append("| --- " * (len(limits) + 1) + "|")
    for name in preprocessing.NAMES:
        mine = [one for one in report["grid"] if one["preparation"] == name]
        cells = (f"{_number(one['recall'])} / {_number(one['precision'])}" for one in mine)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "Recall / precision by least confidence.\n\n" + "\n".join(rows)


def _classes(report: Mapping[str, Any]) -> str:
    names = list(preprocessing.NAMES)
    head = ["Wear", "Catalogued", *(f"Recall, {name}" for name in names)]
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
