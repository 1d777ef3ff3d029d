"""Light against Horizons, published places and maps; slopes against gdaldem."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from lunarsite.engine.context import QuietContext
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.grid import Dem
from lunarsite.engine.validation import attributes, light
from lunarsite.engine.validation.checks import Outcome


def test_sun_and_earth_stand_where_horizons_has_them():
    found = light.check_ephemeris()
    assert found.outcome is Outcome.HOLDS
    assert len(found.figures["elevation_deg"]) == 10
    assert max(np.abs(found.figures["elevation_deg"])) < 0.003


@pytest.mark.parametrize(("up", "around"), [(0.01, 0.0), (0.0, 0.05), (0.0, -0.05)])
def test_a_wrong_direction_is_a_failure(monkeypatch, up, around):
    true = light.elevation_azimuth

    def turned(*given):
        elevation, azimuth = true(*given)
        return elevation + up, azimuth + around

    monkeypatch.setattr(light, "elevation_azimuth", turned)
    assert light.check_ephemeris().outcome is Outcome.FAILS


@pytest.fixture(scope="module")
def plain():
    rough = np.random.default_rng(1).normal(0.0, 5.0, (60, 60)).astype(np.float32)
    return Dem.from_array(rough, pixel_m=200.0, x_min_m=1e5, y_max_m=3e4)


def places(dem, **more):
    return light.check_places(
        dem, (), start="2027-01-01", stop="2027-03-01", files=(), context=QuietContext(), **more
    )


def test_coarse_models_do_not_show_the_crests_of_published_places(plain):
    found = places(plain)
    assert found.outcome is Outcome.NOT_RUN
    assert "60 m or finer" in found.finding


def test_models_elsewhere_hold_no_published_place():
    away = Dem.from_array(np.zeros((60, 60)), pixel_m=20.0, x_min_m=1e5, y_max_m=3e4)
    assert "No published place" in places(away).finding


def test_a_map_without_contrast_has_no_correlation():
    flat, rough = np.full(40, 50.0), np.linspace(10.0, 90.0, 40)
    found = light.check_map("illumination", rough, flat, np.linspace(-90.0, -85.0, 40), ())
    assert "nan" not in found.finding
    assert "one of them is the same everywhere" in found.finding
    assert found.figures["correlation"] is None


def test_published_places_on_a_plain_do_not_have_their_light():
    plain = Dem.from_array(np.zeros((1200, 1200)), pixel_m=50.0, x_min_m=-3e4, y_max_m=3e4)
    found = places(plain)
    assert found.outcome is Outcome.FAILS
    assert len(found.figures["places"]) == 4
    assert "spot 3" in found.finding


@pytest.mark.realdata
@pytest.mark.slow
def test_published_places_on_the_real_frame_have_their_light(real):
    dem = read_dem(real / "dem" / "shackleton_ridge_25m.tif")
    far = [read_dem(real / "dem" / "lola_70S_1600m.tif")]
    found = light.check_places(
        dem, far, start="2027-01-01", stop=None, files=(), context=QuietContext()
    )
    assert found.outcome is Outcome.HOLDS


def cells(noise, bias=0.0):
    rng = np.random.default_rng(1)
    latitude = rng.uniform(-90, -80, 500)
    theirs = 40.0 + 15.0 * rng.standard_normal(500)
    return theirs + bias + noise * rng.standard_normal(500), theirs, latitude


def test_a_map_that_agrees_holds():
    found = light.check_map("illumination", *cells(1.0, 0.5), ("map.tif",))
    assert found.outcome is Outcome.HOLDS
    assert found.figures["bias_pct"] == pytest.approx(0.5, abs=0.1)
    assert found.figures["rmse_pct"] == pytest.approx(1.1, abs=0.1)


def test_a_map_that_agrees_no_better_than_latitude_shows_no_skill():
    found = light.check_map("earth_visibility", *cells(14.0), ())
    assert found.outcome is Outcome.NO_SKILL
    assert found.name == "earth-map"


def test_too_few_cells_are_not_compared():
    ours, theirs, latitude = cells(1.0)
    theirs[20:] = np.nan
    found = light.check_map("illumination", ours, theirs, latitude, ())
    assert found.outcome is Outcome.NOT_RUN
    assert "20 cells" in found.finding


@pytest.mark.skipif(shutil.which("gdaldem") is None, reason="gdaldem is not installed")
def test_slopes_are_those_of_gdaldem(plain, tmp_path):
    found = attributes.check("gdaldem", plain, tmp_path, ("dem.tif",))
    assert found.outcome is Outcome.HOLDS
    assert found.figures["worst_deg"] < 1e-3


def test_slopes_of_another_program_that_differ_are_a_failure(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/gdaldem")
    monkeypatch.setattr(attributes, "_of_gdaldem", lambda *_: np.zeros(plain.height_m.shape))
    assert attributes.check("gdaldem", plain, tmp_path, ()).outcome is Outcome.FAILS


def test_a_program_that_fails_is_not_a_failure_of_ours(plain, tmp_path, monkeypatch):
    def failing(*_given, **_more):
        raise subprocess.CalledProcessError(1, "gdaldem", stderr=b"ERROR 1: broken\n")

    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/gdaldem")
    monkeypatch.setattr(subprocess, "run", failing)
    found = attributes.check("gdaldem", plain, tmp_path, ())
    assert found.outcome is Outcome.NOT_RUN
    assert "ERROR 1: broken" in found.finding


@pytest.mark.skipif(importlib.util.find_spec("xdem") is not None, reason="xDEM is installed")
def test_a_missing_program_is_named_with_how_to_get_it(plain, tmp_path, monkeypatch):
    assert "pip install xdem" in attributes.check("xdem", plain, tmp_path, ()).finding
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert "install GDAL" in attributes.check("gdaldem", plain, tmp_path, ()).finding


def test_a_map_of_one_value_has_no_correlation():
    ours, theirs, latitude = cells(1.0)
    found = light.check_map("illumination", ours, np.full_like(theirs, 40.0), latitude, ())
    assert found.outcome is Outcome.NO_SKILL
    assert found.figures["correlation"] is None
    assert "nan" not in found.finding


def answering(monkeypatch, light_pct, days):
    """Let the light of places be these values, one by one."""
    given = iter(zip(light_pct, days, strict=True))

    def answer(*_given, **_more):
        one, other = next(given)
        return SimpleNamespace(illumination_pct=[one], longest_darkness_days=[other])

    monkeypatch.setattr(light, "light_at_places", answer)
    return Dem.from_array(np.zeros((1200, 1200)), pixel_m=50.0, x_min_m=-3e4, y_max_m=3e4)


def test_places_on_unknown_heights_are_left_out(monkeypatch):
    nan = float("nan")
    dem = answering(monkeypatch, [92.55, nan, 93.1, nan], [3.08, nan, 3.0, nan])
    found = places(dem)
    assert [each["place"] for each in found.figures["places"]] == ["spot 3", "CR1"]
    assert found.outcome is Outcome.HOLDS
    dem = answering(monkeypatch, [nan] * 4, [nan] * 4)
    assert places(dem).outcome is Outcome.NOT_RUN


def test_a_place_without_published_darkness_says_so(monkeypatch):
    nan = float("nan")
    found = places(answering(monkeypatch, [nan, nan, 93.1, nan], [nan, nan, 3.0, nan]))
    assert "No longest darkness is published" in found.finding
    assert "nan" not in found.finding


def test_one_place_or_one_darkness_that_is_off_is_a_failure(monkeypatch):
    right = [92.55, 91.94, 93.1, 85.5], [3.08, 3.17, 0.0, 2.75]
    assert places(answering(monkeypatch, *right)).outcome is Outcome.HOLDS
    assert places(answering(monkeypatch, [92.55, 91.94, 93.1, 84.4], right[1])).outcome is (
        Outcome.FAILS
    )
    assert places(answering(monkeypatch, right[0], [3.08, 3.17, 0.0, 3.3])).outcome is Outcome.FAILS


def test_a_map_that_follows_latitude_is_compared_with_latitude():
    rng = np.random.default_rng(2)
    latitude = rng.uniform(-90, -80, 500)
    theirs = 5.0 + 0.06 * (latitude + 90.0) ** 3 + rng.standard_normal(500)
    ours = theirs + 3.0 * rng.standard_normal(500)
    found = light.check_map("illumination", ours, theirs, latitude, ())
    # Within 3 points of a map that spans 60: latitude alone is within 1.
    assert found.figures["rmse_of_latitude_alone_pct"] == pytest.approx(1.0, abs=0.1)
    assert found.figures["correlation"] > 0.95
    assert found.outcome is Outcome.NO_SKILL
