"""A run that is browsed for is shown, and nothing of another body is disturbed."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsProject,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas

from lunarsite.lunarsite_plugin import desktop as module
from lunarsite.lunarsite_plugin.runs import layers as run_layers
from lunarsite.lunarsite_plugin.runs.folder import RunFolder
from lunarsite.lunarsite_plugin.uncertainty.rank_interval import UncertaintyLayer
from lunarsite.qgis_common import location, moon_crs
from tests.qgis.desktop import Desktop


@pytest.fixture
def iface(qgis_app, engine, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, str(engine.python))
    QgsProject.instance().clear()
    made = Desktop()
    yield made
    QgsProject.instance().clear()
    made.window.deleteLater()


@pytest.fixture
def desktop(iface):
    made = module.Desktop(iface)
    yield made
    made.remove()


def test_a_run_that_is_browsed_for_is_shown_over_its_ground_once(desktop, iface, run_folder):
    desktop.show_dock(shown=True)
    run = RunFolder.open(run_folder)
    for _ in range(2):  # the second time it is there already
        desktop.dock.control.browsed.emit(run)
        titles = [layer.name() for layer in QgsProject.instance().mapLayers().values()]
        assert sorted(titles) == sorted(set(titles))
        assert {"Sites", "Score", "Elevation model"} <= set(titles)
    assert QgsProject.instance().crs().authid() == moon_crs.SOUTH_POLAR
    assert iface.canvas.mapSettings().destinationCrs().authid() == moon_crs.SOUTH_POLAR


def test_a_project_of_another_body_is_left_as_it_is(desktop, iface, run_folder):
    project = QgsProject.instance()
    roads = QgsVectorLayer("Point?crs=EPSG:4326", "roads", "memory")
    project.addMapLayer(roads)
    project.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    desktop.show_dock(shown=True)
    desktop.dock.control.browsed.emit(RunFolder.open(run_folder))
    assert [layer.name() for layer in project.mapLayers().values()] == ["roads"]
    assert project.crs().authid() == "EPSG:4326"
    assert any("roads lies on another body" in item.text() for item in iface.bar.items())


def test_a_run_without_its_terrain_is_shown_all_the_same(qgis_app, processing, run_folder):
    project = QgsProject.instance()
    project.clear()
    run_layers.show(run_folder, None, QgsMapCanvas())
    titles = {layer.name() for layer in project.mapLayers().values()}
    assert "Score" in titles
    assert "Elevation model" not in titles
    project.clear()


def test_the_uncertainty_is_not_covered_and_gives_the_score_back(qgis_app, processing, run_folder):
    project = QgsProject.instance()
    project.clear()
    run_layers.show(run_folder, None, None)
    root = project.layerTreeRoot()
    score = root.findLayer(project.mapLayersByName("Score")[0].id())
    switch = UncertaintyLayer()
    shown = switch.show(RunFolder.open(run_folder))
    assert root.findLayer(shown.id()).isVisible()
    assert not score.itemVisibilityChecked()
    switch.hide()
    assert score.itemVisibilityChecked()
    assert not root.findLayer(shown.id()).itemVisibilityChecked()
    project.clear()


def written(path, fields, count=1):
    """Return a GeoPackage of points with some fields of numbers, as a catalogue of craters."""
    asked = "&".join(f"field={name}:double" for name in fields)
    layer = QgsVectorLayer(f"Point?crs={moon_crs.SOUTH_POLAR}&{asked}", "craters", "memory")
    layer.dataProvider().addFeatures([QgsFeature(layer.fields()) for _ in range(count)])
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "craters"
    QgsVectorFileWriter.writeAsVectorFormatV3(
        layer, str(path), QgsCoordinateTransformContext(), options
    )
    assert QgsVectorLayer(str(path)).featureCount() == count
    return path


def detected(run_folder, craters):
    """Show a run with a catalogue; return the layers of detected craters in the layer tree."""
    project = QgsProject.instance()
    project.clear()
    run_layers.show(run_folder, None, None, craters)
    assert project.mapLayersByName("Score")
    root = project.layerTreeRoot()
    return [root.findLayer(each) for each in project.mapLayersByName(run_layers.DETECTED)]


def test_a_catalogue_is_shown_where_it_is_of_detected_craters(processing, run_folder, tmp_path):
    surveyed = written(tmp_path / "surveyed.gpkg", ["diameter_m"])
    found = written(tmp_path / "found.gpkg", ["diameter_m", "confidence"])
    for none in (surveyed, tmp_path / "absent.gpkg", tmp_path / "craters.csv", None):
        assert detected(run_folder, none) == []
    (node,) = detected(run_folder, found)
    assert (node.isVisible(), node.isExpanded()) == (True, True)  # the legend says the colours
    QgsProject.instance().clear()


def test_more_circles_than_leave_the_map_readable_are_not_ticked(processing, run_folder, tmp_path):
    many = written(tmp_path / "many.gpkg", ["diameter_m", "confidence"], 401)
    (node,) = detected(run_folder, many)
    assert (node.isVisible(), node.isExpanded()) == (False, False)
    QgsProject.instance().clear()
