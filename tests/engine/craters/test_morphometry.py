"""Depth and rim height of craters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters import morphometry, pyramid
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic import craters

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
    # Fresh rims stand 0.19 of the depth above the ground, part of it over their own ejecta.
    assert 0.08 < found.rim_height_m[0] / 800.0 < 0.2


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
