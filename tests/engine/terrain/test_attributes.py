from __future__ import annotations

import numpy as np
import pytest
import rasterio

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CancelledError, InputError, ParameterError
from lunarsite.engine.io import cog
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.pipelines import terrain
from lunarsite.engine.stages.terrain import STAGE
from lunarsite.engine.terrain import attributes

NAMES = [layer.name for layer in attributes.LAYERS]


def centred(x_m, y_m, *, pixel_m=80.0, side=41):
    half = side * pixel_m / 2
    return Grid(x_m - half, y_m + half, pixel_m, side, side)


def mesh(grid):
    return np.meshgrid(grid.column_x_m(), grid.row_y_m())


def test_the_slope_of_a_plane_at_the_pole():
    grid = centred(0.0, 0.0)
    x, _ = mesh(grid)
    slope = attributes.derivatives((0.1 * x).astype(np.float32), grid)["slope_deg"]
    assert slope[20, 20] == pytest.approx(np.degrees(np.arctan(0.1)), abs=2e-4)


@pytest.mark.parametrize("azimuth", range(0, 360, 45))
@pytest.mark.parametrize("lon", [0.0, 30.0, -120.0, 180.0])
def test_aspect_is_clockwise_from_geographic_north(azimuth, lon):
    x0, y0 = (float(v) for v in moon.lonlat_to_xy(lon, -85.0))
    grid = centred(x0, y0, side=5)
    x, y = mesh(grid)
    on_map = np.radians(float(moon.map_azimuth_deg(azimuth, lon)))
    height = -0.2 * ((x - x0) * np.sin(on_map) + (y - y0) * np.cos(on_map))
    aspect = float(attributes.derivatives(height.astype(np.float32), grid)["aspect_deg"][2, 2])
    assert abs((aspect - azimuth + 180.0) % 360.0 - 180.0) < 1e-2
    assert 0.0 <= aspect < 360.0


def test_slope_is_corrected_for_the_map_scale_at_80_south():
    x0, y0 = (float(v) for v in moon.lonlat_to_xy(57.0, -80.0))
    grid = centred(x0, y0)
    x, _ = mesh(grid)
    slope = attributes.derivatives((0.2 * (x - x0)).astype(np.float32), grid)["slope_deg"][20, 20]
    k = 1.0 / np.cos(np.radians(5.0)) ** 2
    assert slope == pytest.approx(np.degrees(np.arctan(0.2 * k)), abs=1e-3)
    assert slope - np.degrees(np.arctan(0.2)) > 0.08


def test_the_curvatures_of_a_sphere():
    grid = centred(0.0, 0.0, pixel_m=10.0, side=61)
    x, y = mesh(grid)
    radius = 5_000.0
    height = (np.sqrt(radius**2 - (x - 100.0) ** 2 - y**2) - radius).astype(np.float32)
    layers = attributes.derivatives(height, grid)
    for name in ("profile_curvature_per_km", "plan_curvature_per_km"):
        inner = layers[name][20:40, 20:40]
        assert np.abs(inner - 1000.0 / radius).max() < 2e-3
    hollow = attributes.derivatives(-height, grid)["profile_curvature_per_km"]
    assert hollow[30, 30] == pytest.approx(-0.2, abs=2e-3)


def test_a_trough_is_curved_across_its_axis_only():
    grid = centred(0.0, 0.0, pixel_m=10.0, side=61)
    x, y = mesh(grid)
    ridge = (-1e-4 * x * x + 0.1 * y).astype(np.float32)
    layers = attributes.derivatives(ridge, grid)
    middle = (30, 30)
    assert layers["plan_curvature_per_km"][middle] == pytest.approx(0.2, rel=0.02)
    assert layers["profile_curvature_per_km"][middle] == pytest.approx(0.0, abs=1e-4)


def test_a_plane_has_no_roughness_and_a_level_one_no_aspect():
    grid = centred(0.0, 0.0)
    x, y = mesh(grid)
    layers = attributes.derivatives((-4000.0 + 0.125 * x - 0.25 * y).astype(np.float32), grid)
    for name in ("roughness_fine_m", "roughness_medium_m", "roughness_coarse_m"):
        assert np.nanmax(layers[name]) < 2e-3
    assert layers["relief_m"][20, 20] == pytest.approx(8 * 80.0 * 0.375, rel=1e-4)
    assert layers["position_index_m"][20, 20] == pytest.approx(0.0, abs=1e-3)
    flat = attributes.derivatives(np.full(grid.shape, 7.0, np.float32), grid)
    assert np.isnan(flat["aspect_deg"]).all()
    assert flat["slope_deg"][20, 20] == 0.0
    assert flat["plan_curvature_per_km"][20, 20] == 0.0


