"""Adding the layers of a run to the project."""

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
from lunarsite.lunarsite_plugin.uncertainty.rank_interval import RankIntervalLayer
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


def test_a_run_is_only_added_once(desktop, iface, run_folder):
    desktop.show_dock(shown=True)
    run = RunFolder.open(run_folder)
    for _ in range(2):  # the second time it is in the project
        desktop.dock.control.browsed.emit(run)
        titles = [layer.name() for layer in QgsProject.instance().mapLayers().values()]
        assert sorted(titles) == sorted(set(titles))
        assert {"Sites", "Score", "Elevation model"} <= set(titles)
    assert QgsProject.instance().crs().authid() == moon_crs.SOUTH_POLAR
    assert iface.canvas.mapSettings().destinationCrs().authid() == moon_crs.SOUTH_POLAR


def test_a_project_of_another_body_is_not_changed(desktop, iface, run_folder):
    project = QgsProject.instance()
    roads = QgsVectorLayer("Point?crs=EPSG:4326", "roads", "memory")
    project.addMapLayer(roads)
    project.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    desktop.show_dock(shown=True)
    desktop.dock.control.browsed.emit(RunFolder.open(run_folder))
    assert [layer.name() for layer in project.mapLayers().values()] == ["roads"]
    assert project.crs().authid() == "EPSG:4326"
    assert any("another body: roads" in item.text() for item in iface.bar.items())


def test_a_run_without_its_elevation_model_is_shown(qgis_app, processing, run_folder):
    project = QgsProject.instance()
    project.clear()
    run_layers.show(run_folder, None, QgsMapCanvas())
    titles = {layer.name() for layer in project.mapLayers().values()}
    assert "Score" in titles
    assert "Elevation model" not in titles
    project.clear()


def test_the_rank_interval_hides_the_score_and_restores_it(qgis_app, processing, run_folder):
    project = QgsProject.instance()
    project.clear()
    run_layers.show(run_folder, None, None)
    root = project.layerTreeRoot()
    score = root.findLayer(project.mapLayersByName("Score")[0].id())
    switch = RankIntervalLayer()
    shown = switch.show(RunFolder.open(run_folder))
    assert root.findLayer(shown.id()).isVisible()
    assert not score.itemVisibilityChecked()
    switch.hide()
    assert score.itemVisibilityChecked()
    assert not root.findLayer(shown.id()).itemVisibilityChecked()
    project.clear()


def write_catalogue(path, fields, count=1):
    """Write a GeoPackage of points with some numeric fields, as a crater catalogue."""
    columns = "&".join(f"field={name}:double" for name in fields)
    layer = QgsVectorLayer(f"Point?crs={moon_crs.SOUTH_POLAR}&{columns}", "craters", "memory")
    layer.dataProvider().addFeatures([QgsFeature(layer.fields()) for _ in range(count)])
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "craters"
    QgsVectorFileWriter.writeAsVectorFormatV3(
        layer, str(path), QgsCoordinateTransformContext(), options
    )
    assert QgsVectorLayer(str(path)).featureCount() == count
    return path


def detected(run_folder, craters):
    """Show a run with a catalogue; return the layer tree nodes of detected craters."""
    project = QgsProject.instance()
    project.clear()
    run_layers.show(run_folder, None, None, craters)
    assert project.mapLayersByName("Score")
    root = project.layerTreeRoot()
    return [root.findLayer(each) for each in project.mapLayersByName(run_layers.DETECTED)]


def test_only_detected_craters_are_shown(processing, run_folder, tmp_path):
    surveyed = write_catalogue(tmp_path / "surveyed.gpkg", ["diameter_m"])
    found = write_catalogue(tmp_path / "found.gpkg", ["diameter_m", "confidence"])
    for none in (surveyed, tmp_path / "absent.gpkg", tmp_path / "craters.csv", None):
        assert detected(run_folder, none) == []
    (node,) = detected(run_folder, found)
    assert (node.isVisible(), node.isExpanded()) == (True, True)  # with the legend
    QgsProject.instance().clear()


def test_many_craters_are_not_visible_at_first(processing, run_folder, tmp_path):
    many = write_catalogue(tmp_path / "many.gpkg", ["diameter_m", "confidence"], 401)
    (node,) = detected(run_folder, many)
    assert (node.isVisible(), node.isExpanded()) == (False, False)
    QgsProject.instance().clear()
