"""The stage ``evaluate-craters``: detections against a catalogue, by `rules`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import atomic, provenance
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.evaluation import (
    layers,
    matching,
    metrics,
    page,
    protocol,
    rim_pixels,
)
from lunarsite.engine.craters.evaluation.metrics import Sides
from lunarsite.engine.craters.evaluation.protocol import Rules
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.io import vector

if TYPE_CHECKING:
    import geopandas as gpd

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.circles import Circles
    from lunarsite.engine.craters.evaluation.metrics import Judged
    from lunarsite.engine.craters.evaluation.protocol import Bounds


def write(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare a file of detections with a catalogue; write the layer and the page asked for.

    Raises
    ------
    InputError
        If the catalogue has no crater that is to be found, or a file is not what it must be.
    """
    context.progress(0.0, "Reading")
    found_file = detections.read(values["detections"], context)
    known = protocol.catalogue(values["catalogue"])
    cut = values["min_diameter_m"]
    least = protocol.least_detected_m(cut, values["min_detected_diameter_m"])
    if found_file.smallest_m > least:
        context.warn(
            f"The detections begin at {found_file.smallest_m:,.0f} m: craters near the cut of "
            f"{cut:,.0f} m whose diameter came out small are missing among them."
        )
    ruling = Rules(_bounds(values["bounds"], found_file, context), cut, least)
    found = found_file.circles
    if values["min_confidence"] is not None:
        found = found.kept(found.score >= values["min_confidence"])
    protocol.check_catalogue(known, ruling, Path(values["catalogue"]).name)
    _check_place(found, found_file.frame, ruling, context)
    sides = protocol.sides_of(found, known, ruling)
    if bare := protocol.uncovered(sides.found, sides.known, ruling):
        context.warn(bare)
    report, drawn = evaluate(
        sides,
        ruling,
        context.part(0.05, 0.9),
        seed=values["seed"],
        rim_pixel_m=values["rim_pixel_m"],
        gate=values["gate"],
    )
    outputs = {}
    shaping = {
        name: values[name]
        for name in ("min_diameter_m", "min_confidence", "seed", "gate", "rim_pixel_m")
    } | {"bounds": list(ruling.bounds), "min_detected_diameter_m": least}
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


def evaluate(
    sides: Sides,
    ruling: Rules,
    context: Context,
    *,
    seed: int,
    rim_pixel_m: float,
    gate: str = "iou",
) -> tuple[dict[str, Any], dict[str, gpd.GeoDataFrame]]:
    """Return the report, JSON-able, and the layers to draw.

    Parameters
    ----------
    sides : Sides
        As `protocol.sides_of` returns them.
    ruling : Rules
        Who counts.
    context : Context
        Is told the progress and may cancel.
    seed : int
        Of bootstrap and random circles.
    rim_pixel_m : float
        Pixel at which rims are compared.
    gate : str
        The gate by which hits are drawn.
    """
    ranges = _ranges(sides, ruling.min_diameter_m)
    everything = (0.0, np.inf)
    candidates = matching.candidates(sides.found, sides.known)
    judged = {}
    gates: dict[str, Any] = {}
    for number, name in enumerate(matching.GATES):
        context.progress(0.2 * number / len(matching.GATES), "Matching")
        pairs = candidates[name]
        judged[name] = metrics.judge(sides, pairs)
        rows = []
        for place, chosen in enumerate([everything, *ranges]):
            random = np.random.default_rng([seed, number, place])
            hits, misses, new = (int(n) for n in metrics.counts(sides, judged[name], chosen))
            some = metrics.narrowed(sides, chosen)
            rows.append(
                {
                    **metrics.summary(hits, misses, new, random),
                    "average_precision": metrics.ranked_summary(
                        metrics.ranking(some, pairs), int(some.wanted.sum()), random
                    ),
                }
            )
        gates[name] = {
            **rows[0],
            **_geometry(sides, judged[name]),
            "bins": [
                {"from_m": low, "to_m": None if np.isinf(high) else high, **row}
                for (low, high), row in zip(ranges, rows[1:], strict=True)
            ],
        }
    inside = sides.found.inside(ruling.bounds)
    thrown = Sides(sides.found.kept(inside), sides.known, sides.full[inside], sides.wanted)
    chance = metrics.random_circles(
        thrown, ruling.bounds, [everything, *ranges], seed, context.part(0.2, 0.9)
    )
    for name, rows in chance.items():
        for row, its in zip([gates[name], *gates[name]["bins"]], rows, strict=True):
            row["random_circles"] = its
    context.progress(0.9, "Comparing rims")
    report = {
        "bounds_m": list(ruling.bounds),
        "min_diameter_m": ruling.min_diameter_m,
        "min_detected_diameter_m": ruling.min_detected_diameter_m,
        "catalogued": int(sides.wanted.sum()),
        "detections": int(sides.full.sum()),
        "drawn_by": gate,
        "gates": gates,
        "rims": _rims(sides, ruling, rim_pixel_m, context),
    }
    return report, layers.layers(sides, judged[gate])


