"""The switch MC Dropout uncertainty: a click on an image, with a real engine and real layers."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import signal
import time
import zipfile
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QPoint, Qt, QTimer
from qgis.PyQt.QtGui import QGuiApplication, QImage
from qgis.PyQt.QtTest import QTest

from lunarsite.engine import stages
from lunarsite.engine.errors import CancelledError, InputError
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.runs.folder import RunFolder
from lunarsite.lunarsite_plugin.uncertainty import layers as image_layers
from lunarsite.lunarsite_plugin.uncertainty import text as image_text
from lunarsite.lunarsite_plugin.uncertainty import window as image_window
from lunarsite.lunarsite_plugin.uncertainty.control import LEFT_OFF
from lunarsite.lunarsite_plugin.uncertainty.panel import CLICK, NO_FILE, NO_IMAGE
from lunarsite.qgis_common import map_place, moon_crs

AT = image_text.AtClick(0.1, 0.1)
TITLES = ["Mutual information", "Predictive entropy"]


@pytest.fixture(scope="session")
def image_file(processing, run_folder, tmp_path_factory):
    """Return a made image around the best site of the run."""
    lon, lat = RunFolder.open(run_folder).best
    path = tmp_path_factory.mktemp("image") / "image.tif"
    processing.run("lunarsite:synthesize-image", {"lon": lon, "lat": lat, "out": str(path)})
    return path


@pytest.fixture
def own_dock(make_dock, run_folder, tmp_path, wait_until):
    """Return a dock on a run of its own, into which is written."""
    own = tmp_path / "run"
    shutil.copytree(run_folder, own)
    made = make_dock()
    assert made.choose_run(own)
    wait_until(lambda: not made.status.text())
    return made


@pytest.fixture
def image(own_dock, image_file, wait_until):
    """Return the image as a layer of the dock's project."""
    return added(own_dock, image_file, wait_until)


def added(dock, path, wait_until, name="Image"):
    layer = QgsRasterLayer(str(path), name)
    assert layer.isValid()
    moon_crs.name_layer(layer)
    QgsProject.instance().addMapLayer(layer)
    wait_until(lambda: dock.image_panel.image() is not None)
    return layer


def shown():
    """Return the titles of the layers that a click has left, from the top."""
    nodes = QgsProject.instance().layerTreeRoot().findLayers()
    return [node.layer().name() for node in nodes if node.layer().name() in TITLES]


def layers_there():
    return {layer.name(): layer for layer in QgsProject.instance().mapLayers().values()}


def told(dock, wait_until, start="At the click"):
    wait_until(lambda: dock.image.text().startswith(start) and not dock.image_panel.bar.isVisible())
    return dock.image.text()


def mouse_click(dock, place):
    crs = dock.canvas.mapSettings().destinationCrs()
    point = map_place.point_on(crs, place.x_m, place.y_m)
    dock.canvas.setExtent(QgsRectangle(0, 0, 1, 1).fromCenterAndSize(point, 800, 600))
    at = dock.canvas.getCoordinateTransform().transform(point)
    dock.click.setChecked(True)
    QTest.mouseClick(
        dock.canvas.viewport(),
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        QPoint(round(at.x()), round(at.y())),
    )


def test_a_click_adds_styled_layers_in_the_runs_group_and_states_the_values(
    own_dock, image, wait_until
):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    assert dock.image.text() == CLICK
    mouse_click(dock, map_place.place_of(*dock.run.best))
    text = told(dock, wait_until)
    assert shown() == TITLES
    there = layers_there()
    folder = Path(there[TITLES[0]].source()).parent
    assert folder == dock.run.path / "mc-dropout-1"
    (group,) = QgsProject.instance().layerTreeRoot().findGroups()
    assert group.name() == "LunarSite, screen a region: run"
    root = QgsProject.instance().layerTreeRoot()
    # One over the other, neither could be read.
    assert [root.findLayer(there[title].id()).isVisible() for title in TITLES] == [True, False]
    point = map_place.point_on(image.crs(), dock.flow.place.x_m, dock.flow.place.y_m)
    for title, word in zip(TITLES, ("mutual information", "entropy"), strict=True):
        assert there[title].renderer().type() == "singlebandpseudocolor"
        assert there[title].crs() == image.crs()
        value, known = there[title].dataProvider().sample(point, 1)
        assert known
        assert f"{word} {image_text.nats(value)}" in text.splitlines()[0]
    mean = there[TITLES[0]].dataProvider().bandStatistics(1).mean
    assert f"mutual information {image_text.nats(mean)}" in text.splitlines()[1]
    assert "× the median of validation: " in text
    wait_until(lambda: dock.panel.explanation is not None)
    dock.copy()
    assert text in QGuiApplication.clipboard().text()


