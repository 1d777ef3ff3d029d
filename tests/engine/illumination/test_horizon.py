from __future__ import annotations

import numpy as np
import pytest
from oracles.dense_march import edge_crossing_horizons

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.illumination.horizon import Sweep, chunks, march, pack
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.moon import RADIUS_M

BEARINGS = (0.0, 7.0, 30.0, 45.0, 61.0, 90.0, 133.0, 180.0, 200.0, 270.0, 314.0, 359.0)


def rough(side: int = 80, pixel_m: float = 200.0, seed: int = 0, x0: float = -9e3) -> Dem:
    random = np.random.default_rng(seed)
    height = np.cumsum(np.cumsum(random.standard_normal((side, side)), 0), 1) * 4.0
    return Dem(Grid(x0, 25e3, pixel_m, side, side), height.astype(np.float32))


def on_lines(dem: Dem, sweep: Sweep, bearing: float) -> float:
    """Return the rms difference from brute force on some lines of a sweep, degrees."""
    slopes = sweep.slopes(bearing, Context())
    differences = []
    for line in range(2, len(slopes.reach) - 2, 7):
        offset = slopes.first_offset + line * slopes.spacing
        index, expected = edge_crossing_horizons(dem, bearing, offset, columns=not slopes.swapped)
        for column, horizon in zip(index, expected, strict=True):
            if horizon <= -90.0:
                continue
            tangent = float(slopes.values[line - slopes.base[column], column])
            x0, step = slopes.geometry[4], slopes.geometry[5]
            s = along(slopes.geometry, x0 + column * step, offset)
            swept = np.degrees(np.arctan(tangent / np.hypot(1.0, offset)) + s)
            differences.append(swept - horizon)
    return float(np.sqrt(np.mean(np.square(differences))))


def along(geometry: np.ndarray, x: float, t: float) -> float:
    """Return the angle along the great circle of offset t at its crossing with a column."""
    qx, qy, nx, ny = geometry[:4]
    roots = np.roots([t / 4, ny, nx * x - t + t * x * x / 4])
    y = float(roots[np.argmin(np.abs(roots))].real)
    s = (qx * x + qy * y) / (1 - (x * x + y * y) / 4)
    return float(np.arctan(s / np.hypot(1.0, t)))


@pytest.mark.parametrize("bearing", BEARINGS)
def test_sweep_equals_brute_force_over_edge_crossings(bearing: float) -> None:
    dem = rough()
    sweep = Sweep(dem)
    assert on_lines(dem, sweep, bearing) < 1e-3


@pytest.mark.realdata
def test_sweep_equals_brute_force_on_real_terrain(real) -> None:
    dem = read_dem(real / "dem/shackleton_ridge_200m.tif")
    sweep = Sweep(dem)
    assert max(on_lines(dem, sweep, bearing) for bearing in (20.0, 45.0, 250.0)) < 0.01


@pytest.mark.parametrize("bearing", BEARINGS)
@pytest.mark.parametrize("x0", [-8e3, 150e3])
def test_the_horizon_of_a_smooth_sphere_is_level(bearing: float, x0: float) -> None:
    dem = Dem(Grid(x0, 25e3, 200.0, 60, 60), np.zeros((60, 60), np.float32))
    horizon = Sweep(dem).horizon_deg(bearing, Context())
    assert np.nanmax(np.abs(horizon)) < 0.01


def test_the_horizon_of_a_wall_is_its_elevation() -> None:
    height = np.zeros((41, 101), np.float32)
    height[:, 90] = 1000.0
    dem = Dem(Grid(-40e3, 20 * 400 + 200.0, 400.0, 101, 41), height)
    horizon = Sweep(dem).horizon_deg(90.0, Context())[20, :89]
    theta = angle_between(dem.grid.column_x_m()[:89], dem.grid.column_x_m()[90])
    top = RADIUS_M + 1000.0
    expected = np.degrees(np.arctan2(top * np.cos(theta) - RADIUS_M, top * np.sin(theta)))
    assert np.abs(horizon - expected).max() < 0.01


