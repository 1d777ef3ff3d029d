"""The stage ``diagnose-craters``: why a crater network misses craters on real ground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lunarsite.engine import atomic, device, provenance
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.craters.detection import search
from lunarsite.engine.craters.evaluation import diagnosis_page, preprocessing, protocol
from lunarsite.engine.craters.evaluation.protocol import InclusionCriteria
from lunarsite.engine.craters.model import weights
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.report import crater_diagnosis, drawing

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
from lunarsite.engine.craters.evaluation.diagnosis_report import diagnose


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Run the network four times, say where it fails, and write table, page and picture.

    Raises
    ------
    InputError
        As `search.write` and `protocol.check_catalogue`.
    """
    grid = search.check_dem(values["dem"])
    bounds = grid.bounds
    if values["bounds"]:
        given = protocol.read_bounds(values["bounds"])
        bounds = protocol.clipped(given, grid.bounds, "the DEM", context)
    cut = values["min_diameter_m"]
    criteria = InclusionCriteria(bounds, cut, protocol.least_detected_m(cut, None))
    known = read_circles(values["catalogue"], context=context)
    protocol.check_catalogue(known, criteria, Path(values["catalogue"]).name)
    protocol.check_visible(known, criteria, grid, Path(values["catalogue"]).name)
    known = protocol.comparison_of(known, known, InclusionCriteria(bounds, cut, 0.0)).known
    times = len(preprocessing.NAMES)
    where = device.for_networks(context, times * search.cpu_s(grid, context))
    checkpoint = weights.load(values["checkpoint"] or weights.BUNDLED)
    fitted = search.calibration_of(checkpoint)
    out = Path(values["out"])
    shaping = {"min_diameter_m": cut, "bounds": list(bounds), "seed": values["seed"]}
    record = provenance.describe(
        "diagnose-craters",
        shaping,
        [values["dem"], values["catalogue"], checkpoint.path],
    )
    runner = checkpoint.runner(where.kind, context)
    with atomic.scratch_folder(out) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes // 2)
        levels = pyramid.levels(values["dem"], scratch, context)
        found = {}
        for number, name in enumerate(preprocessing.NAMES):
            share = 0.95 * number / len(preprocessing.NAMES)
            part = context.part(share, share + 0.95 / len(preprocessing.NAMES), f"heights {name}")
            found[name] = search.find(preprocessing.prepared(levels, name), runner, fitted, part)
        context.progress(0.95, "Comparing")
        plain = found[next(iter(preprocessing.NAMES))]
        if bare := protocol.coverage_warning(
            plain.kept(plain.confidence >= fitted.threshold), known, criteria
        ):
            context.warn(bare)
        report, distances = diagnose(
            found, known, criteria, levels, threshold=fitted.threshold, seed=values["seed"]
        )
    record["device"] = context.devices()
    paths = {
        "grid": out / "diagnosis.csv",
        "report": out / "diagnosis.md",
        "picture": out / "diagnosis.png",
    }
    with atomic.whole_file(paths["grid"]) as partial:
        pd.DataFrame(report["grid"]).to_csv(partial, index=False)
    with atomic.whole_file(paths["report"]) as partial:
        partial.write_text(diagnosis_page.markdown(report, record), encoding="utf-8")
    with drawing.style(), atomic.whole_file(paths["picture"]) as partial:
        drawing.save(crater_diagnosis.picture(report, distances), partial, "png")
    context.progress(1.0, "Diagnosed")
    return {
        "outputs": {name: str(path) for name, path in paths.items()},
        **report,
        "summary": diagnosis_page.lines(report),
    }
