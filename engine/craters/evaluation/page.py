"""Evaluation report as text: lines for the terminal and a Markdown page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = {"deepmoon": "DeepMoon's", "strict": "strict", "iou": "IoU ≥ 0.5"}
"""Display names of the matching criteria."""

_MEANING = (
    "DeepMoon's criterion: squared distance of the centres below 1.8 times the square of the "
    "smaller radius, difference of the radii below the smaller one. Strict: centres within half "
    "the catalogued radius, radii within a quarter of it. IoU: intersection over union of the "
    "circles of 0.5 or more. Matching is one to one. Precision is a lower bound, since the "
    "catalogue does not list every crater. Brackets: 95 % bootstrap intervals. Random: circles of "
    "the detections' sizes at random places within the same bounds, mean of {draws} draws."
)


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return the summary lines."""
    counted = (
        f"{report['catalogued']:,} catalogued craters of {report['min_diameter_m']:,.0f} m and "
        f"more, {report['detections']:,} detections of {report['min_detected_diameter_m']:,.0f} m "
        "and more"
    )
    scores = [
        f"{NAMES[name]} criterion: recall {_value(gate['recall'])} (random circles "
        f"{_number(gate['random_circles']['recall']['mean'])}), precision at least "
        f"{_value(gate['precision'])}, F1 {_value(gate['f1'])}, average precision "
        f"{_value(gate['average_precision'])}"
        for name, gate in report["gates"].items()
    ]
    return [counted, *scores]


def markdown(report: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the report as a Markdown page."""
    files = ", ".join(f"`{given['name']}`" for given in record["inputs"])
    west, south, east, north = report["bounds_m"]
    draws = report["gates"]["iou"]["random_circles"]["draws"]
    counted = (
        f"{files}. Bounds x {west:,.0f} to {east:,.0f} m, y {south:,.0f} to {north:,.0f} m. "
        f"{report['catalogued']:,} catalogued craters of {report['min_diameter_m']:,.0f} m and "
        f"more; {report['detections']:,} detections of {report['min_detected_diameter_m']:,.0f} m "
        "and more. New detections below the cut appear only in the row of all diameters."
    )
    parts = ["# Detected craters against a catalogue", counted, _MEANING.format(draws=draws)]
    for name, gate in report["gates"].items():
        parts.append(f"## Criterion: {NAMES[name]}")
        parts.append(_table(gate))
        depth = gate["depth"]
        parts.append(
            f"Hits, medians: centres {_number(gate['center_off_radii'])} radii apart, diameter "
            f"{_number(gate['diameter_ratio'])} of the catalogued. Depth of {depth['craters']} "
            f"hits: correlation {_number(depth['correlation'])}, "
            f"{_number(depth['ratio'])} of the catalogued."
        )
    parts += _rims(report["rims"])
    return "\n\n".join(parts) + "\n"


def _table(gate: Mapping[str, Any]) -> str:
    head = [
        "Diameter",
        "Hits",
        "Misses",
        "New",
        "Recall",
        "Random recall",
        "Precision ≥",
        "Random precision",
        "F1",
        "Average precision",
    ]
    rows = [["all", *_cells(gate)]]
    for row in gate["bins"]:
        low, high = row["from_m"] / 1000.0, row["to_m"]
        named = f"{low:g} km and more" if high is None else f"{low:g} to {high / 1000.0:g} km"
        rows.append([named, *_cells(row)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _cells(row: Mapping[str, Any]) -> list[str]:
    random = row["random_circles"]
    return [
        str(row["hits"]),
        str(row["misses"]),
        str(row["new"]),
        _value(row["recall"]),
        _number(random["recall"]["mean"]),
        _value(row["precision"]),
        _number(random["precision"]["mean"]),
        _value(row["f1"]),
        _value(row["average_precision"]),
    ]


def _rims(rims: Mapping[str, Any] | None) -> list[str]:
    if rims is None:
        return []
    rows = [("same pixel", rims)]
    rows += [(f"within {n} px", rims[f"within_{n}_px"]) for n in (1, 2, 3)]
    table = ["| Rims | Precision | Recall | F1 |", "| --- | --- | --- | --- |"]
    table += [
        f"| {name} | {_number(row['precision'])} | {_number(row['recall'])} | "
        f"{_number(row['f1'])} |"
        for name, row in rows
    ]
    description = (
        f"Rims one pixel wide, at {rims['pixel_m']:g} m per pixel. Intersection over union of the "
        f"pixels: {_number(rims['iou'])}."
    )
    return ["## Rims", description, "\n".join(table)]


def _value(metric: Mapping[str, float | None]) -> str:
    if metric["low"] is None or metric["high"] is None:
        return _number(metric["value"])
    return f"{_number(metric['value'])} [{metric['low']:.2f}, {metric['high']:.2f}]"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
