"""Input layers as files for the engine: coordinates, empty values, and cancellation."""

from __future__ import annotations

import csv
import math

import pytest
from osgeo import gdal, ogr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsRasterLayer,
    QgsVectorLayer,
)

from lunarsite.engine.contract import Kind, Parameter
from lunarsite.engine.errors import CancelledError
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
