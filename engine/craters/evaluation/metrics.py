"""Precision, recall and average precision of detections against an incomplete catalogue.

Three rules avoid bias at the edges. A detection out of scope (its centre outside the bounds, or in
another range of diameters) may match a crater, but does not count as new if it matches none. A
crater that is not a target (below the cut, outside the bounds) need not be found, but a detection
that matches it and no target is ignored: neither a hit nor new. And since a catalogue is never
complete, precision is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import matching

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.evaluation.matching import Pairs

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

NULL_DRAWS = 100
"""Draws of the null model, circles at random places."""

BOOTSTRAP_DRAWS = 2000
"""Draws of the bootstrap of precision, recall and F1."""

AP_DRAWS = 400
"""Draws of the bootstrap of the average precision."""

_INTERVAL = (0.025, 0.975)

HIT, NEW, IGNORED = 1, 0, -1
"""Outcomes of a detection."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Detections and catalogue of a comparison, and which of them count.

    Parameters
    ----------
    found, known : Circles
        Detections and catalogue.
    in_scope : ndarray of bool, shape (detections,)
        Whether the detection counts as new if it matches nothing.
    targets : ndarray of bool, shape (craters,)
        Whether the crater is to be found.
    """

    found: Circles
    known: Circles
    in_scope: Bool
    targets: Bool


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Outcome of a comparison by one criterion.

    Parameters
    ----------
    partner : ndarray of int64, shape (detections,)
        Index of the matched target; -1 for none.
    outcome : ndarray of int64, shape (detections,)
        `HIT`, `NEW` or `IGNORED`.
    """

    partner: Int
    outcome: Int


def evaluate(
    comparison: Comparison, pairs: Pairs, match: Callable[[Pairs], Int] = matching.match
) -> Evaluation:
    """Return the outcome of each detection.

    Targets are matched first; the remaining detections may then match the other craters.

    Parameters
    ----------
    comparison : Comparison
        Detections and catalogue.
    pairs : Pairs
        Pairs by the criterion, `matching.candidates`.
    match : callable
        `matching.match` or `matching.most`.
    """
    of_target = comparison.targets[pairs.crater]
    first = pairs.kept(of_target)
    taken = match(first)
    partner = np.full(len(comparison.found), -1, np.int64)
    partner[first.detection[taken]] = first.crater[taken]
    rest = pairs.kept(~of_target & (partner[pairs.detection] < 0))
    outcome = np.where(comparison.in_scope, NEW, IGNORED)
    outcome[rest.detection[match(rest)]] = IGNORED
    outcome[partner >= 0] = HIT
    return Evaluation(partner, outcome)


def ranking(comparison: Comparison, pairs: Pairs) -> Int:
    """Return the outcomes of the detections by descending confidence.

    At each threshold, the number of hits is that of a maximum matching of the detections above it.

    Parameters
    ----------
    comparison, pairs : Comparison, Pairs
        As in `evaluate`.

    Returns
    -------
    ndarray of int64, shape (detections,)
        `HIT`, `NEW` or `IGNORED`.
    """
    order = np.argsort(-comparison.found.confidence, kind="stable")
    of_target = comparison.targets[pairs.crater]
    hit = matching.admitted(pairs.kept(of_target), order)
    rest = pairs.kept(~of_target & ~hit[pairs.detection])
    ignored = matching.admitted(rest, order)
    outcome = np.where(hit, HIT, np.where(comparison.in_scope & ~ignored, NEW, IGNORED))
    result: Int = outcome[order]
    return result


