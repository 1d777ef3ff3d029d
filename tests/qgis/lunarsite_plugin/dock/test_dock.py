"""The dock, on a map canvas and with an engine."""

from __future__ import annotations

import csv
import itertools
import math
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QPoint, QRect, QSize, Qt, QTimer
from qgis.PyQt.QtGui import QColor, QGuiApplication, QImage, QPainter
from qgis.PyQt.QtTest import QTest

from lunarsite.lunarsite_plugin.dock.parts import PlaceEdit
from lunarsite.lunarsite_plugin.report.save import save_report
from lunarsite.lunarsite_plugin.report.site import Site, map_picture
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.saved_places.places import from_json
from lunarsite.lunarsite_plugin.site.panel import HINT
from lunarsite.qgis_common import map_place, moon_crs


def centre_on(dock, lon, lat):
    place = map_place.place_of(lon, lat)
    dock.canvas.setExtent(dock.canvas.extent().fromCenterAndSize(point(dock, place), 20e3, 15e3))


def point(dock, place):
    return map_place.point_on(dock.canvas.mapSettings().destinationCrs(), place.x_m, place.y_m)


def click(dock, lon, lat):
    """Click a place on the map."""
    centre_on(dock, lon, lat)
    at = dock.canvas.getCoordinateTransform().transform(point(dock, map_place.place_of(lon, lat)))
    dock.click.setChecked(True)
    QTest.mouseClick(
        dock.canvas.viewport(),
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        QPoint(round(at.x()), round(at.y())),
    )


def scored(dock, wait_until):
    wait_until(lambda: dock.panel.explanation is not None)
    return dock.panel.explanation


def skyline_of(dock, wait_until):
    wait_until(lambda: dock.panel.skyline is not None)
    return dock.panel.skyline


def test_a_click_shows_the_score_of_the_clicked_cell(dock, run_folder, wait_until):
    lon, lat = dock.run.best
    click(dock, lon, lat)
    answer = scored(dock, wait_until)
    assert answer["rank"] == 1
    raster = QgsRasterLayer(str(run_folder / "score.tif"), "score")
    place = map_place.place_of(answer["cell"]["lon_deg"], answer["cell"]["lat_deg"])
    value, known = raster.dataProvider().sample(
        map_place.point_on(raster.crs(), place.x_m, place.y_m), 1
    )
    assert known
    assert answer["score"] == pytest.approx(value, abs=1e-5)
    assert dock.panel.headline.score.text() == f"{value:.3f}"
    assert dock.marker.visible
    assert float(dock.place_edit.lat.text()) == pytest.approx(lat, abs=0.01)


def test_the_skyline_follows_the_score_with_the_dates_of_the_run(dock, wait_until):
    order = []
    dock.flow.explained.connect(lambda _: order.append("score"))
    dock.flow.skylineReady.connect(lambda _: order.append("skyline"))
    click(dock, *dock.run.best)
    sky = skyline_of(dock, wait_until)
    assert order == ["score", "skyline"]
    assert sky["start"] == "2027-01-01"
    assert dock.panel.dates() == ("2027-01-01", "2028-01-01")
    dates_edit = dock.panel.light.dates
    dates_edit.set_dates("2027-01-01", "2027-02-01")
    dates_edit.apply.click()
    wait_until(lambda: dock.panel.skyline not in (None, sky))
    assert dock.panel.skyline["sun"]["time"][-1] < "2027-02-01"


def test_three_quick_clicks_show_only_the_last(dock, wait_until):
    lon, lat = dock.run.best
    answers = []
    dock.flow.explained.connect(answers.append)
    for turn in (10.0, 20.0, 0.0):
        dock.score_at(lon + turn, lat)
    wait_until(lambda: answers)
    skyline_of(dock, wait_until)
    assert [answer["rank"] for answer in answers] == [1]


