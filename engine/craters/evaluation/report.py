"""The stage ``evaluate-craters``: detections against a catalogue, by `rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.craters.evaluation import (
    layers,
    matching,
    metrics,
    rim_pixels,
)
from lunarsite.engine.craters.evaluation.metrics import Sides

if TYPE_CHECKING:
    import geopandas as gpd

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.evaluation.metrics import Judged
    from lunarsite.engine.craters.evaluation.protocol import Rules


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
