"""The stage ``detect-craters`` without a network: template correlation, and no rims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import atomic, provenance
from lunarsite.engine.craters import output
from lunarsite.engine.craters.detection import pyramid, search, template
from lunarsite.engine.craters.output import Found
from lunarsite.engine.io.workspace import Scratch

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.detection.pyramid import Level


def write(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Find the craters of an elevation model by `template` and write them."""
    grid = search.dem_grid(values["dem"], context)
    least_m = search.least_diameter_m(values["min_diameter_m"], grid, context)
    curve = template.Curve.fitted()
    limit = curve.threshold if values["min_confidence"] is None else values["min_confidence"]
    path = Path(values["out"])
    rims = search.rims_beside(path, values["dem"])
    shaping = {"method": "template", "min_diameter_m": least_m, "min_confidence": limit}
    record = provenance.describe("detect-craters", shaping, [values["dem"], template.FITTED])
    with atomic.scratch_folder(path.parent) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes // 2)
        levels = pyramid.levels(values["dem"], scratch, context)
        found = find(levels, context.part(0.0, 0.9)).kept(least_m, limit)
        context.progress(0.9, "Measuring depths")
        craters = output.table(found, levels)
    context.progress(0.95, "Writing the craters")
    output.write(path, craters, found.radius_m, provenance.as_tags(record))
    # Those of a network's search before would be taken for this one's.
    for old in (rims, rims.with_name(rims.name + ".aux.xml")):
        old.unlink(missing_ok=True)
    context.progress(1.0, "Written")
    said = f"{len(craters):,} craters of {least_m:,.0f} m and more by template correlation, "
    return {
        "outputs": {"craters": str(path)},
        "craters": len(craters),
        "min_diameter_m": least_m,
        "min_confidence": limit,
        "summary": [f"{said}confidence from {limit:.2f}"],
    }


def find(levels: list[Level], context: Context) -> Found:
    """Return the craters of a pyramid, of every size and likelihood."""
    found, chance = template.find(levels, template.Curve.fitted(), context)
    return Found(found.x, found.y, found.radius, chance)
