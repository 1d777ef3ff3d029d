"""Null models: uniform p-values, matched draws, resampled blocks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from lunarsite.engine.validation import nulls


def test_a_p_value_counts_the_observed_value_and_is_never_zero():
    assert nulls.p_value(10.0, np.arange(9.0)) == pytest.approx(0.1)
    assert nulls.p_value(-1.0, np.arange(9.0)) == 1.0


def test_missing_draws_are_left_out():
    assert nulls.p_value(5.0, [np.nan, 1.0, 2.0, 3.0]) == pytest.approx(0.25)


def test_without_a_generator_ties_count_as_as_large():
    assert nulls.p_value(1.0, [1.0, 1.0, 0.0]) == pytest.approx(0.75)


def test_with_random_ties_p_values_of_counts_are_uniform():
    rng = np.random.default_rng(3)
    found = [
        nulls.p_value(rng.binomial(5, 0.3), rng.binomial(5, 0.3, 99), ties=rng) for _ in range(2000)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_an_interval_of_nothing_is_unknown():
    assert np.isnan(nulls.interval([np.nan])).all()
    assert nulls.interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))


def test_classes_have_like_latitudes_and_slopes_and_equal_numbers():
    rng = np.random.default_rng(1)
    latitude, slope = rng.uniform(-90, -80, 4000), rng.gamma(2.0, 3.0, 4000)
    found = nulls.classes(latitude, slope)
    assert np.unique(found).size == 200
    assert np.bincount(found).tolist() == [20] * 200
    widest = max(np.ptp(latitude[found == number]) for number in range(200))
    assert widest < 0.6
    # Within a class of latitude, classes of slope follow one another.
    slopes = [slope[found == number] for number in range(10)]
    assert all(a.max() <= b.min() for a, b in itertools.pairwise(slopes))


def test_matched_draws_are_those_of_drawing_cells_without_replacement():
    rng = np.random.default_rng(5)
    labels = rng.integers(-1, 2, 300)
    cell_class = rng.integers(0, 4, 300)
    chosen = rng.choice(300, 60, replace=False)
    fast = nulls.matched_counts(labels, chosen, cell_class, 4000, rng)
    slow = np.zeros((4000, 2), np.int64)
    for draw in range(4000):
        for number in range(4):
            among = np.flatnonzero(cell_class == number)
            wanted = int((cell_class[chosen] == number).sum())
            drawn = labels[rng.choice(among, wanted, replace=False)]
            slow[draw] += [(drawn == 0).sum(), (drawn == 1).sum()]
    assert np.abs(fast.mean(axis=0) - slow.mean(axis=0)).max() < 0.15
    assert np.abs(fast.std(axis=0) - slow.std(axis=0)).max() < 0.15


def test_all_cells_of_a_class_are_drawn_where_all_are_chosen():
    labels = np.array([0, 0, 1, -1])
    counts = nulls.matched_counts(
        labels, np.arange(4), np.zeros(4, np.int64), 3, np.random.default_rng(1)
    )
    assert counts.tolist() == [[2, 1]] * 3


def test_resampled_blocks_give_the_standard_error_of_a_mean():
    rng = np.random.default_rng(2)
    values = rng.standard_normal(400).repeat(10)
    block = np.arange(400).repeat(10)
    terms = np.stack([values, np.ones(4000)])
    drawn = nulls.block_bootstrap(terms, block, lambda s: s[0] / s[1], 2000, rng)
    # Cells of a block are alike: 400 values count, not 4,000.
    assert drawn.std() == pytest.approx(1.0 / np.sqrt(400), rel=0.1)


def test_few_cells_make_few_classes():
    rng = np.random.default_rng(1)
    latitude, slope = rng.uniform(-90, -80, 400), rng.gamma(2.0, 3.0, 400)
    assert np.bincount(nulls.classes(latitude, slope)).max() < 20
    assert np.unique(nulls.classes(latitude)).size == 20
    for given in ((latitude, slope), (latitude[:30], slope[:30]), (latitude[:3], slope[:3])):
        counts = np.bincount(nulls.classes(*given))
        assert counts[counts > 0].min() >= min(10, given[0].size)
