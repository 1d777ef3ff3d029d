"""Published sites: percentiles among like ground, and sites found inside regions."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from lunarsite.engine import moon
from lunarsite.engine.validation import published_sites
from lunarsite.engine.validation.checks import Outcome
from lunarsite.engine.validation.regions import Regions


def points(x, y):
    return gpd.GeoDataFrame(
        {"name": [f"P{i}" for i in range(len(x))]},
        geometry=gpd.GeoSeries.from_xy(x, y, crs=moon.SOUTH_POLAR),
    )


def ranks(cells, run, at, draws=199):
    return published_sites.check_ranks(cells, run, at, draws=draws, seed=1, files=("s.csv",))


def test_sites_on_the_best_cells_have_high_percentiles(cap, as_run):
    rng = np.random.default_rng(1)
    cells = cap(lambda x, _y: rng.standard_normal(x.size))
    best = cells.order[:12]
    found = ranks(cells, as_run(cells), points(cells.x_m[best], cells.y_m[best]))
    assert found.outcome is Outcome.HOLDS
    assert found.figures["median_percentile"] > 99.0
    assert found.figures["among_like_latitude_and_slope"]["p"] == pytest.approx(0.005)


def test_sites_anywhere_have_no_skill(cap, as_run):
    rng = np.random.default_rng(2)
    cells = cap(lambda x, _y: rng.standard_normal(x.size))
    anywhere = rng.choice(len(cells), 40, replace=False)
    found = ranks(cells, as_run(cells), points(cells.x_m[anywhere], cells.y_m[anywhere]))
    assert found.outcome is Outcome.NO_SKILL
    assert 30.0 < found.figures["median_percentile"] < 70.0


def test_a_score_of_latitude_is_no_skill_among_like_latitudes(cap, as_run):
    rng = np.random.default_rng(3)
    cells = cap(lambda x, y: -np.hypot(x, y) + 10.0 * rng.standard_normal(x.size))
    near = np.flatnonzero(np.hypot(cells.x_m, cells.y_m) < 25e3)
    chosen = rng.choice(near, 25, replace=False)
    found = ranks(cells, as_run(cells), points(cells.x_m[chosen], cells.y_m[chosen]))
    assert found.figures["median_percentile"] > 95.0
    assert found.outcome is Outcome.NO_SKILL


def test_too_few_sites_are_not_checked(cap, as_run):
    cells = cap(lambda x, _y: x)
    found = ranks(cells, as_run(cells), points([0.0, 1e6], [0.0, 1e6]))
    assert found.outcome is Outcome.NOT_RUN
    assert "Only 1 of the 2 sites" in found.finding


def test_percentiles_within_a_class_run_from_zero_to_a_hundred():
    of_class = np.array([0, 0, 0, 1, 1])
    found = published_sites._percentile_within(np.array([3.0, 1.0, 2.0, 9.0, 8.0]), of_class)
    assert found.tolist() == [100.0, 0.0, 50.0, 100.0, 0.0]


def found_inside(cells, run, polygons, at, quiet, draws=60):
    return published_sites.check_found(
        cells, run, polygons, at, draws=draws, seed=1, files=(), context=quiet
    )


def test_sites_that_stand_on_the_best_cells_are_found(cap, as_run, three, quiet):
    peaks = np.array([[21e3, 21e3], [33e3, 33e3], [-79e3, 11e3], [-67e3, 23e3]])

    def score(x, y):
        return -np.min(np.hypot(x[:, None] - peaks[:, 0], y[:, None] - peaks[:, 1]), axis=1)

    cells = cap(score)
    found = found_inside(cells, as_run(cells), three, points(*peaks.T), quiet)
    assert found.figures["of_them_found"] == found.figures["published"] == 4
    assert found.figures["of_them_published"] == found.figures["sites"] == 4
    assert {row["region"] for row in found.figures["by_region"]} == {"near", "middle"}


def test_only_cells_that_meet_every_criterion_become_sites(cap, as_run, three, quiet):
    cells = cap(lambda x, _y: x)
    run = as_run(cells, passes=np.zeros(len(cells), bool))
    found = found_inside(cells, run, three, points([27e3], [27e3]), quiet)
    assert found.outcome is Outcome.NOT_RUN


def test_spaced_places_keep_their_distance():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-2e4, 2e4, (2, 400))
    directions = published_sites._directions(x, y)
    chosen = published_sites._spaced(directions, 50)
    gap = np.linalg.norm(chosen[:, None] - chosen[None], axis=-1)[~np.eye(len(chosen), dtype=bool)]
    assert 2.0 * moon.RADIUS_M * np.arcsin(gap.min() / 2.0) >= published_sites.SPACING_M
    assert len(chosen) == 50


def test_cells_of_one_score_share_their_percentile_and_a_lone_one_is_in_the_middle():
    of_class = np.array([0, 0, 0, 0, 1])
    found = published_sites._percentile_within(np.array([2.0, 2.0, 1.0, 2.0, 9.0]), of_class)
    assert found == pytest.approx([200 / 3, 200 / 3, 0.0, 200 / 3, 50.0])
    same = published_sites._percentile_within(np.zeros(7), np.zeros(7, np.int64))
    assert same.tolist() == [50.0] * 7


def test_random_cells_are_of_the_classes_that_are_wanted():
    rng = np.random.default_rng(1)
    of_class = rng.permutation(np.repeat(np.arange(5), (3, 40, 1, 20, 7)))
    wanted = np.array([2, 4, 4, 0])
    drawn = published_sites._random_like(of_class, wanted, 300, rng)
    assert (of_class[drawn] == wanted).all()
    assert np.unique(drawn[:, 1]).size == 7


def test_published_sites_anywhere_in_a_region_are_not_found_better_than_at_random(
    cap, as_run, quiet
):
    rng = np.random.default_rng(4)
    cells = cap(lambda x, _y: rng.standard_normal(x.size))
    whole = Regions(("whole",), (shapely.box(-6e4, -6e4, 6e4, 6e4),))
    x, y = rng.uniform(-6e4, 6e4, (2, 10))
    found = found_inside(cells, as_run(cells), whole, points(x, y), quiet)
    assert found.outcome is Outcome.NO_SKILL
    low, high = found.figures["null_interval_published"]
    assert low < high
    assert found.figures["p_published"] > 0.05


def test_published_sites_on_the_best_cells_are_found_better_than_at_random(cap, as_run, quiet):
    rng = np.random.default_rng(5)
    cells = cap(lambda x, _y: rng.standard_normal(x.size))
    whole = Regions(("whole",), (shapely.box(-6e4, -6e4, 6e4, 6e4),))
    within = cells.order[shapely.contains_xy(whole.shapes[0], cells.x_m, cells.y_m)[cells.order]]
    best = within[:10]
    found = found_inside(
        cells, as_run(cells), whole, points(cells.x_m[best], cells.y_m[best]), quiet
    )
    assert found.outcome is Outcome.HOLDS
    assert found.figures["p_published"] == pytest.approx(1 / 61, abs=1e-4)
