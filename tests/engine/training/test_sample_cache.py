"""The in-memory cache of training samples."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

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


def test_a_sample_is_loaded_by_one_thread_at_a_time():
    busy, most, loads = Counter(), Counter(), Counter()

    def load(number):
        busy[number] += 1
        most[number] = max(most[number], busy[number])
        time.sleep(0.01)
        loads[number] += 1
        busy[number] -= 1
        return number

    for capacity, expected in ((100, 1), (0, 8)):
        for counts in (busy, most, loads):
            counts.clear()
        cache = SampleCache(load, lambda _sample: 1, capacity)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(cache, [3, 4] * 8)) == [3, 4] * 8
        assert max(most.values()) == 1
        assert loads == {3: expected, 4: expected}
