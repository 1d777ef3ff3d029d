"""Ranks, their intervals and sites, on hand-made draws and lattices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.scoring import labels, profiles, ranking, suitability

CASSA = profiles.load("cassa")


def intervals(monkeypatch, ranks):
    """Return the intervals of draws with the given ranks, of shape (draws, cells)."""
    cells = ranks.shape[1]
    monkeypatch.setattr(labels, "draws", lambda *_: iter(np.log(0.9) - 0.01 * ranks))
    monkeypatch.setattr(suitability, "exact_log_odds", lambda *_: np.zeros(cells))
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


def test_a_lattice_elsewhere_widens_the_interval(monkeypatch):
    cells = 100
    monkeypatch.setattr(labels, "draws", lambda *_: iter(np.zeros((21, cells))))
    monkeypatch.setattr(suitability, "exact_log_odds", lambda *_: np.zeros(cells))
    monkeypatch.setattr(suitability, "to_log_odds", lambda log: log)
    table = pd.DataFrame({f"lattice_draw_{n}": np.zeros(cells) for n in range(1, 9)})
    table.loc[50, "lattice_draw_3"] = 30.5
    low, high = ranking.rank_intervals(
        -np.arange(cells, dtype=float), table, CASSA, None, count=21, seed=1, context=Context()
    )
    others = np.arange(cells) != 50
    np.testing.assert_array_equal(low[others], high[others])
    np.testing.assert_array_equal(low[others], 1.0 + np.flatnonzero(others))
    assert (low[50], high[50]) == (21.0, 51.0)


def lattice(side=6):
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(side) * 960.0, np.arange(side) * 960.0))
    return pd.DataFrame({"x_m": x, "y_m": y})


def test_a_site_has_no_better_cell_within_the_distance():
    table = lattice(20)
    score = np.random.default_rng(4).random(len(table))
    best = ranking.local_maxima(table, score, distance_m=2000.0, count=1000)
    x, y = table["x_m"].to_numpy(), table["y_m"].to_numpy()
    away = np.hypot(x[:, None] - x, y[:, None] - y)
    wanted = [n for n in range(len(table)) if score[away[n] < 2000.0].max() == score[n]]
    assert sorted(best) == wanted
    assert (np.diff(score[best]) < 0.0).all()
    assert ranking.local_maxima(table, score, distance_m=2000.0, count=3).tolist() == list(best[:3])


def test_on_a_ramp_there_is_one_site_and_without_a_distance_there_are_all():
    table = lattice()
    score = np.linspace(1.0, 0.0, len(table))
    for distance_m, sites in ((960.1, 1), (950.0, len(table)), (0.0, len(table))):
        best = ranking.local_maxima(table, score, distance_m=distance_m, count=100)
        assert len(best) == sites


def test_the_distance_between_sites_is_measured_on_the_ground():
    # At 80°S a map metre is 0.8 % less on the ground.
    x_m = float(moon.lonlat_to_xy(90.0, -80.0)[0])
    table = pd.DataFrame({"x_m": [x_m, x_m], "y_m": [0.0, 1000.0]})
    score = np.array([0.9, 0.8])
    for distance_m, sites in ((990.0, 2), (995.0, 1)):
        assert len(ranking.local_maxima(table, score, distance_m=distance_m, count=9)) == sites
