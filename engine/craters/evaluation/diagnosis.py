"""Diagnosis of missed craters: whether the model or the data is at fault.

A poor recall has two causes with different remedies. *Modality shift*: the heights are distributed
differently than in training, so that another preprocessing at inference recovers craters, or
predictions are scattered without regard to true rims. *Distribution within the domain*: no
preprocessing recovers craters at the same precision, but predictions lie on true rims; then the
training set needs more craters of the kind that is missed.

Independently of both, the threshold may be too high for the terrain: then a lower one finds more,
mostly true craters. This is simple to fix and reported in any case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import spatial

from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import matching, metrics, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.craters.evaluation.protocol import InclusionCriteria

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

GATE = "iou"
"""Matching criterion of the diagnosis."""

THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Least confidences that are compared."""

CLASSES = ("fresh", "worn", "degraded", "of unknown depth")
"""Degradation classes by depth over diameter: at least 0.1, at least 0.05, less."""

LIKELY = 0.1
"""Least confidence of predictions near missed craters."""

NEAR = 0.25
"""Two rims are near if their mean distance is below this share of the radius."""

MOSTLY = 0.5
"""Predictions lie on true rims if at least this share of them is near one."""

GAIN = 0.1
"""Least gain in recall by which a preparation or a lower threshold helps."""

ACCEPTED = 2.0 / 3.0
"""Least precision at a lowered threshold."""

FEWEST = 5
"""Least number of misses, or of predictions, for a verdict."""

