from __future__ import annotations

import errno
import hashlib
import os
import re
import resource
import shutil
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError, OutputError
from lunarsite.engine.io import gdal_open, raster
from lunarsite.engine.io.cog import RasterSink, write_raster
from lunarsite.engine.io.elevation.dem import dem_grid, read_dem
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.heights import check_heights
from lunarsite.engine.io.raster import opened, read_band, read_layer

GRID = Grid(-10_000.0, 6_000.0, 200.0, 40, 30)
NORTH_UP = GRID.transform


@pytest.fixture
def heights():
    rng = np.random.default_rng(1)
    ramp = np.linspace(-2500.0, 1800.0, GRID.width * GRID.height).reshape(GRID.shape)
    return (ramp + rng.normal(0, 50, GRID.shape)).astype(np.float32)


def make(path, values, *, crs=moon.SOUTH_POLAR, transform=NORTH_UP, nodata=None, **options):
    """Write a raster the way others do, with whatever is wrong with it."""
    bands = values if values.ndim == 3 else values[None]
    scale, offset = options.pop("scale", None), options.pop("offset", None)
    with rasterio.open(
        path,
        "w",
        driver=options.pop("driver", "GTiff"),
        width=bands.shape[2],
        height=bands.shape[1],
        count=bands.shape[0],
        dtype=bands.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
        **options,
    ) as file:
        file.write(bands)
        if scale is not None:
            file.scales = (scale,) * bands.shape[0]
            file.offsets = (offset,) * bands.shape[0]
    return path


def at(grid, column, row):
    """Return the map coordinates of a place in pixels."""
    return grid.x_min_m + column * grid.pixel_m, grid.y_max_m - row * grid.pixel_m


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- grids


grids = st.builds(
    Grid,
    st.floats(-3e5, 3e5),
    st.floats(-3e5, 3e5),
    st.floats(1, 5000),
    st.integers(3, 70),
    st.integers(3, 70),
)


@settings(deadline=None)
@given(grid=grids, side=st.integers(1, 80))
def test_tiles_cover_a_grid_once(grid, side):
    seen = np.zeros(grid.shape, int)
    for tile in grid.tiles(side):
        assert 0 < tile.width <= side
        assert 0 < tile.height <= side
        seen[tile.toslices()] += 1
    assert (seen == 1).all()


@settings(deadline=None)
@given(grid=grids, data=st.data())
def test_a_pixel_holds_its_own_centre(grid, data):
    row = data.draw(st.integers(0, grid.height - 1))
    column = data.draw(st.integers(0, grid.width - 1))
    x, y = grid.column_x_m()[column], grid.row_y_m()[row]
    assert grid.pixel_of(x, y) == (row, column)
    west, south, east, north = grid.bounds
    assert west < x < east
    assert south < y < north
    assert at(grid, column + 0.5, row + 0.5) == pytest.approx((x, y), abs=1e-6)


@settings(deadline=None)
@given(grid=grids, column=st.integers(0, 60), row=st.integers(0, 60))
def test_the_grid_of_a_window_has_its_offset(grid, column, row):
    part = grid.part(Window(column, row, 5, 4))
    assert part.shape == (4, 5)
    assert (part.x_min_m, part.y_max_m) == pytest.approx(at(grid, column, row))


def test_no_pixel_outside_a_grid():
    west, south, east, north = GRID.bounds
    assert GRID.pixel_of(west, north) == (0, 0)
    for x, y in ((west - 1, north), (east, north), (west, south), (west, north + 1)):
        assert GRID.pixel_of(x, y) is None


# --- writing and reading back


def test_heights_survive_the_round_trip(tmp_path, heights):
    heights[3:6, 7] = np.nan
    path = tmp_path / "dem.tif"
    write_raster(path, heights, GRID, description="height", unit="m", tags={"LUNARSITE": "{}"})
    dem = read_dem(path)
    assert dem.grid == GRID
    assert dem.height_m.dtype == np.float32
    np.testing.assert_array_equal(dem.height_m, heights)
    with rasterio.open(path) as file:
        assert file.descriptions == ("height",)
        assert file.units == ("m",)
        assert np.isnan(file.nodata)
        assert file.tags()["LUNARSITE"] == "{}"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert moon.is_south_polar(moon.pyproj.CRS.from_user_input(file.crs))
    assert [file.name for file in tmp_path.iterdir()] == ["dem.tif"]


def test_integers_survive_the_round_trip_with_nodata(tmp_path):
    mask = np.tile(np.array([0, 1, 255], np.uint8), (30, 14))[:, :40]
    path = tmp_path / "psr.tif"
    write_raster(path, mask, GRID, description="permanent shadow", nodata=255)
    with opened(path, "PSR") as file:
        assert file.nodata == 255
        np.testing.assert_array_equal(file.read(1), mask)
        np.testing.assert_array_equal(np.isnan(read_band(file, 1)), mask == 255)


