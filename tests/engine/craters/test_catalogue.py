"""Catalogues as people have them: tables and layers of any format, units and columns."""

from __future__ import annotations

import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.catalogue import read_catalogue, read_circles
from lunarsite.engine.errors import CrsError, InputError

X, Y = np.array([-8000.0, 12_000.0, 300.0]), np.array([-9000.0, 4000.0, -60_000.0])
DIAMETER = np.array([2400.0, 5100.0, 900.0])
LON, LAT = moon.xy_to_lonlat(X, Y)


def read(path, context=None):
    return read_catalogue(path, context=context or Context())


def written(tmp_path, text, encoding="utf-8", name="known.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def layer(path, shapes=None, crs=moon.SOUTH_POLAR, name=None, **columns):
    shapes = gpd.points_from_xy(X, Y) if shapes is None else shapes
    frame = gpd.GeoDataFrame(columns, geometry=shapes, crs=moon.SOUTH_POLAR).to_crs(crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Shapefiles cut names
        frame.to_file(path, layer=name)
    return path


def circles():
    return shapely.buffer(shapely.points(X, Y), DIAMETER / 2 * moon.map_scale(X, Y), quad_segs=32)


def check(path, context=None, rtol=1e-9):
    table = read(path, context)
    np.testing.assert_allclose(table["diameter_m"], DIAMETER, rtol=rtol)
    np.testing.assert_allclose(table[["x_m", "y_m"]], np.column_stack([X, Y]), atol=0.5)
    np.testing.assert_allclose(table["lat_deg"], LAT, atol=1e-4)
    return table


@pytest.mark.parametrize(
    ("lon", "lat", "diameter", "per_m"),
    [
        ("lon_deg", "lat_deg", "diameter_m", 1.0),
        ("lon_deg", "lat_deg", "diameter_km", 1e-3),
        ("LON_CIRC_IMG", "LAT_CIRC_IMG", "DIAM_CIRC_IMG", 1e-3),  # Robbins (2018)
        ("Lon", "Lat", "Diam_km", 1e-3),  # Head et al. (2010)
        ("center_lon", "center_lat", "diameter_m", 1.0),
        ("Longitude (deg)", "Latitude (deg)", "D(m)", 1.0),
        ("LONGITUDE", "LATITUDE", "DiamKm", 1e-3),
        ("long", "lat", "radius_km", 5e-4),
        ("lon_360", "lat", "radius_m", 0.5),
    ],
)
def test_names_of_columns_are_recognised(tmp_path, lon, lat, diameter, per_m):
    table = pd.DataFrame({lat: LAT, lon: LON % 360, diameter: DIAMETER * per_m, "id": 1})
    table.to_csv(tmp_path / "known.csv", index=False)
    check(tmp_path / "known.csv")


def test_the_columns_of_robbins_are_told_from_their_neighbours(tmp_path):
    table = pd.DataFrame(
        {
            "CRATER_ID": ["00-1-0", "00-1-1", "00-1-2"],
            "LAT_CIRC_IMG": LAT,
            "LON_CIRC_IMG": LON % 360,
            "LAT_ELLI_IMG": LAT + 0.01,
            "LON_ELLI_IMG": LON % 360,
            "DIAM_CIRC_IMG": DIAMETER / 1000,
            "DIAM_CIRC_SD_IMG": 0.1,
            "DIAM_ELLI_MAJOR_IMG": DIAMETER / 900,
            "LAT_CIRC_SD_IMG": 0.0,
        }
    )
    table.to_csv(tmp_path / "robbins.csv", index=False)
    check(tmp_path / "robbins.csv")
    columns = {name: table[name] for name in ("CRATER_ID", "DIAM_CIRC_IMG", "LAT_CIRC_IMG")}
    check(layer(tmp_path / "robbins.shp", **columns, LON_CIRC_IMG=LON % 360))


@pytest.mark.parametrize("crs", [moon.SOUTH_POLAR, moon.GEOGRAPHIC, "+proj=eqc +R=1737400"])
@pytest.mark.parametrize("ending", [".gpkg", ".shp"])
def test_points_of_a_layer_are_the_positions(tmp_path, ending, crs):
    path = layer(tmp_path / f"craters{ending}", crs=crs, diameter_m=DIAMETER)
    context = Context()
    check(path, context)
    assert context.warnings == []


def test_points_of_geojson_are_degrees_of_the_moon(tmp_path):
    frame = gpd.GeoDataFrame({"diam_km": DIAMETER / 1000}, geometry=gpd.points_from_xy(LON, LAT))
    path = tmp_path / "craters.geojson"
    path.write_text(frame.to_json())
    context = Context()
    check(path, context)
    assert context.warnings == [
        "The crater catalogue craters.geojson: its degrees are interpreted as lunar."
    ]


@pytest.mark.parametrize("crs", [moon.SOUTH_POLAR, moon.GEOGRAPHIC])
def test_outlines_give_position_and_diameter(tmp_path, crs):
    context = Context()
    check(layer(tmp_path / "rims.gpkg", circles(), crs), context, rtol=2e-3)
    assert "diameters are those of circles of the polygons' areas" in context.warnings[0]


@pytest.mark.parametrize("per_m", [1.0, 1e-3])
def test_the_unit_of_a_bare_diameter_is_that_in_which_it_fits_the_outline(tmp_path, per_m):
    # Circle Craters, a plugin of QGIS, draws circles with these fields.
    fields = {"diameter": DIAMETER * per_m, "center_lon": LON, "center_lat": LAT}
    context = Context()
    check(layer(tmp_path / "circle_craters.gpkg", circles(), **fields), context)
    assert context.warnings == []
    with pytest.raises(InputError, match="column diameter without a unit") as caught:
        read(layer(tmp_path / "points.gpkg", **fields))
    assert "diameter_m if it is in metres" in caught.value.remedy


def test_columns_that_contradict_the_outlines_or_each_other_are_refused(tmp_path):
    path = layer(tmp_path / "a.gpkg", circles(), diameter_m=DIAMETER / 1000)
    with pytest.raises(InputError, match=r"diameter_m is 0\.001 times the diameter of the outl"):
        read(path)
    path = layer(tmp_path / "b.gpkg", diameter_m=DIAMETER, radius_m=DIAMETER)
    with pytest.raises(InputError, match="diameter_m and radius_m differ by a factor of 2"):
        read(path)
    path = layer(tmp_path / "c.gpkg", diameter_m=DIAMETER, lon_deg=LON, lat_deg=LAT + 1.0)
    with pytest.raises(CrsError, match="geometries lie 30 km from its longitudes and latitudes"):
        read(path)


@pytest.mark.parametrize("unit", ["diameter_km", "Diam_km", "radius_km", "DIAM_CIRC_IMG"])
def test_metres_in_a_column_of_kilometres_are_noticed(tmp_path, unit):
    table = pd.DataFrame({"lon": LON, "lat": LAT, unit: DIAMETER})
    table.to_csv(tmp_path / "known.csv", index=False)
    with pytest.raises(InputError, match=r"more than the largest basin") as caught:
        read(tmp_path / "known.csv")
    assert caught.value.remedy == f"If {unit} is in metres, name it diameter_m"
    table[unit] = [900.0, 800.0, 700.0]
    table.to_csv(tmp_path / "known.csv", index=False)
    context = Context()
    read(tmp_path / "known.csv", context)
    assert f"({unit}). If {unit} is in metres" in context.warnings[0]


def test_depths_may_be_kilometres_and_have_gaps(tmp_path):
    path = written(
        tmp_path, "lon,lat,diameter_m,Depth_km\n0,-89,3000,0.3\n9,-88,2000,\n5,-88,900,n/a\n"
    )
    np.testing.assert_allclose(read(path)["depth_m"], [300.0, np.nan, np.nan])
    np.testing.assert_allclose(read_circles(path).depth_m, [300.0, np.nan, np.nan])


def test_craters_of_the_north_are_left_out(tmp_path):
    path = written(tmp_path, "lon,lat,diameter_km\n0,89.99,90\n10,-89,3\n20,5,3\n")
    context = Context()
    table = read(path, context)
    assert table["lat_deg"].tolist() == pytest.approx([-89.0])
    assert context.warnings == [
        "The crater catalogue known.csv: 2 craters of the northern hemisphere left out."
    ]
    path = written(tmp_path, "lon,lat,diameter_km\n0,84.5,90\n10,89,3\n")
    with pytest.raises(CrsError, match=r"lies in the north: its lat is 84.50 to 89.00"):
        read(path)


def test_a_named_layer_is_read_as_catalogue_and_as_detections(tmp_path):
    path = tmp_path / "all.gpkg"
    layer(path, name="mine", diameter_m=DIAMETER, confidence=0.5)
    layer(path, name="theirs", diameter_m=2 * DIAMETER, confidence=0.5)
    check(f"{path}|layername=mine")
    found = detections.read(f"{path}|layername=mine", Context()).circles
    np.testing.assert_allclose(found.diameter_m, DIAMETER)
    for reader in (read, lambda file: detections.read(file, Context())):
        with pytest.raises(InputError, match="several layers: mine, theirs"):
            reader(path)


def test_detections_have_diameters_in_any_unit(tmp_path):
    path = layer(tmp_path / "found.shp", Diam_km=DIAMETER / 1000, confidence=0.5)
    np.testing.assert_allclose(detections.read(path, Context()).circles.diameter_m, DIAMETER)
    table = tmp_path / "table.gpkg"
    gpd.GeoDataFrame({"diameter_m": [1.0]}, geometry=[None], crs=moon.SOUTH_POLAR).to_file(table)
    with pytest.raises(InputError, match="have no geometry"):
        detections.read(table, Context())


def test_a_layer_without_coordinate_system_may_list_its_positions(tmp_path):
    path = tmp_path / "bare.shp"
    frame = gpd.GeoDataFrame({"diameter_m": DIAMETER}, geometry=gpd.points_from_xy(X, Y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame.to_file(path)
        with pytest.raises(CrsError, match="has no coordinate system"):
            read(path)
        frame.assign(x_m=X, y_m=Y).to_file(path)
    check(path)


@pytest.mark.parametrize("depth", [-300.0, 9000.0])
def test_depths_that_no_crater_has_are_refused(tmp_path, depth):
    path = tmp_path / "craters.csv"
    path.write_text(f"lon_deg,lat_deg,diameter_m,depth_m\n10,-89,2400,{depth}\n20,-89,2400,\n")
    with pytest.raises(InputError, match="1 crater without a depth between 0 and its diameter"):
        read_catalogue(path)
    path.write_text("lon_deg,lat_deg,diameter_m,depth_m\n10,-89,2400,300\n20,-89,2400,\n")
    assert read_catalogue(path)["depth_m"].iloc[0] == 300.0