def average_precision(outcome: Int, target_count: int, times: Int | None = None) -> float:
    """Return the area under the precision-recall curve, with precision made monotonic.

    Parameters
    ----------
    outcome : ndarray of int64, shape (detections,)
        Outcomes by descending confidence.
    target_count : int
        Number of craters to be found.
    times : ndarray of int64, shape (detections,), optional
        Multiplicity of each detection, for bootstrap draws.
    """
    weight = np.ones(outcome.size, np.int64) if times is None else times
    hit = np.cumsum(weight * (outcome == HIT))
    counted = hit + np.cumsum(weight * (outcome == NEW))
    precision = hit / np.maximum(counted, 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(hit, prepend=0)
    return float((best * steps).sum() / max(target_count, 1))


def summary(hits: int, misses: int, new: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return counts, precision, recall and F1 with bootstrap intervals, JSON-able.

    Hits, misses and new detections are resampled together, with replacement.
    """
    count = hits + misses + new
    drawn = np.zeros((1, 3), np.int64)
    if count:
        shares = np.array([hits, misses, new]) / count
        drawn = rng.multinomial(count, shares, BOOTSTRAP_DRAWS)
    h, m, n = drawn.T.astype(np.float64)
    return {
        "hits": hits,
        "misses": misses,
        "new": new,
        "precision": _interval(_ratio(hits, hits + new), h, h + n),
        "recall": _interval(_ratio(hits, hits + misses), h, h + m),
        "f1": _interval(_ratio(2 * hits, 2 * hits + misses + new), 2 * h, 2 * h + m + n),
    }


def ranked_summary(outcome: Int, target_count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return the average precision with its bootstrap interval, JSON-able.

    Draws without a target have no average precision and are left out, as for the interval of
    recall.
    """
    counted = outcome[outcome != IGNORED]
    if not target_count:
        return {"value": None, "low": None, "high": None}
    missed = target_count - int((counted == HIT).sum())
    units = counted.size + missed
    drawn, defined = np.zeros(AP_DRAWS), np.zeros(AP_DRAWS)
    for draw in range(AP_DRAWS):
        times = rng.multinomial(units, np.full(units, 1.0 / units))
        weight = times[: counted.size]
        targets = int(weight[counted == HIT].sum() + times[counted.size :].sum())
        drawn[draw], defined[draw] = average_precision(counted, targets, weight), min(targets, 1)
    return _interval(average_precision(counted, target_count), drawn, defined)


def counts(
    comparison: Comparison, evaluation: Evaluation, diameters: tuple[float, float] = (0.0, np.inf)
) -> Int:
    """Return the numbers of hits, misses and new detections in a range of diameters.

    Hits are binned by the catalogued diameter, new detections by their own.
    """
    lowest, highest = diameters
    known, found = comparison.known.diameter_m, comparison.found.diameter_m
    target = comparison.targets & (known >= lowest) & (known < highest)
    matched = np.zeros(len(comparison.known), bool)
    matched[evaluation.partner[evaluation.partner >= 0]] = True
    new = (evaluation.outcome == NEW) & (found >= lowest) & (found < highest)
    return np.array([(target & matched).sum(), (target & ~matched).sum(), new.sum()], np.int64)


def restricted(comparison: Comparison, diameters: tuple[float, float]) -> Comparison:
    """Return a comparison whose targets and scope are restricted to a range of diameters."""
    known, found = comparison.known.diameter_m, comparison.found.diameter_m
    return Comparison(
        comparison.found,
        comparison.known,
        comparison.in_scope & (found >= diameters[0]) & (found < diameters[1]),
        comparison.targets & (known >= diameters[0]) & (known < diameters[1]),
    )


def random_circles(
    comparison: Comparison,
    bounds: tuple[float, float, float, float],
    ranges: list[tuple[float, float]],
    seed: int,
    context: Context,
) -> dict[str, list[dict[str, Any]]]:
    """Evaluate the null model: circles of the detections' sizes at random places in the bounds.

    Parameters
    ----------
    comparison : Comparison
        Detections and catalogue.
    bounds : tuple of float
        West, south, east, north, map metres.
    ranges : list of (float, float)
        Ranges of diameters, metres.
    seed : int
        Seed of the draws.
    context : Context
        Progress and cancellation.

    Returns
    -------
    dict
        By criterion, for each range of diameters: recall and precision, each with mean, low and
        high over `NULL_DRAWS` draws.
    """
    west, south, east, north = bounds
    detections = comparison.found
    drawn: dict[str, list[Any]] = {gate: [] for gate in matching.GATES}
    for draw in range(NULL_DRAWS):
        context.progress(draw / NULL_DRAWS, "Random circles")
        rng = np.random.default_rng([seed, draw])
        x, y = rng.uniform(west, east, len(detections)), rng.uniform(south, north, len(detections))
        placed = Circles(x, y, detections.radius_m, detections.confidence, detections.depth_m)
        null = Comparison(placed, comparison.known, comparison.in_scope, comparison.targets)
        for gate, pairs in matching.candidates(placed, comparison.known).items():
            evaluation = evaluate(null, pairs, matching.most)
            drawn[gate].append([counts(null, evaluation, diameters) for diameters in ranges])
    result = {}
    for gate, rows in drawn.items():
        hits, misses, new = np.moveaxis(np.array(rows, np.float64), 2, 0)
        result[gate] = [
            {
                "draws": NULL_DRAWS,
                "recall": _spread(hits[:, n], hits[:, n] + misses[:, n]),
                "precision": _spread(hits[:, n], hits[:, n] + new[:, n]),
            }
            for n in range(len(ranges))
        ]
    return result


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _interval(value: float | None, part: Float, whole: Float) -> dict[str, float | None]:
    drawn = part[whole > 0] / whole[whole > 0]
    if value is None or not drawn.size:
        return {"value": value, "low": None, "high": None}
    low, high = (float(v) for v in np.quantile(drawn, _INTERVAL))
    return {"value": value, "low": low, "high": high}


def _spread(part: Float, whole: Float) -> dict[str, float | None]:
    drawn = part[whole > 0] / whole[whole > 0]
    if not drawn.size:
        return {"mean": None, "low": None, "high": None}
    low, high = (float(v) for v in np.quantile(drawn, _INTERVAL))
    return {"mean": float(drawn.mean()), "low": low, "high": high}
