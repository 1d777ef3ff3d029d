"""Ranks, rank intervals and selection of sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from lunarsite.engine import moon
from lunarsite.engine.scoring import labels, suitability
from lunarsite.engine.scoring.features import columns

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.error_model import Errors
    from lunarsite.engine.scoring.profiles import Profile

    Float = NDArray[np.float64]

INTERVAL = (5.0, 95.0)


def ranks(score: NDArray[np.floating]) -> Float:
    """Return ranks, 1 for the best; ties in the order of the cells; NaN for nodata."""
    out = np.full(len(score), np.nan)
    known = np.flatnonzero(np.isfinite(score))
    order = np.argsort(-score[known], kind="stable")
    out[known[order]] = np.arange(1, len(known) + 1)
    return out


def percentiles(rank: Float) -> Float:
    """Return the percentage of scored cells whose rank is not better."""
    count = int(np.isfinite(rank).sum())
    return np.asarray(100.0 * (count - rank + 1.0) / max(count, 1))


def rank_intervals(
    log_odds: NDArray[np.floating],
    table: pd.DataFrame,
    profile: Profile,
    errors: Errors,
    *,
    count: int,
    seed: int,
    scorer_error: float = 0.0,
    context: Context,
) -> tuple[Float, Float]:
    """Return the 5 % and 95 % quantiles of the rank of every cell over draws of the errors.

    A draw has errors of heights, horizons and networks, the scorer's own error, and, where landing
    discs are evaluated, another origin of the lattice of cells. It shifts the log-odds of a score
    by the shift of the log-odds of the criteria, so that the trees run once. The rank of a cell is
    that of its shifted score among the scores of all cells with their own errors.

    Parameters
    ----------
    log_odds : ndarray, shape (cells,)
        Log-odds of the scores; NaN for nodata.
    table : DataFrame
        Feature table.
    profile : Profile
        The criteria.
    errors : Errors
        The error model.
    count, seed : int
        Number of draws, and their seed.
    scorer_error : float
        Standard error of the scorer, log-odds.
    context : Context
        Progress and cancellation.

    Returns
    -------
    low, high : ndarray of float64, shape (cells,)
        ``low`` is the better rank; NaN if the score is missing.
    """
    known = np.flatnonzero(np.isfinite(log_odds))
    score = log_odds[known].astype(np.float64)
    low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if len(known) == 0:
        return low, high
    nominal = suitability.exact_log_odds(table, profile)[known]
    moves = [
        np.nan_to_num(table[name].to_numpy(np.float64)[known], posinf=0.0, neginf=0.0)
        for name in columns.LATTICE_DRAWS
        if name in table
    ]
    drawn = np.empty((count, len(known)), np.int32)
    for number, log_product in enumerate(labels.draws(table, profile, errors, count, seed)):
        context.progress(number / count, "rank intervals")
        odds = suitability.to_log_odds(log_product[known] / len(profile.criteria))
        shifted = score + odds - nominal
        if scorer_error > 0.0:
            own = np.random.default_rng([seed, number, 1]).standard_normal(len(known))
            shifted += scorer_error * own
        order = np.argsort(-shifted, kind="stable")
        if not moves:
            drawn[number, order] = np.arange(1, len(known) + 1, dtype=np.int32)
            continue
        others = -shifted[order]
        moved = -(shifted + moves[number % len(moves)])
        drawn[number] = np.minimum(np.searchsorted(others, moved) + 1, len(known))
    drawn.sort(axis=0)
    ends = [round((count - 1) * share / 100.0) for share in INTERVAL]
    low[known], high[known] = drawn[ends[0]], drawn[ends[1]]
    return low, high


def local_maxima(
    table: pd.DataFrame, score: NDArray[np.floating], *, distance_m: float, count: int
) -> NDArray[np.int64]:
    """Return the indices of the cells that are the best within a distance, best first.

    Parameters
    ----------
    table : DataFrame
        With ``x_m`` and ``y_m``, on the Moon's south polar map.
    score : ndarray
        NaN for nodata; of equal scores the first in the table counts as the better.
    distance_m : float
        Distance within which no cell is better, metres on the ground.
    count : int
        Maximum number of cells.

    Returns
    -------
    ndarray of int64
        Row numbers.
    """
    known = np.flatnonzero(np.isfinite(score))
    order = known[np.argsort(-score[known], kind="stable")]
    if len(order) == 0:
        return order
    lon, lat = np.radians(
        moon.xy_to_lonlat(table["x_m"].to_numpy()[order], table["y_m"].to_numpy()[order])
    )
    directions = np.stack(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1
    )
    chord = 2.0 * np.sin(min(distance_m / (2.0 * moon.RADIUS_M), np.pi / 2.0))
    tree = cKDTree(directions)
    free = np.ones(len(order), bool)
    chosen: list[int] = []
    for place in range(len(order)):
        if len(chosen) >= count:
            break
        if free[place]:
            chosen.append(int(order[place]))
        # Every cell stands in the way of worse ones, also one that is not listed itself.
        free[tree.query_ball_point(directions[place], chord * (1.0 - 1e-9))] = False
    return np.array(chosen, dtype=np.int64)
