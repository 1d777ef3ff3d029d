"""Synthetic terrain: determinism, statistics of slopes and craters, and the stage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio

from lunarsite.engine import moon, provenance
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CancelledError, ParameterError
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.stages.synthesize import STAGE
from lunarsite.engine.synthetic import craters, profiles
from lunarsite.engine.synthetic.terrain import fractal, generate

GRID = Grid(-12_800.0, 12_800.0, 100.0, 256, 256)


def test_terrain_is_determined_by_its_seed_on_any_number_of_threads():
    height, catalogue = generate(GRID, 5, threads=1)
    again, same = generate(GRID, 5, threads=3)
    assert height.dtype == np.float32
    assert height.tobytes() == again.tobytes()
    pd.testing.assert_frame_equal(catalogue, same)
    other, _ = generate(GRID, 6)
    assert not np.array_equal(height, other)
    assert np.isfinite(height).all()


def test_opposite_edges_do_not_match():
    height = fractal(
        GRID, np.random.default_rng(1), roll_over_m=9e4, hurst=1.4, slope_deg=9.0
    ).astype(np.float64)
    step = np.abs(np.diff(height, axis=1)).mean()
    assert np.abs(height[:, 0] - height[:, -1]).mean() > 10 * step


@pytest.mark.parametrize("pixel_m", [25.0, 50.0, 100.0])
def test_fractal_ground_has_the_requested_median_slope(pixel_m):
    grid = Grid(0.0, 0.0, pixel_m, 400, 300)
    found = []
    for seed in range(6):
        height = fractal(
            grid, np.random.default_rng(seed), roll_over_m=4e3, hurst=0.9, slope_deg=9.0
        )
        step = round(100.0 / pixel_m)
        rise = np.hypot(
            height[step:, :-step] - height[:-step, :-step],
            height[:-step, step:] - height[:-step, :-step],
        )
        rise /= 100.0
        found.append(np.degrees(np.arctan(np.median(rise))))
    assert np.mean(found) == pytest.approx(9.0, rel=0.2)


def test_fresh_craters_have_the_depth_of_pike():
    for diameter, depth in ((5_000.0, 196.0 * 5.0**1.01), (30_000.0, 1044.0 * 30.0**0.301)):
        assert profiles.fresh_depth_m(np.array(diameter)) == pytest.approx(depth)
    assert profiles.fresh_depth_m(np.array(100.0)) / 100.0 == pytest.approx(0.15, abs=0.01)
    table = profiles.tables()
    depth = table[:, 0].max(axis=1) - table[:, 0].min(axis=1)
    assert np.abs(depth - 1.0).max() < 0.25
    rim = np.argmax(table[:, 0], axis=1) * profiles.REACH / (profiles.RADII - 1)
    assert np.abs(rim - 1.0).max() < 0.1


def test_degradation_reduces_depth_and_conserves_volume():
    diameter = np.full(40, 2_000.0)
    wear = np.geomspace(profiles.WEAR_MIN, profiles.WEAR_MAX, 40)
    ratio = profiles.depth_ratio(diameter, wear)
    assert ratio[0] == pytest.approx(1.0)
    assert (np.diff(ratio) < 0).all()
    assert 0.1 < ratio[-1] < 0.25
    # Diffusion conserves volume, up to the taper at the end of the ejecta.
    radius = np.linspace(0.0, profiles.REACH, profiles.RADII)
    volume = (profiles.tables()[0] * radius).sum(axis=1)
    dug = np.abs(np.minimum(profiles.tables()[0, 0], 0.0) * radius).sum()
    assert np.abs(volume - volume[0]).max() < 0.06 * dug


def test_a_single_crater_has_its_position_diameter_and_depth():
    x, y = moon.lonlat_to_xy(40.0, -80.5)
    grid = Grid(float(x) - 5_000.0, float(y) + 5_000.0, 50.0, 200, 200)
    one = np.zeros(1, craters.CRATER)
    one["x_m"], one["y_m"], one["diameter_m"] = x, y, 3_000.0
    one["wear"], one["fresh_depth_m"] = profiles.WEAR_MIN, 590.0
    height = np.zeros(grid.shape, np.float32)
    craters.stamp(height, grid, one)
    assert height.max() - height.min() == pytest.approx(590.0, rel=0.05)
    row = height[100]
    rims = np.argmax(row[:100]), 100 + np.argmax(row[100:])
    k = float(moon.map_scale(x, y))
    assert (rims[1] - rims[0]) * 50.0 == pytest.approx(3_000.0 * k, abs=150.0)


def test_stamping_in_parts_equals_stamping_at_once():
    rng = np.random.default_rng(2)
    population = craters.population(
        GRID, rng, min_diameter_m=400.0, max_diameter_m=2e4, density=0.7
    )
    whole, parts = np.zeros(GRID.shape, np.float32), np.zeros(GRID.shape, np.float32)
    craters.stamp(whole, GRID, population)
    for part in np.array_split(population, 7):
        craters.stamp(parts, GRID, part)
    assert whole.tobytes() == parts.tobytes()


def test_crater_sizes_follow_the_saturation_law():
    grid = Grid(-100_000.0, 100_000.0, 200.0, 1000, 1000)
    found = craters.population(
        grid, np.random.default_rng(1), min_diameter_m=800.0, max_diameter_m=1e5, density=0.5
    )
    inside = found[(np.abs(found["x_m"]) < 1e5) & (np.abs(found["y_m"]) < 1e5)]
    for km in (0.8, 1.6, 3.2):
        count = (inside["diameter_m"] >= 1000 * km).sum()
        expected = 0.5 * 10**-1.14 * km**-1.83 * 40_000
        assert count == pytest.approx(expected, abs=4 * np.sqrt(expected) + 0.01 * expected)
    ratio = inside["depth_m"] / inside["diameter_m"]
    assert 0.05 < np.median(ratio) < 0.09
    assert ratio.min() > 0.02
    assert ratio.max() < 0.32


def test_an_empty_diameter_range_is_rejected():
    with pytest.raises(ParameterError, match=r"smallest crater \(900 m\).*Lower --min-diameter-m"):
        generate(GRID, 1, min_diameter_m=900.0, max_diameter_m=800.0)


def test_generation_can_be_cancelled():
    context = Context(threads=1)
    context.report = lambda _fraction, _message: context.cancelled.set()
    with pytest.raises(CancelledError):
        generate(GRID, 1, context=context)


def test_stage_writes_the_elevation_model_and_its_catalogue(tmp_path):
    given = {"size_px": 128, "pixel_m": 100, "seed": 3, "center_x_m": 5_000, "center_y_m": -7_000}
    results = [
        STAGE.run({**given, "out": str(tmp_path / name / "dem.tif")}, Context(threads=n))
        for n, name in enumerate("ab", start=1)
    ]
    digests = [
        [provenance.sha256(path) for path in result["outputs"].values()] for result in results
    ]
    assert digests[0] == digests[1]
    dem = read_dem(results[0]["outputs"]["dem"])
    assert dem.grid == Grid(-1_400.0, -600.0, 100.0, 128, 128)
    with rasterio.open(results[0]["outputs"]["dem"]) as source:
        assert '"seed": 3' in source.tags()["LUNARSITE"]
    table = pd.read_csv(results[0]["outputs"]["craters"])
    assert list(table.columns[:7]) == [
        "id",
        "lon_deg",
        "lat_deg",
        "diameter_m",
        "depth_m",
        "x_m",
        "y_m",
    ]
    assert results[0]["craters"] == len(table) > 10
    x, y = moon.lonlat_to_xy(table["lon_deg"], table["lat_deg"])
    assert np.abs(x - table["x_m"]).max() < 1.0
    assert np.abs(y - table["y_m"]).max() < 1.0


@pytest.mark.realdata
def test_slopes_are_close_to_those_of_the_real_ridge(real):
    dem = read_dem(real / "dem" / "shackleton_ridge_200m.tif")
    synthetic = [generate(dem.grid, seed)[0] for seed in range(1, 5)]
    medians = [np.median(np.hypot(*np.gradient(h, 200.0))) for h in synthetic]
    real_median = np.median(np.hypot(*np.gradient(dem.height_m, 200.0)))
    assert 0.65 < np.mean(medians) / real_median < 1.2
