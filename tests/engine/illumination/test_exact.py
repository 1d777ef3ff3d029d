"""Exact horizons against the plain march, which looks at every part of every pixel."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.illumination.exact import Rays
from lunarsite.engine.illumination.horizon import Sweep, march, pack
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.moon import RADIUS_M

BEARING = np.arange(0.0, 360.0, 10.0)


def rough(side: int = 80, pixel_m: float = 200.0, seed: int = 0, x0: float = -9e3) -> Dem:
    random = np.random.default_rng(seed)
    height = np.cumsum(np.cumsum(random.standard_normal((side, side)), 0), 1) * 4.0
    return Dem(Grid(x0, 9e3, pixel_m, side, side), height.astype(np.float32))


def places_in(dem: Dem, count: int = 12, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    west, south, east, north = dem.grid.bounds
    random = np.random.default_rng(seed)
    edge = 2 * dem.grid.pixel_m
    return (
        random.uniform(west + edge, east - edge, count),
        random.uniform(south + edge, north - edge, count),
    )


def plainly(dem: Dem, far: list[Dem], x: np.ndarray, y: np.ndarray, mast: float) -> np.ndarray:
    """Return horizons towards the bearings by the plain march in steps of a fiftieth of a pixel."""
    found = []
    for px, py in zip(x, y, strict=True):
        lon, lat = (np.radians(float(v)) for v in moon.xy_to_lonlat(px, py))
        hour = np.radians(BEARING) - lon
        azimuth = np.degrees(np.arctan2(np.sin(hour), -np.sin(lat) * np.cos(hour)))
        horizon, _ = march(
            dem,
            pack(far),
            np.array([px]),
            np.array([py]),
            azimuth,
            mast_height_m=mast,
            step_px=0.02,
        )
        found.append(horizon[0])
    return np.array(found)


def exactly(
    dem: Dem, far: list[Dem], x: np.ndarray, y: np.ndarray, mast: float, context: Context
) -> np.ndarray:
    rays = Rays(Sweep(dem, far, mast_height_m=mast), context)
    return np.degrees(np.arctan(rays.horizons(x, y, BEARING, context).tangent))


def test_rays_agree_with_a_march_over_everything() -> None:
    dem = rough()
    far = [rough(60, 2000.0, 1, x0=-60e3), rough(60, 5000.0, 2, x0=-150e3)]
    x, y = places_in(dem)
    off = exactly(dem, far, x, y, 2.0, Context()) - plainly(dem, far, x, y, 2.0)
    # The march steps over the creases between patches of the surface, a fiftieth of a pixel.
    assert off.min() > -0.005
    assert np.sqrt(np.mean(off**2)) < 0.03


def test_from_the_centre_of_a_crest_nothing_beside_it_counts() -> None:
    # A ridge one pixel wide: seen from it, the plain on both sides is low.
    height = np.zeros((81, 81), np.float32)
    height[40] = 100.0
    dem = Dem(Grid(-4050.0, 4050.0, 100.0, 81, 81), height)
    across = Rays(Sweep(dem, mast_height_m=2.0), Context()).horizons(
        np.zeros(1), np.zeros(1), np.array([0.0, 180.0]), Context()
    )
    assert (np.degrees(np.arctan(across.tangent)) < -1.0).all()


def test_a_wall_is_as_high_as_it_is() -> None:
    height = np.zeros((41, 101), np.float32)
    height[:, 90] = 1000.0
    dem = Dem(Grid(-40e3, 20 * 400 + 200.0, 400.0, 101, 41), height)
    x = dem.grid.column_x_m()[[5, 30, 60]]
    rays = Rays(Sweep(dem), Context())
    found = rays.horizons(x, np.zeros(3), np.array([90.0]), Context())
    theta = 2 * np.arctan(dem.grid.column_x_m()[90] / (2 * RADIUS_M)) - 2 * np.arctan(
        x / (2 * RADIUS_M)
    )
    top = RADIUS_M + 1000.0
    expected = np.arctan2(top * np.cos(theta) - RADIUS_M, top * np.sin(theta))
    assert np.arctan(found.tangent[:, 0]) == pytest.approx(expected, abs=1e-5)
    assert np.arctan(found.reach[:, 0]) == pytest.approx(theta, rel=1e-3)


def test_without_terrain_the_horizon_is_that_of_a_smooth_sphere() -> None:
    height = np.full((9, 9), np.nan, np.float32)
    height[4, 4] = 500.0
    dem = Dem(Grid(-900.0, 900.0, 200.0, 9, 9), height)
    found = Rays(Sweep(dem), Context()).horizons(np.zeros(1), np.zeros(1), BEARING, Context())
    assert found.tangent == pytest.approx(-np.sqrt((1 + 500.0 / RADIUS_M) ** 2 - 1), rel=1e-6)


def test_a_finer_model_inside_a_cell_of_a_coarser_one_is_not_skipped() -> None:
    near = Dem(Grid(-2e3, 2e3, 100.0, 40, 40), np.zeros((40, 40), np.float32))
    plain = Dem(Grid(-200e3, 200e3, 5000.0, 80, 80), np.zeros((80, 80), np.float32))
    peak = np.zeros((8, 8), np.float32)
    peak[3:5, 3:5] = 3000.0
    small = Dem(Grid(60e3 - 4e3, 4e3, 1000.0, 8, 8), peak)
    x, y = np.zeros(1), np.zeros(1)
    off = exactly(near, [plain, small], x, y, 0.0, Context()) - plainly(
        near, [plain, small], x, y, 0.0
    )
    assert np.abs(off).max() < 0.01


def test_gaps_cast_the_shadows_of_the_far_field_but_are_no_places() -> None:
    dem = rough(60)
    holed = dem.height_m.copy()
    holed[20:40, 30:34] = np.nan
    far = [Dem(dem.grid, dem.height_m)]
    context = Context()
    rays = Rays(Sweep(Dem(dem.grid, holed), far), context)
    whole = Rays(Sweep(dem, far), context)
    column, row = dem.grid.column_x_m(), dem.grid.row_y_m()
    x = np.array([column[29], column[31], column[29] + 50.0, 1e6])
    y = np.full(4, row[30])
    found = rays.horizons(x, y, BEARING, context)
    # Its own pixel is known, whatever the one beside it is.
    assert np.isfinite(found.tangent[0]).all()
    assert np.isnan(found.tangent[1:]).all()
    assert np.isnan(rays.ground_height_m(x, y)).tolist() == [False, True, True, True]
    expected = whole.horizons(x[:1], y[:1], BEARING, context).tangent
    assert found.tangent[0] == pytest.approx(expected[0], abs=1e-6)


def test_horizons_do_not_depend_on_threads_company_or_memory(tmp_path) -> None:
    dem, far = rough(), [rough(60, 2000.0, 1, x0=-60e3)]
    x, y = places_in(dem, 40)
    whole = Rays(Sweep(dem, far), Context(threads=1)).horizons(x, y, BEARING, Context(threads=1))
    scratch = Scratch(tmp_path, 0)
    mapped = Rays(Sweep(dem, far, scratch=scratch), Context(threads=3), scratch=scratch)
    parts = [
        mapped.horizons(x[part], y[part], BEARING, Context(threads=3)).tangent
        for part in (slice(0, 7), slice(7, 8), slice(8, 40))
    ]
    assert np.array_equal(np.concatenate(parts), whole.tangent)
