"""Areas of interest: what they are given by, and that a part comes out as the whole does."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.windows import Window

from lunarsite.engine import moon, run
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError, ParameterError
from lunarsite.engine.file_names import part_of
from lunarsite.engine.io.elevation import area
from lunarsite.engine.io.elevation.builtin import BUILTIN
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.elevation.far_field import rest_of

BOX = (-30_000.0, -20_000.0, 50_000.0, 40_000.0)


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    """Return a generated region of 400 × 400 pixels of 240 m, with overviews."""
    folder = tmp_path_factory.mktemp("area")
    path = folder / "dem.tif"
    run("synthesize", out=str(path), size_px=400, pixel_m=240.0)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "-30000,-20000,50000,40000",
        " -30000, -20000, 50000, 40000 ",
        "-30000 -20000 50000 40000",
        "-3e4;-2e4;5e4;4e4",
        "-30000,50000,-20000,40000 [IAU_2015:30135]",
    ],
)
def test_edges_are_read_in_any_writing(text):
    assert area.bounds_of(text, Context()) == BOX


def test_a_rectangle_in_lunar_degrees_is_that_around_it_on_the_map():
    west, south, east, north = area.bounds_of("-180,180,-90,-85 [IAU_2015:30100]", Context())
    r = float(moon.lonlat_to_xy(90.0, -85.0)[0])
    assert (west, south, east, north) == pytest.approx((-r, -r, r, r), rel=0.01)


def test_a_part_of_a_part_is_one_of_the_whole(dem):
    outer = area.part(dem, "0,-90,20", Context())
    inner = area.part(outer, "3000,3000,9000,9000", Context())
    assert inner == area.part(dem, "3000,3000,9000,9000", Context())
    assert area.narrowed({"dem": outer, "aoi": None}, "dem", Context())["dem"] == outer


def test_a_circle_has_its_radius_on_the_ground():
    west, south, east, north = area.bounds_of("0,-80,50", Context())
    _, lat = moon.xy_to_lonlat(0.0, [south, north])
    degrees = np.degrees(50_000.0 / moon.RADIUS_M)
    assert sorted(lat) == pytest.approx([-80 - degrees, -80 + degrees], abs=0.02)
    assert west == -east


@pytest.mark.parametrize("crs", [moon.SOUTH_POLAR, moon.GEOGRAPHIC])
def test_a_layer_gives_the_rectangle_around_its_polygons(tmp_path, crs):
    west, south, east, north = BOX
    shapes = gpd.GeoDataFrame(
        geometry=[shapely.box(west, south, 0, 0), shapely.box(10_000, 0, east, north)],
        crs=moon.SOUTH_POLAR,
    )
    if crs == moon.GEOGRAPHIC:
        corners = [np.asarray(shape.exterior.coords) for shape in shapes.geometry]
        degrees = [np.column_stack(moon.xy_to_lonlat(*ring.T)) for ring in corners]
        shapes = gpd.GeoDataFrame(geometry=[shapely.Polygon(ring) for ring in degrees], crs=crs)
    shapes.to_file(tmp_path / "area.gpkg")
    found = area.bounds_of(str(tmp_path / "area.gpkg"), Context())
    assert found == pytest.approx(BOX, abs=1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("50000,-20000,-30000,40000", "west edge east of its east edge"),
        ("0,-95,20", "not a longitude, a latitude and a radius"),
        ("0,-89,-20", "not a longitude, a latitude and a radius"),
        ("0,0,1,1 km", "four numbers and km"),
        ("-180,-90,180,-80", "looks like degrees"),
        ("-10000,10000,-10000,10000 [EPSG:3857]", "lies on the Earth"),
        ("-10000,10000,-10000,10000 [nowhere]", "names no coordinate system"),
    ],
)
def test_numbers_without_meaning_are_refused(text, words):
    with pytest.raises((ParameterError, CrsError), match=words):
        area.bounds_of(text, Context())


@pytest.mark.parametrize("text", ["nowhere.gpkg", "1,2", "pole"])
def test_what_is_neither_numbers_nor_a_layer_is_refused(text):
    with pytest.raises(InputError, match="The area of interest"):
        area.bounds_of(text, Context())


def test_a_part_holds_the_pixels_that_the_area_touches(dem):
    whole = read_dem(dem)
    name = area.part(dem, "-7000,-5000,5000,6100", Context())
    part = read_dem(name)
    west, south, east, north = part.grid.bounds
    assert west <= -7000 < west + 240
    assert south <= -5000 < south + 240
    assert east - 240 < 5000 <= east
    assert north - 240 < 6100 <= north
    row, column = whole.grid.pixel_of(west + 1, north - 1)
    rows, columns = part.grid.shape
    inside = whole.height_m[row : row + rows, column : column + columns]
    assert np.array_equal(part.height_m, inside)


def test_an_area_around_the_whole_raster_is_the_raster(dem):
    assert area.part(dem, "0,-90,500", Context()) == str(dem)


def test_an_area_elsewhere_is_refused(dem):
    with pytest.raises(InputError, match=r"does not overlap dem\.tif"):
        area.part(dem, "0,-80,20", Context())


def test_a_raster_without_a_place_has_no_area(tmp_path):
    profile = {"width": 50, "height": 50, "count": 1, "dtype": "uint8"}
    place = rasterio.Affine(1.0, 0.0, 0.0, 0.0, -1.0, 50.0)
    with rasterio.open(tmp_path / "photo.tif", "w", transform=place, **profile) as target:
        target.write(np.ones((1, 50, 50), np.uint8))
    with pytest.raises(CrsError, match="has no coordinate system"):
        area.part(tmp_path / "photo.tif", "0,-90,5", Context())


def test_the_rest_of_the_model_is_coarser_and_in_its_place():
    name = area.part(BUILTIN, "0,-90,100", Context())
    near = read_dem(name)
    (rest,) = rest_of(name, near.grid, Context())
    assert rest.grid.pixel_m == 1600.0
    whole = read_dem(BUILTIN)
    row, column = whole.grid.pixel_of(*np.array(rest.grid.bounds)[[0, 3]] + (1, -1))
    rows, columns = rest.grid.shape
    assert np.array_equal(
        rest.height_m, whole.height_m[row : row + rows, column : column + columns]
    )


def test_light_in_an_area_comes_out_as_in_the_whole(dem, tmp_path):
    shared = {"dem": str(dem), "azimuths": 72, "stop": "2028-01-01", "step_hours": 24.0}
    whole = run("lighting", out=str(tmp_path / "whole"), **shared)
    part = run("lighting", out=str(tmp_path / "part"), aoi="-9600,-9600,9600,9600", **shared)
    assert part["surroundings"] == ["the rest of dem.tif"]
    with (
        rasterio.open(whole["outputs"]["illumination_pct"]) as one,
        rasterio.open(part["outputs"]["illumination_pct"]) as other,
    ):
        assert other.shape == (80, 80)
        left, top = (int(v) for v in ~one.transform * (other.bounds.left, other.bounds.top))
        wanted = one.read(1, window=Window(left, top, 80, 80))
        found = other.read(1)
        used = part_of(area.part(dem, "-9600,-9600,9600,9600", Context()))
    assert used[1][2:] == (80, 80)
    # The sweep's lines lie elsewhere in a smaller raster.
    difference = found - wanted
    assert abs(np.nanmean(difference)) < 0.3
    assert np.sqrt(np.nanmean(difference**2)) < 3.0


def test_craters_and_terrain_of_an_area(dem, tmp_path):
    terrain = run("terrain", dem=str(dem), aoi="0,-90,10", out=str(tmp_path / "terrain"))
    with rasterio.open(terrain["outputs"]["slope_deg"]) as slope:
        assert slope.bounds == pytest.approx((-10_080, -10_080, 10_080, 10_080), abs=240)
    found = run("detect-craters", dem=str(dem), aoi="0,-90,20", out=str(tmp_path / "c.gpkg"))
    centres = gpd.read_file(found["outputs"]["craters"], layer="craters").geometry.centroid
    assert len(centres)
    assert (np.abs(centres.x) < 21_000).all()
    assert (np.abs(centres.y) < 21_000).all()
