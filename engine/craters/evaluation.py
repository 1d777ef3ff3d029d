"""The stage ``evaluate-craters``: detections against a catalogue.

Who counts:

- A catalogued crater is to be found if its diameter is the cut or more and its centre lies inside
  the bounds.
- Detections smaller than 0.8 of the cut do not take part. Those between that and the cut may be
  the match of a crater, for diameters are measured with errors, but are not wrong where they
  match none; nor are those whose centre lies outside the bounds.
- A detection that matches only a catalogued crater below the cut, or one with its centre outside
  the bounds, is neither a hit nor new: the crater is there, but nobody asked for it.
- What is left is new. Catalogues are incomplete, so precision is a lower bound.

Bounds should be those inside which the catalogue lists what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lunarsite.engine import atomic, provenance, vector
from lunarsite.engine.craters import (
    detections,
    evaluation_layers,
    evaluation_page,
    matching,
    metrics,
    rims,
)
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.metrics import Sides
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.scoring.catalogue import read_catalogue

if TYPE_CHECKING:
    import geopandas as gpd

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.metrics import Judged

    Bounds = tuple[float, float, float, float]

LEAST_SHARE = 0.8
"""Detections below this share of the cut do not take part, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who counts.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east, north on the map, metres.
    min_diameter_m : float
        The cut, on the ground.
    min_detected_diameter_m : float
        Smaller detections do not take part.
    """

    bounds: Bounds
    min_diameter_m: float
    min_detected_diameter_m: float


def write(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare a file of detections with a catalogue; write the layer and the page asked for.

    Raises
    ------
    InputError
        If the catalogue has no crater that is to be found, or a file is not what it must be.
    """
    context.progress(0.0, "Reading")
    found_file = detections.read(values["detections"], context)
    table = read_catalogue(values["catalogue"])
    cut = values["min_diameter_m"]
    least = values["min_detected_diameter_m"]
    least = LEAST_SHARE * cut if least is None else least
    if least > cut:
        raise ParameterError(
            f"--min-detected-diameter-m: {least:g} m is more than the cut of {cut:g} m",
            "Give at most --min-diameter-m",
        )
    if found_file.smallest_m > least:
        context.warn(
            f"The detections begin at {found_file.smallest_m:,.0f} m: craters near the cut of "
            f"{cut:,.0f} m whose diameter came out small are missing among them."
        )
    rules = Rules(_bounds(values["bounds"], found_file, context), cut, least)
    found = found_file.circles
    if values["min_confidence"] is not None:
        found = found.kept(found.score >= values["min_confidence"])
    depth = pd.to_numeric(table["depth_m"], errors="coerce") if "depth_m" in table else None
    known = Circles.of_ground(table["x_m"], table["y_m"], table["diameter_m"], depth_m=depth)
    _check_catalogue(known, rules, Path(values["catalogue"]).name)
    sides = sides_of(found, known, rules)
    report, drawn = evaluate(
        sides,
        rules,
        context.part(0.05, 0.9),
        seed=values["seed"],
        rim_pixel_m=values["rim_pixel_m"],
        gate=values["gate"],
    )
    outputs = {}
    shaping = {
        name: values[name]
        for name in ("min_diameter_m", "min_confidence", "seed", "gate", "rim_pixel_m")
    } | {"bounds": list(rules.bounds), "min_detected_diameter_m": least}
    record = provenance.describe(
        "evaluate-craters", shaping, [values["detections"], values["catalogue"]]
    )
    context.progress(0.92, "Writing")
    if values["out"]:
        path = Path(values["out"])
        atomic.make_folder(path.parent)
        vector.write_geopackage(path, drawn, provenance.as_tags(record))
        outputs["compared"] = str(path)
    if values["report"]:
        path = Path(values["report"])
        atomic.make_folder(path.parent)
        with atomic.whole_file(path) as partial:
            partial.write_text(evaluation_page.markdown(report, record), encoding="utf-8")
        outputs["report"] = str(path)
    context.progress(1.0, "Compared")
    return {"outputs": outputs, **report, "summary": evaluation_page.lines(report)}


