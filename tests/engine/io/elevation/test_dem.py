from __future__ import annotations

import numpy as np
import pytest
import rasterio

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io.cog import write_raster
from lunarsite.engine.io.elevation import far_field as module
from lunarsite.engine.io.elevation.dem import posting, read_fine
from lunarsite.engine.io.elevation.far_field import read_far
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch

AROUND = Grid(-10e3, 10e3, 200.0, 100, 100)


def test_the_fine_model_is_the_same_in_memory_and_in_files(tmp_path) -> None:
    height = np.random.default_rng(0).normal(0, 100, (60, 50)).astype(np.float32)
    height[3, 4] = np.nan
    grid = Grid(0.0, 0.0, 100.0, 50, 60)
    write_raster(tmp_path / "d.tif", height, grid, description="height")
    for limit in (0, 10**9):
        dem = read_fine(tmp_path / "d.tif", Scratch(tmp_path, limit))
        assert dem.grid == grid
        assert np.array_equal(dem.height_m, height, equal_nan=True)


def test_the_far_field_is_clipped_to_the_line_of_sight(tmp_path) -> None:
    height = np.arange(400 * 400, dtype=np.float32).reshape(400, 400) / 100
    grid = Grid(-1000e3, 1000e3, 5000.0, 400, 400)
    write_raster(tmp_path / "f.tif", height, grid, description="height")
    (far,), _ = read_far([tmp_path / "f.tif"], AROUND, Context())
    assert far.grid.bounds == (-410e3, -410e3, 410e3, 410e3)
    assert np.array_equal(far.height_m, height[118:282, 118:282])


def test_a_fine_far_field_is_averaged_with_a_warning(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_MAX_FAR_SIDE", 50)
    height = np.random.default_rng(0).normal(0, 100, (100, 100)).astype(np.float32)
    height[:2, :2] = np.nan
    height[2, 0] = np.nan
    write_raster(tmp_path / "f.tif", height, AROUND, description="height")
    context = Context()
    (far,), _ = read_far([tmp_path / "f.tif"], AROUND, context)
    assert far.grid == Grid(-10e3, 10e3, 400.0, 50, 50)
    wanted = np.full((50, 50), np.nan)
    blocks = height.reshape(50, 2, 50, 2).transpose(0, 2, 1, 3).reshape(50, 50, 4)
    known = np.isfinite(blocks).any(axis=2)
    wanted[known] = np.nanmean(blocks[known], axis=1)
    assert np.allclose(far.height_m, wanted, equal_nan=True, atol=1e-4)
    assert "averaged over 2 × 2" in context.warnings[0]


def test_a_far_field_in_lunar_degrees_is_warped_with_a_warning(tmp_path) -> None:
    lat = -80.05 - 0.1 * np.arange(100)
    values = np.repeat((lat * 10).astype(np.float32)[:, None], 3600, axis=1)
    with rasterio.open(
        tmp_path / "f.tif",
        "w",
        driver="GTiff",
        width=3600,
        height=100,
        count=1,
        dtype="float32",
        crs=moon.GEOGRAPHIC,
        transform=rasterio.Affine(0.1, 0, -180, 0, -0.1, -80),
    ) as target:
        target.write(values, 1)
    context = Context()
    (far,), _ = read_far([tmp_path / "f.tif"], AROUND, context)
    assert any("warped" in warning for warning in context.warnings)
    x, y = moon.lonlat_to_xy(40.0, -85.0)
    row, column = far.grid.pixel_of(float(x), float(y))
    assert far.height_m[row, column] == pytest.approx(-850.0, abs=3.0)


def test_a_terrestrial_far_field_is_refused(tmp_path) -> None:
    with rasterio.open(
        tmp_path / "f.tif",
        "w",
        driver="GTiff",
        width=10,
        height=10,
        count=1,
        dtype="float32",
        crs="EPSG:3031",
        transform=rasterio.Affine(5000, 0, -25e3, 0, -5000, 25e3),
    ) as target:
        target.write(np.ones((10, 10), np.float32), 1)
    with pytest.raises(CrsError, match=r"the Earth.*Antarctic Polar Stereographic"):
        read_far([tmp_path / "f.tif"], AROUND, Context())


@pytest.mark.parametrize(("most", "y_max_m"), [(4096, 410e3 + 400.0), (50, 10e3)])
def test_a_far_field_of_a_single_row_is_refused(tmp_path, monkeypatch, most, y_max_m) -> None:
    # Once because the rest lies out of sight, once because the rows are averaged.
    monkeypatch.setattr(module, "_MAX_FAR_SIDE", most)
    grid = Grid(-10e3, y_max_m, 200.0, 100, 3)
    write_raster(tmp_path / "f.tif", np.ones(grid.shape, np.float32), grid, description="height")
    with pytest.raises(InputError, match="too few pixels"):
        read_far([tmp_path / "f.tif"], AROUND, Context())


def test_posting_keeps_the_corner_and_covers_the_grid() -> None:
    coarse, side = posting(Grid(-304e3, 304e3, 80.0, 7600, 7600), 960.0)
    assert side == 12
    assert coarse == Grid(-304e3, 304e3, 960.0, 634, 634)
    with pytest.raises(InputError, match="smaller than a pixel"):
        posting(AROUND, 100.0)
