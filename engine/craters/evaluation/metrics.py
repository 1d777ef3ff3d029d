"""What detections are worth against a catalogue that lists some of the craters there are.

Three things keep the figures honest at the edges. A detection that is not ``full`` (with its centre
outside the bounds, or of another range of diameters) may be the match of a crater but is not wrong
for being none. A crater that is not ``wanted`` (below the cut, outside the bounds) is not to be
found, but a detection that matches it and no other is neither a hit nor new. And because a
catalogue is never complete, precision is a lower bound.
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
"""So often circles are thrown at random."""

BOOTSTRAP_DRAWS = 2000
AP_DRAWS = 400

_INTERVAL = (0.025, 0.975)

HIT, NEW, APART = 1, 0, -1
"""What a detection is; what is apart does not count."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """What is compared.

    Parameters
    ----------
    found, known : Circles
        Detections and catalogue.
    full : ndarray of bool, shape (detections,)
        Whether it is wrong where it matches nothing.
    wanted : ndarray of bool, shape (craters,)
        Whether it is to be found.
    """

    found: Circles
    known: Circles
    full: Bool
    wanted: Bool


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What became of detections and craters at one gate.

    Parameters
    ----------
    partner : ndarray of int64, shape (detections,)
        The wanted crater that it is; -1 for none.
    outcome : ndarray of int64, shape (detections,)
        `HIT`, `NEW` or `APART`.
    """

    partner: Int
    outcome: Int


def judge(sides: Sides, pairs: Pairs, match: Callable[[Pairs], Int] = matching.match) -> Judged:
    """Return what each detection is, given the pairs within a gate.

    Wanted craters are served first; what is left over may then match the others.
    """
    of_wanted = sides.wanted[pairs.crater]
    first = pairs.kept(of_wanted)
    taken = match(first)
    partner = np.full(len(sides.found), -1, np.int64)
    partner[first.detection[taken]] = first.crater[taken]
    rest = pairs.kept(~of_wanted & (partner[pairs.detection] < 0))
    outcome = np.where(sides.full, NEW, APART)
    outcome[rest.detection[match(rest)]] = APART
    outcome[partner >= 0] = HIT
    return Judged(partner, outcome)


def ranking(sides: Sides, pairs: Pairs) -> Int:
    """Return `HIT`, `NEW` or `APART` of the detections, the surest first.

    At every threshold as many are hits as a matching of those above it could have at most.
    """
    order = np.argsort(-sides.found.confidence, kind="stable")
    of_wanted = sides.wanted[pairs.crater]
    right = matching.admitted(pairs.kept(of_wanted), order)
    rest = pairs.kept(~of_wanted & ~right[pairs.detection])
    beside = matching.admitted(rest, order)
    outcome = np.where(right, HIT, np.where(sides.full & ~beside, NEW, APART))
    result: Int = outcome[order]
    return result


def average_precision(outcome: Int, wanted: int, times: Int | None = None) -> float:
    """Return the area under the curve of precision over recall, precision made monotonic.

    Parameters
    ----------
    outcome : ndarray of int64, shape (detections,)
        The surest first.
    wanted : int
        How many craters were to be found.
    times : ndarray of int64, shape (detections,), optional
        How often each counts.
    """
    weight = np.ones(outcome.size, np.int64) if times is None else times
    hit = np.cumsum(weight * (outcome == HIT))
    all_of_them = hit + np.cumsum(weight * (outcome == NEW))
    precision = hit / np.maximum(all_of_them, 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(hit, prepend=0)
    return float((best * steps).sum() / max(wanted, 1))


def summary(hits: int, misses: int, new: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return counts, precision, recall and F1 with bootstrap intervals, JSON-able.

    Hits, misses and new detections are drawn again together, with replacement.
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


def ranked_summary(outcome: Int, wanted: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return the average precision with its bootstrap interval, JSON-able.

    Draws in which no crater is to be found have no average precision and are left out, as they
    are from recall's interval.
    """
    counted = outcome[outcome != APART]
    if not wanted:
        return {"value": None, "low": None, "high": None}
    missed = wanted - int((counted == HIT).sum())
    units = counted.size + missed
    drawn, asked = np.zeros(AP_DRAWS), np.zeros(AP_DRAWS)
    for draw in range(AP_DRAWS):
        times = rng.multinomial(units, np.full(units, 1.0 / units))
        mine = times[: counted.size]
        to_find = int(mine[counted == HIT].sum() + times[counted.size :].sum())
        drawn[draw], asked[draw] = average_precision(counted, to_find, mine), min(to_find, 1)
    return _interval(average_precision(counted, wanted), drawn, asked)


def counts(sides: Sides, judged: Judged, chosen: tuple[float, float] = (0.0, np.inf)) -> Int:
    """Return hits, misses and new detections of a range of diameters.

    A hit counts where the crater lies, a new detection where it lies itself.
    """
    lowest, highest = chosen
    known, found = sides.known.diameter_m, sides.found.diameter_m
    asked = sides.wanted & (known >= lowest) & (known < highest)
    got = np.zeros(len(sides.known), bool)
    got[judged.partner[judged.partner >= 0]] = True
    new = (judged.outcome == NEW) & (found >= lowest) & (found < highest)
    return np.array([(asked & got).sum(), (asked & ~got).sum(), new.sum()], np.int64)


def narrowed(sides: Sides, chosen: tuple[float, float]) -> Sides:
    """Return the sides where only a range of diameters is wanted, and is wrong."""
    known, found = sides.known.diameter_m, sides.found.diameter_m
    return Sides(
        sides.found,
        sides.known,
        sides.full & (found >= chosen[0]) & (found < chosen[1]),
        sides.wanted & (known >= chosen[0]) & (known < chosen[1]),
    )


def random_circles(
    sides: Sides,
    bounds: tuple[float, float, float, float],
    ranges: list[tuple[float, float]],
    seed: int,
    context: Context,
) -> dict[str, list[dict[str, Any]]]:
    """Return what circles of the detections' sizes reach where chance puts them in the bounds.

    Returns
    -------
    dict
        By gate, for each range of diameters: recall and precision, each with mean, low and high
        over `NULL_DRAWS` draws.
    """
    west, south, east, north = bounds
    own = sides.found
    drawn: dict[str, list[Any]] = {gate: [] for gate in matching.GATES}
    for draw in range(NULL_DRAWS):
        context.progress(draw / NULL_DRAWS, "Random circles")
        rng = np.random.default_rng([seed, draw])
        x, y = rng.uniform(west, east, len(own)), rng.uniform(south, north, len(own))
        thrown = Circles(x, y, own.radius_m, own.confidence, own.depth_m)
        other = Sides(thrown, sides.known, sides.full, sides.wanted)
        for gate, pairs in matching.candidates(thrown, sides.known).items():
            judged = judge(other, pairs, matching.most)
            drawn[gate].append([counts(other, judged, chosen) for chosen in ranges])
    answer = {}
    for gate, rows in drawn.items():
        hits, misses, new = np.moveaxis(np.array(rows, np.float64), 2, 0)
        answer[gate] = [
            {
                "draws": NULL_DRAWS,
                "recall": _spread(hits[:, n], hits[:, n] + misses[:, n]),
                "precision": _spread(hits[:, n], hits[:, n] + new[:, n]),
            }
            for n in range(len(ranges))
        ]
    return answer


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
