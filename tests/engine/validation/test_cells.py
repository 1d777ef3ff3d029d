"""Scored cells: which ones, their percentiles, and the blocks that hold them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.io.grid import Grid
from lunarsite.engine.validation.cells import ScoredCells

GRID = Grid(-6e3, 6e3, 1000.0, 12, 12)


def cells(score, row=None, column=None):
    count = len(score)
    row = np.zeros(count, np.int64) if row is None else np.asarray(row)
    column = np.arange(count) if column is None else np.asarray(column)
    rest = np.zeros(count)
    return ScoredCells(
        GRID, row, column, np.asarray(score, np.float64), rest, rest, rest, rest, np.arange(count)
    )


def test_cells_without_a_score_are_left_out_and_unknown_slopes_are_steep():
    features = pd.DataFrame(
        {
            "row": [0, 0, 1, 1],
            "column": [0, 1, 0, 1],
            "lat_deg": [-89.0, -88.0, -87.0, -86.0],
            "slope_mean_deg": [3.0, 4.0, np.nan, 6.0],
            "x_m": [1.0, 2.0, 3.0, 4.0],
            "y_m": [5.0, 6.0, 7.0, 8.0],
        }
    )
    scores = pd.DataFrame({"log_odds": [0.5, np.nan, 2.0, 1.0]})
    found = ScoredCells.of(SimpleNamespace(grid=GRID, features=features, scores=scores))
    assert found.index.tolist() == [0, 2, 3]
    assert found.slope_deg.tolist() == [3.0, 90.0, 6.0]
    assert found.order.tolist() == [1, 2, 0]
    assert found.x_m.tolist() == [1.0, 3.0, 4.0]


def test_percentiles_run_from_zero_to_a_hundred_and_ties_share_theirs():
    assert cells([4.0, 1.0, 2.0, 2.0]).percentile == pytest.approx([100.0, 0.0, 50.0, 50.0])
    assert cells([7.0] * 5).percentile == pytest.approx([50.0] * 5)


def test_blocks_are_squares_of_the_side():
    row, column = np.divmod(np.arange(144), 12)
    block = cells(np.zeros(144), row, column).block(4000.0)
    _, counts = np.unique(block, return_counts=True)
    assert counts.tolist() == [16] * 9
    for number in np.unique(block):
        assert np.ptp(row[block == number]) == np.ptp(column[block == number]) == 3
