"""Permanent shadow: of the best cells, against catalogued areas, and against images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from lunarsite.engine import moon
from lunarsite.engine.context import QuietContext
from lunarsite.engine.errors import CancelledError, InputError
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring import profiles
from lunarsite.engine.validation import catalogued_shadow, shadow
from lunarsite.engine.validation.checks import Outcome


def shaded_run(share, criteria=None):
    profile = profiles.load("cassa")
    if criteria is not None:
        profile = profile.with_criteria(tuple(profile.criteria[i] for i in criteria))
    return SimpleNamespace(features=pd.DataFrame({"psr_fraction": share}), profile=profile)


def test_a_limit_on_light_rules_shadow_out_by_construction(cap):
    cells = cap(lambda x, _y: x)
    share = np.where(cells.x_m < 0, 1.0, 0.0)
    found = shadow.check_best(cells, shaded_run(share), ("psr.tif",))
    assert found.outcome is Outcome.BY_CONSTRUCTION
    assert "which a place in shadow lacks" in found.finding
    assert found.figures["all_cells_pct"] == pytest.approx(50.0, abs=1.0)


def test_without_such_a_limit_it_is_measured(cap):
    cells = cap(lambda x, _y: x)
    share = np.where(cells.x_m < 0, 1.0, 0.0)
    found = shadow.check_best(cells, shaded_run(share, criteria=[0]), ())
    assert found.outcome is Outcome.MEASURED


def test_shadow_among_the_best_is_a_failure(cap):
    cells = cap(lambda x, _y: x)
    share = np.where(cells.x_m > 110e3, 0.2, 0.0)
    found = shadow.check_best(cells, shaded_run(share), ())
    assert found.outcome is Outcome.FAILS
    assert found.figures["best"]["100"]["in_shadow"] == 100


def test_unknown_shadow_is_not_none(cap):
    cells = cap(lambda x, _y: x)
    missing = np.full(len(cells), np.nan)
    assert shadow.check_best(cells, shaded_run(missing), ()).outcome is Outcome.NOT_RUN
    partly = np.where(cells.x_m > 100e3, np.nan, 0.0)
    found = shadow.check_best(cells, shaded_run(partly), ())
    assert found.figures["best"]["100"]["unknown"] == 100


@pytest.fixture
def disc():
    """Return a layer with a disc of shadow of 300 km² on the ground, and its grid."""
    grid = Grid(-40e3, 40e3, 200.0, 400, 400)
    x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m())
    radius = np.sqrt(300e6 / np.pi) * moon.map_scale(5e3, 5e3)
    return (np.hypot(x - 5e3, y - 5e3) <= radius).astype(np.float32), grid


def catalogue(tmp_path, rows):
    path = tmp_path / "psr.csv"
    path.write_text(
        "Crater Name,Lat (deg),Lon (deg),PSR centroid Lat (deg),Diam (km),PSR Area (km^2)\n" + rows
    )
    return path


def test_areas_are_those_on_the_ground(disc, tmp_path):
    lon, lat = moon.xy_to_lonlat([5e3], [5e3])
    path = catalogue(tmp_path, f"Made,{lat[0]},{lon[0]},0,30,300.0\nNorth,88,0,88,30,100\n")
    found = shadow.check_areas(*disc, catalogued_shadow.read(path), ("psr.tif", "psr.csv"))
    assert found.outcome is Outcome.HOLDS
    (row,) = found.figures["craters"]
    assert row["ratio"] == pytest.approx(1.0, abs=2e-3)
    assert "200 m" in found.finding


def test_other_areas_are_a_failure_and_craters_that_stick_out_are_left_out(disc, tmp_path):
    lon, lat = moon.xy_to_lonlat([5e3, 39e3], [5e3, 0.0])
    path = catalogue(tmp_path, f"Made,{lat[0]},{lon[0]},0,30,400\nEdge,{lat[1]},{lon[1]},0,30,50\n")
    found = shadow.check_areas(*disc, catalogued_shadow.read(path), ())
    assert found.outcome is Outcome.FAILS
    assert found.figures["median_ratio"] == pytest.approx(0.75, abs=2e-3)
    only_edge = catalogue(tmp_path, f"Edge,{lat[1]},{lon[1]},0,30,50\n")
    lacking = shadow.check_areas(*disc, catalogued_shadow.read(only_edge), ())
    assert lacking.outcome is Outcome.NOT_RUN


def test_unknown_ground_inside_a_crater_is_not_lit_ground(disc, tmp_path):
    layer, grid = disc
    layer[150:190, 200:240] = np.nan
    lon, lat = moon.xy_to_lonlat([5e3], [5e3])
    path = catalogue(tmp_path, f"Made,{lat[0]},{lon[0]},0,30,300\n")
    assert shadow.check_areas(layer, grid, catalogued_shadow.read(path), ()).outcome is (
        Outcome.NOT_RUN
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,lon_deg,lat_deg,diameter_km\nA,0,-89,20\n", r"no column psr_area.*columns name"),
        ("name,lon,lat,diam_km,psr_area\nA,0,89,20,5\n", "no crater of the south"),
    ],
)
def test_tables_that_say_too_little_are_refused(tmp_path, text, words):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        catalogued_shadow.read(path)


@pytest.fixture(scope="module")
def patches():
    """Return shadow in patches on 160 × 160 pixels."""
    rng = np.random.default_rng(1)
    rough = ndimage.gaussian_filter(rng.standard_normal((160, 160)), 5.0)
    return (rough > np.quantile(rough, 0.9)).astype(np.float32)


def compared(image, patches):
    return shadow.check_image(
        image.astype(np.float32), patches, seed=1, pixel_m=50.0, files=(), context=QuietContext()
    )


def test_an_image_that_is_dark_in_shadow_shows_skill(patches):
    rng = np.random.default_rng(2)
    found = compared(100.0 - 60.0 * patches + 20.0 * rng.standard_normal(patches.shape), patches)
    assert found.outcome is Outcome.HOLDS
    assert found.figures["base_rate"] == pytest.approx(0.1, abs=0.01)
    assert found.figures["lift"] > 5.0
    assert found.figures["null_lift_interval"][1] < found.figures["lift"]


def test_an_image_of_other_patches_shows_none(patches):
    rng = np.random.default_rng(3)
    other = ndimage.gaussian_filter(rng.standard_normal(patches.shape), 5.0)
    found = compared(other, patches)
    assert found.outcome is Outcome.NO_SKILL
    # Nine of ten pixels agree all the same: the base rate does that.
    assert found.figures["agreement"] > 0.75


def test_shadow_everywhere_tells_nothing_apart(patches):
    found = compared(np.ones(patches.shape), np.ones_like(patches))
    assert found.outcome is Outcome.NOT_RUN
    assert "everywhere" in found.finding


def test_places_whose_shadow_is_unknown_are_not_counted_as_lit(cap):
    cells = cap(lambda x, _y: x)
    best = cells.order
    share = np.zeros(len(cells))
    share[best[:40]] = np.nan
    found = shadow.check_best(cells, shaded_run(share), ())
    assert "0 of 60, 0 of 460, 0 of 960 of the best" in found.finding
    assert "Of 40 of the best it is unknown" in found.finding
    share[best[:1000]] = np.nan
    lacking = shadow.check_best(cells, shaded_run(share), ())
    assert lacking.outcome is Outcome.NOT_RUN
    assert "unknown" in lacking.finding


@pytest.mark.parametrize(
    ("feature", "sense", "threshold", "excludes"),
    [
        ("avg_illumination_pct", "at_least", 33.0, True),
        ("avg_illumination_pct", "at_least", 0.0, False),
        ("avg_illumination_pct", "at_most", 33.0, False),
        ("psr_fraction", "at_most", 0.0, True),
        ("psr_fraction", "at_least", 0.1, False),
        ("slope_mean_deg", "at_most", 5.0, False),
    ],
)
def test_only_limits_that_ask_for_light_rule_shadow_out(feature, sense, threshold, excludes):
    assert shadow._excludes_shadow(feature, sense, threshold) is excludes


def test_craters_of_less_than_a_pixel_are_left_out(disc, tmp_path):
    lon, lat = moon.xy_to_lonlat([5000.0], [5000.0])
    path = catalogue(tmp_path, f"Small,{lat[0]},{lon[0]},0,0.1,0.01\n")
    assert shadow.check_areas(*disc, catalogued_shadow.read(path), ()).outcome is Outcome.NOT_RUN


def test_shadow_that_misses_the_image_wherever_it_is_shifted_is_not_compared():
    image, layer = np.full((20, 20), np.nan), np.zeros((20, 20), np.float32)
    image[9:11, 9:11] = [[1.0, 2.0], [3.0, 4.0]]
    layer[9, 9] = 1.0
    found = compared(image, layer)
    assert found.outcome is Outcome.NOT_RUN
    assert "nan" not in found.finding


def test_shifts_can_be_cancelled(patches):
    context = QuietContext()
    context.cancelled.set()
    with pytest.raises(CancelledError):
        shadow.check_image(patches, patches, seed=1, pixel_m=50.0, files=(), context=context)


def test_an_image_of_other_ground_is_told_from_ground_without_shadow():
    shaded = np.eye(20, dtype=np.float32)
    missing = np.full((20, 20), np.nan, np.float32)
    found = compared(missing, shaded)
    assert found.outcome is Outcome.NOT_RUN
    assert "give an image that overlaps it" in found.finding


def test_craters_are_circles_of_half_their_diameter_on_the_map(tmp_path):
    lon, lat = moon.xy_to_lonlat([5e3], [5e3])
    read = catalogued_shadow.read(catalogue(tmp_path, f"Made,{lat[0]},{lon[0]},0,30,300.0\n"))
    assert read.radius_m[0] == pytest.approx(15e3 * moon.map_scale(5e3, 5e3), rel=1e-3)
    assert (read.x_m[0], read.y_m[0]) == pytest.approx((5e3, 5e3), abs=20.0)
