from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.segmentation.samples import Sample
from lunarsite.engine.segmentation.training import camera_shifts


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    v, u = np.mgrid[0:160, 0:240]
    grey = 120 + 60 * np.sin(u / 9.0) * np.sin(v / 7.0) + rng.normal(0.0, 6.0, (160, 240))
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return Sample(image, (grey > 150).astype(np.uint8))


@pytest.mark.parametrize("kind", camera_shifts.KINDS)
def test_stronger_shifts_change_an_image_more(sample, kind):
    before = sample.image.astype(float)
    changes = []
    for level in camera_shifts.LEVELS:
        found = camera_shifts.shifted(sample, kind, level, np.random.default_rng(3))
        assert found.image.dtype == np.uint8
        if kind == "size":
            changes.append(sample.mask.size / found.mask.size)
            assert found.image.shape[:2] == found.mask.shape
        else:
            changes.append(np.abs(found.image - before).mean())
            assert np.array_equal(found.mask, sample.mask)
    assert changes == sorted(changes)
    assert changes[0] > 0.5
    assert changes[2] > 1.3 * changes[0]


def test_shifts_follow_from_their_seed(sample):
    for kind in camera_shifts.KINDS:
        one, two = (
            camera_shifts.shifted(sample, kind, 2, np.random.default_rng(5)) for _ in range(2)
        )
        assert np.array_equal(one.image, two.image)


def test_compression_keeps_the_mean_of_each_block(sample):
    # The wave of order zero is off by half a step at the most: 16 · 2 / 2 / 8 grey levels.
    found = camera_shifts.shifted(sample, "compression", 2, np.random.default_rng(1))
    means = [
        image.astype(float).mean(axis=2).reshape(20, 8, 30, 8).mean(axis=(1, 3))
        for image in (sample.image, found.image)
    ]
    assert np.abs(means[0] - means[1]).max() < 3.0
    # Waves finer than the steps are gone.
    assert found.image[..., 0].astype(float).std() < sample.image[..., 0].astype(float).std()


def test_exposure_scales_before_it_clips():
    flat = Sample(np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), np.uint8))
    levels = {
        int(camera_shifts.shifted(flat, "exposure", 3, np.random.default_rng(seed)).image[0, 0, 0])
        for seed in range(20)
    }
    assert levels == {255, 91}  # 200 · 2.2, clipped, and 200 / 2.2