def test_the_next_click_replaces_the_layers_and_keeps_what_is_ticked(own_dock, image, wait_until):
    dock, root = own_dock, QgsProject.instance().layerTreeRoot()
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    lon, lat = dock.run.best
    seen = []
    for turn, number in ((0.0, 1), (0.3, 2), (0.6, 1)):
        dock.score_at(lon + turn, lat)
        wait_until(lambda number=number: f"mc-dropout-{number}" in sources(), within_s=20)
        first = told(dock, wait_until)
        seen.append(first)
        assert shown() == TITLES
        nodes = [root.findLayer(layers_there()[title].id()) for title in TITLES]
        if number == 1 and turn == 0.0:
            for node, ticked in zip(nodes, (False, True), strict=True):
                node.setItemVisibilityChecked(ticked)
        assert [node.itemVisibilityChecked() for node in nodes] == [False, True]
    assert len(set(seen)) == 3
    assert layers_there()[TITLES[0]].width() == 64
    dock.image_panel.switch.setChecked(False)
    assert list(layers_there()) == ["Image"]
    assert dock.image.text() == ""


def sources():
    return {
        Path(layer.source()).parent.name for layer in QgsProject.instance().mapLayers().values()
    }


def test_three_fast_clicks_leave_the_layers_of_the_last(own_dock, image, wait_until):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    lon, lat = dock.run.best
    answers = []
    dock.session.answered.connect(lambda _, result: answers.append(result))
    for turn in (0.3, 0.6, 0.0):
        dock.score_at(lon + turn, lat)
    told(dock, wait_until)
    assert len([answer for answer in answers if "mean_entropy" in answer]) == 1
    wanted = image_window.around(image, map_place.place_of(lon, lat), 64)
    layer = layers_there()[TITLES[0]]
    assert layer.extent().center().distance(wanted.point) < 2 * layer.rasterUnitsPerPixelX()


def test_switched_on_where_a_site_is_chosen_it_looks_there(own_dock, image, wait_until):
    dock = own_dock
    dock.score_at(*dock.run.best)
    assert dock.image.text() == ""
    dock.image_panel.switch.setChecked(True)
    told(dock, wait_until)
    assert shown() == TITLES
    first = layers_there()[TITLES[0]].width()
    dock.image_panel.side.setValue(128)  # and again with another window
    wait_until(lambda: layers_there()[TITLES[0]].width() == 128)
    assert first == image.width()


def test_the_finest_image_is_taken_until_the_user_chooses_one(
    own_dock, image, processing, tmp_path, wait_until
):
    panel, project = own_dock.image_panel, QgsProject.instance()
    coarse = tmp_path / "coarse.tif"
    processing.run("lunarsite:synthesize", {"out": str(coarse), "size_px": 64, "pixel_m": 500})
    for name in ("A", "Z"):
        project.addMapLayer(QgsRasterLayer(str(coarse), name))
    wait_until(lambda: panel.images.count() == 3)
    assert panel.image() == image
    own_dock.image_panel.switch.setChecked(True)
    own_dock.score_at(*own_dock.run.best)
    told(own_dock, wait_until)
    wait_until(lambda: panel.images.count() == 3)  # the layers of a click are no images
    panel.images.setCurrentIndex(2)
    panel.images.activated.emit(2)
    wait_until(lambda: "show no rocks" in own_dock.image.text())
    project.addMapLayer(QgsRasterLayer(image.source(), "Again"))
    wait_until(lambda: panel.images.count() == 4)
    assert panel.image().name() == "Z"