def test_the_same_layer_gives_the_same_bytes(tmp_path):
    big = Grid(0, 0, 20, 1300, 1100)
    values = np.random.default_rng(7).normal(size=big.shape).astype(np.float32)
    values[100:200, 100:300] = np.nan
    for name in ("a.tif", "b.tif"):
        write_raster(tmp_path / name, values, big, description="x", tags={"k": "v"})
    assert digest(tmp_path / "a.tif") == digest(tmp_path / "b.tif")


def test_bytes_do_not_depend_on_the_tiling(tmp_path, heights):
    for side in (7, 16, 64):
        with RasterSink(tmp_path / f"{side}.tif", GRID, "float32", "height", "m") as sink:
            for tile in GRID.tiles(side):
                sink.write(heights[tile.toslices()], tile)
    assert len({digest(path) for path in tmp_path.iterdir()}) == 1


def test_a_window_is_the_part_of_the_whole(tmp_path, heights):
    path = make(tmp_path / "dem.tif", heights)
    part = read_dem(path, window=Window(5, 6, 9, 8))
    np.testing.assert_array_equal(part.height_m, heights[6:14, 5:14])
    assert part.grid == GRID.part(Window(5, 6, 9, 8))


@pytest.mark.parametrize("nodata", [None, -9999.0, float("nan")])
def test_a_window_outside_the_raster_is_nodata(tmp_path, heights, nodata):
    path = make(tmp_path / "dem.tif", heights, nodata=nodata)
    part = read_dem(path, window=Window(-4, -3, 20, 20)).height_m
    np.testing.assert_array_equal(part[3:, 4:], heights[:17, :16])
    assert np.isnan(part[:3]).all()
    assert np.isnan(part[:, :4]).all()


# --- nodata, scale and offset


@pytest.mark.parametrize("value", [float("nan"), -9999.0, -3.4028234663852886e38, -3.4e38, 0.0])
def test_any_declared_nodata_value_becomes_nan(tmp_path, heights, value):
    hole = np.zeros(GRID.shape, bool)
    hole[4:9, 10:20] = True
    holed = np.where(hole, np.float32(value), heights)
    read = read_dem(make(tmp_path / "dem.tif", holed, nodata=float(np.float32(value)))).height_m
    np.testing.assert_array_equal(np.isnan(read), hole)
    np.testing.assert_array_equal(read[~hole], heights[~hole])


@pytest.mark.parametrize("value", [float("nan"), -3.4028234663852886e38, float("-inf")])
def test_undeclared_nodata_that_cannot_be_a_height_becomes_nan(tmp_path, heights, value):
    heights[2, 3] = value
    read = read_dem(make(tmp_path / "dem.tif", heights)).height_m
    assert np.argwhere(np.isnan(read)).tolist() == [[2, 3]]


@pytest.mark.parametrize("value", [-9999, -32768])
def test_undeclared_minus_9999_is_nodata_with_a_warning(tmp_path, heights, value):
    """The Moon's lowest point is at -9.1 km, so it is outside what a height may be."""
    heights[2, 3] = value
    context = Context()
    read = read_dem(make(tmp_path / "dem.tif", heights), context=context).height_m
    assert np.argwhere(np.isnan(read)).tolist() == [[2, 3]]
    assert f"pixels with the value {value}, which is a fill value" in context.warnings[0]


def test_scale_and_offset_are_applied_to_integers(tmp_path, heights):
    stored = np.round((heights - 100.0) / 0.5).astype(np.int16)
    stored[0, 0] = -32768
    path = make(tmp_path / "dem.tif", stored, nodata=-32768, scale=0.5, offset=100.0)
    read = read_dem(path).height_m
    assert np.isnan(read[0, 0])
    known = ~np.isnan(read)
    np.testing.assert_allclose(read[known], heights[known], atol=0.26)
    np.testing.assert_array_equal(read[known], (stored * 0.5 + 100.0)[known].astype(np.float32))


def test_scale_and_offset_are_applied_in_windows_and_when_warped(tmp_path, heights):
    stored = np.round(heights).astype(np.int16)
    path = make(tmp_path / "dem.tif", stored, nodata=-32768, scale=2.0, offset=-1.0)
    expected = (stored * 2.0 - 1.0).astype(np.float32)
    part = read_dem(path, window=Window(3, 4, 5, 6)).height_m
    np.testing.assert_array_equal(part, expected[4:10, 3:8])
    half = Grid(GRID.x_min_m + 400, GRID.y_max_m - 600, 200.0, 10, 10)
    moved, warped = read_layer(path, half, what="Layer")
    assert warped
    np.testing.assert_allclose(moved, expected[3:13, 2:12], atol=0.01)


def test_large_integers_keep_their_value(tmp_path):
    stored = np.full(GRID.shape, 100_000_001, np.int32)
    stored[0, 0] += 2
    path = make(tmp_path / "dem.tif", stored, scale=1e-5, offset=0.0)
    with opened(path, "DEM") as file:
        assert read_band(file, 1)[5, 5] == np.float32(1000.00001)


# --- what is refused, and the remedy


def refused(path, error=InputError):
    with pytest.raises(error) as caught:
        read_dem(path)
    return caught.value


