"""What surrounds an elevation model: the built-in model, other maps, means with spread."""

from __future__ import annotations

import json

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon, run
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.illumination.horizon import pack
from lunarsite.engine.io.cog import write_raster
from lunarsite.engine.io.elevation.builtin import BUILTIN, builtin_far_field
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.elevation.far_field import read_far, read_surroundings
from lunarsite.engine.io.grid import Dem, Grid

AROUND = Grid(-20_000.0, 20_000.0, 400.0, 100, 100)
PPD = 20
EQC = "+proj=eqc +R=1737400 +units=m"
METRES_PER_DEGREE = np.pi * moon.RADIUS_M / 180


def bumps(lon, lat):
    """Return smooth heights that change over some tens of kilometres, and differ all around."""
    x, y = moon.lonlat_to_xy(lon, lat)
    return 1000.0 * np.sin(x / 40e3 + 0.3) * np.cos(y / 55e3) + y / 200.0


def write_map(path, lon, lat, crs, transform):
    values = bumps(*np.meshgrid(lon, lat)).astype(np.float32)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=len(lon),
        height=len(lat),
        count=1,
        dtype="float32",
        crs=crs,
        transform=transform,
    ) as target:
        target.write(values, 1)
    return path


@pytest.mark.parametrize("first", [-180.0, 0.0, -200.0])
@pytest.mark.parametrize("metres", [False, True])
@pytest.mark.parametrize("north", [90.0, -75.0])
def test_cylindrical_maps_are_read_whole_round_the_pole(tmp_path, first, metres, north):
    side = 1.0 / PPD
    lon = first + (np.arange(360 * PPD) + 0.5) * side
    lat = north - (np.arange(round((90 + north) * PPD)) + 0.5) * side
    unit = METRES_PER_DEGREE if metres else 1.0
    path = write_map(
        tmp_path / "far.tif",
        lon,
        lat,
        EQC if metres else moon.GEOGRAPHIC,
        from_origin(first * unit, north * unit, side * unit, side * unit),
    )
    context = Context()
    (far,), _ = read_far([path], AROUND, context)
    assert far.grid.pixel_m == pytest.approx(METRES_PER_DEGREE / PPD, rel=0.02)
    wanted = bumps(*moon.xy_to_lonlat(*np.meshgrid(far.grid.column_x_m(), far.grid.row_y_m())))
    inside = np.hypot(*np.meshgrid(far.grid.column_x_m(), far.grid.row_y_m())) < 395_000.0
    assert np.isfinite(far.height_m[inside]).all()
    assert np.abs(far.height_m - wanted)[inside].max() < 25.0
    assert any("warped to the south polar map, in pixels of 1,516 m" in w for w in context.warnings)


@pytest.mark.parametrize(
    "crs",
    [
        "+proj=stere +lat_0=-90 +lon_0=30 +R=1737400 +units=m",
        "+proj=stere +lat_0=-90 +lon_0=0 +lat_ts=-80 +R=1737400 +units=m",
        "+proj=laea +lat_0=-90 +lon_0=0 +R=1737400 +units=km",
    ],
)
def test_other_polar_maps_are_read_in_their_place(tmp_path, crs):
    side = 2.0 if "km" in crs else 2000.0
    edges = (np.arange(300) - 149.5) * side
    x, y = np.meshgrid(edges, -edges)
    back = pyproj.Transformer.from_crs(crs, moon.GEOGRAPHIC, always_xy=True)
    lon, lat = back.transform(x, y)
    with rasterio.open(
        tmp_path / "far.tif",
        "w",
        driver="GTiff",
        width=300,
        height=300,
        count=1,
        dtype="float32",
        crs=crs,
        transform=from_origin(-150 * side, 150 * side, side, side),
    ) as target:
        target.write(bumps(np.asarray(lon), np.asarray(lat)).astype(np.float32), 1)
    (far,), _ = read_far([tmp_path / "far.tif"], AROUND, Context())
    wanted = bumps(*moon.xy_to_lonlat(*np.meshgrid(far.grid.column_x_m(), far.grid.row_y_m())))
    known = np.isfinite(far.height_m)
    assert known.mean() > 0.5
    assert np.abs(far.height_m - wanted)[known].max() < 25.0
    assert far.grid.pixel_m == pytest.approx(2000.0, rel=0.02)


def test_means_are_lifted_by_their_spread(tmp_path):
    grid = Grid(-200e3, 200e3, 4000.0, 100, 100)
    mean = np.add.outer(np.arange(100.0), np.arange(100.0)).astype(np.float32)
    spread = np.full_like(mean, 50.0)
    spread[0, 0] = np.nan
    with rasterio.open(
        tmp_path / "cells.tif",
        "w",
        driver="GTiff",
        width=100,
        height=100,
        count=2,
        dtype="float32",
        crs=moon.SOUTH_POLAR,
        transform=grid.transform,
    ) as target:
        target.write(np.stack([spread, mean]))
        target.descriptions = ("elevation_std", "elevation_mean")
    (far,), _ = read_far([tmp_path / "cells.tif"], AROUND, Context())
    assert far.height_m[1:] == pytest.approx(mean[1:] + 50.0)
    assert far.height_m[0, 0] == mean[0, 0]


