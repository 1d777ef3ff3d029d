"""The in-memory cache of training samples."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.training.sample_cache import SampleCache


@pytest.mark.parametrize(("capacity_bytes", "cached"), [(0, 0), (79, 0), (80, 1), (200, 2)])
def test_samples_are_cached_up_to_the_capacity(capacity_bytes, cached):
    loaded = []

    def load(number):
        loaded.append(number)
        return np.full(10, float(number))

    cache = SampleCache(load, lambda sample: sample.nbytes, capacity_bytes)
    for _ in range(2):
        for number in range(4):
            assert cache(number).tolist() == [number] * 10
    assert loaded == [0, 1, 2, 3, *range(cached, 4)]