def test_a_missing_crs_is_refused(tmp_path, heights):
    said = refused(make(tmp_path / "dem.tif", heights, crs=None), CrsError)
    assert "has no coordinate system" in said.problem
    assert "gdal_edit.py -a_srs '+proj=stere +lat_0=-90" in said.remedy


@pytest.mark.parametrize(
    ("unit", "transform"),
    [
        ("m", Affine(123.456, 0.0, -3456.7, 0.0, 123.456, -9876.5)),
        ("m", Affine(-123.456, 0.0, 2716.1, 0.0, -123.456, -2469.14)),
        ("km", Affine(0.123456, 0.0, -3.4567, 0.0, -0.123456, -2.46914)),
    ],
)
def test_a_raster_on_the_map_is_warped_to_its_own_pixels(tmp_path, capfd, unit, transform):
    place = {"crs": moon.PROJ.removesuffix("m") + unit, "transform": transform}
    path = make(tmp_path / "dem.tif", np.zeros((60, 50), np.float32), **place)
    capfd.readouterr()
    said = refused(path)
    assert "-te -3456.7 -9876.5 2716.1 -2469.14 -tr 123.456 123.456 " in said.remedy
    assert ("coordinates are in units of 1000 m" in said.problem) == (unit == "km")
    assert capfd.readouterr().err == ""


def test_degrees_without_a_crs_are_given_that_of_degrees(tmp_path, heights):
    place = {"crs": None, "transform": from_origin(20.0, -88.0, 0.01, 0.01)}
    said = refused(make(tmp_path / "dem.tif", heights, **place), CrsError)
    assert "gdal_edit.py -a_srs '+proj=longlat +R=1737400" in said.remedy


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_control_points_are_refused_with_the_command_that_applies_them(tmp_path, heights):
    path = make(tmp_path / "dem.tif", heights, crs=None, transform=Affine.identity())
    corners = [(0, 0), (0, 10), (10, 0), (10, 10)]
    points = [GroundControlPoint(r, c, 100.0 * c, -100.0 * r) for r, c in corners]
    with rasterio.open(path, "r+") as source:
        source.gcps = points, rasterio.crs.CRS.from_user_input(moon.SOUTH_POLAR)
    said = refused(path, CrsError)
    assert "is placed by 4 control points" in said.problem
    assert said.remedy.endswith(f"nan {path} dem_south_polar.tif")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_a_place_is_refused(tmp_path, heights):
    place = {"crs": None, "transform": Affine.identity()}
    said = refused(make(tmp_path / "dem.tif", heights, **place), CrsError)
    assert "is not georeferenced" in said.problem
    assert "-a_ullr WEST_M NORTH_M EAST_M SOUTH_M" in said.remedy


def test_a_terrestrial_crs_is_refused_by_name(tmp_path, heights):
    said = refused(make(tmp_path / "dem.tif", heights, crs="EPSG:3031"), CrsError)
    assert "WGS 84 / Antarctic Polar Stereographic" in said.problem
    assert "the Earth" in said.problem


def test_lunar_degrees_are_refused(tmp_path, heights):
    degrees = Affine(0.01, 0, 0, 0, -0.01, -85)
    said = refused(
        make(tmp_path / "dem.tif", heights, crs=moon.GEOGRAPHIC, transform=degrees), CrsError
    )
    assert "is in degrees" in said.problem
    assert "gdalwarp" in said.remedy


def test_a_map_in_kilometres_is_refused():
    # 128 pixels of 0.2 m, and a relief of kilometres.
    steep = 4000.0 * np.linspace(0.0, 1.0, 128 * 128).reshape(128, 128)
    grid = Grid(-30.0, 15.0, 0.2, 128, 128)
    with pytest.raises(InputError, match=r"25\.6 × 25\.6 m large.*not in metres"):
        check_heights(steep.astype(np.float32), grid, "The DEM")
    check_heights(steep.astype(np.float32), Grid(-30.0, 15.0, 200.0, 128, 128), "The DEM")
    # Zeros that nothing declares look alike.
    filled = np.full((200, 200), -2600.0, np.float32)
    filled[:5] = 0.0
    with pytest.raises(InputError, match="If 0 is a fill value, declare it: set 0"):
        check_heights(
            filled,
            Grid(-30.0, 15.0, 2.0, 200, 200),
            "The DEM",
            lambda factor, shift: f"{factor} {shift}",
            lambda fill: f"set {fill:g}",
        )


def test_kilometres_are_refused(tmp_path, heights):
    said = refused(make(tmp_path / "dem.tif", heights / 3000))
    assert "plausible in kilometres" in said.problem
    assert "gdal_translate -a_scale 1000 -a_offset 0" in said.remedy


def test_metres_of_a_flat_plain_are_accepted(tmp_path):
    plain = np.linspace(-30, 30, GRID.width * GRID.height, dtype=np.float32).reshape(GRID.shape)
    read_dem(make(tmp_path / "dem.tif", plain))
    flat = np.full(GRID.shape, 5.0, np.float32)
    read_dem(make(tmp_path / "flat.tif", flat))


