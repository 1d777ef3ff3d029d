"""The MC Dropout uncertainty option: clicks on an image, with an engine."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import signal
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from osgeo import gdal
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
from lunarsite.lunarsite_plugin.uncertainty import text as uncertainty_text
from lunarsite.lunarsite_plugin.uncertainty import window
from lunarsite.lunarsite_plugin.uncertainty.control import STOPPED
from lunarsite.lunarsite_plugin.uncertainty.layers import GROUP
from lunarsite.lunarsite_plugin.uncertainty.panel import CLICK, NO_FILE, NO_IMAGE
from lunarsite.qgis_common import map_place, moon_crs

AT = uncertainty_text.AtClick(0.1, 0.1)
TITLES = ["Mutual information", "Predictive entropy"]


@pytest.fixture(scope="session")
def image_file(processing, run_folder, tmp_path_factory):
    """Return a synthetic image of the best site of the run."""
    lon, lat = RunFolder.open(run_folder).best
    path = tmp_path_factory.mktemp("image") / "image.tif"
    processing.run("lunarsite:synthesize-image", {"lon": lon, "lat": lat, "out": str(path)})
    return path


@pytest.fixture
def run_dock(make_dock, run_folder, tmp_path, wait_until):
    """Return a dock with a copy of the run, which is modified."""
    own = tmp_path / "run"
    shutil.copytree(run_folder, own)
    made = make_dock()
    assert made.choose_run(own)
    wait_until(lambda: not made.status.text())
    return made


@pytest.fixture
def image(run_dock, image_file, wait_until):
    """Return the image as a layer of the project."""
    return add_image(run_dock, image_file, wait_until)


def add_image(dock, path, wait_until, name="Image"):
    layer = QgsRasterLayer(str(path), name)
    assert layer.isValid()
    moon_crs.name_layer(layer)
    QgsProject.instance().addMapLayer(layer)
    wait_until(lambda: dock.image_panel.image() is not None)
    return layer


def result_titles():
    """Return the titles of the resulting layers, from the top."""
    nodes = QgsProject.instance().layerTreeRoot().findLayers()
    return [node.layer().name() for node in nodes if node.layer().name() in TITLES]


def project_layers():
    return {layer.name(): layer for layer in QgsProject.instance().mapLayers().values()}


def answer(dock, wait_until, start="At the click"):
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


def sunlit(image, best):
    """Return the brightest of a few places near the best site: shadow has no prediction."""
    steps = (-20.0, -10.0, 0.0, 10.0, 20.0)
    near = [SimpleNamespace(x_m=best.x_m + x, y_m=best.y_m + y) for x in steps for y in steps]

    def grey(place):
        at = map_place.point_on(image.crs(), place.x_m, place.y_m)
        return image.dataProvider().sample(at, 1)[0]

    return max(near, key=grey)


def test_a_click_adds_styled_layers_and_shows_their_values(run_dock, image, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    assert dock.image.text() == CLICK
    mouse_click(dock, sunlit(image, map_place.place_of(*dock.run.best)))
    text = answer(dock, wait_until)
    assert result_titles() == TITLES
    found = project_layers()
    folder = Path(found[TITLES[0]].source()).parent
    assert folder == dock.run.path / "mc-dropout-1"
    (group,) = QgsProject.instance().layerTreeRoot().findGroups()
    assert group.name() == "LunarSite, screen a region: run"
    root = QgsProject.instance().layerTreeRoot()
    # The upper one would hide the lower one.
    assert [root.findLayer(found[title].id()).isVisible() for title in TITLES] == [True, False]
    point = map_place.point_on(image.crs(), dock.flow.place.x_m, dock.flow.place.y_m)
    for title, name in zip(TITLES, ("mutual information", "entropy"), strict=True):
        assert found[title].renderer().type() == "singlebandpseudocolor"
        assert found[title].crs() == image.crs()
        value, known = found[title].dataProvider().sample(point, 1)
        assert known
        assert f"{name} {uncertainty_text.nats(value)}" in text.splitlines()[0]
    mean = found[TITLES[0]].dataProvider().bandStatistics(1).mean
    assert f"mutual information {uncertainty_text.nats(mean)}" in text.splitlines()[1]
    assert "× the validation median: " in text
    wait_until(lambda: dock.panel.explanation is not None)
    dock.copy()
    assert text in QGuiApplication.clipboard().text()


def test_the_next_click_replaces_the_layers_and_keeps_their_visibility(run_dock, image, wait_until):
    dock, root = run_dock, QgsProject.instance().layerTreeRoot()
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    lon, lat = dock.run.best
    seen = []
    for offset, number in ((0.0, 1), (0.3, 2), (0.6, 1)):
        dock.score_at(lon + offset, lat)
        wait_until(lambda number=number: f"mc-dropout-{number}" in sources(), within_s=20)
        first = answer(dock, wait_until)
        seen.append(first)
        assert result_titles() == TITLES
        nodes = [root.findLayer(project_layers()[title].id()) for title in TITLES]
        if number == 1 and offset == 0.0:
            for node, checked in zip(nodes, (False, True), strict=True):
                node.setItemVisibilityChecked(checked)
        assert [node.itemVisibilityChecked() for node in nodes] == [False, True]
    assert len(set(seen)) == 3
    assert project_layers()[TITLES[0]].width() == 64
    dock.image_panel.switch.setChecked(False)
    assert list(project_layers()) == ["Image"]
    assert dock.image.text() == ""


def sources():
    return {
        Path(layer.source()).parent.name for layer in QgsProject.instance().mapLayers().values()
    }


def test_three_quick_clicks_show_only_the_last(run_dock, image, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    lon, lat = dock.run.best
    answers = []
    dock.session.answered.connect(lambda _, result: answers.append(result))
    for offset in (0.3, 0.6, 0.0):
        dock.score_at(lon + offset, lat)
    answer(dock, wait_until)
    assert len([each for each in answers if "mean_entropy" in each]) == 1
    wanted = window.around(image, map_place.place_of(lon, lat), 64)
    layer = project_layers()[TITLES[0]]
    assert layer.extent().center().distance(wanted.point) < 2 * layer.rasterUnitsPerPixelX()


def test_switching_on_uses_the_current_place(run_dock, image, wait_until):
    dock = run_dock
    dock.score_at(*dock.run.best)
    assert dock.image.text() == ""
    dock.image_panel.switch.setChecked(True)
    answer(dock, wait_until)
    assert result_titles() == TITLES
    first = project_layers()[TITLES[0]].width()
    dock.image_panel.side.setValue(128)  # and again with another window size
    wait_until(lambda: project_layers()[TITLES[0]].width() == 128)
    assert first == image.width()


def test_the_finest_image_is_selected_until_the_user_chooses_one(
    run_dock, image, processing, tmp_path, wait_until
):
    panel, project = run_dock.image_panel, QgsProject.instance()
    coarse = tmp_path / "coarse.tif"
    made = gdal.GetDriverByName("GTiff").Create(str(coarse), 64, 64, 1, gdal.GDT_Byte)
    made.SetGeoTransform((-16000.0, 500.0, 0.0, 16000.0, 0.0, -500.0))
    made.SetProjection(moon_crs.crs().toWkt())
    made.WriteRaster(0, 0, 64, 64, bytes(40 + (7 * k) % 150 for k in range(64 * 64)))
    made.FlushCache()
    for name in ("A", "Z"):
        project.addMapLayer(QgsRasterLayer(str(coarse), name))
    wait_until(lambda: panel.images.count() == 3)
    assert panel.image() == image
    run_dock.image_panel.switch.setChecked(True)
    run_dock.score_at(*run_dock.run.best)
    answer(run_dock, wait_until)
    wait_until(lambda: panel.images.count() == 3)  # the resulting layers are not images
    panel.images.setCurrentIndex(2)
    panel.images.activated.emit(2)
    wait_until(lambda: "show no rocks" in run_dock.image.text())
    project.addMapLayer(QgsRasterLayer(image.source(), "Again"))
    wait_until(lambda: panel.images.count() == 4)
    assert panel.image().name() == "Z"


def test_a_missing_image_is_explained(run_dock, dem, tmp_path, wait_until):
    dock = run_dock
    project = QgsProject.instance()
    # Cell rasters and the elevation model of the run, or a copy of it, are not images.
    copy = shutil.copy(dem, tmp_path / dem.name)
    layer = dock.run.path / "layers" / "slope_deg.tif"
    for path in (dock.run.path / "score.tif", layer, dem, copy):
        project.addMapLayer(QgsRasterLayer(str(path), Path(path).stem))
    dock.image_panel.switch.setChecked(True)
    wait_until(lambda: not dock.image_panel.images.isEnabled())
    dock.score_at(*dock.run.best)
    assert dock.image.text() == NO_IMAGE
    assert f" {stages.load('synthesize-image').title} " in NO_IMAGE
    assert NO_IMAGE.index("LROC NAC") < NO_IMAGE.index("To try this out")


# Layers that QGIS can read, but the engine cannot.
@pytest.mark.parametrize("kind", ["archive", "options", "subdataset"])
def test_a_layer_that_is_not_a_plain_file_is_explained(
    run_dock, image_file, kind, tmp_path, wait_until
):
    path = Path(shutil.copy(image_file, tmp_path / "image.tif"))
    with zipfile.ZipFile(tmp_path / "image.zip", "w") as archive:
        archive.write(path, path.name)
    source = {
        "archive": f"/vsizip/{tmp_path}/image.zip/image.tif",
        "options": f"{path}|option:NUM_THREADS=2",
        "subdataset": f"GTIFF_DIR:1:{path}",
    }[kind]
    layer = QgsRasterLayer(source, "Not a file")
    assert layer.isValid()
    moon_crs.name_layer(layer)
    QgsProject.instance().addMapLayer(layer)
    run_dock.image_panel.switch.setChecked(True)
    wait_until(lambda: run_dock.image.text() == NO_FILE.format("Not a file"))
    run_dock.score_at(*run_dock.run.best)
    assert run_dock.image.text() == NO_FILE.format("Not a file")
    assert run_dock.image_panel.image() is None
    with pytest.raises(InputError, match="is not a plain file"):
        window.around(layer, map_place.place_of(*run_dock.run.best), 64)
    add_image(run_dock, path, wait_until)
    assert run_dock.image_panel.images.count() == 1
    wait_until(lambda: run_dock.image.text() == CLICK or result_titles())
    QgsProject.instance().removeMapLayer(layer)
    QgsProject.instance().removeMapLayers([each.id() for each in project_layers().values()])
    wait_until(lambda: run_dock.image.text() == NO_IMAGE)


def test_a_picture_without_a_crs_is_not_selected(run_dock, image, tmp_path, wait_until):
    picture = QImage(40, 40, QImage.Format.Format_Grayscale8)
    picture.fill(120)
    assert picture.save(str(tmp_path / "picture.png"))
    layer = QgsRasterLayer(str(tmp_path / "picture.png"), "A picture")
    layer.setCrs(QgsCoordinateReferenceSystem())
    QgsProject.instance().addMapLayer(layer)
    wait_until(lambda: run_dock.image_panel.images.count() == 2)
    assert window.pixel_m(layer) == 1.0
    assert window.pixel_m(image) > 0.0
    assert run_dock.image_panel.image() == image
    assert window.rank(image) < window.rank(layer)


def test_the_pixel_size_is_in_metres(image_file):
    layer = QgsRasterLayer(str(image_file), "Image")
    side = layer.rasterUnitsPerPixelX()
    polar = "+proj=stere +lat_0=-90 +R=1737400 {} +no_defs +type=crs"
    for units, metres in (("+units=m", 1.0), ("+units=km", 1000.0)):
        layer.setCrs(QgsCoordinateReferenceSystem.fromProj(polar.format(units)))
        assert window.pixel_m(layer) == pytest.approx(side * metres)
        assert window.rank(layer)[0] is False
    layer.setCrs(moon_crs.crs(moon_crs.GEOGRAPHIC))
    assert window.pixel_m(layer) == pytest.approx(side * 1_737_400 * math.pi / 180, rel=1e-4)


def test_a_place_outside_the_image_is_explained(run_dock, image, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    dock.score_at(dock.run.best[0] + 90.0, dock.run.best[1])
    assert "is outside the image Image. Click the image" in dock.image.text()
    assert result_titles() == []  # the layers of another place are removed
    dock.image_panel.go.click()
    assert dock.canvas.extent().contains(image.extent())
    assert dock.canvas.extent().width() < 3 * image.extent().width()


@pytest.mark.parametrize(("crs", "message"), [("", "has no CRS"), ("EPSG:4326", "is on Earth")])
def test_an_image_without_a_lunar_crs_is_explained(run_dock, image, crs, message, wait_until):
    image.setCrs(QgsCoordinateReferenceSystem(crs))
    run_dock.image_panel.switch.setChecked(True)
    run_dock.score_at(*run_dock.run.best)
    assert message in run_dock.image.text()
    assert "set the layer to a lunar CRS" in run_dock.image.text()


def test_a_rotated_image_is_explained(run_dock, tmp_path, wait_until):
    dock = run_dock
    x_m, y_m = (getattr(map_place.place_of(*dock.run.best), name) for name in ("x_m", "y_m"))
    picture = QImage(400, 400, QImage.Format.Format_Grayscale8)
    picture.fill(120)
    path = tmp_path / "rotated.png"
    assert picture.save(str(path))
    # South is up and east is left; the best site is near the south-western corner.
    lines = (-2.0, 0.0, 0.0, 2.0, x_m + 760.0, y_m - 40.0)
    path.with_suffix(".pgw").write_text("\n".join(map(str, lines)))
    layer = QgsRasterLayer(str(path), "Rotated")
    layer.setCrs(moon_crs.crs())
    QgsProject.instance().addMapLayer(layer)
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    text = answer(dock, wait_until, "The image Rotated is rotated")
    assert "Raster, Projections, Warp" in text
    assert result_titles() == []


def test_errors_of_the_engine_are_shown(run_dock, tmp_path, image, wait_until):
    dock = run_dock
    source = image.source()
    copy = tmp_path / "copy.tif"
    shutil.copy(source, copy)
    QgsProject.instance().removeMapLayer(image)
    add_image(dock, copy, wait_until, "Copy")
    copy.write_bytes(b"no image")
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    text = answer(dock, wait_until, "The image")
    assert text.count(". ") >= 1
    assert result_titles() == []


def test_a_request_can_be_cancelled_and_repeated(run_dock, image, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    pid = suspend(dock)
    dock.score_at(dock.run.best[0] + 0.3, dock.run.best[1])
    assert dock.image_panel.bar.isVisible()
    dock.image_panel.cancel.click()
    assert not dock.image_panel.bar.isVisible()
    assert dock.image.text().startswith("Cancelled.")
    assert result_titles() == []  # the layers of another place are removed
    os.kill(pid, signal.SIGCONT)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    assert result_titles() == TITLES


def suspend(dock):
    """Suspend the engine process for images, so that its request remains pending."""
    pid = dock.session.pids[-1]
    os.kill(pid, signal.SIGSTOP)
    return pid


def replies(dock):
    """Return a list that collects the replies of the engine process for images."""
    received = []
    client = dock.session._lanes["images"].client
    for pending in client._pending.values():
        pending.done = received.append
    return received


@pytest.mark.parametrize("end", ["another project", "another run", "switched off", "shut"])
def test_an_obsolete_request_is_cancelled(run_dock, image, end, tmp_path, wait_until):
    dock, project = run_dock, QgsProject.instance()
    assert project.write(str(tmp_path / "p.qgz"))
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    pid = suspend(dock)
    dock.score_at(dock.run.best[0] + 0.3, dock.run.best[1])
    received = replies(dock)
    if end == "another project":
        assert project.read(str(tmp_path / "p.qgz"))
    elif end == "another run":
        assert not dock.choose_run(tmp_path)  # which has no run
    elif end == "switched off":
        dock.image_panel.switch.setChecked(False)
    else:
        dock.image.stop()
        dock.image._listen(True)  # `shut_down` disconnects it again
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: received)
    assert isinstance(received[0], CancelledError)


def test_stopping_the_engine_ends_the_request(run_dock, image, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    suspend(dock)
    dock.score_at(dock.run.best[0] + 0.3, dock.run.best[1])
    assert dock.image_panel.bar.isVisible()
    dock.session.shut_down()
    assert dock.image.text() == str(STOPPED)
    assert not dock.image_panel.bar.isVisible()
    assert result_titles() == []
    dock.score_at(*dock.run.best)  # starts it again
    answer(dock, wait_until)


def test_an_image_does_not_delay_a_score(run_dock, image, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
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
    answer(dock, wait_until, "The engine was killed")


def test_an_image_does_not_block_the_main_thread(run_dock, image, wait_until):
    dock, beats = run_dock, []
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    dock.image_panel.switch.setChecked(True)
    timer.start()
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    timer.stop()
    gaps = [after - before for before, after in itertools.pairwise(beats)]
    assert len(beats) > 20
    assert max(gaps) < 0.4  # for a busy computer


def test_without_a_run_the_layers_are_temporary(make_dock, image_file, run_folder, wait_until):
    dock = make_dock()
    # A name that sorts after those of the resulting layers, unlike "Image".
    add_image(dock, image_file, wait_until, "NAC")
    dock.image_panel.switch.setChecked(True)
    lon, lat = RunFolder.open(run_folder).best
    dock.score_at(lon, lat)
    answer(dock, wait_until)
    assert not (run_folder / "mc-dropout-1").exists()
    root = QgsProject.instance().layerTreeRoot()
    (group,) = root.findGroups()
    assert group.name() == GROUP
    # A group that the user has renamed or moved stays as it is.
    group.setName("Uncertainty")
    root.insertGroup(0, "Mine")
    first = sources()
    dock.score_at(lon + 0.3, lat)
    wait_until(lambda: sources() != first)
    answer(dock, wait_until)
    assert result_titles() == TITLES
    assert [group.name() for group in root.findGroups()] == ["Mine", "Uncertainty"]
    QgsApplication.processEvents()
    assert dock.image_panel.images.count() == 1  # the resulting layers are not images
    assert dock.image_panel.image().name() == "NAC"
    dock.image_panel.switch.setChecked(False)
    assert [group.name() for group in root.findGroups()] == ["Mine"]


def test_new_layers_replace_those_that_the_user_has_moved(run_dock, image, wait_until):
    dock, root = run_dock, QgsProject.instance().layerTreeRoot()
    dock.image_panel.switch.setChecked(True)
    dock.image_panel.side.setValue(64)
    lon, lat = dock.run.best
    dock.score_at(lon, lat)
    answer(dock, wait_until)
    mine = root.insertGroup(0, "Mine")
    for title in TITLES:
        node = root.findLayer(project_layers()[title].id())
        mine.insertChildNode(-1, node.clone())
        node.parent().removeChildNode(node)
    dock.score_at(lon + 0.3, lat)
    wait_until(lambda: "mc-dropout-2" in sources())
    answer(dock, wait_until)
    assert [node.layer().name() for node in mine.findLayers()] == TITLES
    # Below the image they would be hidden.
    node = root.findLayer(image.id())
    root.insertChildNode(0, node.clone())
    root.removeChildNode(node)
    dock.score_at(lon + 0.6, lat)
    wait_until(lambda: "mc-dropout-1" in sources())
    answer(dock, wait_until)
    assert [layer.name() for layer in root.layerOrder()] == [*TITLES, "Image"]


def test_the_layers_are_above_the_image(run_dock, image_file, wait_until):
    dock, project = run_dock, QgsProject.instance()
    project.addMapLayer(QgsRasterLayer(str(dock.run.path / "score.tif"), "Score"))
    root = project.layerTreeRoot()
    group = root.insertGroup(1, "Run")
    node = root.findLayers()[0]
    group.insertChildNode(0, node.clone())
    root.removeChildNode(node)
    add_image(dock, image_file, wait_until)  # at the top
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    order = [layer.name() for layer in root.layerOrder()]
    assert order == [*TITLES, "Image", "Score"]


def test_the_layers_of_a_saved_project_are_replaced(run_dock, image, tmp_path, wait_until):
    dock, project = run_dock, QgsProject.instance()
    dock.image_panel.switch.setChecked(True)
    project_runs.choose(dock.run.path)
    best = dock.run.best
    dock.score_at(*best)
    answer(dock, wait_until)
    assert project.write(str(tmp_path / "p.qgz"))
    assert project.read(str(tmp_path / "p.qgz"))
    assert not dock.image_panel.switch.isChecked()
    wait_until(lambda: dock.run is not None and dock.image_panel.image() is not None)
    assert result_titles() == TITLES
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*best)
    answer(dock, wait_until)
    wait_until(lambda: "mc-dropout-2" in sources())
    assert result_titles() == TITLES


def test_the_layers_are_removed_with_their_run(run_dock, image, tmp_path, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    assert not dock.choose_run(tmp_path)  # which has no run
    assert result_titles() == []
    assert dock.image.text() == CLICK


def test_the_dock_fits_a_narrow_panel(run_dock, image, wait_until):
    dock = run_dock
    dock.image_panel.switch.setChecked(True)
    dock.score_at(*dock.run.best)
    answer(dock, wait_until)
    assert dock.minimumSizeHint().width() <= 320


# In pixels from the centre of the image of 320 × 320 px, east and north.
@pytest.mark.parametrize(
    ("shift", "wanted"),
    [
        ((0.5, -0.5), (128, 128, 64, 64)),
        ((-155.5, 155.5), (0, 0, 36, 36)),
        ((159.5, -159.5), (287, 287, 33, 33)),
    ],
)
def test_windows_are_clipped_to_the_image(image_file, shift, wanted):
    layer = QgsRasterLayer(str(image_file), "Image")
    moon_crs.name_layer(layer)
    centre, size = layer.extent().center(), layer.rasterUnitsPerPixelX()
    place = map_place.Place(centre.x() + shift[0] * size, centre.y() + shift[1] * size, 0.0, 0.0)
    found = window.around(layer, place, 64)
    assert (found.column, found.row, found.columns, found.rows) == wanted
    assert found.text() == ",".join(map(str, wanted))


def test_the_text_distinguishes_click_and_window():
    result = {
        "pixels": 256 * 256,
        "mean_entropy": 0.02,
        "mean_mutual_information": 0.0012,
        "times_in_domain": 3.14,
        "verdict": "out of distribution",
        "warnings": ["Pixels of 80 m show no rocks."],
    }
    assert uncertainty_text.answer(result, uncertainty_text.AtClick(0.5, 0.00001)).splitlines() == [
        "At the click: entropy 0.50 nat, mutual information <0.0001 nat.",
        (
            "Mean of the window: entropy 0.0200 nat, mutual information 0.0012 nat, 3.1× the "
            "validation median: out of distribution."
        ),
        "Pixels of 80 m show no rocks.",
    ]
    far = {"distance": {"times_median": 1.72, "share_nearer": 0.961, "out_of_distribution": True}}
    assert uncertainty_text.answer(result | far, AT).splitlines()[2:] == [
        (
            "Distance of the image from the training images: 1.7× the median of held-out ones, "
            "96 % of which are nearer."
        ),
        "Pixels of 80 m show no rocks.",
    ]
    assert uncertainty_text.answer(result | {"pixels": 255 * 255}, AT).splitlines()[1] == (
        "Mean of the window: entropy 0.0200 nat, mutual information 0.0012 nat; the window is too "
        "small to compare with validation."
    )
    nothing = uncertainty_text.answer(
        {"pixels": 0}, uncertainty_text.AtClick(float("nan"), float("nan"))
    )
    assert nothing.count("no data") == 2
    del result["times_in_domain"], result["verdict"]
    assert uncertainty_text.answer(result, AT).splitlines()[1].endswith("0.0012 nat.")
