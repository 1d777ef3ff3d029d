"""Circles that a file lists twice."""

from __future__ import annotations

import numpy as np

from lunarsite.engine.craters.circles import duplicates, overlap


def test_nearly_equal_circles_are_those_that_every_pair_shows():
    random = np.random.default_rng(11)
    place = random.uniform(-5e4, 5e4, (400, 2))
    diameter = 1000.0 * 2.0 ** random.uniform(0, 4, 400)
    near = place + random.uniform(-0.06, 0.06, (400, 2)) * diameter[:, None]
    wide = diameter * random.uniform(0.93, 1.07, 400)
    x, y = np.concatenate([place, near]).T
    size = np.concatenate([diameter, wide])
    repeated, found = duplicates(x, y, size)
    i, j = np.triu_indices(800, 1)
    expected = (overlap(x, y, size / 2.0, i, j) >= 0.9).sum()
    assert not repeated.any()
    assert found == expected
    assert 50 < expected < 350


def test_equal_circles_repeat_the_first_in_any_order():
    x, y, size = np.array([0.0, 9e4, 0.0, 9e4]), np.zeros(4), np.array([4e3, 5e3, 4e3, 4e3])
    repeated, near = duplicates(x, y, size)
    assert repeated.tolist() == [False, False, True, False]
    assert near == 0
    assert duplicates(x[:0], y[:0], size[:0])[0].size == 0
