"""Distance to permanent shadow and its area, from strips of a mask."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring.features import shadow
from lunarsite.engine.scoring.features.places import Places


def in_strips(mask, grid, coarse, *, cells_per_strip):
    """Return the columns of a mask that is given in strips with the margin that is needed."""
    side = round(coarse.pixel_m / grid.pixel_m)
    margin = int(np.ceil(1.01 * shadow.WALK_M / grid.pixel_m))
    collected = shadow.Shadows(Places(grid, coarse, side))
    for first in range(0, coarse.height, cells_per_strip):
        cell_rows = range(first, min(first + cells_per_strip, coarse.height))
        rows = range(first * side, min(cell_rows.stop * side, grid.height))
        top, bottom = max(0, rows.start - margin), min(grid.height, rows.stop + margin)
        collected.add(mask[top:bottom].astype(np.float32), top, rows, cell_rows)
    return collected.columns(Context(threads=1))


@pytest.mark.parametrize("cells_per_strip", [1, 3, 7])
def test_strips_give_what_the_whole_mask_gives(cells_per_strip):
    random = np.random.default_rng(5)
    # 123 rows: the last cells are incomplete; sparse shadow: some cells have none in reach.
    grid = Grid(-3000.0, 8000.0, 150.0, 60, 123)
    coarse = Grid(-3000.0, 8000.0, 900.0, 10, 21)
    mask = random.random(grid.shape) < 0.004
    mask[40:55, 10:30] = True
    whole = in_strips(mask, grid, coarse, cells_per_strip=coarse.height)
    strips = in_strips(mask, grid, coarse, cells_per_strip=cells_per_strip)
    for name, values in whole.items():
        np.testing.assert_array_equal(strips[name], values, name)
    row, column = np.nonzero(mask)
    shadow_x, shadow_y = grid.column_x_m()[column], grid.row_y_m()[row]
    assert np.isnan(whole["psr_area_2km_km2"][[0, 20], [0, 9]]).all()
    for at in ((8, 4), (10, 5), (17, 3)):
        x, y = coarse.column_x_m()[at[1]], coarse.row_y_m()[at[0]]
        scale = moon.map_scale(x, y)
        away = np.hypot(shadow_x - x, shadow_y - y) / scale
        area = (away <= shadow.WALK_M).sum() * (0.15 / scale) ** 2
        assert whole["psr_area_2km_km2"][at] == pytest.approx(area, rel=1e-6)
        if whole["psr_distance_m"][at] > 0.0:
            assert whole["psr_distance_m"][at] == pytest.approx(away.min(), rel=1e-6)


def test_the_distance_to_shadow_is_measured_on_the_ground():
    # At 80°S a map metre is 0.8 % less on the ground.
    x_m = float(moon.lonlat_to_xy(90.0, -80.0)[0])
    grid = Grid(x_m, 9000.0, 100.0, 200, 180)
    coarse = Grid(x_m, 9000.0, 1000.0, 20, 18)
    mask = np.zeros(grid.shape, np.bool_)
    mask[:, 0] = True
    found = in_strips(mask, grid, coarse, cells_per_strip=coarse.height)
    distance_m = found["psr_distance_m"][9]
    across_m = coarse.column_x_m() - (x_m + 50.0)
    wanted_m = np.hypot(across_m, 0.0) / moon.map_scale(coarse.column_x_m(), -500.0)
    # Beyond, the edges are nearer than the shadow.
    assert distance_m[4:8] == pytest.approx(wanted_m[4:8], rel=0.002)
    assert np.isnan(distance_m[11:]).all()


def test_a_place_outside_the_mask_is_not_in_shadow():
    # 12 columns in cells of 5: the middle of the last cell is a pixel that the mask lacks.
    grid, coarse = Grid(0.0, 0.0, 100.0, 12, 10), Grid(0.0, 0.0, 500.0, 3, 2)
    found = in_strips(np.ones(grid.shape), grid, coarse, cells_per_strip=1)
    np.testing.assert_array_equal(found["psr_distance_m"][:, :2], 0.0)
    assert np.isnan(found["psr_distance_m"][:, 2]).all()
