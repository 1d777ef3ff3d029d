from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters.catalogue import read_catalogue
from lunarsite.engine.errors import CrsError
from lunarsite.engine.io.vectors import vector

LON = np.array([10.0, -20.25, 130.5, 0.1])
LAT = np.array([-89.1, -88.72, -85.0, -87.5])
X, Y = moon.lonlat_to_xy(LON, LAT)


def table(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def layer(path, x=X, y=Y, crs=moon.SOUTH_POLAR, **columns):
    shapes = shapely.points(x, y)
    gpd.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path)
    return path


def points(path, context=None):
    return vector.read_points(path, "The points", context or Context())


@pytest.mark.parametrize("reader", [points, read_catalogue])
@pytest.mark.parametrize("lon", [np.radians(LON), np.radians(LON % 360.0)])
def test_a_table_in_radians_is_refused(tmp_path, reader, lon):
    lat = np.radians(LAT)
    path = table(tmp_path / "a.csv", Longitude=lon, Latitude=lat, diameter_m=500.0)
    with pytest.raises(CrsError, match=r"in radians: .* Latitude -1\.5551 to -1\.4835") as caught:
        reader(path)
    assert "Convert Longitude and Latitude to degrees" in caught.value.remedy


@pytest.mark.parametrize("ending", ["geojson", "gpkg"])
def test_a_layer_in_radians_is_refused_with_the_command_that_converts_it(tmp_path, ending):
    path = layer(
        tmp_path / f"a.{ending}",
        np.radians(LON),
        np.radians(LAT),
        crs="EPSG:4326" if ending == "geojson" else moon.GEOGRAPHIC,
        diameter_m=np.full(4, 500.0),
    )
    for read in (points, read_catalogue):
        with pytest.raises(CrsError, match="is in radians: its longitude is") as caught:
            read(path)
        assert "ogr2ogr" in caught.value.remedy
        assert "+proj=unitconvert +xy_in=rad +xy_out=deg" in caught.value.remedy


def test_polygons_in_radians_are_refused(tmp_path):
    shapes = [shapely.box(0.1, -1.55, 0.3, -1.5)]
    gpd.GeoDataFrame(geometry=shapes, crs=moon.GEOGRAPHIC).to_file(tmp_path / "a.gpkg")
    with pytest.raises(CrsError, match="is in radians"):
        vector.read_polygons(tmp_path / "a.gpkg", "The regions", Context())


def test_degrees_round_the_equator_and_the_origin_are_no_radians(tmp_path):
    path = table(tmp_path / "a.csv", lon_deg=[1.0, 2.0], lat_deg=[-1.0, -2.0])
    assert len(points(path)) == 2
    path = table(tmp_path / "b.csv", lon_deg=[10.0, 12.0], lat_deg=[-1.0, -1.1])
    assert len(points(path)) == 2
    path = table(tmp_path / "c.csv", lon_deg=[0.0], lat_deg=[0.0])
    assert len(points(path)) == 1


@pytest.mark.parametrize("digits", [1, 3, 6])
def test_columns_that_say_what_the_geometry_does_need_no_warning(tmp_path, digits):
    lon, lat = np.round(LON, digits), np.round(LAT, digits)
    context = Context()
    found = points(layer(tmp_path / "a.gpkg", lon_deg=lon, lat_deg=lat), context)
    assert context.warnings == []
    assert np.allclose(found.geometry.x, X)


@pytest.mark.parametrize("columns", ["degrees", "metres"])
def test_a_point_that_was_moved_is_told_and_its_geometry_is_used(tmp_path, columns):
    x = X.copy()
    x[2] += 2_500.0
    listed = {"lon_deg": LON, "lat_deg": LAT} if columns == "degrees" else {"x_m": X, "y_m": Y}
    context = Context()
    found = points(layer(tmp_path / "a.gpkg", x, **listed), context)
    assert np.allclose(found.geometry.x, x)
    (warning,) = context.warnings
    what = "longitudes and latitudes" if columns == "degrees" else "x and y"
    assert f"1 of 4 positions is up to 2.5 km from the {what} in the same row" in warning
    assert "the first is number 3; the geometry is used" in warning


def test_points_that_all_lie_elsewhere_than_their_columns_are_refused(tmp_path):
    path = layer(tmp_path / "a.gpkg", X + 40_000.0, lon_deg=LON, lat_deg=LAT)
    with pytest.raises(CrsError, match="its points lie 40 km from its longitudes") as caught:
        points(path)
    assert "remove the columns of its positions if the geometry is right" in caught.value.remedy


def test_columns_that_cannot_be_read_do_not_stop_points(tmp_path):
    context = Context()
    found = points(layer(tmp_path / "a.gpkg", lon=np.radians(LON), lat=np.radians(LAT)), context)
    assert np.allclose(found.geometry.x, X)
    (warning,) = context.warnings
    assert "is in radians" in warning
    assert warning.endswith("; the geometry is used.")


def test_rows_of_a_table_whose_degrees_and_metres_differ_are_told(tmp_path):
    y = Y.copy()
    y[0] -= 900.0
    context = Context()
    path = table(tmp_path / "a.csv", lon_deg=LON, lat_deg=LAT, x_m=X, y_m=y)
    found = points(path, context)
    assert np.allclose(found.geometry.y, Y)
    assert "1 of 4 positions is up to 0.9 km" in context.warnings[0]
    assert "the longitudes and latitudes are used" in context.warnings[0]


def test_a_crater_that_was_moved_is_told_but_not_one_off_by_a_part_of_its_size(tmp_path):
    x = X.copy()
    x[0] += 2_000.0
    for diameter, warnings in ((500.0, 1), (10_000.0, 0)):
        context = Context()
        path = layer(
            tmp_path / "a.gpkg", x, lon_deg=LON, lat_deg=LAT, diameter_m=np.full(4, diameter)
        )
        found = read_catalogue(path, context=context)
        assert np.allclose(found["x_m"], x)
        assert len(context.warnings) == warnings