def test_without_an_image_there_is_a_sentence_with_a_remedy(own_dock, dem, tmp_path, wait_until):
    dock = own_dock
    project = QgsProject.instance()
    # Neither maps of cells nor the elevation model of the run, or a copy, are images.
    copy = shutil.copy(dem, tmp_path / dem.name)
    layer = dock.run.path / "layers" / "slope_deg.tif"
    for path in (dock.run.path / "score.tif", layer, dem, copy):
        project.addMapLayer(QgsRasterLayer(str(path), Path(path).stem))
    dock.image_panel.switch.setChecked(True)
    wait_until(lambda: not dock.image_panel.images.isEnabled())
    dock.score_at(*dock.run.best)
    assert dock.image.text() == NO_IMAGE
    assert f" {stages.load('synthesize-image').title} " in NO_IMAGE
    assert NO_IMAGE.index("LROC NAC") < NO_IMAGE.index("For a trial")


# What QGIS reads at the same path, or at none, and the engine would not.
@pytest.mark.parametrize("kind", ["archive", "options", "subdataset"])
def test_a_layer_that_is_no_file_is_no_image_and_that_is_said(
    own_dock, image_file, kind, tmp_path, wait_until
):
    path = Path(shutil.copy(image_file, tmp_path / "image.tif"))
    with zipfile.ZipFile(tmp_path / "image.zip", "w") as archive:
        archive.write(path, path.name)
    source = {
        "archive": f"/vsizip/{tmp_path}/image.zip/image.tif",
        "options": f"{path}|option:NUM_THREADS=2",
        "subdataset": f"GTIFF_DIR:1:{path}",
    }[kind]
    layer = QgsRasterLayer(source, "Kept elsewhere")
    assert layer.isValid()
    moon_crs.name_layer(layer)
    QgsProject.instance().addMapLayer(layer)
    own_dock.image_panel.switch.setChecked(True)
    wait_until(lambda: own_dock.image.text() == NO_FILE.format("Kept elsewhere"))
    own_dock.score_at(*own_dock.run.best)
    assert own_dock.image.text() == NO_FILE.format("Kept elsewhere")
    assert own_dock.image_panel.image() is None
    with pytest.raises(InputError, match="is no file of its own"):
        image_window.around(layer, map_place.place_of(*own_dock.run.best), 64)
    added(own_dock, path, wait_until)
    assert own_dock.image_panel.images.count() == 1
    wait_until(lambda: own_dock.image.text() == CLICK or shown())
    QgsProject.instance().removeMapLayer(layer)
    QgsProject.instance().removeMapLayers([each.id() for each in layers_there().values()])
    wait_until(lambda: own_dock.image.text() == NO_IMAGE)


def test_a_picture_without_a_place_on_the_moon_is_not_taken_for_the_finest(
    own_dock, image, tmp_path, wait_until
):
    picture = QImage(40, 40, QImage.Format.Format_Grayscale8)
    picture.fill(120)
    assert picture.save(str(tmp_path / "picture.png"))
    layer = QgsRasterLayer(str(tmp_path / "picture.png"), "A picture")
    layer.setCrs(QgsCoordinateReferenceSystem())
    QgsProject.instance().addMapLayer(layer)
    wait_until(lambda: own_dock.image_panel.images.count() == 2)
    assert image_window.pixel_m(layer) == 1.0
    assert image_window.pixel_m(image) > 0.0
    assert own_dock.image_panel.image() == image
    assert image_window.rank(image) < image_window.rank(layer)


def test_the_pixels_of_an_image_are_measured_in_metres(image_file):
    layer = QgsRasterLayer(str(image_file), "Image")
    side = layer.rasterUnitsPerPixelX()
    polar = "+proj=stere +lat_0=-90 +R=1737400 {} +no_defs +type=crs"
    for units, metres in (("+units=m", 1.0), ("+units=km", 1000.0)):
        layer.setCrs(QgsCoordinateReferenceSystem.fromProj(polar.format(units)))
        assert image_window.pixel_m(layer) == pytest.approx(side * metres)
        assert image_window.rank(layer)[0] is False
    layer.setCrs(moon_crs.crs(moon_crs.GEOGRAPHIC))
    assert image_window.pixel_m(layer) == pytest.approx(side * 1_737_400 * math.pi / 180, rel=1e-4)


