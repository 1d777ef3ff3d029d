"""Precision without a catalogue, from detections in the ground upside down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunarsite.engine.context import Context
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.detection import decoys, search
from lunarsite.engine.craters.detection.confidence import Calibration

CURVE = Calibration(0.0, 1.0, 0.0, 0.0, threshold=0.4)


def circles(confidence, diameter_m=1_000.0):
    zero = np.zeros(len(confidence))
    return Circles.of_ground(zero, zero, zero + diameter_m, confidence)


def test_false_detections_are_counted_upside_down():
    found = np.linspace(0.1, 0.9, 100)
    held = decoys.estimate(found, np.full(9, 0.5), 0.3)
    assert held.detections == 75
    assert held.decoys == 9
    # One decoy is added.
    assert held.precision == pytest.approx(1.0 - 10.0 / 75.0)
    assert 0.0 < held.low < held.precision < held.high < 1.0
    assert decoys.estimate(found, np.full(9, 0.5), 0.6).decoys == 0
    assert decoys.estimate(found[:14], np.empty(0), 0.0) is None
    assert "9 detections in the ground upside down against 75" in held.sentence()


@pytest.mark.parametrize("precision", [0.6, 0.75, 0.9])
def test_the_interval_holds_the_true_precision_of_a_mixture(precision):
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        true = rng.poisson(120 * precision)
        false, mirrored = rng.poisson(120 * (1.0 - precision), 2)
        found = np.full(true + false, 0.5)
        estimate = decoys.estimate(found, np.full(mirrored, 0.5), 0.1)
        held += estimate.low <= 1.0 - false / found.size <= estimate.high
    assert held >= 160


@given(
    st.lists(st.floats(0.02, 0.99), min_size=15, max_size=60),
    st.lists(st.floats(0.02, 0.99), max_size=60),
    st.floats(0.1, 0.9),
)
def test_the_threshold_is_the_lowest_that_keeps_the_precision(found, false, precision):
    best = decoys.threshold_for(circles(found), circles(false), precision, 700.0)
    found, false = np.array(found), np.array(false)
    levels = np.unique(np.floor(found * 1e4) / 1e4)
    kept = [
        level
        for level in levels
        if (found >= level).sum() >= decoys.FEWEST
        and 1.0 - ((false >= level).sum() + 1) / (found >= level).sum() >= precision
    ]
    if not kept:
        assert best is None
        return
    assert best.threshold == pytest.approx(min(kept))
    assert best.precision >= precision
    # A threshold given as text keeps the same detections.
    assert (found >= float(f"{best.threshold:g}")).sum() == best.detections


def test_the_higher_of_two_estimates_counts_where_the_confidence_is_calibrated():
    found = np.concatenate([np.full(40, 0.9), np.full(20, 0.5), np.full(40, 0.2)])
    false = np.concatenate([np.full(24, 0.95), np.full(30, 0.15)])
    alone = decoys.estimate(found, false, 0.4)
    assert (alone.source, alone.precision) == (decoys.FROM_DECOYS, pytest.approx(1 - 25 / 60))
    both = decoys.estimate(found, false, 0.4, by_confidence=True)
    assert (both.source, both.precision) == (decoys.FROM_CONFIDENCE, pytest.approx(46.0 / 60.0))
    # Of 40 at 0.9 and 20 at 0.5 as many are right as two binomials give.
    half = 1.96 * np.sqrt(40 * 0.09 + 20 * 0.25) / 60.0
    assert (both.low, both.high) == (
        pytest.approx(both.precision - half),
        pytest.approx(both.precision + half),
    )
    assert "0.77" in both.sentence()
    assert "their mean confidence (0.58 by the 24 detections in the ground" in both.sentence()
    assert both.as_dict()["from"] == "confidence"
    assert both.as_dict()["precision_by_decoys"] == round(1 - 25 / 60, 3)
    # Where decoys are fewer than the confidence fears, they count.
    few = decoys.estimate(found, false[:2], 0.4, by_confidence=True)
    assert (few.source, few.precision) == (decoys.FROM_DECOYS, pytest.approx(1 - 3 / 60))


@given(
    st.lists(st.floats(0.02, 0.99), min_size=15, max_size=60),
    st.lists(st.floats(0.02, 0.99), max_size=60),
    st.floats(0.1, 0.9),
)
def test_the_threshold_by_both_estimates_is_the_lowest_that_either_allows(found, false, precision):
    best = decoys.threshold_for(
        circles(found), circles(false), precision, 700.0, by_confidence=True
    )
    found, false = np.array(found), np.array(false)
    kept = []
    for level in np.unique(np.floor(found * 1e4) / 1e4):
        ours = found[found >= level]
        share = 1.0 - ((false >= level).sum() + 1) / ours.size
        if ours.size >= decoys.FEWEST and max(share, ours.mean()) >= precision + 1e-9:
            kept.append(level)
    if not kept:
        assert best is None or best.precision == pytest.approx(precision, abs=1e-6)
        return
    assert best.threshold <= min(kept) + 1e-9
    assert best.precision >= precision - 1e-9


def test_large_detections_need_the_precision_by_either_estimate():
    rng = np.random.default_rng(3)
    small, large = circles(np.full(300, 0.9)), circles(rng.uniform(0.1, 0.9, 40), 4_000.0)
    false = circles(np.full(30, 0.95), 4_000.0)
    found = Circles.joined([small, large])
    best = decoys.threshold_for(found, false, 0.75, 700.0, by_confidence=True)
    above = large.confidence[large.confidence >= best.threshold]
    assert above.size < decoys.FEWEST or above.mean() >= 0.75


def test_many_small_craters_do_not_hide_that_large_detections_are_false():
    rng = np.random.default_rng(3)
    small, large = circles(rng.uniform(0.1, 0.9, 900)), circles(rng.uniform(0.1, 0.9, 40), 4_000.0)
    found = Circles.joined([small, large])
    false = circles(np.concatenate([np.full(30, 0.3), np.full(2, 0.7)]), 4_000.0)
    best = decoys.threshold_for(found, false, 0.75, 700.0)
    assert best.threshold > 0.3
    assert best.precision > 0.95
    assert decoys.threshold_for(small, false.kept(np.zeros(32, bool)), 0.75, 700.0).threshold < 0.2


def test_too_few_detections_take_the_threshold_of_the_calibration():
    context = Context()
    options = {"precision": 0.75, "least_m": 500.0, "context": context}
    chosen = search.chosen_threshold(circles([0.9] * 9), circles([]), CURVE, **options)
    assert chosen == search.Threshold(0.4, search.CALIBRATED, None)
    assert "9 detections are too few to estimate their precision" in context.warnings[0]
    chosen = search.chosen_threshold(circles([0.5] * 30), circles([0.5] * 30), CURVE, **options)
    assert chosen.confidence == 0.4
    assert chosen.estimate.precision == 0.0
    assert "no threshold reaches an estimated precision of 0.75" in context.warnings[1]
    assert "--min-confidence" in context.warnings[1]


def test_only_craters_that_are_listed_count():
    context = Context()
    large, small = circles([0.5] * 20), circles([0.5] * 20, 100.0)
    false = Circles.joined([circles([0.5] * 2), circles([0.5] * 40, 100.0)])
    found = Circles.joined([large, small])
    chosen = search.chosen_threshold(
        found, false, CURVE, precision=0.75, least_m=500.0, context=context
    )
    assert chosen.source == search.OF_DEM
    assert (chosen.estimate.detections, chosen.estimate.decoys) == (20, 2)
    assert context.warnings == []
    assert chosen.as_dict()["estimated_precision"]["interval"][0] > 0.5
    assert any("0.85" in line for line in chosen.sentences())