def test_radii_are_refused(tmp_path, heights):
    said = refused(make(tmp_path / "dem.tif", (heights + moon.RADIUS_M).astype(np.float32)))
    assert "holds radii" in said.problem
    assert "gdal_translate -a_scale 1 -a_offset -1737400" in said.remedy


def test_a_picture_is_refused_as_an_elevation_model(tmp_path):
    path = tmp_path / "colours.tif"
    profile = {"count": 3, "height": 40, "width": 50, "dtype": "uint8", "crs": moon.SOUTH_POLAR}
    with rasterio.open(path, "w", transform=Affine(9.0, 0, 0, 0, -9.0, 0), **profile) as file:
        file.write(np.full((3, 40, 50), 7, np.uint8))
    for read in (read_dem, dem_grid):
        with pytest.raises(InputError, match=r"colours\.tif is a picture") as caught:
            read(path)
        assert "elevation model" in caught.value.remedy


def test_the_band_of_the_heights_is_found_by_its_description(tmp_path, heights):
    path = tmp_path / "stack.tif"
    profile = {"count": 3, "height": heights.shape[0], "width": heights.shape[1]}
    with rasterio.open(
        path,
        "w",
        dtype="float32",
        crs=moon.SOUTH_POLAR,
        transform=Affine(20.0, 0, 0, 0, -20.0, 0),
        **profile,
    ) as file:
        file.write(np.stack([heights * 0, heights, heights * 0]))
    said = refused(path)
    assert "3 bands, and nothing says which holds the heights" in said.problem
    assert "gdal_translate -b 3" in said.remedy
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("Number of shots", "Elevation, mean", "Elevation, std")
    context = Context()
    np.testing.assert_array_equal(read_dem(path, context=context).height_m, heights)
    assert "read from band 2, 'Elevation, mean'" in context.warnings[0]


def test_implausible_heights_are_refused(tmp_path, heights):
    said = refused(make(tmp_path / "dem.tif", heights * 1000))
    assert "-9,900 and 12,000 m" in said.problem
    assert "Check its unit" in said.remedy


@pytest.mark.parametrize("nodata", [-9999.0, float("nan")])
def test_a_raster_of_nodata_is_refused(tmp_path, nodata):
    empty = np.full(GRID.shape, nodata, np.float32)
    said = refused(make(tmp_path / "dem.tif", empty, nodata=nodata))
    assert "every pixel is nodata" in said.problem


@pytest.mark.parametrize("shape", [(2, 40), (40, 2), (1, 1)])
def test_fewer_than_three_pixels_are_refused(tmp_path, shape):
    said = refused(make(tmp_path / "dem.tif", np.ones(shape, np.float32)))
    assert f"{shape[1]} × {shape[0]} pixels; at least 3 × 3" in said.problem
    assert "larger piece" in said.remedy


@pytest.mark.parametrize(
    "transform",
    [
        Affine(200, 0, 0, 0, -250, 0),
        Affine(200, 0, 0, 0, 200, 0),
        Affine(-200, 0, 0, 0, -200, 0),
        Affine(200, 20, 0, 20, -200, 0),
    ],
    ids=["not square", "south up", "west up", "rotated"],
)
def test_pixels_must_be_square_and_north_up(tmp_path, heights, transform):
    said = refused(make(tmp_path / "dem.tif", heights, transform=transform))
    assert re.search("not square: 200 × 250 m|not north up|turned against the map", said.problem)
    assert "gdalwarp -t_srs '+proj=stere +lat_0=-90" in said.remedy
    side = 201 if transform.b else 200
    assert f"-tr {side} {side} -r bilinear -ot Float32 -dstnodata nan" in said.remedy


def test_a_missing_file_is_refused(tmp_path):
    said = refused(tmp_path / "none.tif")
    assert "there is no file" in said.problem


def test_a_file_that_is_not_a_raster_is_refused(tmp_path):
    text = tmp_path / "dem.tif"
    text.write_text("heights, honestly")
    said = refused(text)
    assert "cannot be read" in said.problem
    assert "truncated, damaged or not a raster" in said.remedy


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path, kept):
    big = Grid(0, 0, 20, 1200, 1200)
    values = np.random.default_rng(3).normal(0, 900, big.shape).astype(np.float32)
    path = tmp_path / "dem.tif"
    write_raster(path, values, big, description="height")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    said = refused(path)
    assert "cannot be read" in said.problem
    assert "previous exception" not in said.problem
    assert "truncated" in said.remedy


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "dem.tif"
    path.touch()
    assert "cannot be read" in refused(path).problem


def test_the_grid_is_read_without_pixels(tmp_path, heights):
    assert dem_grid(make(tmp_path / "dem.tif", heights)) == GRID
    with pytest.raises(CrsError, match="The far field"):
        dem_grid(make(tmp_path / "earth.tif", heights, crs="EPSG:3031"), "The far field")


# --- layers that come along


