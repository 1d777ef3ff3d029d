"""The stage ``diagnose-craters``: a network on real ground, under four preparations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lunarsite.engine import atomic, device, provenance
from lunarsite.engine.craters import morphometry
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.detection import pyramid, search
from lunarsite.engine.craters.evaluation import diagnosis, diagnosis_page, preprocessing, protocol
from lunarsite.engine.craters.evaluation.protocol import Rules
from lunarsite.engine.craters.model import weights
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.detection.pyramid import Level
    from lunarsite.engine.craters.evaluation.protocol import Bounds


def write(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Run the network four times, say where it fails, and write table, page and picture.

    Raises
    ------
    InputError
        As `search.write` and `protocol.check_catalogue`.
    """
    grid = search.dem_grid(values["dem"], context)
    bounds = protocol.read_bounds(values["bounds"]) if values["bounds"] else grid.bounds
    cut = values["min_diameter_m"]
    ruling = Rules(bounds, cut, protocol.least_detected_m(cut, None))
    known = protocol.catalogue(values["catalogue"])
    protocol.check_catalogue(known, ruling, Path(values["catalogue"]).name)
    protocol.check_overlap(bounds, grid.bounds, "the DEM")
    _warn_of_edges(bounds, grid.bounds, context)
    known = protocol.sides_of(known, known, Rules(bounds, cut, 0.0)).known
    where = device.choose(context.device)
    checkpoint = weights.load(values["checkpoint"] or weights.BUNDLED)
    fitted = search.calibration_of(checkpoint)
    out = Path(values["out"])
    shaping = {"min_diameter_m": cut, "bounds": list(bounds), "seed": values["seed"]}
    record = provenance.describe(
        "diagnose-craters",
        shaping,
        [values["dem"], values["catalogue"], checkpoint.path],
        device=where.kind,
    )
    runner = checkpoint.runner(where.kind, context.warn)
    with atomic.scratch_folder(out) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes // 2)
        levels = pyramid.levels(values["dem"], scratch, context)
        found = {}
        for number, name in enumerate(preprocessing.NAMES):
            share = 0.95 * number / len(preprocessing.NAMES)
            part = context.part(share, share + 0.95 / len(preprocessing.NAMES), f"heights {name}")
            seen = search.find(preprocessing.prepared(levels, name), runner, fitted, part)
            found[name] = Circles(
                seen.x_m, seen.y_m, seen.radius_m, seen.confidence, np.full(seen.x_m.size, np.nan)
            )
        context.progress(0.95, "Comparing")
        plain = found[next(iter(preprocessing.NAMES))]
        if bare := protocol.uncovered(plain.kept(plain.score >= fitted.threshold), known, ruling):
            context.warn(bare)
        report, distances = diagnose(
            found, known, ruling, levels, threshold=fitted.threshold, seed=values["seed"]
        )
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
        drawing.save(diagnosis_page.picture(report, distances), partial, "png")
    context.progress(1.0, "Diagnosed")
    return {
        "outputs": {name: str(path) for name, path in paths.items()},
        **report,
        "summary": diagnosis_page.lines(report),
    }


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
    predicted = _with_depth(large.kept(counted & (large.score >= threshold)), levels)
    likely = large.kept(large.score >= diagnosis.LIKELY)
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


def _warn_of_edges(bounds: Bounds, frame: Bounds, context: Context) -> None:
    """Say that craters beyond the elevation model cannot be found."""
    slack = 0.01 * (frame[2] - frame[0])
    beyond = (frame[0] - bounds[0], frame[1] - bounds[1], bounds[2] - frame[2])
    if max(*beyond, bounds[3] - frame[3]) > slack:
        context.warn(
            "The bounds reach beyond the DEM: craters there count as missed. Give --bounds inside "
            f"it, at {protocol.written(frame)} m (west, south, east, north)."
        )


def _with_depth(circles: Circles, levels: list[Level]) -> Circles:
    """Return circles whose unknown depths are measured."""
    measured = morphometry.measure(levels, circles.x_m, circles.y_m, circles.radius_m).depth_m
    known = np.isfinite(circles.depth_m)
    return Circles(
        circles.x_m,
        circles.y_m,
        circles.radius_m,
        circles.score,
        np.where(known, circles.depth_m, measured),
    )


def _share(which: Any) -> float | None:
    return float(which.mean()) if which.size else None


def _median(values: Any) -> float | None:
    """Return the median, None where there is none or it is not finite."""
    middle = float(np.median(values)) if values.size else np.inf
    return middle if np.isfinite(middle) else None
