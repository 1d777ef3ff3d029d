from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lunarsite.engine.scoring.features import cells


@pytest.fixture
def random():
    return np.random.default_rng(5)


def test_statistics_agree_with_numpy_for_gaps_and_partial_cells(random):
    pixels = random.normal(100.0, 30.0, (23, 31)).astype(np.float32)
    pixels[random.random(pixels.shape) < 0.2] = np.nan
    pixels[:4, :4] = np.nan
    found = cells.cell_statistics(pixels, 4)
    assert found.shape == (5, 6, 8)
    for r in range(6):
        for c in range(8):
            part = pixels[4 * r : 4 * r + 4, 4 * c : 4 * c + 4].astype(np.float64)
            known = part[np.isfinite(part)]
            assert found[0, r, c] == known.size
            wanted = (
                [known.mean(), known.std(), known.min(), known.max()]
                if known.size
                else [np.nan] * 4
            )
            np.testing.assert_allclose(found[1:, r, c], wanted, rtol=1e-6, atol=1e-4)
    assert np.isnan(found[1:, 0, 0]).all()


def test_clearance_agrees_with_scipy_up_to_its_reach(random):
    slope = random.gamma(2.0, 2.0, (60, 50)).astype(np.float32)
    slope[random.random(slope.shape) < 0.05] = np.nan
    slope[20:45, 15:40] = 1.0
    over = np.nan_to_num(slope, nan=0.0) > 5.0
    exact = np.minimum(ndimage.distance_transform_edt(~over), 9.0)
    found = cells.clearance(slope, 5.0, 9)
    known = np.isfinite(slope)
    np.testing.assert_allclose(found[known], exact[known], rtol=1e-6)
    assert np.isnan(found[~known]).all()


def test_clearance_of_strips_with_a_halo_is_that_of_the_whole(random):
    slope = random.gamma(2.0, 1.5, (60, 40)).astype(np.float32)
    whole = cells.clearance(slope, 5.0, 7)
    part = cells.clearance(slope[20 - 7 : 40 + 7], 5.0, 7)[7:-7]
    np.testing.assert_array_equal(part, whole[20:40])


def test_areas_and_circles_agree_with_brute_force(random):
    mask = (random.random((40, 30)) < 0.3).astype(np.uint8)
    mask[3, 3] = 255
    x, y = random.uniform(-12, 45, 60), random.uniform(-12, 55, 60)
    x[:20] = np.round(x[:20])
    radius = random.uniform(0.5, 12.0, 60)
    row, column = np.indices(mask.shape)
    inside = [
        (row - v) ** 2 + (column - u) ** 2 <= r * r for u, v, r in zip(x, y, radius, strict=True)
    ]
    found = cells.area_within(mask, x, y, radius)
    np.testing.assert_array_equal(found, [(i & (mask == 1)).sum() for i in inside])
    burnt = np.zeros_like(mask)
    cells.burn_circles(burnt, x, y, radius)
    np.testing.assert_array_equal(burnt == 1, np.logical_or.reduce(inside))


def test_a_circle_just_outside_the_frame_sets_no_pixel():
    mask = np.zeros((5, 5), np.uint8)
    cells.burn_circles(mask, np.array([2.0]), np.array([-1.2]), np.array([0.5]))
    assert not mask.any()


def test_edge_pixels_are_adjacent_to_other_pixels(random):
    mask = (random.random((20, 20)) < 0.7).astype(np.uint8)
    mask[0, 0] = 255
    core = ndimage.binary_erosion(mask == 1, border_value=0)
    wanted = np.argwhere((mask == 1) & ~core)
    np.testing.assert_array_equal(cells.edge_pixels(mask), wanted)
    assert len(cells.edge_pixels(np.zeros((4, 4), np.uint8))) == 0


def test_a_slope_at_the_limit_is_not_over_it():
    slope = np.full((1, 9), 1.0, np.float32)
    slope[0, 2], slope[0, 8] = 5.0, np.nextafter(np.float32(5.0), np.float32(6.0))
    assert cells.clearance(slope, 5.0, 20)[0].tolist() == [
        8.0,
        7.0,
        6.0,
        5.0,
        4.0,
        3.0,
        2.0,
        1.0,
        0.0,
    ]
