from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.segmentation import (
    evaluation,
    metrics,
    samples,
)
from lunarsite.engine.uncertainty import measures


def test_intersection_over_union_is_counted_by_hand():
    mask = np.array([[0, 0, 1, 1, 2, 255]], np.uint8)
    prediction = np.array([[0, 1, 1, 2, 2, 3]], np.uint8)
    agreement = metrics.Agreement()
    agreement.add(prediction, mask)
    found = agreement.summary()
    assert found["iou"] == {"ground": 0.5, "small rocks": 0.3333, "large rocks": 0.5, "sky": None}
    assert found["miou"] == pytest.approx((0.5 + 1 / 3 + 0.5) / 3, abs=1e-4)
    assert found["any_rock"] == pytest.approx(3 / 4)
    assert found["images"] == 1
    assert metrics.Agreement().summary() == {"images": 0}


def test_temperatures_are_fitted_separately_for_pixels_predicted_as_rock():
    rng = np.random.default_rng(2)
    mix = rng.standard_normal((4, 3)).astype(np.float32) * 1.5

    def softmax(logits):
        share = np.exp(logits - logits.max(axis=0))
        return share / share.sum(axis=0)

    class Miscalibrated:
        thread_safe = True
        side_px = None

        def __call__(self, channels):
            logits = np.einsum("kc,cij->kij", mix, channels)
            rock = np.isin(logits.argmax(axis=0), evaluation.ROCKS)
            share = softmax(logits * np.where(rock, 2.0, 0.8))
            return np.concatenate([share, measures.entropy(share)[None]]).astype(np.float32)

    def sample():
        image = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        share = softmax(np.einsum("kc,cij->kij", mix, samples.channels(image)))
        drawn = (rng.random((96, 96)) > np.cumsum(share, axis=0)).sum(axis=0)
        return samples.Sample(image, drawn.clip(0, 3).astype(np.uint8))

    found = evaluation.fit_temperatures(Miscalibrated(), [sample() for _ in range(6)])
    assert found == pytest.approx((0.8, 2.0), rel=0.08)


def test_usual_uncertainty_is_a_median_between_its_percentiles():
    found = evaluation.percentiles(np.arange(101.0))
    assert found == {"median": 50.0, "percentile_5": 5.0, "percentile_95": 95.0}