@pytest.mark.parametrize("gaps", [False, True])
def test_windows_agree_with_a_least_squares_fit(gaps):
    grid = centred(0.0, 0.0)
    rng = np.random.default_rng(3)
    height = (900.0 + 40.0 * rng.standard_normal(grid.shape)).astype(np.float32)
    if gaps:
        height[rng.random(grid.shape) < 0.3] = np.nan
        height[20, 20] = 905.0
    layers = attributes.derivatives(height, grid)
    for name, half in (("roughness_medium_m", 4), ("roughness_coarse_m", 13)):
        part = height[20 - half : 21 + half, 20 - half : 21 + half].astype(np.float64)
        rows, columns = np.nonzero(np.isfinite(part))
        z = part[rows, columns]
        design = np.column_stack([np.ones(z.size), rows, columns])
        rest = z - design @ np.linalg.lstsq(design, z, rcond=None)[0]
        deviation = np.sqrt((rest**2).sum() / (z.size - 3))
        assert layers[name][20, 20] == pytest.approx(deviation, rel=1e-5)
    part = height[16:25, 16:25]
    assert layers["relief_m"][20, 20] == np.nanmax(part) - np.nanmin(part)
    mean = np.nanmean(height[7:34, 7:34].astype(np.float64))
    assert layers["position_index_m"][20, 20] == pytest.approx(height[20, 20] - mean, abs=1e-3)


def test_roughness_is_the_deviation_that_noise_was_drawn_with_in_any_window():
    grid = centred(0.0, 0.0, side=300)
    x, y = mesh(grid)
    noise = 4.0 * np.random.default_rng(8).standard_normal(grid.shape)
    layers = attributes.derivatives((0.1 * x - 0.2 * y + noise).astype(np.float32), grid)
    # The residuals about a plane have n - 3 degrees of freedom: of nine heights, six.
    for name in ("roughness_fine_m", "roughness_medium_m", "roughness_coarse_m"):
        variance = np.mean(layers[name][13:-13, 13:-13].astype(np.float64) ** 2)
        assert variance == pytest.approx(16.0, rel=0.02), name


def test_nodata_is_preserved():
    grid = centred(0.0, 0.0)
    height = np.random.default_rng(1).standard_normal(grid.shape).astype(np.float32)
    height[20, 20] = np.nan
    height[:, 30:] = np.nan
    layers = attributes.derivatives(height, grid)
    for name, values in layers.items():
        assert np.isnan(values[20, 20]), name
        assert np.isnan(values[:, 30:]).all(), name
    for name in ("slope_deg", "profile_curvature_per_km", "plan_curvature_per_km"):
        assert np.isnan(layers[name][19:22, 19:22]).all()
        assert np.isnan(layers[name][0]).all()
        assert np.isfinite(layers[name][17, 17])
    # 4 of 9 columns of the last pixel's window are gone: 45 of 81 heights are left.
    assert np.isfinite(layers["roughness_medium_m"][10, 29])
    # In the corner 25 of 81 are left, less than half.
    assert np.isnan(layers["roughness_medium_m"][0, 0])
    assert np.isnan(layers["relief_m"][0, 0])


@pytest.mark.parametrize("tile_px", [16, 37, 200])
def test_tiled_equals_whole(tmp_path, tile_px):
    height, grid = rough_with_gaps()
    cog.write_raster(tmp_path / "dem.tif", height, grid, description="height", unit="m")
    result = terrain.write_layers(
        tmp_path / "dem.tif", tmp_path / "out", context=Context(threads=3), tile_px=tile_px
    )
    whole = attributes.derivatives(height, grid)
    assert list(result["outputs"]) == NAMES
    for name, path in result["outputs"].items():
        with rasterio.open(path) as source:
            values = source.read(1)
            assert source.units == (next(la.unit for la in attributes.LAYERS if la.name == name),)
        assert values.tobytes() == whole[name].tobytes(), name
        assert result["valid_share"][name] == np.isfinite(values).mean()
    assert result["valid_share"]["dem"] == np.isfinite(height).mean()


