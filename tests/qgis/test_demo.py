"""Open the demo: the region is screened and shown."""

from __future__ import annotations

import shutil

import pytest
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProject,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas

from lunarsite.lunarsite_plugin import demo, location, moon_crs, run_layers


@pytest.fixture
def place(dem, tmp_path):
    """Return a demo folder whose terrain is there already, and small."""
    shutil.copy(dem, tmp_path / "dem.tif")
    shutil.copy(dem.with_suffix(".craters.csv"), tmp_path / "dem.craters.csv")
    return tmp_path


def start(place, wait_until):
    found = []
    task = demo.DemoTask(place, lambda *answer: found.append(answer), found.append)
    progress = []
    task.progressChanged.connect(progress.append)
    QgsApplication.taskManager().addTask(task)
    wait_until(lambda: found)
    return found[0], progress


def test_the_demo_is_screened_and_shown(processing, place, wait_until):
    project = QgsProject.instance()
    project.clear()
    canvas = QgsMapCanvas()
    canvas.resize(400, 300)
    (run,), progress = start(place, wait_until)
    assert run == place / "run"
    assert progress == sorted(progress)
    for _ in range(2):  # the second time replaces the first
        run_layers.show(run, place / "dem.tif", canvas)
        groups = project.layerTreeRoot().findGroups()
        assert len(groups) == 1
        titles = [node.layer().name() for node in groups[0].findLayers()]
        assert titles[0] == "Sites"
        assert titles[-1] == "Elevation model"
        assert len(titles) == len(set(titles)) == len(project.mapLayers())
    assert project.crs().authid() == moon_crs.SOUTH_POLAR
    score = next(layer for layer in project.mapLayers().values() if layer.name() == "Score")
    assert canvas.extent().contains(score.extent())
    project.clear()


def test_without_an_engine_the_demo_says_what_to_do(processing, place, wait_until, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    error, _ = start(place, wait_until)
    assert isinstance(error, location.EngineMissingError)
    assert "Engine set-up" in error.remedy
    assert not (place / "run").exists()


def test_a_demo_that_is_cancelled_before_it_begins_makes_nothing(processing, place):
    told = []
    task = demo.DemoTask(place, lambda *answer: told.append(answer), told.append)
    task.cancel()
    assert task.run() is False
    assert not (place / "run").exists()
    task.finished(True)  # as when it was done in the moment of the cancellation
    assert told == []


def test_layers_of_another_body_are_named(qgis_app):
    project = QgsProject()
    for name, crs in (("rim", moon_crs.SOUTH_POLAR), ("roads", "EPSG:4326"), ("table", "")):
        layer = QgsVectorLayer("Point", name, "memory")
        layer.setCrs(QgsCoordinateReferenceSystem(crs))
        project.addMapLayer(layer)
    assert run_layers.elsewhere(project) == ["roads"]
