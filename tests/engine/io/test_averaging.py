from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.io.averaging import block_mean


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_block_means_are_those_of_the_valid_pixels(factor):
    values = np.random.default_rng(0).normal(0.0, 100.0, (4 * factor, 3 * factor))
    wanted = values.reshape(4, factor, 3, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(block_mean(values.astype(np.float32), factor), wanted, rtol=1e-5)


def test_one_valid_pixel_is_enough_and_none_gives_nodata():
    values = np.full((2, 4), np.nan, np.float32)
    values[1, 0] = 7.0
    np.testing.assert_array_equal(block_mean(values, 2), np.float32([[7.0, np.nan]]))


def test_sums_of_many_large_heights_are_exact():
    values = np.full((512, 512), 10_000.1, np.float32)
    assert block_mean(values, 512)[0, 0] == pytest.approx(float(values[0, 0]), abs=1e-3)
