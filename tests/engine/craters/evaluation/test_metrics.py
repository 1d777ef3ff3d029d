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
from lunarsite.engine.craters.evaluation.metrics import APART, HIT, NEW, Sides

ALL = (0.0, np.inf)


def on_map(*rows, score=None):
    x, y, radius = np.array(rows, np.float64).reshape(-1, 3).T
    score = np.ones(x.size) if score is None else np.array(score, np.float64)
    return Circles(x, y, radius, score, np.full(x.size, np.nan))


def sides(found, known, full=None, wanted=None):
    full = np.ones(len(found), bool) if full is None else np.array(full)
    wanted = np.ones(len(known), bool) if wanted is None else np.array(wanted)
    return Sides(found, known, full, wanted)


def scattered(random, count, side=60_000.0):
    return Circles(
        random.uniform(0, side, count),
        random.uniform(0, side, count),
        1000 * 2 ** random.uniform(0, 2, count),
        random.uniform(0, 1, count),
        np.full(count, np.nan),
    )


def test_a_hit_a_miss_and_a_new_one():
    two = sides(
        on_map((0, 0, 1000), (9e4, 0, 1000)),
        on_map((100, 0, 1000), (-9e4, 0, 1000)),
    )
    for pairs in matching.candidates(two.found, two.known).values():
        judged = metrics.judge(two, pairs)
        assert judged.partner.tolist() == [0, -1]
        assert judged.outcome.tolist() == [HIT, NEW]
        assert metrics.counts(two, judged).tolist() == [1, 1, 1]


def test_what_matches_a_crater_nobody_asked_for_does_not_count():
    two = sides(
        on_map((0, 0, 1000), (5e4, 0, 1000), (9e4, 0, 900)),
        on_map((0, 0, 950)),
        full=[True, True, False],
        wanted=[False],
    )
    pairs = matching.candidates(two.found, two.known)["iou"]
    assert metrics.judge(two, pairs).outcome.tolist() == [APART, NEW, APART]
    assert metrics.ranking(two, pairs).tolist() == [APART, NEW, APART]


def test_a_wanted_crater_is_served_before_one_that_fits_better():
    found = on_map((0, 0, 1000))
    known = on_map((0, 0, 1000), (200, 0, 1000))
    pairs = matching.candidates(found, known)["iou"]
    judged = metrics.judge(sides(found, known, wanted=[False, True]), pairs)
    assert judged.partner.tolist() == [1]


def test_a_detection_that_is_not_full_may_match_but_is_never_wrong():
    two = sides(on_map((0, 0, 900), (9e4, 0, 900)), on_map((0, 0, 1000)), full=[False, False])
    pairs = matching.candidates(two.found, two.known)["strict"]
    judged = metrics.judge(two, pairs)
    assert metrics.counts(two, judged).tolist() == [1, 0, 0]


def test_a_hit_belongs_to_the_range_of_its_crater():
    two = sides(on_map((0, 0, 1010), (9e4, 0, 990)), on_map((0, 0, 990)))
    judged = metrics.judge(two, matching.candidates(two.found, two.known)["iou"])
    assert metrics.counts(two, judged, (0.0, 2000.0)).tolist() == [1, 0, 1]
    assert metrics.counts(two, judged, (2000.0, np.inf)).tolist() == [0, 0, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(matching.GATES))
def test_ranges_add_up_and_the_last_rank_is_the_whole(seed, gate):
    random = np.random.default_rng(seed)
    two = sides(
        scattered(random, 80),
        scattered(random, 70),
        full=random.random(80) < 0.8,
        wanted=random.random(70) < 0.8,
    )
    pairs = matching.candidates(two.found, two.known)[gate]
    judged = metrics.judge(two, pairs)
    whole = metrics.counts(two, judged)
    ranges = [(0.0, 3000.0), (3000.0, 4500.0), (4500.0, np.inf)]
    np.testing.assert_array_equal(sum(metrics.counts(two, judged, r) for r in ranges), whole)
    assert whole[0] + whole[1] == two.wanted.sum()
    assert (metrics.ranking(two, pairs) == HIT).sum() == whole[0]
    fast = metrics.judge(two, pairs, matching.most)
    assert metrics.counts(two, fast)[0] == whole[0]