def test_the_horizon_on_a_cone_is_its_flank() -> None:
    grid = Grid(-20e3 - 100, 20e3 + 100, 200.0, 201, 201)
    x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m())
    distance = moon.angular_distance_rad(0.0, 0.0, x, y)
    dem = Dem(grid, (6000.0 - 0.25 * RADIUS_M * distance).astype(np.float32))
    horizon = Sweep(dem).horizon_deg(90.0, Context())[100, 10:75]  # 5 km and more from the top
    here = distance[100, 10:75]
    eye = RADIUS_M + 6000.0 - 0.25 * RADIUS_M * here
    targets = np.linspace(0.0, 1.0, 400)[None, :-1] * here[:, None]
    radius = RADIUS_M + 6000.0 - 0.25 * RADIUS_M * targets
    apart = here[:, None] - targets
    rise = radius * np.cos(apart) - eye[:, None]
    expected = np.degrees(np.arctan2(rise, radius * np.sin(apart))).max(axis=1)
    assert np.abs(horizon - expected).max() < 0.01


def test_the_horizon_from_a_mast_agrees_with_a_march() -> None:
    dem = rough(60)
    low, high = (
        Sweep(dem, mast_height_m=mast, lines_per_pixel=4).horizon_deg(90.0, Context())
        for mast in (0.0, 50.0)
    )
    inner = slice(5, 55)
    assert (high[inner, inner] <= low[inner, inner] + 1e-4).all()
    rows, columns = np.arange(8, 52, 4), np.arange(50, 6, -4)
    x, y = dem.grid.column_x_m()[columns], dem.grid.row_y_m()[rows]
    for row, column, px, py in zip(rows, columns, x, y, strict=True):
        lon, lat = (float(v) for v in moon.xy_to_lonlat(px, py))
        azimuth = toward(lon, lat, 90.0)
        marched, _ = march(
            dem,
            pack([]),
            np.array([px]),
            np.array([py]),
            np.array([azimuth]),
            mast_height_m=50.0,
            step_px=0.05,
        )
        assert abs(high[row, column] - marched[0, 0]) < 0.6


def test_the_far_field_raises_horizons_only_if_it_is_higher() -> None:
    near = Dem(Grid(-5e3, 5e3, 100.0, 100, 100), np.zeros((100, 100), np.float32))
    far_height = np.zeros((40, 40), np.float32)
    far_height[:, 30:] = 5000.0
    far = Dem(Grid(-100e3, 100e3, 5000.0, 40, 40), far_height)
    east = Sweep(near, [far]).horizon_deg(90.0, Context())
    west = Sweep(near, [far]).horizon_deg(270.0, Context())
    marched, distance = march(
        near,
        pack([far]),
        np.array([0.0]),
        np.array([50.0]),
        np.array([toward(0.0, -89.998, 90.0)]),
    )
    assert np.abs(east[49, 50] - marched[0, 0]) < 0.05
    assert 3.0 < marched[0, 0] < 6.0
    assert 45e3 < distance[0, 0] < 60e3
    assert np.abs(west).max() < 0.01


def test_gaps_are_filled_from_the_far_field_and_nodata_without_one() -> None:
    dem = rough(60)
    holed = dem.height_m.copy()
    holed[20:40, 30:34] = np.nan
    alone = Sweep(Dem(dem.grid, holed)).horizon_deg(90.0, Context())
    assert np.isnan(alone[25:35, 31]).all()
    assert np.isfinite(alone[25:35, 10]).all()
    filled = Sweep(Dem(dem.grid, holed), [dem]).horizon_deg(90.0, Context())
    whole = Sweep(dem).horizon_deg(90.0, Context())
    # At the edges the far field extends half a pixel beyond the grid.
    assert np.abs(filled[2:58, :50] - whole[2:58, :50]).max() < 0.05


def test_the_result_does_not_depend_on_threads_or_scratch_files(tmp_path) -> None:
    dem = rough(70)
    one = Sweep(dem).horizon_deg(33.0, Context(threads=1))
    four = Sweep(dem).horizon_deg(33.0, Context(threads=4))
    mapped = Sweep(dem, scratch=Scratch(tmp_path, 1000)).horizon_deg(33.0, Context(threads=2))
    assert one.tobytes() == four.tobytes() == mapped.tobytes()
    assert list(tmp_path.iterdir())


