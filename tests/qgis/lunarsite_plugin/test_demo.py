"""The demo: creating it and showing it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas

from lunarsite.lunarsite_plugin import demo
from lunarsite.lunarsite_plugin.runs.folder import RunFolder
from lunarsite.qgis_common import location, map_place, moon_crs, moon_layers, run_layers


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a demo folder, for a demo of a smaller area."""
    dem = shutil.copy(demo.DEM, tmp_path / "dem.tif")
    monkeypatch.setattr(demo, "DEM", Path(dem))
    monkeypatch.setitem(demo.AREA, "aoi", "0,-90,110")
    return tmp_path


@pytest.fixture
def old_engine(engine, tmp_path):
    """Return an engine that lacks a library that was added later."""
    if not (engine.python.parent.parent / "pyvenv.cfg").is_file():
        pytest.skip("the engine's environment lies outside this system")
    base = (engine.python.parent.parent / "pyvenv.cfg").read_text("utf-8")
    home = next(line.partition("=")[2] for line in base.splitlines() if line.startswith("home"))
    python = Path(home.strip()) / engine.python.resolve().name
    made = tmp_path / "old"
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(made)], check=True)
    (packages,) = (engine.python.parent.parent / "lib").glob("python3*/site-packages")
    target = made / "lib" / packages.parent.name / packages.name
    for entry in packages.iterdir():
        if not entry.name.startswith("onnx") and not (target / entry.name).exists():
            (target / entry.name).symlink_to(entry)
    return made / "bin" / "python"


def start(home, wait_until):
    found = []
    task = demo.DemoTask(home, lambda *answer: found.append(answer), found.append)
    progress = []
    task.progressChanged.connect(progress.append)
    QgsApplication.taskManager().addTask(task)
    wait_until(lambda: found)
    return found[0], progress


def test_the_demo_is_created_and_shown(processing, home, wait_until):
    project = QgsProject.instance()
    project.clear()
    canvas = QgsMapCanvas()
    canvas.resize(400, 300)
    (run,), progress = start(home, wait_until)
    assert run == home / "run"
    assert progress == sorted(progress)
    craters = home / demo.CRATERS
    assert RunFolder.open(run).craters == craters
    image = home / demo.IMAGE
    best = map_place.place_of(*RunFolder.open(run).best)
    centre = QgsRasterLayer(str(image), "image").extent().center()
    assert (centre.x(), centre.y()) == pytest.approx((best.x_m, best.y_m), abs=0.5)
    for _ in range(2):  # the second call replaces the layers
        run_layers.show(run, demo.DEM, canvas, craters, image)
        groups = project.layerTreeRoot().findGroups()
        assert len(groups) == 1
        titles = [node.layer().name() for node in groups[0].findLayers()]
        assert titles[:2] == [moon_layers.NAMES, moon_layers.REGIONS]
        assert titles[2:6] == ["Sites", run_layers.DETECTED, run_layers.IMAGE, "Score"]
        assert titles[-2:] == ["Elevation model", moon_layers.MOSAIC]
        assert len(titles) == len(set(titles)) == len(project.mapLayers())
    assert project.crs().authid() == moon_crs.SOUTH_POLAR
    (ground,) = project.mapLayersByName("Elevation model")
    assert ground.extent().contains(canvas.extent())
    (mosaic,) = project.mapLayersByName(moon_layers.MOSAIC)
    assert mosaic.crs().authid() == moon_crs.SOUTH_POLAR
    assert mosaic.extent() == ground.extent()
    (names,) = project.mapLayersByName(moon_layers.NAMES)
    assert names.crs().authid() == moon_crs.SOUTH_POLAR
    (shackleton,) = (each for each in names.getFeatures() if each["name"] == "Shackleton")
    point = shackleton.geometry().asPoint()
    there = map_place.place_of(129.8, -89.7)
    assert (point.x(), point.y()) == pytest.approx((there.x_m, there.y_m), abs=1.0)
    (detected,) = project.mapLayersByName(run_layers.DETECTED)
    assert detected.featureCount() > 0
    assert detected.renderer().classAttribute() == "confidence"
    assert detected.crs().authid() == moon_crs.SOUTH_POLAR
    assert project.layerTreeRoot().findLayer(detected).isVisible()
    project.clear()
    made_ns, image_ns = (path.stat().st_mtime_ns for path in (craters, image))
    start(home, wait_until)
    assert craters.stat().st_mtime_ns == made_ns
    assert image.stat().st_mtime_ns == image_ns
    os.utime(demo.DEM)
    os.utime(run / "score.tif")
    start(home, wait_until)
    assert craters.stat().st_mtime_ns > made_ns
    assert image.stat().st_mtime_ns > image_ns


def test_a_click_on_the_image_shows_its_uncertainty(processing, home, make_dock, wait_until):
    (run,), _ = start(home, wait_until)
    dock = make_dock()
    run_layers.show(run, demo.DEM, dock.canvas, None, home / demo.IMAGE)
    assert dock.choose_run(run)
    wait_until(
        lambda: dock.image_panel.images.count() == 1
    )  # not the elevation model, nor the mosaic
    assert dock.image_panel.image().name() == run_layers.IMAGE
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    wait_until(lambda: "× the validation median" in dock.image.text())
    (layer,) = QgsProject.instance().mapLayersByName("Mutual information")
    node = QgsProject.instance().layerTreeRoot().findLayer(layer.id())
    assert node.isVisible()
    assert QgsProject.instance().layerTreeRoot().layerOrder()[0] == layer
    assert layer.dataProvider().bandStatistics(1).maximumValue > 0.01  # visible in the layer


def test_an_outdated_engine_has_to_be_updated(
    processing, home, old_engine, wait_until, monkeypatch
):
    monkeypatch.setenv(location.VARIABLE, str(old_engine))
    error, _ = start(home, wait_until)
    assert "lacks the package onnx, which detect-craters needs" in error.problem
    assert "Engine Setup, and click Update" in error.remedy
    assert not (home / demo.CRATERS).exists()
    assert not (home / "run").exists()


def test_without_an_engine_the_demo_fails_with_a_remedy(processing, home, wait_until, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    error, _ = start(home, wait_until)
    assert isinstance(error, location.EngineMissingError)
    assert "Engine Setup" in error.remedy
    assert not (home / "run").exists()


def test_a_demo_that_is_cancelled_early_creates_nothing(processing, home):
    reported = []
    task = demo.DemoTask(home, lambda *answer: reported.append(answer), reported.append)
    task.cancel()
    assert task.run() is False
    assert not (home / "run").exists()
    task.finished(True)  # as if it had finished at that moment
    assert reported == []


def test_layers_on_another_body_are_listed(qgis_app):
    project = QgsProject()
    for name, crs in (("rim", moon_crs.SOUTH_POLAR), ("roads", "EPSG:4326"), ("table", "")):
        layer = QgsVectorLayer("Point", name, "memory")
        layer.setCrs(QgsCoordinateReferenceSystem(crs))
        project.addMapLayer(layer)
    assert moon_crs.foreign_layers(project) == ["roads"]
