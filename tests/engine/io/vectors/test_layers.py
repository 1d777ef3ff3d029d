from __future__ import annotations

import shlex
import warnings

import geopandas as gpd
import pyogrio
import pyproj
import pytest
import shapely

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters.catalogue import read_catalogue
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io import gdal_open
from lunarsite.engine.io.vectors import vector

BOX = shapely.box(0.0, 0.0, 1000.0, 2000.0)
POINT = shapely.Point(-4400.0, -8010.0)


def saved(path, shapes, layer=None, crs=moon.SOUTH_POLAR):
    frame = gpd.GeoDataFrame({"name": ["x"] * len(shapes)}, geometry=shapes, crs=crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # without a CRS, on purpose
        frame.to_file(path, layer=layer)
    return path


@pytest.fixture
def mixed(tmp_path):
    """Return a file with two layers of points, one of polygons."""
    path = tmp_path / "my layers.gpkg"
    saved(path, [POINT], "waypoints")
    saved(path, [shapely.Point(5.0, 6.0)], "sites")
    saved(path, [BOX], "areas")
    return path


def points(path, context=None):
    return vector.read_points(path, "The points", context or Context())


def polygons(path, context=None):
    return vector.read_polygons(path, "The regions", context or Context())


def test_one_of_several_fitting_layers_has_to_be_named(mixed):
    with pytest.raises(InputError, match="several layers: waypoints, sites, areas") as caught:
        points(mixed)
    found = points(shlex.split(caught.value.remedy)[-1])
    assert found.geometry.iloc[0].equals(POINT)
    assert points(f"{mixed}|LayerName=SITES").geometry.iloc[0].equals(shapely.Point(5.0, 6.0))


def test_the_only_fitting_layer_is_used_and_named(mixed):
    context = Context()
    assert polygons(mixed, context).geometry.iloc[0].equals(BOX)
    assert context.warnings == [
        "The regions my layers.gpkg: the layer areas is used, the only one of its 3 with polygons."
    ]


def test_a_file_without_a_fitting_layer_is_refused_with_its_layers(tmp_path):
    path = tmp_path / "two.gpkg"
    saved(path, [POINT], "waypoints")
    saved(path, [POINT], "sites")
    with pytest.raises(InputError, match="no layer with polygons; its layers are waypoints, sites"):
        polygons(path)


def test_names_that_are_not_those_of_a_layer_are_refused(mixed):
    with pytest.raises(InputError, match="no layer 'none'; its layers are waypoints, sites, areas"):
        points(f"{mixed}|layername=none")
    for suffix in ("|layerid=1", "|layername=sites|subset=name = 'x'", "|layername="):
        with pytest.raises(InputError, match="is not supported"):
            points(f"{mixed}{suffix}")


def test_a_file_may_have_a_bar_in_its_name(tmp_path):
    path = saved(tmp_path / "a|b.gpkg", [POINT])
    assert len(points(path)) == 1


@pytest.mark.parametrize("ending", [".shp", ".fgb", ".gpkg", ".gml"])
def test_points_of_any_format_keep_their_place(tmp_path, ending):
    path = saved(tmp_path / f"p{ending}", [POINT])
    context = Context()
    assert points(path, context).geometry.iloc[0].equals_exact(POINT, 1e-6)
    assert context.warnings == []


@pytest.mark.parametrize("ending", [".geojson", ".kml"])
def test_degrees_of_formats_without_lunar_crs_are_lunar(tmp_path, ending):
    lon, lat = moon.xy_to_lonlat(POINT.x, POINT.y)
    path = tmp_path / f"p{ending}"
    if ending == ".kml":
        place = f"<Point><coordinates>{lon},{lat}</coordinates></Point>"
        path.write_text(f"<kml><Document><Placemark>{place}</Placemark></Document></kml>")
    else:
        saved(path, [shapely.Point(lon, lat)], crs="EPSG:4326")
    context = Context()
    assert points(path, context).geometry.iloc[0].distance(POINT) < 0.01
    assert context.warnings == [f"The points p{ending}: its degrees are interpreted as lunar."]


def test_multipoints_of_one_point_are_points(tmp_path):
    path = saved(tmp_path / "m.gpkg", [shapely.MultiPoint([POINT])])
    assert points(path).geometry.iloc[0].equals(POINT)
    two = saved(tmp_path / "two.gpkg", [shapely.MultiPoint([POINT, (0, 0)])])
    with pytest.raises(InputError, match="not single points"):
        points(two)


def test_features_without_a_polygon_are_counted(tmp_path):
    context = Context()
    path = saved(tmp_path / "m.gpkg", [BOX, None, shapely.Polygon()])
    assert len(polygons(path, context)) == 1
    assert context.warnings == ["The regions m.gpkg: 2 features without a polygon left out."]


def test_the_remedy_for_a_missing_or_wrong_crs_can_be_pasted(tmp_path):
    for name, shapes, crs, words, code in (
        ("a b.shp", [POINT], None, "has no coordinate system", moon.SOUTH_POLAR),
        ("c.shp", [shapely.Point(-137.3, -89.45)], None, "has no coord", moon.GEOGRAPHIC),
        ("d.gpkg", [shapely.Point(-137.3, -89.45)], 4326, "lies on the Earth", moon.GEOGRAPHIC),
        ("e.gpkg", [POINT], 3031, "lies on the Earth", moon.SOUTH_POLAR),
    ):
        path = saved(tmp_path / name, shapes, crs=crs)
        with pytest.raises(CrsError, match=words) as caught:
            points(path)
        command = shlex.split(caught.value.remedy[caught.value.remedy.index("ogr2ogr") :])
        assert command[:3] == ["ogr2ogr", "-a_srs", code]
        assert command[4] == str(path)
        # What the command does: the same coordinates with another coordinate system.
        fixed = gpd.read_file(path).set_crs(code, allow_override=True)
        pyogrio.write_dataframe(fixed, command[3])
        assert len(points(command[3])) == 1


def test_metres_and_degrees_are_not_taken_for_each_other(tmp_path):
    path = tmp_path / "metres.geojson"
    path.write_text(gpd.GeoSeries([POINT, shapely.Point(-10600, -10890)]).to_json())
    with pytest.raises(
        CrsError, match=r"longitude lies between -10,600.00 and -4,400.00"
    ) as caught:
        points(path)
    assert f"ogr2ogr -a_srs {moon.SOUTH_POLAR} " in caught.value.remedy


def test_a_shapefile_without_its_index_and_a_truncated_geopackage_are_refused(tmp_path):
    shape = saved(tmp_path / "a.shp", [POINT])
    (tmp_path / "a.shx").unlink()
    with pytest.raises(InputError, match=r"its index a\.shx is missing") as caught:
        points(shape)
    assert "put a.shx, .dbf and .prj beside it" in caught.value.remedy
    package = saved(tmp_path / "b.gpkg", [POINT])
    package.write_bytes(package.read_bytes()[:5000])
    with pytest.raises(InputError, match="it is damaged or truncated"):
        points(package)


def test_polygons_without_an_area_and_points_of_the_north_are_refused(tmp_path):
    flat = shapely.Polygon([(0, 0), (4000, 0), (0, 0)])
    with pytest.raises(InputError, match="polygons without an area: x"):
        polygons(saved(tmp_path / "a.gpkg", [flat]))
    with pytest.raises(CrsError, match="lies in the north of the Moon"):
        points(saved(tmp_path / "b.gpkg", [POINT], crs=moon.NORTH_POLAR))


@pytest.mark.parametrize("lon", [10.0, 100.0])
def test_degrees_with_the_latitude_first_are_refused_with_the_command_that_exchanges(tmp_path, lon):
    for name, shape, reader in (
        ("p.gpkg", shapely.Point(-89.4, lon), points),
        ("r.gpkg", shapely.box(-89.5, lon, -89.4, lon + 5.0), polygons),
        ("c.gpkg", shapely.Point(-89.4, lon), read_catalogue),
    ):
        path = tmp_path / name
        frame = gpd.GeoDataFrame({"diameter_m": [2e3]}, geometry=[shape], crs=moon.GEOGRAPHIC)
        frame.to_file(path)
        with pytest.raises(CrsError, match="longitude and latitude swapped") as caught:
            reader(path)
        assert "-ct '+proj=axisswap +order=2,1' " in caught.value.remedy
        assert caught.value.remedy.endswith(str(path))


def test_degrees_labelled_as_metres_are_refused(tmp_path):
    ring = shapely.box(-138.0, -89.5, -137.0, -89.4)
    for name, shape, reader in (
        ("p.gpkg", shapely.Point(-137.3, -89.45), points),
        ("r.gpkg", ring, polygons),
        ("c.gpkg", ring.centroid, read_catalogue),
    ):
        path = tmp_path / name
        frame = gpd.GeoDataFrame({"diameter_m": [2e3]}, geometry=[shape], crs=moon.SOUTH_POLAR)
        frame.to_file(path)
        with pytest.raises(CrsError, match="look like degrees") as caught:
            reader(path)
        assert f"ogr2ogr -a_srs {moon.GEOGRAPHIC} " in caught.value.remedy


def test_paths_inside_archives_are_refused_before_the_work(tmp_path):
    with pytest.raises(InputError, match=r"there is no file /vsizip/"):
        points(f"/vsizip/{tmp_path}/a.zip/p.gpkg")


def test_a_layer_of_mapinfo_is_no_table_of_text(tmp_path):
    path = saved(tmp_path / "p.tab", [shapely.Point(-137.3, -89.45)], crs=moon.GEOGRAPHIC)
    assert path.read_bytes().lower().startswith(b"!table")
    with pytest.raises(CrsError, match=r"lies on the Earth|no coordinate system"):
        points(path)  # MapInfo knows no lunar coordinate system
    path.write_text("name\tlon\tlat\nA\t-137.3\t-89.45\n")
    assert points(path)["name"].tolist() == ["A"]


def test_files_that_cannot_be_read_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "text.gpkg").write_text("nothing")
    for path, words in (
        (tmp_path / "none.gpkg", "there is no file"),
        (tmp_path, "is a folder"),
        (tmp_path / "text.gpkg", "not in a vector format that GDAL knows, or damaged"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            points(path)
        assert "\n" not in str(caught.value)


def test_rings_that_are_not_closed_are_refused(tmp_path):
    path = tmp_path / "areas.shp"
    square = [shapely.box(0, 0, 9e3, 9e3)]
    shape = gpd.GeoDataFrame({"name": ["a"]}, geometry=square, crs=moon.SOUTH_POLAR)
    shape.to_file(path)
    content = bytearray(path.read_bytes())
    content[-16:-8] = b"\0\0\0\0\0\0\0\x40"  # 2.0: x of the last corner
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"areas\.shp cannot be read: .*closed"):
        vector.read_polygons(path, "The regions", Context())


def test_a_library_that_crashes_on_a_vector_file_does_so_elsewhere(tmp_path, monkeypatch):
    path = tmp_path / "areas.nc"
    path.write_bytes(b"CDF\x01" + bytes(60))
    monkeypatch.setattr(gdal_open, "_TRY", "import os; os.abort()")
    with pytest.raises(InputError, match="the library that reads it crashed"):
        vector.read_polygons(path, "The regions", Context())


@pytest.mark.parametrize("shape", [POINT, BOX])
def test_a_coordinate_system_that_proj_cannot_use_is_refused_with_a_command(tmp_path, shape):
    odd = pyproj.CRS.from_wkt(
        'PROJCS["odd",GEOGCS["Moon",DATUM["Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Reference",0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Stereographic"],PARAMETER['
        '"latitude_of_origin",-80],PARAMETER["scale_factor",-2],UNIT["metre",1]]'
    )
    path = saved(tmp_path / "odd.gpkg", [shape], crs=odd)
    for read in (read_catalogue, points if shape is POINT else polygons):
        with pytest.raises(CrsError, match=r"'odd' of .*odd\.gpkg cannot be used: PROJ") as caught:
            read(path)
        assert "ogr2ogr -a_srs IAU_2015:30135" in caught.value.remedy