def sides_of(found: Circles, known: Circles, rules: Rules) -> Sides:
    """Return detections and catalogue, in an order of their own, with who counts."""
    found = found.kept(found.diameter_m >= rules.min_detected_diameter_m)
    # Files in another order are the same files: equal costs are broken by what circles are.
    found = found.kept(np.lexsort((found.radius_m, found.y_m, found.x_m, -found.score)))
    known = known.kept(np.lexsort((known.depth_m, known.radius_m, known.y_m, known.x_m)))
    return Sides(
        found,
        known,
        (found.diameter_m >= rules.min_diameter_m) & found.inside(rules.bounds),
        (known.diameter_m >= rules.min_diameter_m) & known.inside(rules.bounds),
    )


def evaluate(
    sides: Sides,
    rules: Rules,
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
        As `sides_of` returns them.
    rules : Rules
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
    ranges = _ranges(sides, rules.min_diameter_m)
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
    inside = sides.found.inside(rules.bounds)
    thrown = Sides(sides.found.kept(inside), sides.known, sides.full[inside], sides.wanted)
    chance = metrics.random_circles(
        thrown, rules.bounds, [everything, *ranges], seed, context.part(0.2, 0.9)
    )
    for name, rows in chance.items():
        for row, its in zip([gates[name], *gates[name]["bins"]], rows, strict=True):
            row["random_circles"] = its
    context.progress(0.9, "Comparing rims")
    report = {
        "bounds_m": list(rules.bounds),
        "min_diameter_m": rules.min_diameter_m,
        "min_detected_diameter_m": rules.min_detected_diameter_m,
        "catalogued": int(sides.wanted.sum()),
        "detections": int(sides.full.sum()),
        "drawn_by": gate,
        "gates": gates,
        "rims": _rims(sides, rules, rim_pixel_m, context),
    }
    return report, evaluation_layers.layers(sides, judged[gate])


def _bounds(text: str | None, found: detections.Detections, context: Context) -> Bounds:
    if text:
        words = text.replace(",", " ").split()
        try:
            west, south, east, north = (float(word) for word in words)
        except ValueError:
            west = east = south = north = 0.0
        if not (np.isfinite([west, south, east, north]).all() and west < east and south < north):
            raise ParameterError(
                f"--bounds: {text!r} is not west,south,east,north in map metres",
                "Write four numbers such as -30000,-10600,21200,15000",
            )
        return west, south, east, north
    if found.frame is not None:
        return found.frame
    if not len(found.circles):
        raise ParameterError(
            "There are no detections, so nothing says where to compare", "Give --bounds"
        )
    x, y = found.circles.x_m, found.circles.y_m
    context.warn("The bounds are those of the detections' centres: give --bounds for others.")
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _check_catalogue(known: Circles, rules: Rules, name: str) -> None:
    if not len(known):
        raise InputError(
            f"The crater catalogue {name} lists no crater", "Give one that covers the detections"
        )
    inside = known.inside(rules.bounds)
    if not inside.any():
        raise InputError(
            f"No crater of the catalogue {name} lies inside the bounds "
            f"{', '.join(f'{edge:,.0f}' for edge in rules.bounds)} m: its craters lie at x "
            f"{known.x_m.min():,.0f} to {known.x_m.max():,.0f} m and y {known.y_m.min():,.0f} to "
            f"{known.y_m.max():,.0f} m",
            "Check that it covers the place and that its x_m and y_m are of the Moon's south polar "
            "stereographic map; columns lon_deg and lat_deg go before them",
        )
    if not (inside & (known.diameter_m >= rules.min_diameter_m)).any():
        raise InputError(
            f"The largest crater of the catalogue {name} inside the bounds has "
            f"{known.diameter_m[inside].max():,.0f} m, the cut is {rules.min_diameter_m:,.0f} m",
            "Give a lower --min-diameter-m or other bounds",
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


def _rims(sides: Sides, rules: Rules, pixel_m: float, context: Context) -> dict[str, Any] | None:
    rows, columns = rims.raster_shape(rules.bounds, pixel_m)
    if rows * columns > rims.MOST_PIXELS:
        context.warn(
            f"Rims are not compared: at {pixel_m:g} m the bounds have {rows * columns:,} pixels, "
            f"the limit is {rims.MOST_PIXELS:,}. Give a larger --rim-pixel-m."
        )
        return None
    found = rims.draw(sides.found.kept(sides.full), rules.bounds, pixel_m)
    known = rims.draw(sides.known.kept(sides.wanted), rules.bounds, pixel_m)
    return {"pixel_m": pixel_m, **rims.compare(found, known)}