@pytest.fixture(scope="module")
def real_part(tmp_path_factory):
    """Return 80 × 80 pixels of the built-in model, as a file of their own."""
    folder = tmp_path_factory.mktemp("part")
    whole = read_dem(BUILTIN)
    grid = Grid(-64_000.0, 64_000.0, 1600.0, 80, 80)
    row, column = whole.grid.pixel_of(-63_999.0, 63_999.0)
    write_raster(
        folder / "part.tif",
        whole.height_m[row : row + 80, column : column + 80],
        grid,
        description="height",
        unit="m",
    )
    return folder / "part.tif"


def test_the_model_that_ships_surrounds_by_default_and_says_so(real_part, tmp_path):
    shared = {"dem": str(real_part), "azimuths": 36, "stop": "2027-06-01", "step_hours": 48.0}
    found = run("lighting", out=str(tmp_path / "a"), **shared)
    assert found["surroundings"] == ["LOLA, 1.6 km, 70 to 90° S (ships with LunarSite)"]
    assert found["touched_by_missing_terrain_pct"] == 0.0
    assert found["warnings"] == []
    with rasterio.open(found["outputs"]["psr"]) as layer:
        used = json.loads(layer.tags()["LUNARSITE"])["inputs"]
    assert [each["name"] for each in used] == ["part.tif", "lola_70S_1600m.tif"]
    alone = run("lighting", out=str(tmp_path / "b"), builtin_far_field=False, **shared)
    assert alone["surroundings"] == []
    assert any("--builtin-far-field" in warning for warning in alone["warnings"])
    given = run(
        "lighting",
        out=str(tmp_path / "c"),
        far_field=[str(BUILTIN)],
        builtin_far_field=False,
        **shared,
    )
    assert given["mean_illumination_pct"] == found["mean_illumination_pct"]
    assert alone["mean_illumination_pct"] > found["mean_illumination_pct"]


def test_a_skyline_is_surrounded_as_well(real_part):
    place = {"dem": str(real_part), "lon": 0.0, "lat": -89.5, "stop": "2027-02-01"}
    around, alone = run("skyline", **place), run("skyline", builtin_far_field=False, **place)
    assert around["warnings"] == []
    assert any("known out to 90 km" in warning for warning in alone["warnings"])
    assert np.mean(around["horizon_deg"]) > np.mean(alone["horizon_deg"])


def test_generated_ground_is_not_surrounded(tmp_path):
    run("synthesize", out=str(tmp_path / "dem.tif"), size_px=64, pixel_m=500.0)
    dem = read_dem(tmp_path / "dem.tif")
    found = read_surroundings(tmp_path / "dem.tif", dem, [], Context(), builtin=True)
    assert found.models == []


def test_coarse_surroundings_give_a_warning_and_go_before_the_model_that_ships(real_part, tmp_path):
    shipped = read_dem(BUILTIN)
    grid = Grid(-600_000.0, 600_000.0, 4800.0, 250, 250)
    row, column = shipped.grid.pixel_of(-599_999.0, 599_999.0)
    fine = shipped.height_m[row : row + 750, column : column + 750]
    coarse = fine.reshape(250, 3, 250, 3).mean(axis=(1, 3))
    write_raster(tmp_path / "coarse.tif", coarse, grid, description="height", unit="m")
    dem, context = read_dem(real_part), Context()
    found = read_surroundings(real_part, dem, [tmp_path / "coarse.tif"], context, builtin=True)
    (warning,) = context.warnings
    assert "coarse.tif has pixels of 4.8 km" in warning
    assert "leave it out" in warning
    table = pack(found.models).table
    assert [round(side * moon.RADIUS_M) for side in table[:, 5]] == [4800, 1600]


def test_a_far_field_of_another_place_is_refused(real_part, tmp_path):
    shipped = builtin_far_field(AROUND)
    turned = Dem(shipped.grid, np.ascontiguousarray(shipped.height_m[::-1]))
    write_raster(tmp_path / "far.tif", turned.height_m, turned.grid, description="height", unit="m")
    for builtin in (True, False):
        with pytest.raises(Exception, match=r"contradict each other.*north and south") as caught:
            read_surroundings(
                real_part, read_dem(real_part), [tmp_path / "far.tif"], Context(), builtin=builtin
            )
        assert "far.tif" in str(caught.value)


def test_an_area_of_one_value_in_a_far_field_is_no_ground(tmp_path):
    x = (np.arange(100) - 49.5) * 2000.0
    lon, lat = moon.xy_to_lonlat(*np.meshgrid(x, -x))
    heights = bumps(lon, lat).astype(np.float32)
    heights[20:30, 60:75] = 4000.0
    path = tmp_path / "far.tif"
    write_raster(path, heights, Grid(-1e5, 1e5, 2000.0, 100, 100), description="heights")
    context = Context()
    (far,), _ = read_far([path], AROUND, context)
    assert np.array_equal(np.isnan(far.height_m), heights == 4000.0)
    assert any("inside it, hold one exact value, 4000 m, and were" in w for w in context.warnings)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_far_field_of_one_height_is_refused(tmp_path, share):
    heights = np.full((100, 100), -1500.0, np.float32)
    heights[: int(100 * share)] = np.nan
    path = tmp_path / "far.tif"
    write_raster(path, heights, Grid(-1e5, 1e5, 2000.0, 100, 100), description="heights")
    with pytest.raises(InputError, match=r"far\.tif holds one height everywhere.*, -1500 m"):
        read_far([path], AROUND, Context())
