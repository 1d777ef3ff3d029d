"""Evaluation report: detections against a catalogue by all criteria, null model and rims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.craters.evaluation import layers, matching, metrics, rim_pixels
from lunarsite.engine.craters.evaluation.metrics import Comparison

if TYPE_CHECKING:
    import geopandas as gpd

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.evaluation.metrics import Evaluation
    from lunarsite.engine.craters.evaluation.protocol import InclusionCriteria


def evaluate(
    comparison: Comparison,
    criteria: InclusionCriteria,
    context: Context,
    *,
    seed: int,
    rim_pixel_m: float,
    gate: str = "iou",
) -> tuple[dict[str, Any], dict[str, gpd.GeoDataFrame]]:
    """Evaluate detections against a catalogue.

    Parameters
    ----------
    comparison : Comparison
        Detections and catalogue, `protocol.comparison_of`.
    criteria : InclusionCriteria
        Bounds and diameters.
    context : Context
        Progress, warnings and cancellation.
    seed : int
        Seed of the bootstrap and of the null model.
    rim_pixel_m : float
        Pixel of the rim rasters, metres.
    gate : str
        Matching criterion of the map layers.

    Returns
    -------
    report : dict
        Metrics by criterion, JSON-able.
    layers : dict of str to GeoDataFrame
        As `layers.layers`.
    """
    ranges = _ranges(comparison, criteria.min_diameter_m)
    everything = (0.0, np.inf)
    candidates = matching.candidates(comparison.found, comparison.known)
    evaluations = {}
    gates: dict[str, Any] = {}
    for number, name in enumerate(matching.GATES):
        context.progress(0.2 * number / len(matching.GATES), "Matching")
        pairs = candidates[name]
        evaluations[name] = metrics.evaluate(comparison, pairs)
        rows = []
        for place, diameters in enumerate([everything, *ranges]):
            random = np.random.default_rng([seed, number, place])
            counted = metrics.counts(comparison, evaluations[name], diameters)
            hits, misses, new = (int(n) for n in counted)
            part = metrics.restricted(comparison, diameters)
            rows.append(
                {
                    **metrics.summary(hits, misses, new, random),
                    "average_precision": metrics.ranked_summary(
                        metrics.ranking(part, pairs), int(part.targets.sum()), random
                    ),
                }
            )
        gates[name] = {
            **rows[0],
            **_geometry(comparison, evaluations[name]),
            "bins": [
                {"from_m": low, "to_m": None if np.isinf(high) else high, **row}
                for (low, high), row in zip(ranges, rows[1:], strict=True)
            ],
        }
    inside = comparison.found.inside(criteria.bounds)
    within = Comparison(
        comparison.found.kept(inside),
        comparison.known,
        comparison.in_scope[inside],
        comparison.targets,
    )
    null = metrics.random_circles(
        within, criteria.bounds, [everything, *ranges], seed, context.part(0.2, 0.9)
    )
    for name, rows in null.items():
        for row, random_row in zip([gates[name], *gates[name]["bins"]], rows, strict=True):
            row["random_circles"] = random_row
    context.progress(0.9, "Comparing rims")
    report = {
        "bounds_m": list(criteria.bounds),
        "min_diameter_m": criteria.min_diameter_m,
        "min_detected_diameter_m": criteria.min_detected_diameter_m,
        "catalogued": int(comparison.targets.sum()),
        "detections": int(comparison.in_scope.sum()),
        "drawn_by": gate,
        "gates": gates,
        "rims": _rims(comparison, criteria, rim_pixel_m, context),
    }
    return report, layers.layers(comparison, evaluations[gate])


def _ranges(comparison: Comparison, cut: float) -> list[tuple[float, float]]:
    """Return octaves of diameter from the cut up; the last is open-ended."""
    largest = comparison.known.diameter_m[comparison.targets].max()
    octaves = max(1, int(np.floor(np.log2(largest / cut))) + 1)
    edges = [cut * 2.0**n for n in range(octaves)]
    return list(zip(edges, [*edges[1:], np.inf], strict=True))


def _geometry(comparison: Comparison, evaluation: Evaluation) -> dict[str, Any]:
    """Return how well the centres, diameters and depths of hits agree; medians."""
    i = np.flatnonzero(evaluation.partner >= 0)
    j = evaluation.partner[i]
    found, known = comparison.found.kept(i), comparison.known.kept(j)
    offset = np.hypot(found.x_m - known.x_m, found.y_m - known.y_m) / known.radius_m
    both = np.isfinite(found.depth_m) & np.isfinite(known.depth_m)
    detected, catalogued = found.depth_m[both], known.depth_m[both]
    varied = detected.size > 2 and np.ptp(detected) > 0 and np.ptp(catalogued) > 0
    positive = catalogued > 0
    return {
        "center_off_radii": float(np.median(offset)) if i.size else None,
        "diameter_ratio": float(np.median(found.radius_m / known.radius_m)) if i.size else None,
        "depth": {
            "craters": int(detected.size),
            "correlation": float(np.corrcoef(detected, catalogued)[0, 1]) if varied else None,
            "ratio": float(np.median(detected[positive] / catalogued[positive]))
            if positive.any()
            else None,
        },
    }


def _rims(
    comparison: Comparison, criteria: InclusionCriteria, pixel_m: float, context: Context
) -> dict[str, Any] | None:
    """Return the agreement of rim rasters; None if they would be too large."""
    rows, columns = rim_pixels.raster_shape(criteria.bounds, pixel_m)
    if rows * columns > rim_pixels.MOST_PIXELS:
        context.warn(
            f"Rims are not compared: at {pixel_m:g} m the bounds have {rows * columns:,} pixels, "
            f"the limit is {rim_pixels.MOST_PIXELS:,}. Give a larger --rim-pixel-m."
        )
        return None
    found = rim_pixels.draw(comparison.found.kept(comparison.in_scope), criteria.bounds, pixel_m)
    known = rim_pixels.draw(comparison.known.kept(comparison.targets), criteria.bounds, pixel_m)
    return {"pixel_m": pixel_m, **rim_pixels.compare(found, known)}
