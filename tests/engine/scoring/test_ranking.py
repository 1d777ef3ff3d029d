"""Ranks, their intervals and sites, on hand-made draws and lattices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.scoring import labels, profiles, ranking

CASSA = profiles.load("cassa")


def intervals(monkeypatch, ranks):
    """Return the intervals of draws with the given ranks, of shape (draws, cells)."""
    cells = ranks.shape[1]
    monkeypatch.setattr(labels, "draws", lambda *_: iter(np.log(0.9) - 0.01 * ranks))
    monkeypatch.setattr(labels, "exact_log_odds", lambda *_: np.zeros(cells))
    table = pd.DataFrame({"x_m": np.zeros(cells)})
    return ranking.rank_intervals(
        np.zeros(cells), table, CASSA, None, count=len(ranks), seed=1, context=Context()
    )


@pytest.mark.parametrize(
    ("draws", "low", "high"), [(21, 2, 20), (41, 3, 39), (101, 6, 96), (11, 1, 11)]
)
def test_intervals_are_the_nearest_order_statistics(monkeypatch, draws, low, high):
    # The first cell takes every rank from 1 to the number of draws once, the others what is left.
    ranks = np.empty((draws, draws), np.int64)
    for draw in range(draws):
        others = [rank for rank in range(1, draws + 1) if rank != draw + 1]
        ranks[draw] = [draw + 1, *others]
    found_low, found_high = intervals(monkeypatch, np.random.default_rng(2).permutation(ranks))
    assert (found_low[0], found_high[0]) == (low, high)
    # The same by numpy, which knows nothing of ours.
    own = np.quantile(ranks, [0.05, 0.95], axis=0, method="closest_observation")
    assert abs(found_low - own[0]).max() <= 1
    assert abs(found_high - own[1]).max() <= 1


def test_sites_exactly_at_the_least_distance_are_kept():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(6) * 960.0, np.arange(5) * 960.0))
    table = pd.DataFrame({"x_m": x, "y_m": y})
    score = np.linspace(1.0, 0.0, len(table))
    best = ranking.local_maxima(table, score, distance_m=960.0, count=100)
    assert sorted(best) == list(range(len(table)))
    apart = ranking.local_maxima(table, score, distance_m=960.1, count=100)
    wanted = []
    for index in np.argsort(-score):
        away = np.hypot(x[wanted] - x[index], y[wanted] - y[index])
        if not (away < 960.1).any():
            wanted.append(index)
    assert apart.tolist() == wanted