def test_a_layer_on_the_grid_is_not_resampled(tmp_path, heights):
    layer, warped = read_layer(make(tmp_path / "a.tif", heights), GRID, what="Layer")
    assert not warped
    np.testing.assert_array_equal(layer, heights)


def test_a_layer_on_another_grid_is_warped(tmp_path):
    coarse = Grid(GRID.x_min_m - 5000, GRID.y_max_m + 5000, 500.0, 40, 40)
    x, y = np.meshgrid(coarse.column_x_m(), coarse.row_y_m())
    plane = (0.01 * x - 0.02 * y).astype(np.float32)
    path = make(tmp_path / "a.tif", plane, transform=coarse.transform, nodata=-9999.0)
    layer, warped = read_layer(path, GRID, what="Layer")
    assert warped
    x, y = np.meshgrid(GRID.column_x_m(), GRID.row_y_m())
    np.testing.assert_allclose(layer, 0.01 * x - 0.02 * y, atol=0.01)


def test_a_layer_in_another_lunar_crs_is_warped(tmp_path):
    rows, columns = 120, 360
    transform = Affine(1.0, 0, -180, 0, -0.05, -84)
    lat = -84 - (np.arange(rows) + 0.5) * 0.05
    values = np.repeat(lat[:, None], columns, 1).astype(np.float32)
    path = make(tmp_path / "a.tif", values, crs=moon.GEOGRAPHIC, transform=transform)
    near = Grid(40_000.0, 60_000.0, 500.0, 20, 20)
    layer, warped = read_layer(path, near, what="Layer")
    assert warped
    _, expected = moon.xy_to_lonlat(*np.meshgrid(near.column_x_m(), near.row_y_m()))
    np.testing.assert_allclose(layer, expected, atol=0.03)


def test_a_layer_is_nodata_outside_its_extent(tmp_path, heights):
    path = make(tmp_path / "a.tif", heights)
    wide = Grid(GRID.x_min_m - 400, GRID.y_max_m, 200.0, 10, 10)
    layer, warped = read_layer(path, wide, what="Layer")
    assert warped
    assert np.isnan(layer[:, :2]).all()
    np.testing.assert_allclose(layer[:, 3:], heights[:10, 1:8], rtol=1e-5)


def test_a_layer_without_overlap_is_nodata(tmp_path, heights):
    far = Grid(150_000.0, 150_000.0, 200.0, 5, 5)
    layer, _ = read_layer(make(tmp_path / "a.tif", heights), far, what="Layer")
    assert np.isnan(layer).all()


def test_a_missing_band_is_refused(tmp_path, heights):
    path = make(tmp_path / "a.tif", np.stack([heights, heights + 1]))
    second, _ = read_layer(path, GRID, what="Layer", band=2)
    np.testing.assert_array_equal(second, heights + 1)
    for band in (3, 0, -1):
        with pytest.raises(InputError, match=rf"has 2 bands, but band {band} was requested"):
            read_layer(path, GRID, what="Layer", band=band)


def test_a_terrestrial_layer_is_refused(tmp_path, heights):
    path = make(tmp_path / "a.tif", heights, crs="EPSG:3031")
    with pytest.raises(CrsError, match="Layer lies on the Earth"):
        read_layer(path, GRID, what="Layer")


# --- what happens when writing fails


def test_a_failed_write_leaves_no_file(tmp_path, heights):
    with (
        pytest.raises(ValueError, match="half way"),
        RasterSink(tmp_path / "a.tif", GRID, "float32", "height") as sink,
    ):
        sink.write(heights[:10], Window(0, 0, 40, 10))
        raise ValueError("half way")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path, heights):
    path = tmp_path / "a.tif"
    write_raster(path, heights, GRID, description="height")
    before = digest(path)
    with (
        pytest.raises(KeyboardInterrupt),
        RasterSink(path, GRID, "float32", "height") as sink,
    ):
        sink.write(heights + 1)
        raise KeyboardInterrupt
    assert digest(path) == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


