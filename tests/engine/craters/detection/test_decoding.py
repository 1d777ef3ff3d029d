"""Peaks, merging across scales and non-maximum suppression."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.craters.detection import decoding
from lunarsite.engine.craters.detection.decoding import Peaks
from lunarsite.engine.craters.training import targets
from lunarsite.engine.synthetic.crater_tiles import tiles

HEADS = targets.OCTAVES * 4 + 1


def ideal(circles, side):
    """Return the outputs of a network without error."""
    drawn = targets.draw(circles, side)
    heat = np.clip(drawn.heat, 1e-6, 1.0 - 1e-6)
    heads = np.zeros((HEADS, side // 2, side // 2), np.float32)
    heads[: targets.OCTAVES] = np.log(heat / (1.0 - heat))
    heads[targets.OCTAVES + 1 :] = drawn.shape[:, :3].reshape(-1, side // 2, side // 2)
    return heads


def some_peaks(x, y, radius, logit, level):
    parts = (np.asarray(v, np.float64) for v in (x, y, radius, logit))
    return Peaks(*parts, np.asarray(level, np.int64))


@pytest.mark.parametrize("seed", [3, 8, 15])
def test_circles_are_recovered_from_a_perfect_output(seed):
    circles = tiles.make(seed, 320).circles
    x, y, radius, certain = circles[:, :4].T
    target = (certain > 0) & (radius >= targets.LEAST_RADIUS_PX) & (radius < 64.0)
    target &= (x > 0) & (x < 319) & (y > 0) & (y < 319)
    found = decoding.peaks(ideal(circles, 320), 0)
    gap = np.hypot(found.x[:, None] - x[target], found.y[:, None] - y[target])
    gap += np.abs(found.radius[:, None] - radius[target])
    assert target.sum() > 5
    assert np.quantile(gap.min(axis=0), 0.9) < 0.05


def test_empty_heat_maps_have_no_peaks_and_merge_to_nothing():
    heads = np.zeros((HEADS, 32, 32), np.float32)
    heads[: targets.OCTAVES] = -9.0
    found = decoding.peaks(heads, 0)
    assert found.x.size == 0
    assert decoding.merge(found, [10.0]).x.size == 0


def test_a_crater_seen_at_several_scales_becomes_one_between_them():
    found = some_peaks(
        [100.0, 104.0, 500.0], [50.0, 50.0, 50.0], [30.0, 33.0, 30.0], [2.0, 2.0, 1.0], [0, 1, 0]
    )
    merged = decoding.merge(found, [1.0, 2.0, 4.0])
    order = np.argsort(merged.x)
    np.testing.assert_allclose(merged.x[order], [102.0, 500.0])
    assert merged.radius[order][0] == pytest.approx(np.sqrt(30.0 * 33.0))
    probability = 1.0 / (1.0 + np.exp(-2.0))
    assert merged.total[order][0] == pytest.approx(2.0 * probability)
    assert merged.best[order][0] == 2.0
    # A radius of 30 is 30, 15 and 7.5 pixels at the three scales.
    assert merged.scales[order][0] == 3.0


def test_only_the_largest_peak_of_a_scale_counts():
    found = some_peaks([0.0, 1.0], [0.0, 0.0], [20.0, 20.0], [1.0, 3.0], [0, 0])
    merged = decoding.merge(found, [1.0])
    assert merged.x.size == 1
    assert merged.total[0] == pytest.approx(1.0 / (1.0 + np.exp(-3.0)))


def test_the_order_of_peaks_changes_nothing():
    rng = np.random.default_rng(4)
    count = 400
    values = [rng.uniform(0, 300, count), rng.uniform(0, 300, count)]
    values += [np.exp(rng.uniform(1.5, 4.0, count)), rng.normal(0, 2, count)]
    level = rng.integers(0, 3, count)
    plain = decoding.merge(some_peaks(*values, level), [1.0, 2.0, 4.0])
    mixed = rng.permutation(count)
    other = decoding.merge(some_peaks(*(v[mixed] for v in values), level[mixed]), [1.0, 2.0, 4.0])
    for name in ("x", "y", "radius", "best", "total", "scales"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(other, name))


def test_the_better_of_two_overlapping_circles_survives():
    x = np.array([0.0, 2.0, 40.0])
    kept = decoding.suppressed(
        x, np.zeros(3), np.array([10.0, 10.0, 10.0]), np.array([0.2, 0.9, 0.5]), max_iou=0.3
    )
    assert list(kept) == [1, 2]


def test_nested_circles_are_two_craters():
    kept = decoding.suppressed(
        np.zeros(2), np.zeros(2), np.array([10.0, 25.0]), np.array([0.9, 0.8]), max_iou=0.3
    )
    assert sorted(kept) == [0, 1]


def test_overlap_agrees_with_monte_carlo_integration():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-2, 2, (2, 12))
    radius = rng.uniform(0.5, 2.5, 12)
    points = rng.uniform(-5, 5, (400_000, 2))
    inside = np.hypot(points[:, :1] - x, points[:, 1:] - y) <= radius
    i, j = np.triu_indices(12, 1)
    both = (inside[:, i] & inside[:, j]).sum(axis=0)
    either = (inside[:, i] | inside[:, j]).sum(axis=0)
    np.testing.assert_allclose(decoding.overlap(x, y, radius, i, j), both / either, atol=0.01)


def test_trees_find_all_overlapping_circles():
    rng = np.random.default_rng(2)
    count = 300
    x, y = rng.uniform(0, 100, (2, count))
    radius = np.exp(rng.uniform(0.5, 3.5, count))
    i, j = np.triu_indices(count, 1)
    expected = np.zeros((count, count), bool)
    expected[i, j] = decoding.overlap(x, y, radius, i, j) > decoding.SAME_IOU
    expected |= expected.T
    assert expected.sum() > 50
    np.testing.assert_array_equal(
        decoding.overlapping(x, y, radius, decoding.SAME_IOU).toarray() > 0, expected
    )
