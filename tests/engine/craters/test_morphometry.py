"""Depth and rim height of craters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters import morphometry, pyramid
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic import craters, profiles, terrain

GRID = Grid(-12_000.0, 9_000.0, 50.0, 480, 360)


def fresh(x_m, y_m, diameter_m, depth_m):
    one = np.zeros(1, craters.CRATER)
    one["x_m"], one["y_m"], one["diameter_m"] = x_m, y_m, diameter_m
    one["fresh_depth_m"], one["wear"] = depth_m, 1e-3
    return one


def measured(height, x_m, y_m, radius_m, folder):
    levels = pyramid.of(GRID, height, Scratch(folder, 10**9))
    return morphometry.measure(levels, *(np.array([v], np.float64) for v in (x_m, y_m, radius_m)))


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_the_depth_and_rim_of_a_fresh_crater(tmp_path, slope):
    rise = slope * GRID.column_x_m()
    height = np.broadcast_to(rise, GRID.shape).astype(np.float32)
    craters.stamp(height, GRID, fresh(1_000.0, -500.0, 4_000.0, 800.0))
    found = measured(height, 1_000.0, -500.0, 2_000.0, tmp_path)
    assert found.depth_m[0] == pytest.approx(800.0, rel=0.12)
    # At the smallest wear, a rim stands 0.16 of the fresh depth above the ground.
    assert found.rim_height_m[0] == pytest.approx(800.0 * profiles.tables()[0, 0].max(), rel=0.1)


def test_rims_of_generated_craters_are_as_high_as_they_were_made(tmp_path):
    ratio = []
    for seed in (41, 42, 43, 44):
        height, grid, made = generated(seed)
        levels = pyramid.of(grid, height, Scratch(tmp_path, 10**9))
        x, y, wear = (made[name].copy() for name in ("x_m", "y_m", "wear"))
        radius = profiles.mapped_radius(made["diameter_m"], wear) * made["diameter_m"] / 2.0
        found = morphometry.measure(levels, x, y, radius * moon.map_scale(x, y))
        state = np.arange(profiles.WEARS)
        crest = np.interp(profiles.wear_column(wear), state, profiles.tables()[0].max(axis=1))
        ratio.append(found.rim_height_m / (crest * made["fresh_depth_m"]))
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)


def generated(seed):
    """Return gentle ground with small craters, and nine fresh to moderately worn ones on it."""
    grid = Grid(20_000.0, 40_000.0, 25.0, 800, 800)
    height, _ = terrain.generate(
        grid, seed, min_diameter_m=75.0, max_diameter_m=250.0, slope_deg=0.5
    )
    random = np.random.default_rng(seed)
    made = np.zeros(9, craters.CRATER)
    made["x_m"] = grid.x_min_m + 20_000.0 * (np.arange(9) % 3 + 0.5) / 3.0
    made["y_m"] = grid.y_max_m - 20_000.0 * (np.arange(9) // 3 + 0.5) / 3.0
    made["diameter_m"] = random.uniform(1000.0, 2300.0, 9)
    made["wear"] = random.uniform(profiles.WEAR_MIN, 0.05, 9)
    made["fresh_depth_m"] = profiles.fresh_depth_m(made["diameter_m"])
    craters.stamp(height, grid, made)
    return height, grid, made


def test_the_rim_is_robust_to_a_younger_crater(tmp_path):
    height = np.zeros(GRID.shape, np.float32)
    craters.stamp(height, GRID, fresh(0.0, 0.0, 5_000.0, 900.0))
    plain = measured(height, 0.0, 0.0, 2_500.0, tmp_path)
    craters.stamp(height, GRID, fresh(2_500.0, 0.0, 1_500.0, 300.0))
    marred = measured(height, 0.0, 0.0, 2_500.0, tmp_path)
    assert marred.depth_m[0] == pytest.approx(plain.depth_m[0], rel=0.05)


def test_flat_ground_has_zero_depth_and_nodata_an_unknown_one(tmp_path):
    height = np.full(GRID.shape, 77.0, np.float32)
    flat = measured(height, 0.0, 0.0, 1_000.0, tmp_path)
    assert flat.depth_m[0] == pytest.approx(0.0, abs=1e-3)
    height[:, 200:] = np.nan
    gone = measured(height, 1_000.0, 0.0, 1_000.0, tmp_path)
    assert np.isnan(gone.depth_m[0])
    assert np.isnan(gone.rim_height_m[0])


@pytest.mark.realdata
def test_depths_agree_with_the_catalogue_of_the_real_frame(real, tmp_path):
    context = Context(threads=1)
    levels = pyramid.levels(
        real / "dem" / "shackleton_ridge_25m.tif", Scratch(tmp_path, 10**9), context
    )
    west, _, east, north = levels[0].grid.bounds
    table = pd.read_csv(real / "craters" / "lu1319373_80S.csv")
    inside = table["x_m"].between(west, east) & table["y_m"].between(-10_600.0, north)
    table = table[inside & (table["diameter_m"] >= 2_000.0)]
    place = (table[name].to_numpy() for name in ("x_m", "y_m"))
    found = morphometry.measure(levels, *place, table["diameter_m"].to_numpy() / 2.0)
    assert np.isfinite(found.depth_m).all()
    assert np.corrcoef(found.depth_m, table["depth_m"])[0, 1] >= 0.9
    assert np.median(found.depth_m / table["depth_m"]) == pytest.approx(1.0, abs=0.1)