def test_an_impossible_folder_is_refused(tmp_path, heights):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Cannot write to .*file/run\. Choose a folder"):
        write_raster(tmp_path / "file" / "run" / "a.tif", heights, GRID, description="x")


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize(
    ("small_disk", "side"),
    [("1m", 450), ("1m", 1500), ("5m", 700), ("8m", 1500), ("1200k", 450), ("700k", 450)],
    indirect=["small_disk"],
)
def test_a_full_disk_leaves_no_file(small_disk, side):
    """Full while the pixels are written, while the file is closed, and while it is compressed."""
    grid = Grid(0, 0, 20, side, side)
    noise = np.random.default_rng(5).normal(size=grid.shape).astype(np.float32)
    with pytest.raises(
        OutputError, match=rf"The disk that contains {small_disk} is full\. Free some space"
    ):
        write_raster(small_disk / "a.tif", noise, grid, description="noise")
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (40, 3000), (530, 3000), (3000, 700)])
def test_a_thin_layer_takes_little_more_than_its_pixels_while_it_is_written(
    tmp_path, monkeypatch, shape
):
    sizes, copy = [], rasterio.shutil.copy

    def noted(plain, *args, **options):
        sizes.append(plain.stat().st_size)
        copy(plain, *args, **options)

    monkeypatch.setattr(rasterio.shutil, "copy", noted)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values[: shape[0] // 2, : shape[1] // 2] = np.nan
    grid = Grid(0.0, 0.0, 20.0, shape[1], shape[0])
    write_raster(tmp_path / "a.tif", values, grid, description="noise")
    assert sizes[0] < 3 * 4 * (shape[0] + 64) * (shape[1] + 64)
    with rasterio.open(tmp_path / "a.tif") as written:
        assert np.array_equal(written.read(1), values, equal_nan=True)
        assert len(written.overviews(1)) == 3
        assert written.block_shapes == [(512, 512)]


def test_an_image_without_georeferencing_is_refused_without_other_warnings(tmp_path, recwarn):
    path = tmp_path / "plain.png"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="PNG", width=8, height=8, count=1, dtype="uint8") as f:
            f.write(np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(InputError, match=r"plain\.png is a picture"):
        dem_grid(path)
    assert not [found for found in recwarn if "geotransform" in str(found.message)]


@pytest.mark.parametrize(
    ("fill", "dtype"),
    [
        *((fill, np.float32) for fill in (-9999.0, -32768.0, -3.4028227e38, 1e30)),
        *((fill, np.int16) for fill in (-9999.0, -32768.0, -32760.0)),
    ],
)
@pytest.mark.parametrize("shift", [0.0, 35.0])
def test_a_single_fill_value_of_a_layer_that_a_sample_misses_is_nodata(
    tmp_path, fill, dtype, shift
):
    values = np.full((1400, 1400), 7, dtype)
    values[1001, 1003] = dtype(fill)
    place = from_origin(shift, 14_000.0 - shift, 10.0, 10.0)
    path = make(tmp_path / "layer.tif", values, transform=place)
    found, warped = read_layer(path, Grid(0.0, 14_000.0, 10.0, 1400, 1400), what="The layer")
    assert warped == bool(shift)
    inside = found[10:-10, 10:-10]
    assert set(np.unique(inside[np.isfinite(inside)])) == {7.0}
    assert warped or np.isnan(found[1001, 1003])


FILL_PAIRS = [
    (None, (-9999.0, -32768.0), np.float32),
    (None, (-3.4028227e38, -9999.0), np.float32),
    (-32768.0, (-9999.0, -99999.0), np.float32),
    (None, (-32768, -9999), np.int16),
    (-1, (-32766, -9999), np.int16),
    (np.nan, (-9999.0, 1e30), np.float32),
]


@pytest.mark.parametrize(("declared", "fills", "dtype"), FILL_PAIRS)
def test_several_undeclared_fills_of_a_layer_that_is_warped_are_nodata(
    tmp_path, declared, fills, dtype
):
    values = np.full((200, 300), 7, dtype)
    held = [dtype(each) for each in (*fills, *(() if declared is None else (declared,)))]
    for number, each in enumerate(held):
        values[40:60, 30 + 60 * number : 50 + 60 * number] = each
    place = from_origin(35.0, 1965.0, 10.0, 10.0)
    path = make(tmp_path / "layer.tif", values, transform=place, nodata=declared)
    found, warped = read_layer(path, Grid(0.0, 2000.0, 10.0, 300, 200), what="The layer")
    assert warped
    inside = found[10:-10, 10:-10]
    assert set(np.unique(inside[np.isfinite(inside)])) == {7.0}
    missing = np.count_nonzero(np.isnan(inside))
    assert 400 * len(held) <= missing <= 484 * len(held)


def test_scale_and_offset_outlast_the_replacing_of_fills(tmp_path):
    values = np.full((100, 100), 7, np.int16)
    values[20:40, 20:40], values[60:80, 60:80] = -32768, -9999
    place = from_origin(35.0, 965.0, 10.0, 10.0)
    path = make(tmp_path / "layer.tif", values, transform=place, scale=0.5, offset=100.0)
    found, _ = read_layer(path, Grid(0.0, 1000.0, 10.0, 100, 100), what="The layer")
    inside = found[10:-10, 10:-10]
    assert set(np.unique(inside[np.isfinite(inside)])) == {103.5}
    assert 800 <= np.count_nonzero(np.isnan(inside)) <= 968


def container(path, names, *, damaged=False):
    h5py = pytest.importorskip("h5py", reason="of the ml group")
    with h5py.File(path, "w") as file:
        for name in names:
            file[name] = np.zeros((20, 20), np.float32)
    if damaged:
        path.write_bytes(path.read_bytes()[:1500])
    return path


@pytest.mark.parametrize(
    ("name", "words", "remedy"),
    [
        (
            'HDF5:"{0}/two.h5"://nope',
            "two.h5 holds no 'nope', but .*//a.*//b",
            "HDF5:{0}/two.h5://b",
        ),
        ("HDF5:{0}/two.h5", "two.h5 holds HDF5:.*//a.*//b", "HDF5:{0}/two.h5://b"),
        ("NETCDF:{0}/two.h5:nope", "two.h5 holds no 'nope', but netcdf:", "netcdf:{0}/two.h5:b"),
        ("HDF5:{0}/one.h5://nope", "one.h5 holds no 'nope', but one raster", "{0}/one.h5"),
        ('HDF5:"{0}/no.h5"://a', "there is no file {0}/no.h5", "Check the path"),
        ('HDF5:"{0}/half.h5"://a', "half.h5 cannot be read as HDF5", "damaged"),
        ("{0}/half.h5", "half.h5 cannot be read", "damaged"),
    ],
)
def test_a_raster_that_a_file_does_not_hold_is_refused_with_those_that_it_holds(
    tmp_path, capfd, name, words, remedy
):
    container(tmp_path / "two.h5", "ab")
    container(tmp_path / "one.h5", "a")
    container(tmp_path / "half.h5", "a", damaged=True)
    said = refused(name.format(tmp_path))
    assert re.search(words.format(tmp_path), said.problem)
    assert remedy.format(tmp_path) in said.remedy
    assert capfd.readouterr().err == ""


def test_only_what_libraries_print_is_kept_from_the_terminal(capfd, monkeypatch):
    def opens(name, **_):
        os.write(2, b"HDF5-DIAG: Error\n  #000: H5F.c line 1\n    major: File\nanother thread\n")
        return SimpleNamespace(name=name, driver="HDF5")

    monkeypatch.setattr(rasterio, "open", opens)
    assert gdal_open.open_raster("a.h5").name == "a.h5"
    assert capfd.readouterr().err == "another thread\n"


def test_pixels_without_area_are_refused(tmp_path):
    label = tmp_path / "flat.vrt"
    make(tmp_path / "flat.tif", np.zeros((4, 5), np.float32))
    for row in ("0, 0, 0, 0, 0, -240", "0, 240, 0, 0, 240, 0", "0, nan, 0, 0, 0, -240"):
        label.write_text(
            "<VRTDataset rasterXSize='5' rasterYSize='4'>"
            f"<GeoTransform>{row}</GeoTransform><VRTRasterBand dataType='Float32' band='1'>"
            "<SimpleSource><SourceFilename relativeToVRT='1'>flat.tif</SourceFilename>"
            "</SimpleSource></VRTRasterBand></VRTDataset>"
        )
        with pytest.raises(InputError, match="pixels have no area"), opened(label, "It"):
            pass


def test_text_that_is_not_utf8_is_refused(tmp_path):
    make(tmp_path / "flat.tif", np.zeros((4, 5), np.float32))
    label = tmp_path / "flat.vrt"
    label.write_bytes(
        b"<VRTDataset rasterXSize='5' rasterYSize='4'><SRS>PROJCS[\"a\xff\",GEOGCS[\"b\","
        b'DATUM["c",SPHEROID["d",1737400,0]],PRIMEM["e",0],UNIT["degree",0.01745]],'
        b'PROJECTION["Polar_Stereographic"],PARAMETER["latitude_of_origin",-90],'
        b'UNIT["metre",1]]</SRS><GeoTransform>0, 240, 0, 0, 0, -240</GeoTransform>'
        b"<VRTRasterBand dataType='Float32' band='1'><SimpleSource><SourceFilename "
        b"relativeToVRT='1'>flat.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(InputError, match="not valid XML"), opened(label, "It"):
        pass


def test_names_in_rasters_that_are_not_utf8_are_refused(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid start byte")

    path = make(tmp_path / "flat.tif", np.zeros((4, 5), np.float32))
    monkeypatch.setattr(rasterio, "open", fail)  # as for JPEG 2000 with such a name of its map
    with pytest.raises(InputError, match="not UTF-8 text"), opened(path, "It"):
        pass


@pytest.mark.parametrize("attempt", ["import os; os.abort()", "import time; time.sleep(60)"])
@pytest.mark.parametrize("named", ["{0}", 'NETCDF:"{0}":Band1'])
def test_a_library_that_crashes_or_never_ends_does_so_elsewhere(
    tmp_path, monkeypatch, attempt, named
):
    make(tmp_path / "plain.tif", np.ones((4, 5), np.float32))
    path = tmp_path / "dem.nc"
    rasterio.shutil.copy(tmp_path / "plain.tif", path, driver="netCDF")
    monkeypatch.setattr(gdal_open, "_TRY", attempt)
    monkeypatch.setattr(gdal_open, "_TRY_WITHIN_S", 1.0)
    crashed = pytest.raises(InputError, match=r"the library that reads it crashed|as netCDF")
    with crashed, opened(named.format(path), "It"):
        pass
    monkeypatch.undo()
    with opened(path, "It") as source:
        assert source.count == 1


def test_a_coordinate_system_without_a_proj_string_is_not_that_of_the_map():
    crs = pyproj.CRS.from_wkt(
        'PROJCRS["a",BASEGEOGCRS["b",DATUM["c",ELLIPSOID["d",1737400,0]]],CONVERSION["e",'
        'METHOD["Unheard of"]],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["m",1]]'
    )
    assert moon.proj_terms(crs) == {} or "proj" not in moon.proj_terms(crs)
    assert not moon.is_south_polar(crs)


def test_a_coordinate_system_that_proj_cannot_use_is_refused_with_a_command(tmp_path):
    make(tmp_path / "flat.tif", np.zeros((4, 5), np.float32))
    label = tmp_path / "flat.vrt"
    rasterio.shutil.copy(tmp_path / "flat.tif", label, driver="VRT")
    text = label.read_text()
    text = (
        text[: text.index("<SRS")]
        + (
            "<SRS>PROJCS[&quot;odd&quot;,GEOGCS[&quot;Moon&quot;,DATUM[&quot;Moon&quot;,SPHEROID["
            "&quot;Moon&quot;,1737400,0]],PRIMEM[&quot;Reference&quot;,0],UNIT[&quot;degree&quot;,"
            "0.0174532925199433]],PROJECTION[&quot;Stereographic&quot;],PARAMETER["
            "&quot;latitude_of_origin&quot;,-80],PARAMETER[&quot;scale_factor&quot;,-2],"
            "UNIT[&quot;metre&quot;,1]]</SRS>"
        )
        + text[text.index("</SRS>") + 6 :]
    )
    label.write_text(text)
    with pytest.raises(
        CrsError,
        match=r"'odd' of flat\.vrt cannot be used: PROJ refuses it .*> 0.*gdal_edit.py -a_srs",
    ):
        read_dem(label)
    with pytest.raises(CrsError, match=r"'odd' of flat\.vrt cannot be used: PROJ refuses it"):
        read_layer(label, GRID, what="The layer")


class InterruptionError(Exception):
    """What ends a layer that is being written."""


def test_a_cancelled_layer_is_not_filled_to_its_full_size(tmp_path):
    """Closed, GDAL would write 4 GB of nodata first."""
    grid = Grid(0.0, 0.0, 5.0, 32_768, 32_768)
    sink = RasterSink(tmp_path / "a.tif", grid, "float32", "a")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_oublock
    begin = time.perf_counter()
    with pytest.raises(InterruptionError), sink:
        sink.write(np.ones((512, 512), np.float32), Window(0, 0, 512, 512))
        raise InterruptionError
    assert time.perf_counter() - begin < 2.0
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_oublock - before) * 512 < 64 * 2**20
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("dtype", "nodata"), [("float32", None), ("uint8", 255), ("uint8", None)])
def test_blocks_of_nodata_are_stored_and_read_as_that(tmp_path, dtype, nodata):
    grid = Grid(0.0, 0.0, 5.0, 1500, 1100)
    missing = np.nan if dtype == "float32" else nodata or 0
    values = np.full(grid.shape, missing, dtype)
    values[700:720, 1030:1100] = 3
    write_raster(tmp_path / "a.tif", values, grid, description="a", nodata=nodata)
    with RasterSink(tmp_path / "b.tif", grid, dtype, "a", "", nodata) as sink:
        for window in grid.tiles(300):
            sink.write(values[window.toslices()], window)
    with rasterio.open(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(1), values)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_lost_block_is_noticed(tmp_path, monkeypatch):
    """GDAL does not report what the disk did not take when a file is closed."""
    check = RasterSink._check_blocks

    def truncate(own):
        os.truncate(own._plain, own._plain.stat().st_size - 1024)
        check(own)

    monkeypatch.setattr(RasterSink, "_check_blocks", truncate)
    values = np.ones((400, 400), np.float32)
    with pytest.raises(OutputError, match=r"a\.tif cannot be written: .*not be written whole"):
        write_raster(tmp_path / "a.tif", values, Grid(0, 0, 5, 400, 400), description="a")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_is_not_told_as_a_damaged_input(tmp_path, monkeypatch):
    """The block that reads an input also writes: its errors were told as those of the input."""
    grid = Grid(0.0, 0.0, 5.0, 600, 600)
    write_raster(tmp_path / "in.tif", np.ones(grid.shape, np.float32), grid, description="a")

    def copy():
        with (
            raster.opened(tmp_path / "in.tif", "The DEM") as source,
            RasterSink(tmp_path / "out" / "a.tif", grid, "float32", "a") as sink,
        ):
            shutil.rmtree(tmp_path / "out")
            sink.write(source.read(1))

    with pytest.raises(OutputError, match=r"The folder .*out is gone"):
        copy()

    def fail(*_args, **_options):
        raise rasterio.errors.RasterioIOError("Write failed. See previous exception for details.")

    def refuse(_descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(rasterio.shutil, "copy", fail)
    with pytest.raises(OutputError, match=r"a\.tif cannot be written: Write failed"):
        write_raster(tmp_path / "a.tif", np.ones(grid.shape), grid, description="a")
    monkeypatch.setattr("lunarsite.engine.atomic.os.fsync", refuse)
    with pytest.raises(OutputError, match="reports an input/output error"):
        write_raster(tmp_path / "a.tif", np.ones(grid.shape), grid, description="a")
