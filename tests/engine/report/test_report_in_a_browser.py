"""The report's map in a real browser: a click is answered as ``explain`` answers."""

from __future__ import annotations

import re

import geopandas as gpd
import pytest
from support import chromium

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no Chromium"),
]

ANSWER = "document.getElementById('asked-answer').textContent"


@pytest.fixture(scope="module")
def folder(small_run):
    return small_run


@pytest.fixture
def browser(tmp_path):
    made = chromium.Browser(tmp_path / "profile")
    yield made
    made.close()
    assert made.errors == []


def explained(folder, lon, lat):
    given = {"run": str(folder), "lon": lon, "lat": lat}
    return stages.load("explain").run(given, Context(threads=1))


def says(browser, folder, lon, lat):
    """Check that the page answers for a place as ``explain`` does."""
    told, text = explained(folder, lon, lat), browser.value(ANSWER)
    assert f"Rank {told['rank']:,} of {told['cells']:,}" in text
    lon, east, lat = re.search(r"at ([\d.]+)° ([EW]), ([\d.]+)° S", text).groups()
    shown = moon.lonlat_to_xy(float(lon) * (1 if east == "E" else -1), -float(lat))
    disc = told["disc"]
    assert shown == pytest.approx(moon.lonlat_to_xy(disc["lon_deg"], disc["lat_deg"]), abs=10.0)
    suitability = re.search(r"suitability ([\d.]+(?:e−?\d+)?)", text)[1].replace("−", "-")
    assert float(suitability) == pytest.approx(told["score"], rel=0.06, abs=6e-4)
    low, high = told["interval"]
    assert f"{low:,} to {high:,}" in text
    for margin in told["margins"]:
        assert f"{margin['value']:.2f}" in text
        sign = "−" if margin["margin"] < 0 else "+"
        assert f"{sign}{abs(margin['margin']):.2f}" in text
    assert text.count("not met") == sum(not margin["holds"] for margin in told["margins"])
    for reason in told["contributions"]:
        assert reason["title"] in text
    strongest = told["contributions"][0]
    sign = "−" if strongest["contribution"] < 0 else "+"
    assert f"{sign}{abs(100 * strongest['contribution']):.1f}" in text


def test_a_click_is_answered_as_explain_answers(browser, folder, tmp_path):
    browser.open((folder / "report.html").as_uri())
    browser.value("document.getElementById('score-map').scrollIntoView()")
    where = browser.value(
        "(() => {const b = document.getElementById('score-map').getBoundingClientRect(); "
        "return [b.left, b.top, b.width, b.height]})()"
    )
    assert not browser.value("document.getElementById('asked').hidden")
    browser.click(where[0] + 0.45 * where[2], where[1] + 0.45 * where[3])
    browser.wait(f"/Rank|No score/.test({ANSWER})")
    lon = float(browser.value("document.getElementById('asked-form').elements.lon.value"))
    lat = float(browser.value("document.getElementById('asked-form').elements.lat.value"))
    says(browser, folder, lon, lat)
    # The next one is answered at once.
    browser.click(where[0] + 0.55 * where[2], where[1] + 0.5 * where[3])
    assert browser.wait(f"/Rank|No score/.test({ANSWER})") < 0.5
    browser.picture(tmp_path / "page.png")


def test_a_place_in_the_address_is_answered_and_arrows_move(browser, folder):
    best = explained_best(folder)
    browser.open(f"{(folder / 'report.html').as_uri()}#cell={best[0]},{best[1]}")
    browser.wait(f"/Rank/.test({ANSWER})")
    says(browser, folder, *best)
    before = browser.value(ANSWER)
    browser.value("document.getElementById('asked-near').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight")
    browser.wait(f"{ANSWER} !== {before!r}")


def explained_best(folder):
    best = gpd.read_file(folder / "sites.gpkg", layer="sites").iloc[0]
    return float(best["lon_deg"]), float(best["lat_deg"])


def test_places_beside_the_run_and_nonsense_are_told(browser, folder):
    browser.open(f"{(folder / 'report.html').as_uri()}#cell=10,-60")
    browser.wait(f"/No cell/.test({ANSWER})")
    browser.value(
        "(() => {const f = document.getElementById('asked-form'); f.elements.lat.value = 'x'; "
        "f.requestSubmit()})()"
    )
    browser.wait(f"/Write degrees/.test({ANSWER})")


@pytest.mark.parametrize("place", ["1.2.3,-89", "0,95", "0,-91", "x,-89"])
def test_an_address_without_a_place_of_the_south_is_told(browser, folder, place):
    browser.open(f"{(folder / 'report.html').as_uri()}#cell={place}")
    browser.wait(f"/Write degrees/.test({ANSWER})")


def test_an_address_with_an_encoded_comma_is_answered(browser, folder):
    lon, lat = explained_best(folder)
    browser.open(f"{(folder / 'report.html').as_uri()}#cell={lon}%2C{lat}")
    browser.wait(f"/Rank/.test({ANSWER})")


@pytest.mark.parametrize(("lon", "lat"), [(0.0, -90.0), (-137.3, -89.45), (10.0, -80.0)])
def test_places_come_back_from_the_map(browser, folder, lon, lat):
    browser.open(f"{(folder / 'report.html').as_uri()}#cell={lon},{lat}")
    browser.wait(f"/Rank|No/.test({ANSWER})")
    form = "document.getElementById('asked-form').elements"
    assert float(browser.value(f"{form}.lat.value")) == pytest.approx(lat, abs=1e-4)
    if lat > -90.0:
        assert float(browser.value(f"{form}.lon.value")) == pytest.approx(lon, abs=1e-4)