def _bounds(text: str | None, found: detections.Detections, context: Context) -> Bounds:
    if text:
        return protocol.read_bounds(text)
    if found.frame is not None:
        return found.frame
    if not len(found.circles):
        raise ParameterError(
            "There are no detections, so nothing says where to compare", "Give --bounds"
        )
    x, y = found.circles.x_m, found.circles.y_m
    context.warn("The bounds are those of the detections' centres: give --bounds for others.")
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _check_place(found: Circles, frame: Bounds | None, ruling: Rules, context: Context) -> None:
    """Raise or warn if the bounds are not where detections are."""
    if frame is not None:
        protocol.check_overlap(ruling.bounds, frame, "the elevation model of the detections")
    if len(found) and not found.inside(ruling.bounds).any():
        box = (found.x_m.min(), found.y_m.min(), found.x_m.max(), found.y_m.max())
        if frame is None:
            protocol.check_overlap(ruling.bounds, box, "the detections")
        context.warn(
            f"No detection lies inside the bounds: all lie at {protocol.written(box)} m (west, "
            "south, east, north). Check --bounds."
        )


def _ranges(sides: Sides, cut: float) -> list[tuple[float, float]]:
    """Return octaves of diameter from the cut up; the last has no end."""
    largest = sides.known.diameter_m[sides.wanted].max()
    octaves = max(1, int(np.floor(np.log2(largest / cut))) + 1)
    edges = [cut * 2.0**n for n in range(octaves)]
    return list(zip(edges, [*edges[1:], np.inf], strict=True))


def _geometry(sides: Sides, judged: Judged) -> dict[str, Any]:
    """Return how well centre, diameter and depth of the hits agree; medians."""
    i = np.flatnonzero(judged.partner >= 0)
    j = judged.partner[i]
    found, known = sides.found.kept(i), sides.known.kept(j)
    offset = np.hypot(found.x_m - known.x_m, found.y_m - known.y_m) / known.radius_m
    both = np.isfinite(found.depth_m) & np.isfinite(known.depth_m)
    own, true = found.depth_m[both], known.depth_m[both]
    varied = own.size > 2 and np.ptp(own) > 0 and np.ptp(true) > 0
    positive = true > 0
    return {
        "center_off_radii": float(np.median(offset)) if i.size else None,
        "diameter_ratio": float(np.median(found.radius_m / known.radius_m)) if i.size else None,
        "depth": {
            "craters": int(own.size),
            "correlation": float(np.corrcoef(own, true)[0, 1]) if varied else None,
            "ratio": float(np.median(own[positive] / true[positive])) if positive.any() else None,
        },
    }


def _rims(sides: Sides, ruling: Rules, pixel_m: float, context: Context) -> dict[str, Any] | None:
    rows, columns = rim_pixels.raster_shape(ruling.bounds, pixel_m)
    if rows * columns > rim_pixels.MOST_PIXELS:
        context.warn(
            f"Rims are not compared: at {pixel_m:g} m the bounds have {rows * columns:,} pixels, "
            f"the limit is {rim_pixels.MOST_PIXELS:,}. Give a larger --rim-pixel-m."
        )
        return None
    found = rim_pixels.draw(sides.found.kept(sides.full), ruling.bounds, pixel_m)
    known = rim_pixels.draw(sides.known.kept(sides.wanted), ruling.bounds, pixel_m)
    return {"pixel_m": pixel_m, **rim_pixels.compare(found, known)}
