"""Suitability, probability, trees, contributions and sites, cell by cell from their definitions."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING

import numpy as np
from oracles.ground import distance_m

if TYPE_CHECKING:
    from collections.abc import Mapping

DEM_ERROR_M, CORRELATION_M, HORIZON_ERROR_DEG = 1.0, 300.0, 0.1

PROFILES = {
    "cassa": (
        ("slope_mean_deg", -1, 5.0, 1.0),
        ("avg_illumination_pct", 1, 33.0, 5.0),
        ("earth_visibility_pct", 1, 50.0, 5.0),
    ),
    "hls": (
        ("slope_max_deg", -1, 8.0, 1.0),
        ("clearance_8deg_m", 1, 100.0, 25.0),
        ("avg_illumination_pct", 1, 33.0, 5.0),
        ("earth_visibility_pct", 1, 50.0, 5.0),
    ),
}
"""Feature, sense (+1 at least, -1 at most), limit and softness of every criterion."""

SOURCES = {
    "slope_mean_deg": "slope",
    "slope_max_deg": "slope",
    "clearance_8deg_m": "slope",
    "avg_illumination_pct": "illumination",
    "earth_visibility_pct": "earth_visibility",
}
HEIGHTS = ("slope_mean_deg", "slope_max_deg", "clearance_8deg_m")


def margins(profile: str, place: Mapping[str, float]):
    return np.array([way * (place[name] - limit) for name, way, limit, _ in PROFILES[profile]])


def gradient_error(offsets, pixel_m: float) -> float:
    """Return the standard error of a mean gradient for heights known to 1 m, from w' C w.

    ``offsets`` are rows and columns of the pixels over which Horn's gradients are averaged.
    """
    weights: dict[tuple[int, int], float] = {}
    for row, column in offsets:
        for down, across in itertools.product((-1, 0, 1), repeat=2):
            at = (row + down, column + across)
            one = across * (2 - abs(down)) / (8.0 * pixel_m * len(offsets))
            weights[at] = weights.get(at, 0.0) + one
    places, w = np.array(list(weights)) * pixel_m, np.array(list(weights.values()))
    away = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    return math.sqrt(w @ np.exp(-0.5 * (away / CORRELATION_M) ** 2) @ w)


def standard_errors(profile: str, place: Mapping[str, float], offsets, pixel_m: float):
    """Return the standard errors of the criteria at a place; ``offsets`` are its pixels."""
    height = place.get("elevation_error_mean_m", np.nan)
    height = height if np.isfinite(height) else DEM_ERROR_M
    out = []
    for name, *_ in PROFILES[profile]:
        if name == "clearance_8deg_m":
            out.append(pixel_m)
        elif name in HEIGHTS:
            own = offsets if name == "slope_mean_deg" else [(0, 0)]
            out.append(math.degrees(math.atan(height * gradient_error(own, pixel_m))))
        else:
            stem = "illumination" if name.startswith("avg") else "earth"
            out.append(HORIZON_ERROR_DEG * place[f"{stem}_sensitivity"])
    return np.array(out)


def log_memberships(profile: str, place: Mapping[str, float], sigma):
    softness = np.array([soft for *_, soft in PROFILES[profile]])
    t = margins(profile, place) / np.sqrt(softness**2 + (sigma / 1.702) ** 2)
    return -np.logaddexp(0.0, -t)


def log_odds(memberships):
    """Return the log-odds of the geometric mean of memberships, given as logarithms."""
    mean = np.mean(memberships, axis=-1)
    return mean - np.log(-np.expm1(mean))


def expit(t):
    return 1.0 / (1.0 + np.exp(-np.asarray(t, np.float64)))


def probability(profile: str, place: Mapping[str, float], sigma) -> float:
    """Return the probability that all margins are positive: one error for each source."""
    margin = margins(profile, place)
    if np.isnan(margin).any():
        return np.nan
    total = 1.0
    names = [name for name, *_ in PROFILES[profile]]
    for of_heights in (True, False):
        own = np.array([(name in HEIGHTS) == of_heights for name in names])
        exact = own & (sigma <= 0.0)
        total *= float((margin[exact] >= 0.0).all())
        own &= sigma > 0.0
        if own.any():
            least = float((margin[own] / sigma[own]).min())
            total *= 0.5 * math.erfc(-least / math.sqrt(2.0))
    return total


def trees_at(dump: list[str], place: Mapping[str, float]) -> float:
    """Return the sum of the leaves that a place falls into, in float32 as the trees are."""
    total = 0.0
    for text in dump:
        node = json.loads(text)
        while "leaf" not in node:
            value = np.float32(place[node["split"]])
            key = "missing" if np.isnan(value) else "no"
            if value < np.float32(node["split_condition"]):
                key = "yes"
            node = next(child for child in node["children"] if child["nodeid"] == node[key])
        total += node["leaf"]
    return total


def shapley(own, references):
    """Return the Shapley values of criteria against references, by enumeration of subsets."""
    count = len(own)
    worth = {}
    for size in range(count + 1):
        for chosen in itertools.combinations(range(count), size):
            mixed = np.array(references)
            mixed[:, list(chosen)] = own[list(chosen)]
            worth[chosen] = float(log_odds(mixed).mean())
    values = np.zeros(count)
    for k in range(count):
        others = [n for n in range(count) if n != k]
        for size in range(count):
            share = math.factorial(size) * math.factorial(count - size - 1)
            for chosen in itertools.combinations(others, size):
                more = tuple(sorted((*chosen, k)))
                values[k] += share / math.factorial(count) * (worth[more] - worth[chosen])
    return values, worth[()]


def sites(x_m, y_m, score, least_m: float, count: int) -> list[int]:
    """Return the cells without a better one nearer than a distance on the sphere, best first.

    Of equal scores the first counts as the better.
    """
    order = [int(n) for n in np.argsort(-score, kind="stable") if np.isfinite(score[n])]
    chosen = []
    for place, n in enumerate(order):
        better = order[:place]
        if not (distance_m(x_m[n], y_m[n], x_m[better], y_m[better]) < least_m).any():
            chosen.append(n)
        if len(chosen) == count:
            break
    return chosen