def test_coordinates_can_be_pasted_and_entered(dock, wait_until):
    lon, lat = dock.run.best
    QGuiApplication.clipboard().setText(f"{-lat} S, {abs(lon)} {'E' if lon > 0 else 'W'}")
    dock.place_edit.lon.setFocus()
    dock.place_edit.lon.paste()
    assert float(dock.place_edit.lon.text()) == pytest.approx(lon, abs=1e-4)
    assert float(dock.place_edit.lat.text()) == pytest.approx(lat, abs=1e-4)
    QTest.keyClick(dock.place_edit.lat, Qt.Key.Key_Return)
    assert scored(dock, wait_until)["rank"] == 1


def test_an_invalid_coordinate_is_explained(dock):
    dock.place_edit.lon.setText("west")
    dock.place_edit.button.click()
    assert "'west' is not a longitude" in dock.panel.text()
    assert "for example" in dock.panel.text()


def test_an_empty_field_is_explained(dock):
    dock.place_edit.lon.setText(" ")
    dock.place_edit.lat.setText("-89")
    dock.place_edit.button.click()
    assert dock.panel.text().startswith("Enter a longitude. Enter degrees")
    dock.place_edit.lon.setText("10")
    dock.place_edit.lat.clear()
    dock.place_edit.button.click()
    assert dock.panel.text().startswith("Enter a latitude. Enter degrees")


@pytest.mark.parametrize("field", ["lon", "lat"])
def test_a_pair_of_coordinates_can_be_entered_in_either_field(qgis_app, field):
    edit, entered = PlaceEdit(), []
    edit.entered.connect(lambda *place: entered.append(place))
    for letter in "137.3W 89.45S":
        QTest.keyClicks(getattr(edit, field), letter)
    edit.button.click()
    edit.show_place(0.0, -89.0)
    for angle in ("137° 18'", "137,3"):  # one angle, although it could be parsed as two
        edit.lon.clear()
        for letter in angle:
            edit.lon.insert(letter)
        edit.button.click()
    edit.lon.setText("137° 18'")  # like pasted text
    edit.button.click()
    assert entered == [(-137.3, -89.45), *[(pytest.approx(137.3), -89.0)] * 3]


@pytest.mark.parametrize("place", [(0.0, -80.0), (10.0, 40.0)])
def test_a_place_outside_the_area_is_explained(dock, wait_until, place):
    click(dock, *dock.run.best)
    scored(dock, wait_until)
    dock.score_at(*place)
    wait_until(lambda: "There is no cell at" in dock.panel.text())
    assert "Choose a location inside the scored area" in dock.panel.text()
    assert not dock.marker.visible
    click(dock, *dock.run.best)
    assert scored(dock, wait_until)["rank"] == 1


def test_a_click_on_a_map_of_the_earth_is_explained(dock):
    dock.canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    dock.click.setChecked(True)
    QTest.mouseClick(
        dock.canvas.viewport(),
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        QPoint(200, 150),
    )
    assert "The map shows Earth" in dock.panel.text()


def test_an_invalid_place_cancels_the_previous_request(dock, tmp_path, wait_until):
    dock.score_at(*dock.run.best)
    dock.place_edit.lon.setText("north")
    dock.place_edit.enter()
    failed = []
    dock.session.failed.connect(lambda request_id, _: failed.append(request_id))
    # The engine handles requests in order, so this one fails after the score would have arrived.
    invalid = {"first": str(tmp_path), "second": str(tmp_path), "out": str(tmp_path / "out")}
    last = dock.session.ask("compare", invalid)
    wait_until(lambda: last in failed)
    assert dock.panel.explanation is None
    assert "not a longitude" in dock.panel.text()


def test_a_missing_run_is_explained(make_dock):
    dock = make_dock()
    assert dock.panel.text() == HINT
    dock.score_at(0.0, -89.0)
    assert "No screening run is selected" in dock.panel.text()
    assert "Screen a region" in dock.panel.text()
    assert not dock.switch.isEnabled()
    assert dock.session.pids == []


