"""Wrong model or wrong data? What a network's misses say of their cause.

Two causes of a poor recall ask for different work. *Modality shift*: the heights come in another
form than in training, so a change of preparation at inference brings craters back, or predictions
are strewn without regard to true rims. *Distribution within the domain*: no preparation brings
craters back at the same precision, but what is predicted lies on true rims; then the network has to
be shown more craters of the kind that it misses.

Beside both, the threshold may be too high for the ground: then more is found below it, and most of
that is right. That is mended at once, and said whatever the cause of the rest is.
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

    from lunarsite.engine.craters.evaluation.protocol import Rules

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

GATE = "iou"

THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

CLASSES = ("fresh", "worn", "degraded", "of unknown depth")
"""Depth over diameter: 0.1 and more, 0.05 and more, less."""

LIKELY = 0.1
"""Predictions near a missed crater count from this confidence on."""

NEAR = 0.25
"""A rim is near another if their mean distance is less than this share of the radius."""

MOSTLY = 0.5
"""Predictions lie on true rims if so many of them do."""

GAIN = 0.1
"""A preparation, or a lower threshold, helps if it brings at least so much recall."""

ACCEPTED = 2.0 / 3.0
"""A threshold may be lowered as far as so many of the detections are catalogued."""

FEWEST = 5
"""Fewer misses, or fewer predictions, say nothing of their cause."""

_EDGES = (0.05, 0.1)
_AZIMUTHS = 36
_NEIGHBOURS = 8
_DRAWS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """What one preparation reaches at one threshold.

    Parameters
    ----------
    preparation : str
        Its name.
    threshold : float
        Least confidence.
    hit : ndarray of bool, shape (wanted craters,)
        In the order of the catalogue as `protocol.sides_of` puts it.
    new : int
        Detections that match nothing.
    """

    preparation: str
    threshold: float
    hit: Bool
    new: int

    @property
    def recall(self) -> float:
        """Share of the wanted craters that is found."""
        return float(self.hit.mean())

    @property
    def precision(self) -> float | None:
        """Lower bound; None where nothing is detected."""
        hits = int(self.hit.sum())
        return hits / (hits + self.new) if hits + self.new else None


def cell(found: Circles, known: Circles, ruling: Rules, name: str, threshold: float) -> Cell:
    """Return what detections reach at a threshold."""
    sides = protocol.sides_of(found.kept(found.confidence >= threshold), known, ruling)
    judged = metrics.judge(sides, matching.candidates(sides.found, sides.known)[GATE])
    got = np.zeros(len(sides.known), bool)
    got[judged.partner[judged.partner >= 0]] = True
    return Cell(name, threshold, got[sides.wanted], int((judged.outcome == metrics.NEW).sum()))


def degradation(circles: Circles) -> NDArray[np.str_]:
    """Return the class of each crater."""
    ratio = circles.depth_m / circles.diameter_m
    place = np.where(np.isfinite(ratio), 2 - np.digitize(ratio, _EDGES), 3)
    return np.array(CLASSES)[place]


def rim_distance(one: Circles, other: Circles) -> Float:
    """Return how far the nearest rim of others is from each circle's own, in its own radii.

    The mean over the own rim's azimuths of the distance to the other circle; infinite where there
    is no other.
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


def near_by_chance(
    predicted: Circles, true: Circles, bounds: tuple[float, float, float, float], seed: int
) -> Float:
    """Return the shares of predictions near true rims, in draws where chance places them."""
    west, south, east, north = bounds
    shares = np.zeros(_DRAWS)
    for draw in range(_DRAWS):
        rng = np.random.default_rng([seed, draw])
        thrown = Circles(
            rng.uniform(west, east, len(predicted)),
            rng.uniform(south, north, len(predicted)),
            predicted.radius_m,
            predicted.confidence,
            predicted.depth_m,
        )
        if len(predicted):
            shares[draw] = (rim_distance(thrown, true) < NEAR).mean()
    return shares


def gain(cells: list[Cell], first: Cell, seed: int) -> dict[str, Any]:
    """Return what the best other preparation brings at the precision of what is done now.

    The best of many brings something by luck alone. So the interval is as wide as the luckiest of
    all that were tried makes it: the bootstrap's largest deviation among them (the "max T" of
    Westfall & Young 1993), not that of the best one.

    Parameters
    ----------
    cells : list of Cell
        The grid.
    first : Cell
        The preparation and the threshold of detect-craters.
    seed : int
        Of the bootstrap over craters.

    Returns
    -------
    dict
        The cell, and recall gained with its interval, JSON-able.
    """
    least = first.precision or 0.0
    same = [c for c in cells if c.preparation == first.preparation]
    others = [c for c in cells if c.preparation != first.preparation]

    def fit(some: list[Cell]) -> list[Cell]:
        return [c for c in some if (c.precision or 0.0) >= least]

    def best(some: list[Cell]) -> Cell | None:
        return max(some, key=lambda c: (c.recall, c.precision or 0.0), default=None)

    tried = fit(others)
    plain, other = best(fit([first, *same])) or first, best(tried)
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


def lower(cells: list[Cell], first: Cell) -> Cell | None:
    """Return what a lower threshold reaches that finds much more, mostly right; None if none does.

    Of several the one that finds most, and errs least.

    Parameters
    ----------
    cells : list of Cell
        The grid.
    first : Cell
        The preparation and the threshold of detect-craters.
    """
    fit = [
        one
        for one in cells
        if one.preparation == first.preparation
        and one.threshold < first.threshold
        and (one.precision or 0.0) >= ACCEPTED
        and one.recall - first.recall >= GAIN
    ]
    return max(fit, key=lambda one: (one.recall, one.precision, one.threshold), default=None)


def verdict(
    misses: int, predictions: int, gained: Mapping[str, Any], near: float, chance: Float
) -> tuple[str, str]:
    """Return the verdict and its reason.

    Parameters
    ----------
    misses, predictions : int
        How many craters are missed, and detections there are.
    gained : mapping
        As `gain` returns it.
    near : float
        Share of the predictions near a true rim.
    chance : ndarray of float64
        As `near_by_chance` returns it.
    """
    high = float(np.quantile(chance, 0.975))
    lie = f"{near:.0%} of the predictions lie on true rims (in 97.5 % of random draws "
    lie += f"{high:.0%} at most)"
    if misses < FEWEST:
        said = "nothing to explain", f"{misses} craters are missed, too few to say why"
    elif gained["recall"] >= GAIN and gained["low"] > 0.0:
        reason = f"heights {gained['preparation']} bring {gained['recall']:.2f} more recall at the "
        reason += "same precision: prepare them so, or train on heights as they come"
        said = "modality shift", reason
    elif predictions < FEWEST:
        said = "undecided", f"{predictions} predictions are too few to say where they lie"
    elif near >= MOSTLY and near > high:
        reason = f"no preparation brings craters back, and {lie}: show the network more craters of "
        said = "distribution within the domain", reason + "the kind that it misses"
    elif near <= high:
        said = "modality shift", f"{lie}: the network does not read this ground"
    else:
        reason = f"no preparation brings craters back, and {lie}: look at the others, which may be "
        said = "undecided", reason + "craters that the catalogue lacks"
    return said
