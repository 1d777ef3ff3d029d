"""Ranks, rank intervals and selection of sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from lunarsite.engine.scoring import labels

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
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
    errors: labels.Errors,
    *,
    count: int,
    seed: int,
    context: Context,
) -> tuple[Float, Float]:
    """Return the 5 % and 95 % quantiles of the rank of every cell over draws of the errors.

    A draw shifts the log-odds of the score by the shift of the log-odds of the criteria: the trees
    are evaluated once, and the shift is known in closed form.

    Parameters
    ----------
    log_odds : ndarray, shape (cells,)
        Log-odds of the scores; NaN for nodata.
    table : DataFrame
        Feature table.
    profile : Profile
        The criteria.
    errors : labels.Errors
        The error model.
    count, seed : int
        Number of draws, and their seed.
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
    nominal = labels.exact_log_odds(table, profile)[known]
    drawn = np.empty((count, len(known)), np.int32)
    all_ranks = np.arange(1, len(known) + 1, dtype=np.int32)
    for number, log_probability in enumerate(labels.draws(table, profile, errors, count, seed)):
        context.progress(number / count, "rank intervals")
        shifted = score + labels.log_odds(log_probability[known]) - nominal
        drawn[number, np.argsort(-shifted, kind="stable")] = all_ranks
    drawn.sort(axis=0)
    ends = [round((count - 1) * share / 100.0) for share in INTERVAL]
    low[known], high[known] = drawn[ends[0]], drawn[ends[1]]
    return low, high


def local_maxima(
    table: pd.DataFrame, score: NDArray[np.floating], *, distance_m: float, count: int
) -> NDArray[np.int64]:
    """Return the indices of the best cells with a minimum distance between them, best first.

    Parameters
    ----------
    table : DataFrame
        With ``x_m`` and ``y_m``.
    score : ndarray
        NaN for nodata.
    distance_m : float
        Minimum distance, map metres.
    count : int
        Maximum number of cells.

    Returns
    -------
    ndarray of int64
        Row numbers.
    """
    known = np.flatnonzero(np.isfinite(score))
    order = known[np.argsort(-score[known], kind="stable")]
    positions = table[["x_m", "y_m"]].to_numpy(np.float64)
    tree = cKDTree(positions[order])
    free = np.ones(len(order), bool)
    chosen: list[int] = []
    for place in range(len(order)):
        if len(chosen) >= count:
            break
        if free[place]:
            chosen.append(int(order[place]))
            free[tree.query_ball_point(positions[order[place]], distance_m * (1.0 - 1e-9))] = False
    return np.array(chosen, dtype=np.int64)