def test_the_run_of_the_layers_in_the_project_is_selected(make_dock, run_folder, wait_until):
    dock = make_dock()
    layer = QgsRasterLayer(str(run_folder / "layers" / "slope_deg.tif"), "slope")
    QgsProject.instance().addMapLayer(layer)
    wait_until(lambda: dock.run is not None)
    assert dock.run.path == run_folder
    assert dock.runs.folders() == [run_folder]


def test_a_project_remembers_the_run_and_the_saved_places(
    dock, make_dock, run_folder, tmp_path, wait_until
):
    click(dock, *dock.run.best)
    scored(dock, wait_until)
    dock.save_place()
    assert dock.tabs.tabText(2) == "Saved Places (1)"
    file = tmp_path / "project.qgz"
    assert QgsProject.instance().write(str(file))
    QgsProject.instance().clear()
    wait_until(lambda: dock.run is None and not dock.saved_places.places)
    assert QgsProject.instance().read(str(file))
    wait_until(lambda: dock.run is not None)
    assert dock.run.path == run_folder
    assert [place.rank for place in dock.saved_places.places] == [1]


def test_a_moved_and_an_unfinished_run_are_explained(make_dock, run_folder, tmp_path):
    dock = make_dock()
    assert not dock.choose_run(tmp_path / "gone")
    assert "has been moved, renamed or deleted" in dock.panel.text()
    part = tmp_path / "part"
    part.mkdir()
    text = (run_folder / "manifest.json").read_text()
    (part / "manifest.json").write_text(text.replace('"finished": true', '"finished": false'))
    assert not dock.choose_run(part)
    assert "is not finished" in dock.panel.text()


def test_a_missing_elevation_model_can_be_located(make_dock, run_folder, dem, tmp_path, wait_until):
    moved = tmp_path / "a" / "b" / "run"
    shutil.copytree(run_folder, moved)
    known = moved / ".lunarsite-known.json"
    known.write_text(known.read_text().replace(str(dem), "/nowhere/dem.tif"))
    dock = make_dock()
    assert dock.choose_run(moved)
    assert dock.locate.isVisible()
    dock.score_at(*dock.run.best)
    scored(dock, wait_until)
    wait_until(lambda: "has been moved or changed" in dock.panel.light.sky.text())
    dock.control.set_located(dock.run.missing[0], run_folder / "score.tif")
    assert "is not the run's dem.tif" in dock.status.text()
    copy = shutil.copy(dem, tmp_path / "found.tif")
    dock.control.set_located(dock.run.missing[0], Path(copy))
    assert not dock.locate.isVisible()
    skyline_of(dock, wait_until)
    assert project_runs.located()


def test_a_repeated_run_is_read_again(make_dock, run_folder, tmp_path, wait_until):
    own = tmp_path / "run"
    shutil.copytree(run_folder, own)
    dock = make_dock()
    assert dock.choose_run(own)
    assert dock.run.mast_height_m == 2.0
    manifest = own / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"mast_height_m": 2.0', '"mast_height_m": 5.0')
    )
    dock.score_at(*dock.run.best)
    assert dock.run.mast_height_m == 5.0
    assert scored(dock, wait_until)["rank"] == 1


def test_a_moved_run_is_tried_again_at_each_click(make_dock, run_folder, tmp_path, wait_until):
    own, away = tmp_path / "run", tmp_path / "away"
    shutil.copytree(run_folder, own)
    dock = make_dock()
    assert dock.choose_run(own)
    best = dock.run.best
    own.rename(away)
    for _ in range(2):
        dock.score_at(*best)
        assert f"The folder {own} does not exist" in dock.panel.text()
        assert dock.run is None
    assert dock.runs.folders() == [own]
    away.rename(own)
    dock.score_at(*best)
    assert scored(dock, wait_until)["rank"] == 1


def test_a_missing_run_is_replaced_by_another_one_in_the_project(
    make_dock, run_folder, tmp_path, wait_until
):
    project_runs.choose(tmp_path / "gone")
    layer = QgsRasterLayer(str(run_folder / "score.tif"), "score")
    QgsProject.instance().addMapLayer(layer)
    dock = make_dock()
    wait_until(lambda: dock.run is not None)
    assert dock.run.path == run_folder