def test_a_place_outside_the_image_gets_a_sentence_and_the_way_to_it(own_dock, image, wait_until):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    dock.score_at(dock.run.best[0] + 90.0, dock.run.best[1])
    assert "lies outside the image Image. Click on the image" in dock.image.text()
    assert shown() == []  # what belongs to another place does not stay
    dock.image_panel.go.click()
    assert dock.canvas.extent().contains(image.extent())
    assert dock.canvas.extent().width() < 3 * image.extent().width()


@pytest.mark.parametrize(
    ("crs", "words"), [("", "has no coordinate system"), ("EPSG:4326", "shows Earth")]
)
def test_an_image_without_a_place_on_the_moon_gets_a_sentence(
    own_dock, image, crs, words, wait_until
):
    image.setCrs(QgsCoordinateReferenceSystem(crs))
    own_dock.image_panel.switch.setChecked(True)
    own_dock.score_at(*own_dock.run.best)
    assert words in own_dock.image.text()
    assert "coordinate system to one of the Moon's" in own_dock.image.text()


def test_an_image_that_is_turned_against_its_map_gets_a_sentence(own_dock, tmp_path, wait_until):
    dock = own_dock
    x_m, y_m = (getattr(map_place.place_of(*dock.run.best), name) for name in ("x_m", "y_m"))
    picture = QImage(400, 400, QImage.Format.Format_Grayscale8)
    picture.fill(120)
    path = tmp_path / "turned.png"
    assert picture.save(str(path))
    # South is up and east is left; the best site lies near the south-western corner.
    lines = (-2.0, 0.0, 0.0, 2.0, x_m + 760.0, y_m - 40.0)
    path.with_suffix(".pgw").write_text("\n".join(map(str, lines)))
    layer = QgsRasterLayer(str(path), "Turned")
    layer.setCrs(moon_crs.crs())
    QgsProject.instance().addMapLayer(layer)
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    text = told(dock, wait_until, "The image Turned is turned")
    assert "Warp it with Raster, Projections, Warp" in text
    assert shown() == []


def test_what_the_engine_refuses_is_told_with_its_remedy(own_dock, tmp_path, image, wait_until):
    dock = own_dock
    place = image.source()
    copy = tmp_path / "copy.tif"
    shutil.copy(place, copy)
    QgsProject.instance().removeMapLayer(image)
    added(dock, copy, wait_until, "Copy")
    copy.write_bytes(b"no image")
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    text = told(dock, wait_until, "The image")
    assert text.count(". ") >= 1
    assert shown() == []


def test_a_run_can_be_cancelled_and_asked_again(own_dock, image, wait_until):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    pid = stopped(dock)
    dock.score_at(dock.run.best[0] + 0.3, dock.run.best[1])
    assert dock.image_panel.bar.isVisible()
    dock.image_panel.cancel.click()
    assert not dock.image_panel.bar.isVisible()
    assert dock.image.text().startswith("Cancelled.")
    assert shown() == []  # what belongs to another place does not stay
    os.kill(pid, signal.SIGCONT)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    assert shown() == TITLES


def stopped(dock):
    """Hold the engine of the images, so that what it is asked is surely in the middle."""
    pid = dock.session.pids[-1]
    os.kill(pid, signal.SIGSTOP)
    return pid


def replies(dock):
    """Return what the engine of the images replies from now on, told or not."""
    heard = []
    client = dock.session._lanes["images"].client
    for waiting in client._waiting.values():
        waiting.done = heard.append
    return heard


@pytest.mark.parametrize("end", ["another project", "another run", "switched off", "shut"])
def test_a_run_of_the_network_that_nobody_waits_for_is_left_off(
    own_dock, image, end, tmp_path, wait_until
):
    dock, project = own_dock, QgsProject.instance()
    assert project.write(str(tmp_path / "p.qgz"))
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    pid = stopped(dock)
    dock.score_at(dock.run.best[0] + 0.3, dock.run.best[1])
    heard = replies(dock)
    if end == "another project":
        assert project.read(str(tmp_path / "p.qgz"))
    elif end == "another run":
        assert not dock.choose_run(tmp_path)  # which holds none
    elif end == "switched off":
        dock.image_panel.switch.setChecked(False)
    else:
        dock.image.stop()
        dock.image._listen(True)  # `shut` stops it again
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: heard)
    assert isinstance(heard[0], CancelledError)