def test_the_stage_applies_scale_and_offset_and_writes_provenance(tmp_path):
    grid = centred(0.0, 0.0, side=60)
    x, y = mesh(grid)
    steps = np.rint(x + 2.0 * y).astype(np.int32) // 2
    profile = {
        "driver": "GTiff",
        "width": 60,
        "height": 60,
        "count": 1,
        "dtype": "int16",
        "crs": moon.SOUTH_POLAR,
        "transform": grid.transform,
        "nodata": -32768,
    }
    steps[5, 5] = -32768
    with rasterio.open(tmp_path / "dem.tif", "w", **profile) as target:
        target.write(steps.astype(np.int16), 1)
        target.scales, target.offsets = (0.5,), (1000.0,)
    result = run(STAGE, {"dem": tmp_path / "dem.tif", "out": tmp_path / "out"})
    with rasterio.open(result["outputs"]["slope_deg"]) as source:
        slope = source.read(1)
        assert '"stage": "terrain"' in source.tags()["LUNARSITE"]
    assert slope[30, 30] == pytest.approx(np.degrees(np.arctan(0.25 * np.sqrt(5.0))), abs=2e-2)
    assert np.isnan(slope[4:7, 4:7]).all()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{name}.tif" for name in NAMES
    )


def test_windows_must_be_odd_and_increase():
    with pytest.raises(ParameterError, match=r"window of 8 pixels is not an odd.*Give 9"):
        attributes.Windows(relief_px=8)
    with pytest.raises(ParameterError, match=r"9, 9, 27 do not grow.*3,9,27"):
        attributes.Windows(roughness_px=(9, 9, 27))
    with pytest.raises(ParameterError, match=r"'3;9' is not three whole numbers"):
        attributes.Windows.parse("3;9", 9, 27)


def test_a_model_without_data_leaves_no_files(tmp_path):
    grid = centred(0.0, 0.0)
    cog.write_raster(
        tmp_path / "dem.tif", np.full(grid.shape, np.nan, np.float32), grid, description="height"
    )
    with pytest.raises(InputError, match="every pixel is nodata"):
        terrain.write_layers(tmp_path / "dem.tif", tmp_path / "out", context=Context(threads=1))
    assert list((tmp_path / "out").iterdir()) == []


def test_cancellation_leaves_no_files(tmp_path):
    height, grid = rough_with_gaps()
    cog.write_raster(tmp_path / "dem.tif", height, grid, description="height", unit="m")
    context = Context(threads=2)
    context.report = lambda fraction, _message: context.cancelled.set() if fraction > 0.3 else None
    with pytest.raises(CancelledError):
        terrain.write_layers(tmp_path / "dem.tif", tmp_path / "out", context=context, tile_px=16)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.realdata
def test_real_slopes_agree_with_published_slopes_of_shackleton(real):
    dem = read_dem(real / "dem" / "shackleton_ridge_200m.tif")
    slope = attributes.derivatives(dem.height_m, dem.grid)["slope_deg"]
    assert 30.0 < np.nanquantile(slope, 0.97) < 33.0


def rough_with_gaps():
    grid = Grid(100_000.0, -150_000.0, 80.0, 130, 97)
    rng = np.random.default_rng(7)
    height = np.cumsum(np.cumsum(rng.standard_normal(grid.shape), axis=0), axis=1)
    height = (height - height.mean()).astype(np.float32)
    height[rng.random(grid.shape) < 0.01] = np.nan
    height[:20, :30] = np.nan
    return height, grid


def run(stage, given):
    return stage.run({name: str(value) for name, value in given.items()}, Context(threads=2))


@pytest.mark.parametrize("twist", [2e-4, -3e-4, 5e-4])
def test_the_curvatures_of_a_twisted_quadric(twist):
    # Asymmetric: the mixed derivative decides both curvatures, and its sign is not cancelled.
    grid = centred(0.0, 0.0, pixel_m=10.0, side=21)
    x, y = mesh(grid)
    zxx, zyy, zx, zy = 4e-4, -2e-4, 0.12, 0.07
    height = 0.5 * zxx * x**2 + twist * x * y + 0.5 * zyy * y**2 + zx * x + zy * y
    layers = attributes.derivatives(height.astype(np.float64), grid)
    squared = zx**2 + zy**2
    along = zx**2 * zxx + 2.0 * zx * zy * twist + zy**2 * zyy
    across = zy**2 * zxx - 2.0 * zx * zy * twist + zx**2 * zyy
    wanted = {
        "profile_curvature_per_km": -1000.0 * along / (squared * (1.0 + squared) ** 1.5),
        "plan_curvature_per_km": -1000.0 * across / (squared * np.sqrt(1.0 + squared)),
    }
    for name, value in wanted.items():
        assert layers[name][10, 10] == pytest.approx(value, rel=5e-3), name