def test_more_lines_agree_better_with_a_march() -> None:
    dem = rough(90, seed=3)
    rows, columns = np.meshgrid(np.arange(10, 80, 6), np.arange(10, 80, 6))
    x = dem.grid.column_x_m()[columns.ravel()]
    y = dem.grid.row_y_m()[rows.ravel()]
    errors = []
    marched = np.empty(x.size)
    for k, (px, py) in enumerate(zip(x, y, strict=True)):
        lon, lat = (float(v) for v in moon.xy_to_lonlat(px, py))
        azimuth = np.array([toward(lon, lat, 40.0)])
        marched[k] = march(dem, pack([]), np.array([px]), np.array([py]), azimuth, step_px=0.1)[0][
            0, 0
        ]
    for lines in (1.0, 4.0):
        swept = Sweep(dem, lines_per_pixel=lines).horizon_deg(40.0, Context())
        errors.append(np.sqrt(np.mean((swept[rows.ravel(), columns.ravel()] - marched) ** 2)))
    assert errors[1] < errors[0]


def test_march_returns_nan_on_nodata() -> None:
    dem = rough(30)
    dem.height_m[10:14, 10:14] = np.nan
    x, y = dem.grid.column_x_m()[[11]], dem.grid.row_y_m()[[11]]
    horizon, _ = march(dem, pack([]), x, y, np.array([0.0, 90.0]))
    assert np.isnan(horizon).all()


def test_chunks_cover_every_item_once() -> None:
    for count in (0, 1, 5, 8, 1000):
        covered = [k for first, last in chunks(count, 3) for k in range(first, last)]
        assert covered == list(range(count))


def toward(lon: float, lat: float, bearing: float) -> float:
    """Return the geographic azimuth of the point of the equator at a longitude."""
    turn, phi = np.radians(bearing - lon), np.radians(lat)
    return float(np.degrees(np.arctan2(np.sin(turn), -np.sin(phi) * np.cos(turn))) % 360)


def angle_between(x: np.ndarray, other: float) -> np.ndarray:
    """Return the angle between positions on the x axis of the map."""
    return 2 * np.arctan(other / (2 * RADIUS_M)) - 2 * np.arctan(x / (2 * RADIUS_M))


def test_a_curved_line_that_leaves_and_enters_the_grid_again_is_followed() -> None:
    side = 600
    grid = Grid(-150e3, 150e3, 500.0, side, side)
    dem = Dem(grid, np.zeros(grid.shape, np.float32))
    for bearing in (1.0, 2.0, 89.0, 181.0, 271.0):
        assert np.isfinite(Sweep(dem).horizon_deg(bearing, Context())).all()


def test_many_far_models_side_by_side_are_all_looked_at() -> None:
    near = Dem(Grid(-1e3, 1e3, 100.0, 20, 20), np.zeros((20, 20), np.float32))
    far = [
        Dem(Grid(1e3 + 5e3 * k, 2.5e3, 50.0, 100, 100), np.full((100, 100), 0.0, np.float32))
        for k in range(18)
    ]
    far[-1].height_m[:] = 8000.0
    horizon = Sweep(near, far).horizon_deg(90.0, Context())
    theta = angle_between(np.array([0.0]), 86e3)[0]
    top = RADIUS_M + 8000.0
    expected = np.degrees(np.arctan2(top * np.cos(theta) - RADIUS_M, top * np.sin(theta)))
    assert horizon[10, 10] == pytest.approx(expected, abs=0.05)


def test_the_last_pixel_of_a_plateau_looks_down_at_the_horizon_of_the_sphere() -> None:
    # Nothing is known beyond the edge: what limits the view is the Moon's own curvature.
    height_m = 5000.0
    grid = Grid(-2000.0, 2000.0, 100.0, 40, 40)
    dem = Dem(grid, np.full(grid.shape, height_m, np.float32))
    found = Sweep(dem).horizon_deg(90.0, Context())
    dip_deg = np.degrees(np.arccos(RADIUS_M / (RADIUS_M + height_m)))
    assert found[15:25, -1] == pytest.approx(-dip_deg, abs=0.02)
    assert found[20, 10] > -0.2