def test_a_run_of_the_network_whose_engine_is_ended_is_told(own_dock, image, wait_until):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    stopped(dock)
    dock.score_at(dock.run.best[0] + 0.3, dock.run.best[1])
    assert dock.image_panel.bar.isVisible()
    dock.session.shut()
    assert dock.image.text() == str(LEFT_OFF)
    assert not dock.image_panel.bar.isVisible()
    assert shown() == []
    dock.score_at(*dock.run.best)  # starts another
    told(dock, wait_until)


def test_a_score_does_not_wait_for_an_image_that_is_looked_at(own_dock, image, wait_until):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    wait_until(lambda: dock.panel.explanation is not None)
    scores, _, images = dock.session.pids
    assert scores != images
    os.kill(images, signal.SIGSTOP)
    scored = []
    dock.flow.explained.connect(scored.append)
    dock.score_at(dock.run.best[0] + 0.3, dock.run.best[1])
    wait_until(lambda: scored)
    assert dock.image_panel.bar.isVisible()
    os.kill(images, signal.SIGKILL)
    told(dock, wait_until, "The engine was killed")


def test_the_main_thread_is_free_while_the_image_is_looked_at(own_dock, image, wait_until):
    dock, beats = own_dock, []
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    dock.image_panel.switch.setChecked(True)
    timer.start()
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    timer.stop()
    gaps = [after - before for before, after in itertools.pairwise(beats)]
    assert len(beats) > 20
    assert max(gaps) < 0.4  # a machine at work


def test_without_a_run_the_layers_are_temporary_and_have_a_group(
    make_dock, image_file, run_folder, wait_until
):
    dock = make_dock()
    # With a name that the layers of a click come before, as they do not before "Image".
    added(dock, image_file, wait_until, "NAC")
    dock.image_panel.switch.setChecked(True)
    lon, lat = RunFolder.open(run_folder).best
    dock.score_at(lon, lat)
    told(dock, wait_until)
    assert not (run_folder / "mc-dropout-1").exists()
    root = QgsProject.instance().layerTreeRoot()
    (group,) = root.findGroups()
    assert group.name() == image_layers.GROUP
    # What the user makes of the group stays.
    group.setName("How unsure")
    root.insertGroup(0, "Mine")
    first = sources()
    dock.score_at(lon + 0.3, lat)
    wait_until(lambda: sources() != first)
    told(dock, wait_until)
    assert shown() == TITLES
    assert [group.name() for group in root.findGroups()] == ["Mine", "How unsure"]
    QgsApplication.processEvents()
    assert dock.image_panel.images.count() == 1  # the layers of a click are no images
    assert dock.image_panel.image().name() == "NAC"
    dock.image_panel.switch.setChecked(False)
    assert [group.name() for group in root.findGroups()] == ["Mine"]


def test_the_next_layers_lie_where_the_user_has_moved_those_before(own_dock, image, wait_until):
    dock, root = own_dock, QgsProject.instance().layerTreeRoot()
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    lon, lat = dock.run.best
    dock.score_at(lon, lat)
    told(dock, wait_until)
    mine = root.insertGroup(0, "Mine")
    for title in TITLES:
        node = root.findLayer(layers_there()[title].id())
        mine.insertChildNode(-1, node.clone())
        node.parent().removeChildNode(node)
    dock.score_at(lon + 0.3, lat)
    wait_until(lambda: "mc-dropout-2" in sources())
    told(dock, wait_until)
    assert [node.layer().name() for node in mine.findLayers()] == TITLES
    # Below the image nothing of them would be seen.
    node = root.findLayer(image.id())
    root.insertChildNode(0, node.clone())
    root.removeChildNode(node)
    dock.score_at(lon + 0.6, lat)
    wait_until(lambda: "mc-dropout-1" in sources())
    told(dock, wait_until)
    assert [layer.name() for layer in root.layerOrder()] == [*TITLES, "Image"]


