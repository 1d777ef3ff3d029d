"""Craters that the edge of an elevation model, or a gap in it, cuts."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.craters import edges
from lunarsite.engine.craters.pyramid import Level
from lunarsite.engine.io.grid import Grid

GRID = Grid(0.0, 100.0, 1.0, 100, 100)


def level(height=None):
    return Level(0, GRID, np.zeros(GRID.shape, np.float32) if height is None else height)


def test_a_rim_beyond_the_edge_is_cut():
    x, y = np.array([50.0, 5.0, 50.0, 0.0]), np.array([50.0, 50.0, 95.0, 100.0])
    radius = np.array([20.0, 4.0, 10.0, 10.0])
    assert edges.cut(level(), x, y, radius).tolist() == [False, False, True, True]
    known = edges.rim_known(level(), x, y, radius)
    assert known[2] == pytest.approx(2.0 / 3.0, abs=0.03)
    assert known[3] == pytest.approx(0.25, abs=0.03)


def test_a_gap_cuts_too():
    height = np.zeros(GRID.shape, np.float32)
    height[45:55, 60:75] = np.nan
    x, y = np.array([50.0, 50.0]), np.array([50.0, 50.0])
    assert edges.cut(level(height), x, y, np.array([15.0, 30.0])).tolist() == [True, False]
