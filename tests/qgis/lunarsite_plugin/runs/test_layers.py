"""Adding the layers of a run to the project."""

from __future__ import annotations

import pytest
from qgis import utils
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsExpressionContext,
    QgsExpressionContextScope,
    QgsFeature,
    QgsProcessingContext,
    QgsProject,
    QgsSymbolLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas

from lunarsite.lunarsite_plugin import desktop as module
from lunarsite.lunarsite_plugin.runs.folder import RunFolder
from lunarsite.lunarsite_plugin.uncertainty.rank_interval import RankIntervalLayer
from lunarsite.qgis_common import location, moon_crs, moon_layers, run_layers
from tests.qgis.conftest import SMALL, Feedback
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
    assert (node.isVisible(), node.isExpanded()) == (True, False)
    QgsProject.instance().clear()


def test_small_craters_are_drawn_when_the_map_is_large_enough(processing, run_folder, tmp_path):
    craters = write_catalogue(tmp_path / "many.gpkg", ["diameter_m", "confidence"], 3)
    (node,) = detected(run_folder, craters)
    layer = node.layer()
    ranges = layer.renderer().ranges()
    shape = ranges[0].symbol().symbolLayer(0)
    drawn = shape.dataDefinedProperties().property(QgsSymbolLayer.Property.PropertyLayerEnabled)
    feature = QgsFeature(layer.fields())
    feature["diameter_m"] = 500.0
    for scale, shown in ((1e6, False), (1e5, True)):
        scope = QgsExpressionContextScope()
        scope.setVariable("map_scale", scale)
        context = QgsExpressionContext()
        context.appendScope(scope)
        context.setFields(layer.fields())
        context.setFeature(feature)
        assert drawn.valueAsBool(context)[0] is shown
    QgsProject.instance().clear()


def test_a_run_from_the_toolbox_is_shown_as_in_the_dock(processing, dem, tmp_path, wait_until):
    from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: PLC0415

    project = QgsProject.instance()
    project.clear()
    project.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    canvas = utils.iface.mapCanvas()
    context = QgsProcessingContext()
    context.setProject(project)
    out = tmp_path / "run"
    made = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:screen")
    values = {**SMALL, "dem": str(dem), "out": str(out), "load_layers": True}
    feedback = Feedback()
    _, good = made.run(values, context, feedback)
    assert good
    assert project.mapLayers() == {}  # a model may go on with the files
    handleAlgorithmResults(made, context, feedback, values)
    group = project.layerTreeRoot().findGroups()[0]
    assert group.name() == "LunarSite, screen a region: run"
    titles = [node.layer().name() for node in group.findLayers()]
    assert titles[0] == "Sites"
    assert titles[-1] == "Elevation model"  # generated ground has no mosaic below it
    assert project.crs().authid() == moon_crs.SOUTH_POLAR
    (ground,) = project.mapLayersByName("Elevation model")
    wait_until(lambda: canvas.extent().intersects(ground.extent()))
    assert canvas.extent().height() < 3 * ground.extent().height()
    # Names, mosaic and craters are not added twice when the same run is repeated.
    for _ in range(2):
        moon_layers.add(project, group)
    assert len(project.mapLayersByName(moon_layers.MOSAIC)) == 1
    assert len(project.mapLayersByName(moon_layers.NAMES)) == 1
    # Beside layers of the Earth, neither CRS nor view change.
    project.clear()
    project.setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    project.addMapLayer(QgsVectorLayer("Point?crs=EPSG:3857", "roads", "memory"))
    context = QgsProcessingContext()
    context.setProject(project)
    made.run(values, context, feedback)
    handleAlgorithmResults(made, context, feedback, values)
    assert project.crs().authid() == "EPSG:3857"
    project.clear()