_EDGES = (0.05, 0.1)
_AZIMUTHS = 36
_NEIGHBOURS = 8
_DRAWS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Result of one preparation at one threshold.

    Parameters
    ----------
    preparation : str
        Name of the preparation.
    threshold : float
        Least confidence.
    hit : ndarray of bool, shape (targets,)
        Whether each target is found, in the order of `protocol.comparison_of`.
    new : int
        Number of new detections.
    """

    preparation: str
    threshold: float
    hit: Bool
    new: int

    @property
    def recall(self) -> float:
        """Share of the targets that is found."""
        return float(self.hit.mean())

    @property
    def precision(self) -> float | None:
        """Lower bound of the precision; None if nothing is detected."""
        hits = int(self.hit.sum())
        return hits / (hits + self.new) if hits + self.new else None


def cell(
    found: Circles, known: Circles, criteria: InclusionCriteria, name: str, threshold: float
) -> Cell:
    """Evaluate the detections of a preparation at a threshold."""
    comparison = protocol.comparison_of(found.kept(found.confidence >= threshold), known, criteria)
    pairs = matching.candidates(comparison.found, comparison.known)[GATE]
    evaluation = metrics.evaluate(comparison, pairs)
    matched = np.zeros(len(comparison.known), bool)
    matched[evaluation.partner[evaluation.partner >= 0]] = True
    new = int((evaluation.outcome == metrics.NEW).sum())
    return Cell(name, threshold, matched[comparison.targets], new)


def degradation(circles: Circles) -> NDArray[np.str_]:
    """Return the degradation class of each crater."""
    ratio = circles.depth_m / circles.diameter_m
    place = np.where(np.isfinite(ratio), 2 - np.digitize(ratio, _EDGES), 3)
    return np.array(CLASSES)[place]


def rim_distance(one: Circles, other: Circles) -> Float:
    """Return the distance from each circle's rim to the nearest rim of another table.

    The distance is the mean over the azimuths of the circle's own rim.

    Returns
    -------
    ndarray of float64, shape (circles,)
        In radii of the circle; infinite if the other table is empty.
    """
    if not len(other) or not len(one):
        return np.full(len(one), np.inf)
    tree = spatial.cKDTree(np.column_stack([other.x_m, other.y_m, other.radius_m]))
    place = np.column_stack([one.x_m, one.y_m, one.radius_m])
    _, near = tree.query(place, k=min(_NEIGHBOURS, len(other)))
    near = near.reshape(len(one), -1)
    azimuth = 2.0 * np.pi * np.arange(_AZIMUTHS) / _AZIMUTHS
    x = one.x_m[:, None] + one.radius_m[:, None] * np.sin(azimuth)
    y = one.y_m[:, None] + one.radius_m[:, None] * np.cos(azimuth)
    best = np.full(len(one), np.inf)
    for column in near.T:
        reach = np.hypot(x - other.x_m[column][:, None], y - other.y_m[column][:, None])
        best = np.minimum(best, np.abs(reach - other.radius_m[column][:, None]).mean(axis=1))
    distance: Float = best / one.radius_m
    return distance


def near_at_random(
    predicted: Circles, true: Circles, bounds: tuple[float, float, float, float], seed: int
) -> Float:
    """Return the shares of predictions near true rims if they lay at random places.

    Parameters
    ----------
    predicted, true : Circles
        Predictions, and true craters.
    bounds : tuple of float
        West, south, east, north, map metres.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray of float64, shape (draws,)
        Shares, 0 to 1.
    """
    west, south, east, north = bounds
    shares = np.zeros(_DRAWS)
    for draw in range(_DRAWS):
        rng = np.random.default_rng([seed, draw])
        placed = Circles(
            rng.uniform(west, east, len(predicted)),
            rng.uniform(south, north, len(predicted)),
            predicted.radius_m,
            predicted.confidence,
            predicted.depth_m,
        )
        if len(predicted):
            shares[draw] = (rim_distance(placed, true) < NEAR).mean()
    return shares


def gain(cells: list[Cell], first: Cell, seed: int) -> dict[str, Any]:
    """Return the gain in recall of the best other preparation, at no loss of precision.

    The best of many has some gain by chance alone. The interval therefore accounts for multiple
    comparisons: it uses the largest bootstrap deviation among all that were tried (the "max T" of
    Westfall & Young 1993), not that of the best one.

    Parameters
    ----------
    cells : list of Cell
        All preparations and thresholds.
    first : Cell
        Preparation and threshold of detect-craters.
    seed : int
        Seed of the bootstrap over craters.

    Returns
    -------
    dict
        Preparation, threshold, and the gain in recall with its interval, JSON-able.
    """
    least = first.precision or 0.0
    same = [c for c in cells if c.preparation == first.preparation]
    others = [c for c in cells if c.preparation != first.preparation]

    def precise(candidates: list[Cell]) -> list[Cell]:
        return [c for c in candidates if (c.precision or 0.0) >= least]

    def best(candidates: list[Cell]) -> Cell | None:
        return max(candidates, key=lambda c: (c.recall, c.precision or 0.0), default=None)

    tried = precise(others)
    plain, other = best(precise([first, *same])) or first, best(tried)
    if other is None:
        return {"preparation": None, "threshold": None, "recall": 0.0, "low": 0.0, "high": 0.0}
    rng = np.random.default_rng([seed, 1])
    drawn = rng.integers(0, first.hit.size, (metrics.BOOTSTRAP_DRAWS, first.hit.size))
    highest, lowest = np.full((2, len(drawn)), [[-np.inf], [np.inf]])
    for one in tried:
        each = one.hit.astype(np.float64) - plain.hit
        off = each[drawn].mean(axis=1) - each.mean()
        highest, lowest = np.maximum(highest, off), np.minimum(lowest, off)
    gained = other.recall - plain.recall
    return {
        "preparation": other.preparation,
        "threshold": other.threshold,
        "recall": gained,
        "low": gained - float(np.quantile(highest, 0.975)),
        "high": gained - float(np.quantile(lowest, 0.025)),
    }


def lower_threshold(cells: list[Cell], first: Cell) -> Cell | None:
    """Return the result of a lower threshold that finds many more craters, None if there is none.

    It must gain `GAIN` in recall at a precision of at least `ACCEPTED`. Of several, the one with
    the highest recall, then precision.

    Parameters
    ----------
    cells : list of Cell
        All preparations and thresholds.
    first : Cell
        Preparation and threshold of detect-craters.
    """
    helpful = [
        one
        for one in cells
        if one.preparation == first.preparation
        and one.threshold < first.threshold
        and (one.precision or 0.0) >= ACCEPTED
        and one.recall - first.recall >= GAIN
    ]
    return max(helpful, key=lambda one: (one.recall, one.precision, one.threshold), default=None)


def verdict(
    misses: int, predictions: int, gained: Mapping[str, Any], near: float, at_random: Float
) -> tuple[str, str]:
    """Return the verdict and its reason.

    Parameters
    ----------
    misses, predictions : int
        Numbers of missed craters and of predictions.
    gained : mapping
        As `gain` returns it.
    near : float
        Share of the predictions near a true rim.
    at_random : ndarray of float64
        As `near_at_random` returns it.
    """
    high = float(np.quantile(at_random, 0.975))
    share = f"{near:.0%} of the predictions lie on true rims (in 97.5 % of random draws "
    share += f"{high:.0%} at most)"
    if misses < FEWEST:
        return "nothing to explain", f"{misses} craters are missed, too few to tell why"
    if gained["recall"] >= GAIN and gained["low"] > 0.0:
        reason = f"heights {gained['preparation']} bring {gained['recall']:.2f} more recall at the "
        reason += "same precision: preprocess them in this way, or train on heights as they are"
        return "modality shift", reason
    if predictions < FEWEST:
        return "undecided", f"{predictions} predictions are too few to tell where they lie"
    if near >= MOSTLY and near > high:
        reason = f"no preparation recovers craters, and {share}: add craters of the kind that is "
        return "distribution within the domain", reason + "missed to the training set"
    if near <= high:
        return "modality shift", f"{share}: the network does not generalise to this terrain"
    reason = f"no preparation recovers craters, and {share}: inspect the others, which may be "
    return "undecided", reason + "craters that the catalogue lacks"
