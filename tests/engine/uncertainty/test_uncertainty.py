"""Laws of entropy, ensembles, calibration and out-of-distribution detection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunarsite.engine.uncertainty import calibration, ensembles, measures, out_of_distribution


def random_probabilities(rng, *shape):
    drawn = rng.gamma(0.4, size=shape)
    return (drawn / drawn.sum(axis=-3, keepdims=True)).astype(np.float32)


def test_entropy_is_zero_for_certainty_and_log_of_the_classes_for_equal_probabilities():
    certain = np.zeros((4, 1, 1), np.float32)
    certain[2] = 1.0
    assert measures.entropy(certain)[0, 0] == 0.0
    equal = np.full((4, 1, 1), 0.25, np.float32)
    assert measures.entropy(equal)[0, 0] == pytest.approx(np.log(4.0))


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_mutual_information_lies_between_zero_and_the_entropy(seed):
    passes = random_probabilities(np.random.default_rng(seed), 7, 4, 3, 5)
    found = ensembles.combine(passes)
    assert np.all(found.mutual_information >= 0.0)
    assert np.all(found.mutual_information <= found.entropy + 1e-6)
    np.testing.assert_allclose(found.probability.sum(axis=0), 1.0, rtol=1e-5)


def test_mutual_information_is_zero_for_equal_members_and_log_two_for_opposed_ones():
    member = random_probabilities(np.random.default_rng(0), 4, 3, 3)
    found = ensembles.combine(np.stack([member] * 5))
    assert found.mutual_information.max() < 1e-6
    opposed = np.zeros((2, 4, 1, 1), np.float32)
    opposed[0, 0] = opposed[1, 1] = 1.0
    assert ensembles.combine(opposed).mutual_information[0, 0] == pytest.approx(np.log(2.0))


def test_uncertainty_picture_brightens_with_the_value_and_is_grey_at_nodata():
    values = np.array([[0.0, 0.5, 1.0, np.nan]], np.float32)
    picture = measures.uncertainty_map_to_rgb(values, 1.0)
    brightness = picture.astype(int).sum(axis=2)[0]
    assert brightness[0] < brightness[1] < brightness[2]
    assert picture[0, 3].tolist() == [128, 128, 128]
    assert measures.uncertainty_map_to_rgb(np.full((2, 2), np.nan, np.float32)).shape == (2, 2, 3)


def test_calibration_error_is_zero_for_calibrated_and_not_for_overconfident_predictions():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 1.0, 400_000).astype(np.float32)
    correct = rng.random(confidence.size) < confidence
    calibrated, overconfident = calibration.Reliability(), calibration.Reliability()
    calibrated.add(confidence, correct)
    overconfident.add(np.minimum(confidence + 0.1, 1.0).astype(np.float32), correct)
    assert calibrated.expected_calibration_error() < 0.004
    assert calibrated.adaptive_calibration_error() < 0.004
    assert overconfident.expected_calibration_error() == pytest.approx(0.0929, abs=0.004)
    assert overconfident.adaptive_calibration_error() == pytest.approx(0.0929, abs=0.004)
    # The most confident predictions are the most often correct, so risk grows with coverage.
    risks = [calibrated.risk_at(coverage) for coverage in (0.2, 0.6, 1.0)]
    assert risks == sorted(risks)
    assert risks[-1] == pytest.approx(1.0 - correct.mean())
    assert calibrated.area_under_risk() < risks[-1]


def test_calibration_of_parts_of_an_image_adds_up_to_that_of_the_whole():
    rng = np.random.default_rng(2)
    share = random_probabilities(rng, 4, 40, 60)
    mask = rng.integers(0, 5, (40, 60)).astype(np.uint8)
    mask[mask == 4] = 255
    names = ("a", "b", "c", "d")
    whole, parts = (calibration.Calibration(names, (1, 2)) for _ in range(2))
    whole.add(share, mask)
    for rows in (slice(0, 17), slice(17, 40)):
        parts.add(share[:, rows], mask[rows])
    assert whole.summary() == parts.summary()
    labelled = mask < 4
    truth = np.eye(4)[mask[labelled]].T
    summary = whole.summary()
    assert summary["pixels"] == labelled.sum()
    assert summary["brier"] == pytest.approx(
        ((share[:, labelled] - truth) ** 2).sum(0).mean(), abs=1e-6
    )
    nll = -np.log(
        np.maximum(share[:, labelled][mask[labelled], np.arange(labelled.sum())], 1e-12)
    ).mean()
    assert summary["nll"] == pytest.approx(nll, rel=1e-5)


def test_calibration_error_without_pixels_is_none():
    empty = calibration.Calibration(("a", "b"), (1,)).summary()
    assert empty["ece"] is None
    assert empty["ece_called_rocks"] is None


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_fit_recovers_the_temperature_that_scaled_the_logits(true):
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((4, 60_000)).astype(np.float32) * 2.0
    probability = np.exp(logits) / np.exp(logits).sum(axis=0)
    truth = (rng.random(logits.shape[1]) > np.cumsum(probability, axis=0)).sum(axis=0).clip(0, 3)
    found = calibration.fit_temperature(logits * np.float32(true), truth.astype(np.uint8))
    assert found == pytest.approx(true, rel=0.03)


def test_pixels_predicted_as_rare_have_their_own_temperature():
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((4, 90_000)).astype(np.float32) * 2.0
    probability = np.exp(logits) / np.exp(logits).sum(axis=0)
    truth = (rng.random(logits.shape[1]) > np.cumsum(probability, axis=0)).sum(axis=0).clip(0, 3)
    rare = np.isin(logits.argmax(axis=0), (1, 2))
    scaled = np.where(rare, 3.0, 0.7).astype(np.float32) * logits
    found = calibration.fit_temperatures(scaled, truth.astype(np.uint8), (1, 2))
    assert found == pytest.approx((0.7, 3.0), rel=0.04)
    few = calibration.fit_temperatures(scaled[:, ~rare], truth[~rare].astype(np.uint8), (1, 2))
    assert few == pytest.approx((0.7, 0.7), rel=0.04)


def test_auroc_is_one_for_separated_scores_and_a_half_for_equal_ones():
    low, high = np.array([0.0, 1.0, 2.0]), np.array([3.0, 4.0])
    assert out_of_distribution.auroc(low, high) == 1.0
    assert out_of_distribution.auroc(high, low) == 0.0
    assert out_of_distribution.auroc(low, low) == 0.5
    assert out_of_distribution.false_positive_rate(low, high) == 0.0
    assert out_of_distribution.false_positive_rate(high, low) == 1.0
    assert np.isnan(out_of_distribution.auroc(low, np.array([])))


def test_auroc_is_the_probability_of_a_higher_score_with_ties_counted_half():
    rng = np.random.default_rng(5)
    inside, outside = rng.integers(0, 20, 60).astype(float), rng.integers(5, 25, 40).astype(float)
    higher = (outside[:, None] > inside).mean() + 0.5 * (outside[:, None] == inside).mean()
    assert out_of_distribution.auroc(inside, outside) == pytest.approx(higher)


def test_a_temperature_depends_on_rounding_no_more_than_the_logits_do():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 4, 6000).astype(np.uint8)
    logits = rng.standard_normal((4, 6000)).astype(np.float32) * 3.0
    logits[truth, np.arange(6000)] += 2.0
    rounded = logits * (1.0 + 1e-7 * rng.standard_normal(logits.shape)).astype(np.float32)
    one, other = (calibration.fit_temperature(each, truth) for each in (logits, rounded))
    assert one == pytest.approx(other, abs=1e-5)