def test_opening_the_dock_does_not_modify_the_project(make_dock, run_folder, wait_until):
    project = QgsProject.instance()
    project.addMapLayer(QgsRasterLayer(str(run_folder / "score.tif"), "score"))
    project.setDirty(False)
    dock = make_dock()
    wait_until(lambda: dock.run is not None)
    assert not project.isDirty()


def test_stopping_the_engine_ends_pending_requests(dock, wait_until):
    for pid in dock.session.pids:
        os.kill(pid, signal.SIGSTOP)
    dock.score_at(*dock.run.best)
    dock.session.shut_down()
    assert "The engine stopped before it answered" in dock.panel.text()
    dock.score_at(*dock.run.best)
    assert scored(dock, wait_until)["rank"] == 1


def test_a_killed_engine_is_explained_and_restarted(dock, wait_until):
    pids = dock.session.pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    dock.score_at(*dock.run.best)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "killed by the system" in dock.panel.text())
    click(dock, *dock.run.best)
    assert scored(dock, wait_until)["rank"] == 1
    assert skyline_of(dock, wait_until)


def test_a_slow_answer_has_a_waiting_message(dock, wait_until):
    (pid,) = dock.session.pids[:1]
    os.kill(pid, signal.SIGSTOP)
    dock.score_at(*dock.run.best)
    wait_until(lambda: "Scoring the place" in dock.panel.text())
    os.kill(pid, signal.SIGCONT)
    assert scored(dock, wait_until)["rank"] == 1


def test_opening_a_run_does_not_block_the_main_thread(make_dock, run_folder, wait_until):
    dock = make_dock()
    beats = []
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start()
    dock.choose_run(run_folder)
    assert dock.status.text() == "Opening the run…"
    wait_until(lambda: not dock.status.text())
    timer.stop()
    gaps = [after - before for before, after in itertools.pairwise(beats)]
    assert len(beats) > 20
    assert max(gaps) < 0.25  # for a busy computer; `make bench` measures it


def test_going_to_the_nearest_passing_cell_pans_and_scores(dock, wait_until):
    failing = next(lon for lon in range(0, 360, 15) if not passes(dock, wait_until, lon))
    near = dock.panel.explanation["to_pass"]["nearest_passing"]
    assert near is not None, failing
    dock.panel.to_pass.button.click()
    wait_until(
        lambda: (
            dock.panel.explanation and dock.panel.explanation["cell"]["cell_id"] == near["cell_id"]
        )
    )
    assert dock.panel.explanation["to_pass"]["passes"]
    centre = dock.canvas.center()
    assert (centre.x(), centre.y()) == pytest.approx((near["x_m"], near["y_m"]), abs=1.0)


def passes(dock, wait_until, lon):
    before = dock.panel.explanation
    dock.score_at(lon, -89.9)
    wait_until(lambda: dock.panel.explanation not in (None, before))
    return dock.panel.explanation["to_pass"]["passes"]


def test_the_rank_interval_is_added_with_a_style_and_removed(dock, run_folder):
    project = QgsProject.instance()
    dock.switch.setChecked(True)
    (layer,) = project.mapLayers().values()
    assert Path(layer.source()) == run_folder / "rank_interval.tif"
    assert layer.renderer().type() == "singlebandpseudocolor"
    (group,) = project.layerTreeRoot().findGroups()
    assert group.name() == "LunarSite, screen a region: run"
    dock.switch.setChecked(False)
    assert project.mapLayers() == {}


def test_the_rank_interval_uses_an_existing_layer(dock, run_folder):
    project = QgsProject.instance()
    layer = QgsRasterLayer(str(run_folder / "rank_interval.tif"), "mine")
    project.addMapLayer(layer)
    node = project.layerTreeRoot().findLayer(layer.id())
    node.setItemVisibilityChecked(False)
    dock.switch.setChecked(True)
    assert node.isVisible()
    dock.switch.setChecked(False)
    assert list(project.mapLayers().values()) == [layer]
    assert not node.isVisible()