def test_average_precision_of_known_cases():
    def of(*outcome, wanted):
        return metrics.average_precision(np.array(outcome, np.int64), wanted)

    assert of(HIT, HIT, NEW, wanted=2) == 1.0
    assert of(NEW, HIT, wanted=1) == 0.5
    assert of(HIT, NEW, HIT, wanted=4) == pytest.approx((1 + 2 / 3) / 4)
    assert of(NEW, HIT, HIT, wanted=2) == pytest.approx(2 / 3)
    assert of(HIT, APART, HIT, wanted=2) == 1.0
    assert of(wanted=3) == 0.0


def test_average_precision_falls_where_confidence_is_turned_round():
    random = np.random.default_rng(3)
    known = scattered(random, 60)
    wrong = scattered(random, 60)
    x, y, radius = (
        np.concatenate([getattr(known, n), getattr(wrong, n)]) for n in ("x_m", "y_m", "radius_m")
    )
    good = np.repeat([0.9, 0.1], 60)
    values = []
    for score in (good, 1.0 - good):
        two = sides(Circles(x, y, radius, score, np.full(120, np.nan)), known)
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


def test_what_cannot_be_divided_is_none():
    nothing = metrics.summary(0, 0, 0, np.random.default_rng(1))
    assert nothing["precision"] == nothing["recall"] == {"value": None, "low": None, "high": None}
    silent = metrics.summary(0, 5, 0, np.random.default_rng(1))
    assert silent["precision"]["value"] is None
    assert silent["recall"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    none = metrics.ranked_summary(np.array([NEW]), 0, np.random.default_rng(1))
    assert none["value"] is None


def test_draws_without_a_crater_say_nothing_of_average_precision():
    # Three draws in ten of these three have no crater: left in, they would be zeros.
    area = metrics.ranked_summary(np.array([HIT, NEW, NEW]), 1, np.random.default_rng(1))
    assert area == {"value": 1.0, "low": 1.0, "high": 1.0}
    behind = metrics.ranked_summary(np.array([NEW, HIT, NEW]), 1, np.random.default_rng(1))
    assert behind["value"] == 0.5
    assert behind["low"] >= 1 / 3


def test_random_circles_reach_what_geometry_says():
    known = on_map((50_000, 50_000, 1000))
    found = on_map(*[(0, 0, 1000)] * 20)
    two = sides(found, known)
    chance = metrics.random_circles(two, (0.0, 0.0, 1e5, 1e5), [ALL], 5, Context())
    again = metrics.random_circles(two, (0.0, 0.0, 1e5, 1e5), [ALL], 5, Context())
    assert chance == again
    # A centre within sqrt(1.8) radii: 5.65e6 of 1e10 m², twenty times.
    assert chance["deepmoon"][0]["recall"]["mean"] < 0.08
    assert chance["deepmoon"][0]["draws"] == 100
    crowd = sides(on_map(*[(0, 0, 1000)] * 3000), known)
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
    said = rim_pixels.compare(found, known)
    assert said["precision"] == 1.0
    assert said["recall"] == pytest.approx(0.5)
    assert said["iou"] == pytest.approx(0.5)
    empty = rim_pixels.compare(np.zeros_like(known), known)
    assert empty["precision"] is None
    assert empty["recall"] == empty["f1"] == empty["within_2_px"]["recall"] == 0.0


def test_comparing_rims_takes_a_few_bytes_a_pixel():
    random = np.random.default_rng(4)
    found, known = random.random((2, 1000, 1000)) < 0.02
    tracemalloc.start()
    said = rim_pixels.compare(found, known)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * found.size
    # Within a distance: straight from the definition.
    away = ndimage.distance_transform_edt(~known)
    for limit in rim_pixels.TOLERANCES_PX:
        assert said[f"within_{limit}_px"]["precision"] == (away[found] <= limit).mean()
