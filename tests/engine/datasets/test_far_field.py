"""The far field that was fetched is used by itself, where it is better and fits."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine import run
from lunarsite.engine.context import Context
from lunarsite.engine.datasets import cache, far_field, registry
from lunarsite.engine.io.cog import write_raster
from lunarsite.engine.io.elevation.builtin import builtin_far_field
from lunarsite.engine.io.grid import Grid

SETTINGS = {"far_field": [], "builtin_far_field": True, "fetched_far_field": True}
QUICK = {"stop": "2027-01-08", "azimuths": 36, "step_hours": 24.0, "exact_share_pct": 0.0}


def real(grid):
    """Return the heights of the built-in model on a finer grid: real ground, if smooth."""
    shipped = builtin_far_field(grid)
    rows = ((shipped.grid.y_max_m - grid.row_y_m()) / shipped.grid.pixel_m).astype(int)
    columns = ((grid.column_x_m() - shipped.grid.x_min_m) / shipped.grid.pixel_m).astype(int)
    return shipped.height_m[np.ix_(rows, columns)]


def placed(name, grid):
    """Put an elevation model where the fetched one of a name lies."""
    path = cache.path_of(registry.find(name).files[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_raster(path, real(grid), grid, description="Height", unit="m")
    return path


@pytest.fixture
def dem(tmp_path):
    grid = Grid(-6_400.0, 6_400.0, 200.0, 64, 64)
    write_raster(tmp_path / "dem.tif", real(grid), grid, description="Height", unit="m")
    return str(tmp_path / "dem.tif")


def chosen(dem, context=None, **changed):
    found = far_field.with_fetched({"dem": dem} | SETTINGS | changed, context or Context())
    return found["far_field"]


def wide(pixel_m, half_m=48_000.0):
    side = round(2 * half_m / pixel_m)
    return Grid(-half_m, half_m, pixel_m, side, side)


def test_the_finest_that_is_coarser_than_the_dem_is_taken_and_said(dem):
    placed("LDEM_80S_80MPP_ADJ", wide(100.0))
    path = placed("LDEM_60S_240MPP_ADJ", wide(240.0))
    context = Context()
    assert chosen(dem, context) == [str(path)], "100 m is finer than the DEM of 200 m"
    (warning,) = context.warnings
    assert "Surrounded by LDEM_60S_240MPP_ADJ.TIF, which was fetched" in warning
    assert "240 m" in warning
    assert "--no-fetched-far-field leaves it out" in warning
    better = placed("LDEM_80S_80MPP_ADJ", wide(220.0))
    assert chosen(dem) == [str(better)]


def test_nothing_is_taken_where_none_is_there_wanted_or_needed(dem):
    context = Context()
    assert chosen(dem, context) == []
    placed("LDEM_60S_240MPP_ADJ", wide(240.0))
    assert chosen(dem, context, fetched_far_field=False) == []
    assert chosen(dem, context, builtin_far_field=False) == []
    assert chosen(dem, context, far_field=["mine.tif"]) == ["mine.tif"]
    assert context.warnings == []


def test_what_does_not_cover_the_dem_or_is_as_coarse_as_the_built_in_is_left(dem):
    placed("LDEM_60S_240MPP_ADJ", wide(240.0, 6_000.0))
    assert chosen(dem) == []
    placed("LDEM_60S_240MPP_ADJ", wide(1600.0))
    assert chosen(dem) == []


def test_a_dem_that_is_itself_the_fetched_one_is_left_alone():
    path = placed("LDEM_60S_240MPP_ADJ", wide(240.0))
    placed("LDEM_80S_80MPP_ADJ", wide(300.0))
    assert chosen(str(path)) == []


def test_a_damaged_file_is_left_out_and_told(dem):
    path = placed("LDEM_60S_240MPP_ADJ", wide(240.0))
    path.write_bytes(b"II*\0")
    context = Context()
    assert chosen(dem, context) == []
    assert "The fetched far field LDEM_60S_240MPP_ADJ.TIF is left out" in context.warnings[0]


def test_lighting_gives_what_it_gives_with_the_far_field_named(dem, tmp_path):
    path = placed("LDEM_60S_240MPP_ADJ", wide(240.0))
    by_itself = run("lighting", dem=dem, out=str(tmp_path / "a"), **QUICK)
    named = run("lighting", dem=dem, out=str(tmp_path / "b"), far_field=[str(path)], **QUICK)
    assert by_itself["surroundings"] == named["surroundings"]
    assert path.name in by_itself["surroundings"]
    for name in by_itself["outputs"]:
        first, second = (found["outputs"][name] for found in (by_itself, named))
        with open(first, "rb") as one, open(second, "rb") as other:  # noqa: PTH123  short
            assert one.read() == other.read(), name
