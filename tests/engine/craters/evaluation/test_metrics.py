"""Precision, recall, average precision and rim rasters."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lunarsite.engine.context import Context
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import matching, metrics, rim_pixels
from lunarsite.engine.craters.evaluation.metrics import HIT, IGNORED, NEW, Comparison

ALL = (0.0, np.inf)


def on_map(*rows, score=None):
    x, y, radius = np.array(rows, np.float64).reshape(-1, 3).T
    score = np.ones(x.size) if score is None else np.array(score, np.float64)
    return Circles(x, y, radius, score, np.full(x.size, np.nan))


def compared(found, known, in_scope=None, targets=None):
    in_scope = np.ones(len(found), bool) if in_scope is None else np.array(in_scope)
    targets = np.ones(len(known), bool) if targets is None else np.array(targets)
    return Comparison(found, known, in_scope, targets)


def scattered(random, count, side=60_000.0):
    return Circles(
        random.uniform(0, side, count),
        random.uniform(0, side, count),
        1000 * 2 ** random.uniform(0, 2, count),
        random.uniform(0, 1, count),
        np.full(count, np.nan),
    )


def test_a_hit_a_miss_and_a_new_one():
    two = compared(
        on_map((0, 0, 1000), (9e4, 0, 1000)),
        on_map((100, 0, 1000), (-9e4, 0, 1000)),
    )
    for pairs in matching.candidates(two.found, two.known).values():
        evaluation = metrics.evaluate(two, pairs)
        assert evaluation.partner.tolist() == [0, -1]
        assert evaluation.outcome.tolist() == [HIT, NEW]
        assert metrics.counts(two, evaluation).tolist() == [1, 1, 1]


def test_detections_that_match_no_target_are_ignored():
    two = compared(
        on_map((0, 0, 1000), (5e4, 0, 1000), (9e4, 0, 900)),
        on_map((0, 0, 950)),
        in_scope=[True, True, False],
        targets=[False],
    )
    pairs = matching.candidates(two.found, two.known)["iou"]
    assert metrics.evaluate(two, pairs).outcome.tolist() == [IGNORED, NEW, IGNORED]
    assert metrics.ranking(two, pairs).tolist() == [IGNORED, NEW, IGNORED]


def test_targets_are_matched_before_craters_that_fit_better():
    found = on_map((0, 0, 1000))
    known = on_map((0, 0, 1000), (200, 0, 1000))
    pairs = matching.candidates(found, known)["iou"]
    evaluation = metrics.evaluate(compared(found, known, targets=[False, True]), pairs)
    assert evaluation.partner.tolist() == [1]


def test_a_detection_out_of_scope_may_match_but_is_never_new():
    two = compared(
        on_map((0, 0, 900), (9e4, 0, 900)), on_map((0, 0, 1000)), in_scope=[False, False]
    )
    pairs = matching.candidates(two.found, two.known)["strict"]
    evaluation = metrics.evaluate(two, pairs)
    assert metrics.counts(two, evaluation).tolist() == [1, 0, 0]


def test_a_hit_belongs_to_the_range_of_its_crater():
    two = compared(on_map((0, 0, 1010), (9e4, 0, 990)), on_map((0, 0, 990)))
    evaluation = metrics.evaluate(two, matching.candidates(two.found, two.known)["iou"])
    assert metrics.counts(two, evaluation, (0.0, 2000.0)).tolist() == [1, 0, 1]
    assert metrics.counts(two, evaluation, (2000.0, np.inf)).tolist() == [0, 0, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(matching.GATES))
def test_ranges_add_up_and_the_last_rank_is_the_whole(seed, gate):
    random = np.random.default_rng(seed)
    two = compared(
        scattered(random, 80),
        scattered(random, 70),
        in_scope=random.random(80) < 0.8,
        targets=random.random(70) < 0.8,
    )
    pairs = matching.candidates(two.found, two.known)[gate]
    evaluation = metrics.evaluate(two, pairs)
    whole = metrics.counts(two, evaluation)
    ranges = [(0.0, 3000.0), (3000.0, 4500.0), (4500.0, np.inf)]
    np.testing.assert_array_equal(sum(metrics.counts(two, evaluation, r) for r in ranges), whole)
    assert whole[0] + whole[1] == two.targets.sum()
    assert (metrics.ranking(two, pairs) == HIT).sum() == whole[0]
    fast = metrics.evaluate(two, pairs, matching.most)
    assert metrics.counts(two, fast)[0] == whole[0]


def test_average_precision_of_known_cases():
    def of(*outcome, targets):
        return metrics.average_precision(np.array(outcome, np.int64), targets)

    assert of(HIT, HIT, NEW, targets=2) == 1.0
    assert of(NEW, HIT, targets=1) == 0.5
    assert of(HIT, NEW, HIT, targets=4) == pytest.approx((1 + 2 / 3) / 4)
    assert of(NEW, HIT, HIT, targets=2) == pytest.approx(2 / 3)
    assert of(HIT, IGNORED, HIT, targets=2) == 1.0
    assert of(targets=3) == 0.0


def test_average_precision_falls_if_confidence_is_inverted():
    random = np.random.default_rng(3)
    known = scattered(random, 60)
    wrong = scattered(random, 60)
    x, y, radius = (
        np.concatenate([getattr(known, n), getattr(wrong, n)]) for n in ("x_m", "y_m", "radius_m")
    )
    good = np.repeat([0.9, 0.1], 60)
    values = []
    for score in (good, 1.0 - good):
        two = compared(Circles(x, y, radius, score, np.full(120, np.nan)), known)
        pairs = matching.candidates(two.found, two.known)["strict"]
        values.append(metrics.average_precision(metrics.ranking(two, pairs), 60))
    assert values[0] > 0.99
    assert values[1] < 0.6


def test_the_bootstrap_is_as_wide_as_a_binomial_and_the_same_for_a_seed():
    one = metrics.summary(60, 40, 20, np.random.default_rng(1))
    assert one == metrics.summary(60, 40, 20, np.random.default_rng(1))
    assert one["recall"]["value"] == 0.6
    assert one["precision"]["value"] == 0.75
    assert one["f1"]["value"] == pytest.approx(120 / 180)
    wide = one["recall"]["high"] - one["recall"]["low"]
    assert wide == pytest.approx(2 * 1.96 * np.sqrt(0.6 * 0.4 / 100), rel=0.1)
    ranked = np.repeat([HIT, NEW], [60, 20])
    area = metrics.ranked_summary(ranked, 100, np.random.default_rng(1))
    assert area["value"] == pytest.approx(0.6)
    assert area["low"] < 0.6 < area["high"]
    assert area["high"] - area["low"] == pytest.approx(wide, rel=0.2)


def test_undefined_metrics_are_none():
    nothing = metrics.summary(0, 0, 0, np.random.default_rng(1))
    assert nothing["precision"] == nothing["recall"] == {"value": None, "low": None, "high": None}
    silent = metrics.summary(0, 5, 0, np.random.default_rng(1))
    assert silent["precision"]["value"] is None
    assert silent["recall"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    none = metrics.ranked_summary(np.array([NEW]), 0, np.random.default_rng(1))
    assert none["value"] is None


def test_draws_without_a_target_have_no_average_precision():
    # Three in ten draws have no target and would otherwise count as zeros.
    area = metrics.ranked_summary(np.array([HIT, NEW, NEW]), 1, np.random.default_rng(1))
    assert area == {"value": 1.0, "low": 1.0, "high": 1.0}
    behind = metrics.ranked_summary(np.array([NEW, HIT, NEW]), 1, np.random.default_rng(1))
    assert behind["value"] == 0.5
    assert behind["low"] >= 1 / 3


def test_random_circles_match_as_often_as_geometry_predicts():
    known = on_map((50_000, 50_000, 1000))
    found = on_map(*[(0, 0, 1000)] * 20)
    two = compared(found, known)
    chance = metrics.random_circles(two, (0.0, 0.0, 1e5, 1e5), [ALL], 5, Context())
    again = metrics.random_circles(two, (0.0, 0.0, 1e5, 1e5), [ALL], 5, Context())
    assert chance == again
    # A centre within sqrt(1.8) radii: 5.65e6 of 1e10 m², twenty times.
    assert chance["deepmoon"][0]["recall"]["mean"] < 0.08
    assert chance["deepmoon"][0]["draws"] == 100
    crowd = compared(on_map(*[(0, 0, 1000)] * 3000), known)
    packed = metrics.random_circles(crowd, (0.0, 0.0, 1e5, 1e5), [ALL], 5, Context())
    expected = 1 - (1 - np.pi * 1.8e6 / 1e10) ** 3000
    assert packed["deepmoon"][0]["recall"]["mean"] == pytest.approx(expected, abs=0.1)
    loose, strict = (packed[gate][0]["recall"]["mean"] for gate in ("deepmoon", "strict"))
    assert strict < loose


def test_a_rim_is_a_thin_closed_ring():
    bounds = (0.0, 0.0, 100.0, 80.0)
    ring = rim_pixels.draw(on_map((50.3, 39.8, 25.2)), bounds, 1.0)
    assert ring.shape == (80, 100)
    row, column = np.nonzero(ring)
    away = np.hypot(column + 0.5 - 50.3, 80 - (row + 0.5) - 39.8)
    assert np.abs(away - 25.2).max() <= 0.5
    # Eight-connected rings have 4 sqrt(2) r pixels.
    assert ring.sum() == pytest.approx(4 * np.sqrt(2) * 25.2, rel=0.04)
    _, parts = ndimage.label(~ring)
    assert parts == 2


def test_rims_are_cut_at_the_edge():
    ring = rim_pixels.draw(on_map((0, 0, 30), (500, 500, 30)), (0.0, 0.0, 50.0, 50.0), 1.0)
    assert 20 < ring.sum() < 60
    assert ring[20:, :].any()


def test_rims_agree_within_their_distance():
    bounds = (0.0, 0.0, 200.0, 200.0)
    known = rim_pixels.draw(on_map((100, 100, 60)), bounds, 1.0)
    same = rim_pixels.compare(known, known)
    assert same["iou"] == same["f1"] == same["within_3_px"]["f1"] == 1.0
    wide = rim_pixels.compare(rim_pixels.draw(on_map((100, 100, 62)), bounds, 1.0), known)
    assert wide["iou"] < 0.05
    assert wide["within_1_px"]["f1"] < 0.2
    assert wide["within_3_px"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    f1 = [wide["f1"], *(wide[f"within_{n}_px"]["f1"] for n in (1, 2, 3))]
    assert f1 == sorted(f1)


def test_half_of_the_rims_are_half_of_the_recall():
    bounds = (0.0, 0.0, 400.0, 200.0)
    known = rim_pixels.draw(on_map((100, 100, 60), (300, 100, 60)), bounds, 1.0)
    found = rim_pixels.draw(on_map((100, 100, 60)), bounds, 1.0)
    result = rim_pixels.compare(found, known)
    assert result["precision"] == 1.0
    assert result["recall"] == pytest.approx(0.5)
    assert result["iou"] == pytest.approx(0.5)
    empty = rim_pixels.compare(np.zeros_like(known), known)
    assert empty["precision"] is None
    assert empty["recall"] == empty["f1"] == empty["within_2_px"]["recall"] == 0.0


def test_comparing_rims_takes_a_few_bytes_a_pixel():
    random = np.random.default_rng(4)
    found, known = random.random((2, 1000, 1000)) < 0.02
    tracemalloc.start()
    result = rim_pixels.compare(found, known)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * found.size
    # Within a distance: straight from the definition.
    away = ndimage.distance_transform_edt(~known)
    for limit in rim_pixels.TOLERANCES_PX:
        assert result[f"within_{limit}_px"]["precision"] == (away[found] <= limit).mean()
