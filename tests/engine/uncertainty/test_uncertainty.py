"""Measures of uncertainty and of calibration, by their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunarsite.engine.uncertainty import calibration, measures


def shares(rng, *shape):
    drawn = rng.gamma(0.4, size=shape)
    return (drawn / drawn.sum(axis=-3, keepdims=True)).astype(np.float32)


def test_entropy_is_nothing_for_certainty_and_the_logarithm_of_the_classes_for_none():
    sure = np.zeros((4, 1, 1), np.float32)
    sure[2] = 1.0
    assert measures.entropy(sure)[0, 0] == 0.0
    even = np.full((4, 1, 1), 0.25, np.float32)
    assert measures.entropy(even)[0, 0] == pytest.approx(np.log(4.0))


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_mutual_information_lies_between_nothing_and_the_entropy(seed):
    passes = shares(np.random.default_rng(seed), 7, 4, 3, 5)
    found = measures.of_passes(passes)
    assert np.all(found.mutual_information >= 0.0)
    assert np.all(found.mutual_information <= found.entropy + 1e-6)
    np.testing.assert_allclose(found.probability.sum(axis=0), 1.0, rtol=1e-5)


def test_passes_that_agree_share_all_they_know():
    one = shares(np.random.default_rng(0), 4, 3, 3)
    found = measures.of_passes(np.stack([one] * 5))
    assert found.mutual_information.max() < 1e-6
    apart = np.zeros((2, 4, 1, 1), np.float32)
    apart[0, 0] = apart[1, 1] = 1.0
    assert measures.of_passes(apart).mutual_information[0, 0] == pytest.approx(np.log(2.0))


def test_an_uncertainty_is_drawn_from_dark_to_bright_and_grey_where_unknown():
    values = np.array([[0.0, 0.5, 1.0, np.nan]], np.float32)
    picture = measures.uncertainty_map_to_rgb(values, 1.0)
    grey = picture.astype(int).sum(axis=2)[0]
    assert grey[0] < grey[1] < grey[2]
    assert picture[0, 3].tolist() == [128, 128, 128]
    assert measures.uncertainty_map_to_rgb(np.full((2, 2), np.nan, np.float32)).shape == (2, 2, 3)


def test_confidence_that_comes_true_has_no_calibration_error_and_one_that_does_not_has():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 1.0, 400_000).astype(np.float32)
    right = rng.random(confidence.size) < confidence
    honest, boasting = calibration.Reliability(), calibration.Reliability()
    honest.add(confidence, right)
    boasting.add(np.minimum(confidence + 0.1, 1.0).astype(np.float32), right)
    assert honest.error() < 0.004
    assert honest.adaptive_error() < 0.004
    assert boasting.error() == pytest.approx(0.0929, abs=0.004)
    assert boasting.adaptive_error() == pytest.approx(0.0929, abs=0.004)
    # Errors come last in order of confidence, so risk grows with coverage.
    risks = [honest.risk_at(share) for share in (0.2, 0.6, 1.0)]
    assert risks == sorted(risks)
    assert risks[-1] == pytest.approx(1.0 - right.mean())
    assert honest.area_under_risk() < risks[-1]


def test_images_judged_one_by_one_are_judged_as_together():
    rng = np.random.default_rng(2)
    share = shares(rng, 4, 40, 60)
    mask = rng.integers(0, 5, (40, 60)).astype(np.uint8)
    mask[mask == 4] = 255
    names = ("a", "b", "c", "d")
    whole, parts = (calibration.Calibration(names, (1, 2)) for _ in range(2))
    whole.add(share, mask)
    for rows in (slice(0, 17), slice(17, 40)):
        parts.add(share[:, rows], mask[rows])
    assert whole.summary() == parts.summary()
    asked = mask < 4
    truth = np.eye(4)[mask[asked]].T
    said = whole.summary()
    assert said["pixels"] == asked.sum()
    assert said["brier"] == pytest.approx(((share[:, asked] - truth) ** 2).sum(0).mean(), abs=1e-6)
    found = -np.log(np.maximum(share[:, asked][mask[asked], np.arange(asked.sum())], 1e-12)).mean()
    assert said["nll"] == pytest.approx(found, rel=1e-5)


def test_nothing_judged_is_unknown_and_not_perfect():
    empty = calibration.Calibration(("a", "b"), (1,)).summary()
    assert empty["ece"] is None
    assert empty["ece_called_rocks"] is None


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_the_temperature_that_spoiled_logits_is_found_again(true):
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((4, 60_000)).astype(np.float32) * 2.0
    chance = np.exp(logits) / np.exp(logits).sum(axis=0)
    truth = (rng.random(logits.shape[1]) > np.cumsum(chance, axis=0)).sum(axis=0).clip(0, 3)
    found = calibration.temperature(logits * np.float32(true), truth.astype(np.uint8))
    assert found == pytest.approx(true, rel=0.03)


def test_rare_classes_have_a_temperature_of_their_own():
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((4, 90_000)).astype(np.float32) * 2.0
    chance = np.exp(logits) / np.exp(logits).sum(axis=0)
    truth = (rng.random(logits.shape[1]) > np.cumsum(chance, axis=0)).sum(axis=0).clip(0, 3)
    rare = np.isin(logits.argmax(axis=0), (1, 2))
    spoiled = np.where(rare, 3.0, 0.7).astype(np.float32) * logits
    found = calibration.temperatures(spoiled, truth.astype(np.uint8), (1, 2))
    assert found == pytest.approx((0.7, 3.0), rel=0.04)
    few = calibration.temperatures(spoiled[:, ~rare], truth[~rare].astype(np.uint8), (1, 2))
    assert few == pytest.approx((0.7, 0.7), rel=0.04)


def test_scores_that_are_apart_are_told_apart_and_equal_ones_are_not():
    low, high = np.array([0.0, 1.0, 2.0]), np.array([3.0, 4.0])
    assert calibration.auroc(low, high) == 1.0
    assert calibration.auroc(high, low) == 0.0
    assert calibration.auroc(low, low) == 0.5
    assert calibration.false_positive_rate(low, high) == 0.0
    assert calibration.false_positive_rate(high, low) == 1.0
    assert np.isnan(calibration.auroc(low, np.array([])))
