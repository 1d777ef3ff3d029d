"""Lunar CRSs, with and without an authority code."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsPointXY,
    QgsProject,
)

from lunarsite.qgis_common import moon_crs


@pytest.mark.parametrize("name", [moon_crs.SOUTH_POLAR, moon_crs.NORTH_POLAR, moon_crs.GEOGRAPHIC])
def test_the_fallback_definitions_equal_the_registered_crs(qgis_app, name):
    ours = moon_crs._from_proj(name)
    theirs = QgsCoordinateReferenceSystem(name)
    assert ours.isValid()
    assert moon_crs.body(ours) == "Moon"
    forth = QgsCoordinateTransform(theirs, ours, QgsProject.instance())
    place = QgsPointXY(12.0, -89.0) if name == moon_crs.GEOGRAPHIC else QgsPointXY(12e3, -34e3)
    assert forth.transform(place).distance(place) < 1e-6
    assert moon_crs.named(ours).authid() == name


def test_an_unnamed_crs_is_identified(qgis_app):
    plain = QgsCoordinateReferenceSystem.fromProj(
        "+proj=stere +lat_0=-90 +lat_ts=-90 +lon_0=0 +x_0=0 +y_0=0 +R=1737400 +units=m +no_defs"
    )
    assert moon_crs.named(plain).authid() == moon_crs.SOUTH_POLAR


@pytest.mark.parametrize(
    "other",
    [
        "+proj=stere +lat_0=-90 +lon_0=30 +R=1737400 +units=m +no_defs",
        "+proj=stere +lat_0=-85 +lon_0=0 +R=1737400 +units=m +no_defs",
        "+proj=stere +lat_0=-90 +lon_0=0 +x_0=0 +y_0=0 +k=1 +R=1738000 +units=m +no_defs",
        "+proj=stere +lat_0=-90 +lon_0=0 +x_0=0 +y_0=0 +k=1 +R=1737400 +units=km +no_defs",
        "+proj=laea +lat_0=-90 +lon_0=0 +x_0=0 +y_0=0 +R=1737400 +units=m +no_defs",
    ],
)
def test_other_crs_are_not_identified(qgis_app, other):
    crs = QgsCoordinateReferenceSystem.fromProj(other)
    assert moon_crs.named(crs) == crs
    assert not crs.authid().startswith("IAU")


def test_known_crs_are_not_saved(qgis_app):
    assert moon_crs.ensure() == []


def test_an_unknown_crs_is_saved_once(qgis_app):
    # An unregistered radius stands for a CRS that PROJ does not know.
    assert QgsApplication.createDatabase()  # in the desktop it exists before plugins are loaded
    text = "+proj=stere +lat_0=-90 +lon_0=0 +k=1 +x_0=0 +y_0=0 +R=1737123 +units=m +no_defs"
    assert moon_crs.save(QgsCoordinateReferenceSystem.fromProj(text), "a test's Moon")
    again = QgsCoordinateReferenceSystem.fromProj(text)
    try:
        assert again.authid().startswith("USER:")
        assert moon_crs.body(again) == "Moon"
        assert moon_crs.save(again, "a test's Moon") == ""
    finally:
        registry = QgsApplication.coordinateReferenceSystemRegistry()
        assert registry.removeUserCrs(int(again.authid().removeprefix("USER:")))
