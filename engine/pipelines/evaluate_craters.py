"""The stage ``evaluate-craters``: detections compared with a crater catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import atomic, provenance
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.craters.evaluation import (
    page,
    protocol,
)
from lunarsite.engine.craters.evaluation.protocol import InclusionCriteria
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.io.vectors import vector

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.circles import Circles
    from lunarsite.engine.craters.evaluation.protocol import Bounds
from lunarsite.engine.craters.evaluation.report import evaluate


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare detections with a catalogue, and write the requested layer and report.

    Raises
    ------
    InputError
        If the catalogue has no crater within the criteria, or a file is invalid.
    """
    context.progress(0.0, "Reading")
    found_file = detections.read(values["detections"], context)
    known = read_circles(values["catalogue"], context=context)
    cut = values["min_diameter_m"]
    least = protocol.least_detected_m(cut, values["min_detected_diameter_m"])
    criteria = InclusionCriteria(_bounds(values["bounds"], found_file, context), cut, least)
    found = found_file.circles
    protocol.check_detections(found, criteria, context)
    if values["min_confidence"] is not None:
        found = found.kept(found.confidence >= values["min_confidence"])
    protocol.check_catalogue(known, criteria, Path(values["catalogue"]).name)
    protocol.check_smallest(known, found_file.smallest_m, criteria, context)
    _check_place(found, found_file.frame, criteria, context)
    comparison = protocol.comparison_of(found, known, criteria)
    if bare := protocol.coverage_warning(comparison.found, comparison.known, criteria):
        context.warn(bare)
    report, drawn = evaluate(
        comparison,
        criteria,
        context.part(0.05, 0.9),
        seed=values["seed"],
        rim_pixel_m=values["rim_pixel_m"],
        gate=values["gate"],
    )
    outputs = {}
    shaping = {
        name: values[name]
        for name in ("min_diameter_m", "min_confidence", "seed", "gate", "rim_pixel_m")
    } | {"bounds": list(criteria.bounds), "min_detected_diameter_m": least}
    record = provenance.describe(
        "evaluate-craters", shaping, [values["detections"], values["catalogue"]]
    )
    context.progress(0.92, "Writing")
    if values["out"]:
        path = Path(values["out"])
        vector.write_geopackage(path, drawn, provenance.as_tags(record))
        outputs["compared"] = str(path)
    if values["report"]:
        path = Path(values["report"])
        with atomic.whole_file(path) as partial:
            partial.write_text(page.markdown(report, record), encoding="utf-8")
        outputs["report"] = str(path)
    context.progress(1.0, "Compared")
    return {"outputs": outputs, **report, "summary": page.lines(report)}


def _bounds(text: str | None, found: detections.Detections, context: Context) -> Bounds:
    if text:
        given = protocol.read_bounds(text)
        if found.frame is None:
            return given
        what = "the elevation model of the detections"
        return protocol.clipped(given, found.frame, what, context)
    if found.frame is not None:
        return found.frame
    if not len(found.circles):
        raise ParameterError(
            "There are no detections, so nothing says where to compare", "Give --bounds"
        )
    x, y = found.circles.x_m, found.circles.y_m
    context.warn("The bounds are those of the detections' centres: give --bounds for others.")
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _check_place(
    found: Circles, frame: Bounds | None, criteria: InclusionCriteria, context: Context
) -> None:
    """Raise or warn if the bounds do not contain detections."""
    if len(found) and not found.inside(criteria.bounds).any():
        box = (found.x_m.min(), found.y_m.min(), found.x_m.max(), found.y_m.max())
        if frame is None:
            protocol.check_overlap(criteria.bounds, box, "the detections")
        context.warn(
            f"No detection lies inside the bounds: all lie at {protocol.format_bounds(box)} m "
            "(west, south, east, north). Check --bounds."
        )
