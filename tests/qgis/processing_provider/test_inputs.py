"""Input layers as files for the engine: coordinates, empty values, and cancellation."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from osgeo import gdal, ogr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsField,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsRasterLayer,
    QgsRasterRange,
    QgsVectorLayer,
    QgsVectorLayerJoinInfo,
)
from qgis.PyQt.QtCore import QMetaType

from lunarsite.engine.contract import Kind, Parameter
from lunarsite.engine.errors import CancelledError, CrsError, InputError
from lunarsite.processing_provider import inputs, layer_export
from lunarsite.qgis_common import moon_crs
from tests.qgis.conftest import Feedback

RADIUS_M = 1_737_400.0
POINTS = Parameter(
    name="points", kind=Kind.VECTOR, title="Points", help="Points.", required=True, geometry="point"
)

pytestmark = pytest.mark.usefixtures("qgis_app")


def layer_of(crs, places, fields="field=name:string&field=diameter_m:double"):
    layer = QgsVectorLayer(f"Point?{fields}", "craters", "memory")
    layer.setCrs(crs)
    for place in places:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(*place)))
        layer.dataProvider().addFeature(feature)
    return layer


def exported_rows(layer, feedback):
    context = QgsProcessingContext()
    path = layer_export.export_table(QgsProcessingFeatureSource(layer, context), context, feedback)
    with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123  for csv
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "proj",
    [
        "IAU_2015:30100",
        "+proj=longlat +R=1737400 +no_defs +type=crs",
        "+proj=longlat +a=1737400 +b=1737400 +no_defs +type=crs",
        "+proj=stere +lat_0=-90 +lon_0=30 +k=1 +R=1737400 +units=m +no_defs +type=crs",
    ],
)
def test_coordinates_are_transformed_from_any_lunar_crs(proj, feedback):
    lon_deg, lat_deg = 40.0, -89.0
    from_pole_m = 2.0 * RADIUS_M * math.tan(math.radians(90.0 + lat_deg) / 2.0)
    crs = QgsCoordinateReferenceSystem(proj)
    if proj.startswith("+"):
        crs = QgsCoordinateReferenceSystem.fromProj(proj)
    place = (lon_deg, lat_deg)
    if "stere" in proj:  # rotated by 30 degrees
        rotated = math.radians(lon_deg - 30.0)
        place = (from_pole_m * math.sin(rotated), from_pole_m * math.cos(rotated))
    (row,) = exported_rows(layer_of(crs, [place]), feedback)
    assert float(row["x_m"]) == pytest.approx(from_pole_m * math.sin(math.radians(40.0)), abs=0.01)
    assert float(row["y_m"]) == pytest.approx(from_pole_m * math.cos(math.radians(40.0)), abs=0.01)


def test_empty_values_stay_empty(tmp_path, feedback):
    path = str(tmp_path / "craters.gpkg")
    source = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    made = source.CreateLayer("craters", None, ogr.wkbPoint)
    for name, kind in (("name", ogr.OFTString), ("diameter_m", ogr.OFTReal)):
        made.CreateField(ogr.FieldDefn(name, kind))
    feature = ogr.Feature(made.GetLayerDefn())
    feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (0 0)"))
    made.CreateFeature(feature)
    del feature, made, source
    layer = QgsVectorLayer(path, "craters")
    layer.setCrs(moon_crs.crs())
    (row,) = exported_rows(layer, feedback)
    assert (row["name"], row["diameter_m"]) == ("", "")


def test_a_crs_that_is_set_in_the_project_applies_to_vectors(tmp_path):
    path = tmp_path / "points.gpkg"
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    source.CreateLayer("points", None, ogr.wkbPoint)
    del source
    layer = QgsVectorLayer(str(path), "points")
    assert inputs._plain_file(layer, POINTS, QgsProcessingContext()) == str(path)
    layer.setCrs(moon_crs.crs())
    assert inputs._plain_file(layer, POINTS, QgsProcessingContext()) == ""


@pytest.mark.parametrize("write", [layer_export.export_table, layer_export.export_features])
def test_exporting_features_can_be_cancelled(write):
    layer = layer_of(moon_crs.crs(), [(0.0, 0.0)] * 3)
    context, feedback = QgsProcessingContext(), Feedback()
    feedback.cancel()
    with pytest.raises(CancelledError):
        write(QgsProcessingFeatureSource(layer, context), context, feedback)


def test_exporting_a_raster_can_be_cancelled(dem):
    gdal.FileFromMemBuffer("/vsimem/cancelled.tif", dem.read_bytes())
    source = inputs.raster_source(QgsRasterLayer("/vsimem/cancelled.tif", "raised"))
    feedback = Feedback()
    feedback.cancel()
    with pytest.raises(CancelledError):
        source.file(QgsProcessingContext(), feedback)
    gdal.Unlink("/vsimem/cancelled.tif")


@pytest.fixture
def with_zeros(tmp_path):
    """Return a raster with rows of zeros above rows of ones and of declared nodata."""
    path = tmp_path / "heights.tif"
    values = np.repeat(np.array([0.0, 1.0, -9999.0], np.float32), 10)[:, None].repeat(20, axis=1)
    made = gdal.GetDriverByName("GTiff").Create(str(path), 20, 30, 1, gdal.GDT_Float32)
    made.SetGeoTransform((0.0, 100.0, 0.0, 0.0, 0.0, -100.0))
    made.SetProjection(moon_crs.crs().toWkt())
    made.GetRasterBand(1).SetNoDataValue(-9999.0)
    made.WriteRaster(0, 0, 20, 30, values.tobytes())
    made.FlushCache()
    return path


def test_nodata_that_is_set_on_a_layer_is_nodata_for_the_engine(with_zeros, feedback):
    layer = QgsRasterLayer(str(with_zeros), "heights")
    assert inputs.raster_source(layer).path == str(with_zeros)
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(0.0, 0.0)])
    source = inputs.raster_source(layer)
    made = gdal.Open(source.file(QgsProcessingContext(), feedback))
    band = made.GetRasterBand(1)
    known = band.ReadAsArray()[:, 0] != band.GetNoDataValue()
    assert known.tolist() == [False] * 10 + [True] * 10 + [False] * 10
    assert made.GetGeoTransform() == (0.0, 100.0, 0.0, 0.0, 0.0, -100.0)


def test_nodata_that_is_switched_off_on_a_layer_is_refused(with_zeros):
    layer = QgsRasterLayer(str(with_zeros), "heights")
    layer.dataProvider().setUseSourceNoDataValue(1, False)
    with pytest.raises(InputError, match=r"nodata value -9999 of the layer heights.*Switch it on"):
        inputs.raster_source(layer)


def test_computed_and_joined_fields_reach_the_engine(tmp_path, feedback):
    path = str(tmp_path / "craters.gpkg")
    source = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    made = source.CreateLayer("craters", None, ogr.wkbPoint)
    made.CreateField(ogr.FieldDefn("radius_m", ogr.OFTReal))
    feature = ogr.Feature(made.GetLayerDefn())
    feature["radius_m"] = 50.0
    feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (1000 2000)"))
    made.CreateFeature(feature)
    del feature, made, source
    craters = Parameter(name="craters", kind=Kind.TABLE, title="", help="", endings=(".gpkg",))
    layer = QgsVectorLayer(path, "craters")
    context = QgsProcessingContext()
    assert inputs._plain_file(layer, craters, context) == path
    layer.addExpressionField('"radius_m" * 2', QgsField("diameter_m", QMetaType.Type.Double))
    assert inputs._plain_file(layer, craters, context) == ""
    layer.setCrs(moon_crs.crs())
    (row,) = exported_rows(layer, feedback)
    assert float(row["diameter_m"]) == 100.0
    layer = QgsVectorLayer(path, "craters")
    names = QgsVectorLayer("None?field=fid:integer&field=name:string", "names", "memory")
    joined = QgsVectorLayerJoinInfo()
    joined.setJoinLayer(names)
    joined.setJoinFieldName("fid")
    joined.setTargetFieldName("fid")
    assert layer.addJoin(joined)
    assert inputs._plain_file(layer, craters, context) == ""


@pytest.mark.parametrize(
    ("earth", "moon"), [("EPSG:4326", "IAU_2015:30100"), ("EPSG:3031", "IAU_2015:30135")]
)
def test_the_crs_that_is_advised_has_the_units_of_the_layer(earth, moon):
    with pytest.raises(CrsError, match=f"set its CRS to {moon}"):
        inputs.check_body(QgsCoordinateReferenceSystem(earth), "regions")
