from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io.vectors import vector

BOX = shapely.box(0.0, 0.0, 1000.0, 2000.0)


def read(path, context=None):
    return vector.read_polygons(path, "The regions", context or Context())


def frame(shapes, crs=moon.SOUTH_POLAR, **data):
    return gpd.GeoDataFrame(data, geometry=shapes, crs=crs)


def test_polygons_on_the_map_are_unchanged(tmp_path):
    path = tmp_path / "a.gpkg"
    frame([BOX, BOX.buffer(10)], Name=["Haworth", "Nobile"]).to_file(path)
    found = read(path)
    assert found["name"].tolist() == ["Haworth", "Nobile"]
    assert found.geometry.iloc[0].equals(BOX)


def test_geojson_degrees_are_lunar_with_a_warning(tmp_path):
    lon, lat = [10, 40, 40, 10, 10], [-89, -89, -88, -88, -89]
    ring = [[a, b] for a, b in zip(lon, lat, strict=True)]
    path = tmp_path / "a.geojson"
    feature = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    context = Context()
    found = read(path, context)
    assert "its degrees are interpreted as lunar" in context.warnings[0]
    assert found["name"].tolist() == ["region 1"]
    outer, inner = (2 * moon.RADIUS_M * np.tan(np.radians(d) / 2) for d in (2.0, 1.0))
    wanted = (outer**2 - inner**2) * np.pi * 30 / 360
    assert found.geometry.area.iloc[0] == pytest.approx(wanted, rel=1e-4)
    x, y = moon.lonlat_to_xy(25.0, -88.5)
    assert found.geometry.contains(shapely.Point(x, y)).iloc[0]


def test_lunar_degrees_of_a_geopackage_need_no_warning(tmp_path):
    path = tmp_path / "a.gpkg"
    frame([shapely.box(10, -89, 40, -88)], moon.GEOGRAPHIC, label=["x"]).to_file(path)
    context = Context()
    assert read(path, context)["name"].tolist() == ["x"]
    assert not context.warnings


def test_other_bodies_and_missing_coordinate_systems_are_refused(tmp_path):
    path = tmp_path / "a.gpkg"
    frame([BOX], "EPSG:32633").to_file(path)
    with pytest.raises(CrsError, match="lies on the Earth"):
        read(path)
    bare = tmp_path / "b.shp"
    with pytest.warns(UserWarning, match="crs"):
        frame([BOX], None, n=[1]).to_file(bare)
    with pytest.raises(CrsError, match=r"b.shp has no coordinate system.*ogr2ogr -a_srs"):
        read(bare)


def test_files_without_polygons_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.gpkg")
    (tmp_path / "text.gpkg").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "text.gpkg")
    points = tmp_path / "points.gpkg"
    frame([shapely.Point(1, 2)]).to_file(points)
    with pytest.raises(InputError, match="holds no polygons"):
        read(points)
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="holds no polygons"):
        read(table)


def test_the_same_layers_give_the_same_bytes(tmp_path):
    points = frame([shapely.Point(1, 2)], a=[1.5])
    for name in ("1", "2"):
        vector.write_geopackage(tmp_path / name / "s.gpkg", {"sites": points, "more": points})
    assert (tmp_path / "1" / "s.gpkg").read_bytes() == (tmp_path / "2" / "s.gpkg").read_bytes()
    assert gpd.read_file(tmp_path / "1" / "s.gpkg", layer="more")["a"].tolist() == [1.5]
    assert [p.name for p in (tmp_path / "1").iterdir()] == ["s.gpkg"]


def test_empty_layers_have_a_geometry_type(tmp_path):
    none = frame([shapely.Point(1, 2)], a=[1.5]).iloc[:0]
    vector.write_geopackage(tmp_path / "e.gpkg", {"craters": none, "circles": none})
    listed = pyogrio.list_layers(tmp_path / "e.gpkg").tolist()
    assert listed == [["craters", "Point"], ["circles", "Polygon"]]
    for name, _ in listed:
        read = gpd.read_file(tmp_path / "e.gpkg", layer=name)
        assert (len(read), moon.is_south_polar(read.crs)) == (0, True)
