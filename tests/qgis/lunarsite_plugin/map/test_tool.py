"""The map tool and the marker, in lunar and other CRSs."""

from __future__ import annotations

import pytest
from qgis.core import QgsCoordinateReferenceSystem, QgsPointXY, QgsRectangle
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest

from lunarsite.engine.errors import CrsError
from lunarsite.lunarsite_plugin.map.tool import CellMarker, LocationTool
from lunarsite.qgis_common import map_place, moon_crs

OWN = "+proj=laea +lat_0=-89 +lon_0=30 +R=1737400 +units=m +no_defs +type=crs"
CELL = {"x_m": -11040.0, "y_m": -12000.0, "size_m": 960.0}
PLACE = {"x_m": -11300.0, "y_m": -12100.0}


@pytest.fixture
def canvas(qgis_app):
    made = QgsMapCanvas()
    made.resize(400, 300)
    made.show()
    yield made
    made.hide()
    made.deleteLater()


@pytest.fixture
def tool(canvas):
    made = LocationTool(canvas)
    made.found, made.errors = [], []
    made.placed.connect(made.found.append)
    made.refused.connect(made.errors.append)
    canvas.setMapTool(made)
    yield made
    canvas.unsetMapTool(made)


def zoom_to(canvas, crs, x_m, y_m):
    """Centre the canvas on a place."""
    canvas.setDestinationCrs(crs)
    centre = map_place.point_on(crs, x_m, y_m)
    half = 0.01 if crs.isGeographic() else 2000.0
    canvas.setExtent(
        QgsRectangle(centre.x() - half, centre.y() - half, centre.x() + half, centre.y() + half)
    )


def click(canvas, point, button=Qt.MouseButton.LeftButton):
    QTest.mouseClick(canvas.viewport(), button, Qt.KeyboardModifier.NoModifier, point)


def pixel(canvas, crs, x_m, y_m):
    place = canvas.getCoordinateTransform().transform(map_place.point_on(crs, x_m, y_m))
    return QPoint(round(place.x()), round(place.y()))


@pytest.mark.parametrize(
    "name", [moon_crs.SOUTH_POLAR, moon_crs.NORTH_POLAR, moon_crs.GEOGRAPHIC, OWN]
)
def test_clicks_are_located_in_any_lunar_crs(canvas, tool, name):
    crs = QgsCoordinateReferenceSystem(name)
    if name == OWN:
        crs = QgsCoordinateReferenceSystem.fromProj(OWN)
    x_m, y_m = (1.0e6, 8.0e5) if name == moon_crs.NORTH_POLAR else (-11000.0, -12000.0)
    zoom_to(canvas, crs, x_m, y_m)
    click(canvas, pixel(canvas, crs, x_m, y_m))
    assert tool.errors == []
    (place,) = tool.found
    near = 2.0 * canvas.mapUnitsPerPixel() * (30_000.0 if crs.isGeographic() else 1.0)
    assert place.x_m == pytest.approx(x_m, abs=near)
    assert place.y_m == pytest.approx(y_m, abs=near)
    if name == OWN:  # the centre of this CRS
        middle = map_place.place_at(QgsPointXY(0.0, 0.0), crs)
        assert (middle.lon_deg, middle.lat_deg) == pytest.approx((30.0, -89.0))
    again = map_place.place_of(place.lon_deg, place.lat_deg)
    assert again.x_m == pytest.approx(place.x_m, abs=1e-3)
    assert again.y_m == pytest.approx(place.y_m, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("EPSG:4326", "The map shows Earth"),
        ("IAU_2015:49900", "The map shows Mars"),
        ("", "has no CRS"),
    ],
)
def test_a_click_on_another_body_is_explained(canvas, tool, name, message):
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem(name))
    canvas.setExtent(QgsRectangle(-1.0, -1.0, 1.0, 1.0))
    click(canvas, QPoint(200, 150))
    (error,) = tool.errors
    assert message in error.problem
    assert "IAU_2015:30135" in error.remedy
    assert tool.found == []


def test_a_click_off_the_moon_is_explained(canvas, tool):
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem(moon_crs.GEOGRAPHIC))
    canvas.setExtent(QgsRectangle(0.0, 95.0, 10.0, 105.0))
    click(canvas, QPoint(200, 150))
    (error,) = tool.errors
    assert "is not on the Moon" in error.problem


def test_the_north_pole_is_explained(qgis_app):
    crs = QgsCoordinateReferenceSystem(moon_crs.GEOGRAPHIC)
    with pytest.raises(CrsError, match="north pole"):
        map_place.place_at(QgsPointXY(0.0, 89.999999), crs)


def test_other_mouse_buttons_are_ignored(canvas, tool):
    zoom_to(canvas, moon_crs.crs(), 0.0, 0.0)
    click(canvas, QPoint(200, 150), Qt.MouseButton.RightButton)
    assert (tool.found, tool.errors) == ([], [])


def test_the_marker_outlines_the_cell_and_follows_the_map(canvas):
    marker = CellMarker(canvas)
    zoom_to(canvas, moon_crs.crs(), CELL["x_m"], CELL["y_m"])
    marker.show(CELL, PLACE)
    assert marker.disc.asGeometry().isEmpty()
    marker.show(CELL, PLACE, {"x_m": -11200.0, "y_m": 9000.0, "radius_m": 100.0})
    assert marker.visible
    ring = marker.disc.asGeometry()
    assert ring.boundingBox().width() == pytest.approx(200.0, rel=1e-3)
    assert ring.boundingBox().center().x() == pytest.approx(-11200.0)
    box = marker.outline.asGeometry().boundingBox()
    assert box.width() == pytest.approx(960.0)
    assert box.center().x() == pytest.approx(-11040.0)
    assert marker.cross.center().x() == pytest.approx(-11300.0)
    canvas.setDestinationCrs(moon_crs.crs(moon_crs.GEOGRAPHIC))
    assert marker.outline.asGeometry().boundingBox().center().y() == pytest.approx(-89.46, abs=0.01)
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    assert not marker.visible
    canvas.setDestinationCrs(moon_crs.crs())
    assert marker.visible
    before = len(canvas.scene().items())
    marker.remove()
    assert len(canvas.scene().items()) == before - 3
