"""Ranks, rank intervals and the list of sites."""

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
    """Return ranks, 1 the best; equal scores in the order of the cells; NaN for missing."""
    out = np.full(len(score), np.nan)
    known = np.flatnonzero(np.isfinite(score))
    order = np.argsort(-score[known], kind="stable")
    out[known[order]] = np.arange(1, len(known) + 1)
    return out


def percentiles(rank: Float) -> Float:
    """Return the share of scored cells that a cell is at least as good as, percent."""
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
    """Return the 5 % and 95 % quantile of every cell's rank over draws of the errors.

    A draw moves the score's log-odds as it moves those of the criteria: the trees are asked once,
    and what a draw changes is known in closed form.

    Returns
    -------
    low, high : ndarray of float64, shape (cells,)
        ``low`` is the better rank. NaN where the score is missing.
    """
    known = np.flatnonzero(np.isfinite(log_odds))
    score = log_odds[known].astype(np.float64)
    low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if len(known) == 0:
        return low, high
    nominal = labels.exact_log_odds(table, profile)[known]
    drawn = np.empty((count, len(known)), np.int32)
    place = np.arange(1, len(known) + 1, dtype=np.int32)
    for number, log_probability in enumerate(labels.draws(table, profile, errors, count, seed)):
        context.progress(number / count, "rank intervals")
        moved = score + labels.log_odds(log_probability[known]) - nominal
        drawn[number, np.argsort(-moved, kind="stable")] = place
    drawn.sort(axis=0)
    ends = [round((count - 1) * share / 100.0) for share in INTERVAL]
    low[known], high[known] = drawn[ends[0]], drawn[ends[1]]
    return low, high


def local_maxima(
    table: pd.DataFrame, score: NDArray[np.floating], *, distance_m: float, count: int
) -> NDArray[np.int64]:
    """Return the indices of the best cells that keep a distance from one another, best first.

    Parameters
    ----------
    table : DataFrame
        With ``x_m`` and ``y_m``.
    score : ndarray
        NaN for missing.
    distance_m : float
        Least distance between two of them, map metres.
    count : int
        How many at most.
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
