"""The app: what its page shows of a finished run, and how it starts."""

from __future__ import annotations

import json
import os
import re
import socket

import numpy as np
import pytest

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, MissingDependencyError, ParameterError
from lunarsite.engine.frontends import app_command, app_map, cli
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring import finished_run
from lunarsite.engine.scoring.finished_run import open_run

pytest.importorskip("streamlit", reason="the group app is not installed")
testing = pytest.importorskip("streamlit.testing.v1")

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Streamlit and shap


@pytest.fixture(scope="module")
def folder(small_run):
    return small_run


@pytest.fixture
def page(folder, monkeypatch):
    settings = {"run": str(folder), "dem": str(folder.parent / "dem.tif")}
    monkeypatch.setenv(app_command.SETTINGS, json.dumps(settings))
    made = testing.AppTest.from_file(str(app_command.SCRIPT), default_timeout=120)
    made.run()
    assert not made.exception
    return made


def words(page):
    listed = [*page.markdown, *page.subheader, *page.caption, *page.info, *page.warning]
    return " ".join(str(each.value) for each in listed)


def test_the_page_opens_at_the_best_place(page, folder):
    run = open_run(folder, Context())
    best = run.features.iloc[int(np.nanargmin(run.scores["rank"]))]
    assert f"{best['lon_deg']:.4f}°" in words(page)
    assert page.metric[0].value == "1"
    assert len(page.table[0].value) == len(run.profile.criteria)


def test_another_place_is_answered_as_explain_answers(page, folder):
    run = open_run(folder, Context())
    cell = run.features.iloc[len(run.features) // 2]
    lon, lat = float(cell["lon_deg"]), float(cell["lat_deg"])
    page.number_input[0].set_value(lon)
    page.number_input[1].set_value(lat)
    page.button[0].click().run()
    assert not page.exception
    told = stages.load("explain").run({"run": str(folder), "lon": lon, "lat": lat}, Context())
    assert page.metric[0].value == f"{told['rank']:,}"
    assert page.metric[0].label == f"Rank of {told['cells']:,}"
    assert page.metric[1].value == f"{told['score']:.3f}"
    shown = page.table[0].value
    for margin in told["margins"]:
        assert any(f"{margin['value']:.2f}" in str(value) for value in shown["Value"])


def test_warnings_of_the_run_are_shown(page, folder):
    warnings = json.loads((folder / "manifest.json").read_text())["warnings"]
    assert warnings
    for warning in warnings:
        assert warning in words(page)


def test_a_place_beside_the_run_is_told(page):
    page.number_input[1].set_value(-60.0)
    page.button[0].click().run()
    assert not page.exception
    assert "outside" in words(page)


def test_the_checks_are_shown_on_request(page):
    page.toggle[1].set_value(True).run()
    assert not page.exception
    claims = page.dataframe[-1].value["claim"]
    assert any("JPL Horizons" in claim for claim in claims)


def test_the_skyline_is_drawn_on_request(page):
    before = len(page.get("image"))
    page.toggle[0].set_value(True).run()
    assert not page.exception
    assert len(page.get("image")) == before + 1


def test_without_the_elevation_model_the_page_says_how_to_give_it(folder, monkeypatch):
    monkeypatch.setenv(app_command.SETTINGS, json.dumps({"run": str(folder), "dem": None}))
    made = testing.AppTest.from_file(str(app_command.SCRIPT), default_timeout=120).run()
    assert not made.exception
    assert "--dem FILE" in words(made)


def test_a_click_on_the_image_is_the_place_on_the_map():
    grid = Grid(-20e3, 10e3, 1000.0, 30, 20)
    made = app_map.CellMap(np.zeros((400, 600, 3), np.uint8), grid)
    lon, lat = made.place(299.5, 199.5, 600, 400)
    x, y = moon.lonlat_to_xy(lon, lat)
    assert (float(x), float(y)) == pytest.approx((-5e3, 0.0), abs=1.0)
    # Shown at half the size, the same pixel is the same place.
    half = moon.lonlat_to_xy(*made.place(149.5, 99.5, 300, 200))
    assert half == pytest.approx((-5e3, 0.0), abs=60.0)


def test_the_ring_is_around_its_place():
    grid = Grid(-20e3, 10e3, 1000.0, 30, 20)
    made = app_map.CellMap(np.full((400, 600, 3), 100, np.uint8), grid)
    lon, lat = moon.xy_to_lonlat(2e3, -3e3)
    row, column = np.nonzero((made.marked(float(lon), float(lat)) == 255).all(axis=-1))
    assert (row.mean(), column.mean()) == pytest.approx((259.5, 439.5), abs=0.6)
    assert (made.pixels == 100).all()


def test_the_map_of_a_run_has_bright_and_dark_scores(folder):
    run = open_run(folder, Context())
    made = app_map.cell_map(folder, run)
    assert made.pixels.shape[0] >= 500
    assert np.ptp(made.pixels.astype(int), axis=(0, 1)).min() > 60


@pytest.mark.parametrize(
    ("words_", "error", "text"),
    [
        (["--port", "x"], ParameterError, "--port is 'x'"),
        (["--port", "65536"], ParameterError, "--port is '65536', no number from 1 to 65535"),
        (["--port", "-1"], ParameterError, "--port is '-1'"),
        (["--dem", "nothing.tif"], ParameterError, "there is no file nothing.tif"),
    ],
)
def test_wrong_options_are_told_before_a_server_starts(folder, capsys, words_, error, text):
    assert cli.main(["app", str(folder), *words_]) == cli.USER_ERROR
    assert text in capsys.readouterr().err
    assert issubclass(error, Exception)


def test_a_port_that_is_taken_is_told_before_an_address_is(folder, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert cli.main(["app", str(folder), "--no-browser", "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"Port {port} cannot be used: Address already in use" in told
    assert "give another one" in told
    assert "The app is at" not in told


def test_a_folder_without_a_run_is_told(tmp_path, capsys):
    assert cli.main(["app", str(tmp_path)]) == cli.USER_ERROR
    assert "holds no finished run" in capsys.readouterr().err
    assert issubclass(InputError, Exception)


def test_missing_packages_are_named_with_how_to_get_them(folder, monkeypatch, capsys):
    monkeypatch.setattr(app_command.importlib.util, "find_spec", lambda _name: None)
    assert cli.main(["app", str(folder)]) == cli.USER_ERROR
    told = capsys.readouterr().err
    assert re.search(r"streamlit and .*make setup GROUPS=app", told)
    assert issubclass(MissingDependencyError, Exception)


def test_a_run_that_was_made_again_is_shown_anew(page, folder, monkeypatch):
    opened = []

    def counted(*given):
        opened.append(given)
        return open_run(*given)

    monkeypatch.setattr(finished_run, "open_run", counted)
    page.run()
    assert not opened
    before = (folder / "manifest.json").stat()
    os.utime(folder / "manifest.json", ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    page.run()
    assert not page.exception
    assert len(opened) == 1