def test_the_rank_interval_is_removed_with_its_run(dock, tmp_path):
    project = QgsProject.instance()
    dock.switch.setChecked(True)
    assert len(project.mapLayers()) == 1
    assert not dock.choose_run(tmp_path)  # which has no run
    assert not dock.switch.isChecked()
    assert project.mapLayers() == {}


def test_the_rank_interval_of_a_saved_project_remains(dock, tmp_path):
    project = QgsProject.instance()
    dock.switch.setChecked(True)
    (layer_id,) = project.mapLayers()
    project.write(str(tmp_path / "p.qgz"))
    project.read(str(tmp_path / "p.qgz"))
    assert not dock.switch.isChecked()
    assert list(project.mapLayers()) == [layer_id]


def test_saved_places_are_compared_and_exported(dock, tmp_path, wait_until):
    click(dock, *dock.run.best)
    skyline_of(dock, wait_until)
    dock.save_place()
    passes(dock, wait_until, 45.0)
    skyline_of(dock, wait_until)
    dock.save_place()
    view = dock.saved_places
    assert [place.name for place in view.places] == ["Place 1", "Place 2"]
    assert view.table.columnCount() == 2
    view.sort_by(1)  # by rank, then in reverse order
    view.sort_by(1)
    assert [place.name for place in view.places] == ["Place 2", "Place 1"]
    view.set_name(1, "Ridge")
    view.copy()
    assert "Ridge" in QGuiApplication.clipboard().text().splitlines()[0]
    view.export(tmp_path / "places.csv")
    rows = list(csv.DictReader((tmp_path / "places.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["name"] for row in rows] == ["Place 2", "Ridge"]
    view.export(tmp_path / "places.gpkg")
    layer = QgsVectorLayer(str(tmp_path / "places.gpkg"), "places")
    found = {feature["name"]: feature for feature in layer.getFeatures()}
    assert found["Ridge"]["rank"] == 1
    assert found["Ridge"]["skyline_illumination_pct"] > 0
    place = view.places[1]
    point_there = found["Ridge"].geometry().asPoint()
    assert (point_there.x(), point_there.y()) == pytest.approx((place.x_m, place.y_m))
    assert moon_crs.named(layer.crs()).authid() == moon_crs.SOUTH_POLAR
    assert map_place.place_at(point_there, layer.crs()).lat_deg == pytest.approx(place.lat_deg)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["places.csv", "places.gpkg"]
    view.table.selectColumn(0)
    view.for_one[2].click()
    assert [place.name for place in from_json(project_runs.saved_places())] == ["Ridge"]
    dock.panel.clear()
    view.table.selectColumn(0)
    view.for_one[0].click()
    assert scored(dock, wait_until)["rank"] == 1


@pytest.mark.parametrize("name", ["places.csv", "places.gpkg"])
def test_an_export_that_cannot_be_written_is_reported(dock, tmp_path, wait_until, name):
    click(dock, *dock.run.best)
    scored(dock, wait_until)
    dock.save_place()
    (tmp_path / "file").touch()
    dock.saved_places.export(tmp_path / "file" / name)
    message = dock.saved_places.message.text()
    assert message.startswith(f"Cannot write to {tmp_path / 'file'}. Choose a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_pdf_is_one_page_and_the_html_has_the_same_content(dock, tmp_path, wait_until):
    click(dock, *dock.run.best)
    skyline_of(dock, wait_until)
    dock.save_report(tmp_path / "site.pdf")
    info = subprocess.run(
        ["/usr/bin/pdfinfo", tmp_path / "site.pdf"], capture_output=True, text=True, check=True
    ).stdout
    assert "Pages:           1\n" in info
    assert "A4" in info
    text = subprocess.run(
        ["/usr/bin/pdftotext", tmp_path / "site.pdf", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    score = dock.panel.headline.score.text()
    for phrase in (f"Score {score}", "Earth visible", dock.run.title, "SHA-256", "Why this score"):
        assert phrase in text
    dock.save_report(tmp_path / "site.html")
    policy = (tmp_path / "site.html").read_text("utf-8").partition("Content-Security-Policy")[2]
    assert policy.startswith("\" content=\"default-src 'none'; img-src data:;")
    page = (tmp_path / "site.html").read_text(encoding="utf-8")
    assert f"Score {score}." in page
    assert page.count("<img ") == page.count('alt="') == 7
    for line in dock.panel.criteria.chart.text().splitlines():
        assert line.replace("'", "&#x27;") in page
    assert "http:" not in page
    assert "https:" not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site.html", "site.pdf"]


def test_a_report_without_score_and_skyline(dock, tmp_path, site_answers):
    answer = site_answers.explain(score=None, rank=None, interval=None, percentile=None)
    dock.panel.show_explanation(answer | {"contributions": []})
    for name in ("site.pdf", "site.html"):
        dock.save_report(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5_000


@pytest.mark.parametrize("shape", [(900, 300), (300, 900), (500, 500)])
def test_the_map_in_the_report_is_not_cropped(qgis_app, tmp_path, site_answers, shape):
    image = QImage(*shape, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    marks = [QColor(name) for name in ("#ff0000", "#00ff00", "#0000ff", "#ff00ff")]
    painter = QPainter(image)
    for k, color in enumerate(marks):
        at = QPoint((k % 2) * (shape[0] - 30), (k // 2) * (shape[1] - 30))
        painter.fillRect(QRect(at, QSize(30, 30)), color)
    painter.end()
    answer = site_answers.explain()
    file = tmp_path / "site.pdf"
    save_report(file, Site(answer, None, image, "Made"))
    subprocess.run(
        ["/usr/bin/pdftoppm", "-r", "100", "-png", "-singlefile", file, tmp_path / "page"],
        check=True,
    )
    page = QImage(str(tmp_path / "page.png"))
    seen = {page.pixel(x, y) for x in range(page.width()) for y in range(page.height())}
    shades = [color.getRgb()[:3] for color in map(QColor.fromRgb, seen)]
    for mark in marks:  # image compression in the PDF changes colours slightly
        assert any(math.dist(mark.getRgb()[:3], shade) < 20 for shade in shades)


def test_a_report_only_has_a_map_that_shows_the_place(dock, tmp_path, site_answers):
    place = map_place.place_of(*dock.run.best)
    cell = {"x_m": place.x_m, "y_m": place.y_m, "size_m": 240.0}
    centre_on(dock, *dock.run.best)
    assert map_picture(dock.canvas, cell) is not None
    north = dock.canvas.extent().height()
    assert map_picture(dock.canvas, cell | {"y_m": place.y_m + 0.4 * north})
    assert not map_picture(dock.canvas, cell | {"y_m": place.y_m + 0.6 * north})
    answer = site_answers.explain()
    dock.panel.show_explanation(answer | {"cell": answer["cell"] | {"x_m": 5e5, "y_m": 5e5}})
    dock.save_report(tmp_path / "site.html")
    assert "It has no map" in dock.status.text()


def test_a_report_that_cannot_be_written_is_reported(dock, tmp_path, site_answers):
    dock.panel.show_explanation(site_answers.explain())
    (tmp_path / "file").touch()
    for name in ("site.pdf", "site.html"):
        dock.save_report(tmp_path / "file" / name)
        assert dock.status.text().startswith(f"Cannot write to {tmp_path / 'file'}")


def test_closing_the_dock_removes_tool_and_marker(dock, wait_until):
    click(dock, *dock.run.best)
    scored(dock, wait_until)
    dock.close()
    assert dock.canvas.mapTool() is not dock.tool
    assert not dock.marker.visible
    assert not dock.click.isChecked()
    dock.show()
    assert dock.marker.visible


def test_the_dock_fits_a_narrow_panel(dock, wait_until):
    click(dock, *dock.run.best)
    skyline_of(dock, wait_until)
    assert dock.minimumSizeHint().width() <= 320