def test_the_layers_lie_over_an_image_that_lies_over_the_run(own_dock, image_file, wait_until):
    dock, project = own_dock, QgsProject.instance()
    project.addMapLayer(QgsRasterLayer(str(dock.run.path / "score.tif"), "Score"))
    root = project.layerTreeRoot()
    group = root.insertGroup(1, "Run")
    node = root.findLayers()[0]
    group.insertChildNode(0, node.clone())
    root.removeChildNode(node)
    added(dock, image_file, wait_until)  # goes to the top
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    order = [layer.name() for layer in root.layerOrder()]
    assert order == [*TITLES, "Image", "Score"]


def test_a_saved_project_keeps_the_layers_and_the_next_click_replaces_them(
    own_dock, image, tmp_path, wait_until
):
    dock, project = own_dock, QgsProject.instance()
    dock.image_panel.switch.setChecked(True)
    project_runs.choose(dock.run.path)
    best = dock.run.best
    dock.score_at(*best)
    told(dock, wait_until)
    assert project.write(str(tmp_path / "p.qgz"))
    assert project.read(str(tmp_path / "p.qgz"))
    assert not dock.image_panel.switch.isChecked()
    wait_until(lambda: dock.run is not None and dock.image_panel.image() is not None)
    assert shown() == TITLES
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*best)
    told(dock, wait_until)
    wait_until(lambda: "mc-dropout-2" in sources())
    assert shown() == TITLES


def test_the_layers_go_with_their_run_and_its_place(own_dock, image, tmp_path, wait_until):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    assert not dock.choose_run(tmp_path)  # which holds none
    assert shown() == []
    assert dock.image.text() == CLICK


def test_the_dock_with_the_switch_on_fits_into_a_narrow_panel(own_dock, image, wait_until):
    dock = own_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    told(dock, wait_until)
    assert dock.minimumSizeHint().width() <= 320


# In pixels from the middle of the image of 320 by 320, east and north.
@pytest.mark.parametrize(
    ("shift", "wanted"),
    [
        ((0.5, -0.5), (128, 128, 64, 64)),
        ((-155.5, 155.5), (0, 0, 36, 36)),
        ((159.5, -159.5), (287, 287, 33, 33)),
    ],
)
def test_a_window_is_cut_off_at_the_edges_of_the_image(image_file, shift, wanted):
    layer = QgsRasterLayer(str(image_file), "Image")
    moon_crs.name_layer(layer)
    centre, size = layer.extent().center(), layer.rasterUnitsPerPixelX()
    place = map_place.Place(centre.x() + shift[0] * size, centre.y() + shift[1] * size, 0.0, 0.0)
    window = image_window.around(layer, place, 64)
    assert (window.column, window.row, window.columns, window.rows) == wanted
    assert window.text() == ",".join(map(str, wanted))


def test_what_is_told_keeps_click_and_window_apart():
    result = {
        "pixels": 256 * 256,
        "mean_entropy": 0.02,
        "mean_mutual_information": 0.0012,
        "times_in_domain": 3.14,
        "verdict": "out of its depth",
        "warnings": ["Pixels of 80 m show no rocks."],
    }
    assert image_text.answer(result, image_text.AtClick(0.5, 0.00001)).splitlines() == [
        "At the click: entropy 0.50 nat, mutual information under 0.0001 nat.",
        (
            "The window's mean: entropy 0.0200 nat, mutual information 0.0012 nat, 3.1× the "
            "median of validation: out of its depth."
        ),
        "Pixels of 80 m show no rocks.",
    ]
    assert image_text.answer(result | {"pixels": 255 * 255}, AT).splitlines()[1] == (
        "The window's mean: entropy 0.0200 nat, mutual information 0.0012 nat; too small a window "
        "to compare."
    )
    nothing = image_text.answer({"pixels": 0}, image_text.AtClick(float("nan"), float("nan")))
    assert nothing.count("no data") == 2
    del result["times_in_domain"], result["verdict"]
    assert image_text.answer(result, AT).splitlines()[1].endswith("0.0012 nat.")
