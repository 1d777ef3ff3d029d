"""Candidate regions: a known enrichment is found, shuffled scores show none."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from scipy import stats

from lunarsite.engine.io.grid import Grid
from lunarsite.engine.validation import regions
from lunarsite.engine.validation.checks import Outcome
from lunarsite.engine.validation.regions import Regions


def inside(polygons, x, y):
    return np.any([shapely.contains_xy(shape, x, y) for shape in polygons.shapes], axis=0)


def check(cells, polygons, quiet, rotations=199, seed=1):
    return regions.check(
        cells, polygons, rotations=rotations, seed=seed, files=("r.gpkg",), context=quiet
    )


def test_the_numbers_of_best_cells_are_no_more_than_a_fifth(cap):
    whole = cap(lambda x, _y: x)
    assert whole.tops == (100, 500, 1000)
    few = type(whole)(whole.grid, *(getattr(whole, n)[:640] for n in whole.__slots__[1:]))
    assert few.tops == (100,)
    tiny = type(whole)(whole.grid, *(getattr(whole, n)[:40] for n in whole.__slots__[1:]))
    assert tiny.tops == (4,)


def test_labels_are_of_the_cells_whose_centres_lie_inside(cap, three):
    cells = cap(lambda x, _y: x)
    label = three.labels(cells.grid)[cells.row, cells.column]
    for number, shape in enumerate(three.shapes):
        assert ((label == number) == shapely.contains_xy(shape, cells.x_m, cells.y_m)).all()


def test_a_rotation_keeps_the_distance_from_the_pole(cap, three):
    cells = cap(lambda x, _y: x)
    turned = three.labels(cells.grid, 90.0)
    own = three.labels(cells.grid)
    radius = np.hypot(*np.meshgrid(cells.grid.column_x_m(), cells.grid.row_y_m()))
    for number in range(3):
        assert radius[turned == number].mean() == pytest.approx(
            radius[own == number].mean(), rel=1e-3
        )
        assert not (turned[own == number] == number).any()
    assert (three.labels(cells.grid, 360.0) == own).all()


def test_best_cells_inside_regions_are_found_to_be_so(cap, three, quiet):
    rng = np.random.default_rng(1)
    cells = cap(lambda x, y: rng.standard_normal(x.size) + 1.5 * inside(three, x, y))
    found = check(cells, three, quiet)
    best = found.figures["tops"]["100"]
    assert found.outcome is Outcome.HOLDS
    assert best["lift"] > 5.0
    assert best["lift_interval"][0] < best["lift"] < best["lift_interval"][1]
    assert best["rotated"]["p"] == best["matched"]["p"] == pytest.approx(0.005)
    assert best["rotated"]["lift_interval"][1] < best["lift"]
    assert "lift" in found.finding
    assert found.files == ("r.gpkg",)


def test_a_score_of_latitude_alone_shows_no_skill(cap, quiet):
    ring = [shapely.box(-8e3, 40e3, 8e3, 56e3), shapely.box(40e3, -8e3, 56e3, 8e3)]
    polygons = Regions(("north", "east"), tuple(ring))
    rng = np.random.default_rng(2)
    cells = cap(lambda x, y: -np.abs(np.hypot(x, y) - 48e3) + 4e3 * rng.standard_normal(x.size))
    found = check(cells, polygons, quiet)
    best = found.figures["tops"]["100"]
    # Twice as many as on all ground, since both lie at one latitude: both nulls know that.
    assert best["lift"] > 1.5
    assert found.outcome is Outcome.NO_SKILL
    assert best["rotated"]["p"] > 0.05
    assert best["matched"]["p"] > 0.05


def test_p_values_of_shuffled_scores_are_uniform(cap, three, quiet):
    drawn = {"rotated": [], "matched": []}
    whole = cap(lambda x, _y: x)
    rotated = list(three.rotated(whole, 99))
    for seed in range(30):
        cells = cap(lambda x, _y, seed=seed: np.random.default_rng(seed).random(x.size))
        best = regions.check(
            cells, three, rotations=99, seed=seed, files=(), context=quiet, rotated=rotated
        ).figures["tops"]
        for null, found in drawn.items():
            found.append(best["1000"][null]["p"])
    for found in drawn.values():
        # Ties count as as large, so p is a little high, never low.
        assert stats.kstest(found, "uniform", alternative="greater").pvalue > 0.01
        assert np.mean(found) == pytest.approx(0.5, abs=0.15)


def test_ground_farther_from_the_pole_than_the_regions_is_left_out(cap, three, quiet):
    near = Regions(("near",), three.shapes[:1])
    reach = np.hypot(34e3, 34e3)
    assert near.reach_m() == pytest.approx(reach)
    rng = np.random.default_rng(6)

    def score(x, y):
        far = np.hypot(x, y) > 100e3  # better ground, far from the regions
        return rng.standard_normal(x.size) + 9.0 * far + 4.0 * inside(near, x, y)

    cells = cap(score)
    options = {"rotations": 99, "seed": 1, "files": (), "context": quiet}
    everywhere = regions.check(cells, near, **options)
    assert everywhere.figures["tops"]["100"]["inside"] == 0
    found = regions.check_near(cells, near, **options)
    assert found.name == regions.NAME_NEAR
    assert found.outcome is Outcome.HOLDS
    assert found.figures["scored_cells"] == (np.hypot(cells.x_m, cells.y_m) <= reach).sum()
    assert (
        regions.check_near(
            cells, Regions(("whole",), (shapely.Point(0, 0).buffer(2e5),)), **options
        )
        is None
    )


def test_each_region_has_its_own_lift(cap, three, quiet):
    rng = np.random.default_rng(4)
    near = three.shapes[0]
    cells = cap(lambda x, y: rng.standard_normal(x.size) + 4.0 * shapely.contains_xy(near, x, y))
    rows = {row["region"]: row for row in check(cells, three, quiet).figures["by_region"]}
    assert rows["near"]["lift"] > 5.0
    assert rows["near"]["p_matched"] < 0.05
    assert rows["far"]["lift"] < 3.0
    assert rows["far"]["p_matched"] > 0.05


def test_the_same_seed_gives_the_same_figures(cap, three, quiet):
    cells = cap(lambda x, y: np.sin(x / 5e3) + np.cos(y / 8e3))
    assert check(cells, three, quiet).as_dict() == check(cells, three, quiet).as_dict()
    other = check(cells, three, quiet, seed=2).as_dict()
    assert other["figures"]["tops"] != check(cells, three, quiet).as_dict()["figures"]["tops"]


def test_regions_beside_the_cells_are_not_checked(cap, quiet):
    away = Regions(("away",), (shapely.box(500e3, 0, 510e3, 10e3),))
    found = check(cap(lambda x, _y: x), away, quiet)
    assert found.outcome is Outcome.NOT_RUN
    assert "overlap the run" in found.finding


def test_a_part_of_the_cap_is_told_to_make_a_weak_null(cap, three, quiet):
    whole = cap(lambda x, y: np.sin(x / 5e3) * np.cos(y / 7e3))
    part = np.flatnonzero((whole.x_m > 0) & (whole.y_m > 0) & (whole.x_m < 4e4))
    cut = type(whole)(whole.grid, *(getattr(whole, name)[part] for name in whole.__slots__[1:]))
    near = Regions(("near",), three.shapes[:1])
    found = check(cut, near, quiet)
    assert "that null is weak" in found.finding
    assert found.figures["rotations_on_the_cells"] < 199


def test_rotations_that_miss_the_cells_count_neither_way(cap, three, quiet):
    whole = cap(lambda x, y: np.sin(x / 5e3) * np.cos(y / 7e3))
    near = Regions(("near",), three.shapes[:1])
    part = whole.kept((whole.x_m > 0) & (whole.y_m > 0) & (whole.x_m < 4e4) & (whole.y_m < 4e4))
    found = check(part, near, quiet)
    met = found.figures["rotations_on_the_cells"]
    assert 0 < met < 99
    best = next(iter(found.figures["tops"].values()))
    # With every rotation on the cells, one region is hit: none hits more, so p is about 1.
    assert best["regions_hit"] == 1
    assert best["rotated"]["p_regions_hit"] > 0.5
    assert best["rotated"]["regions_hit_median"] == 1.0


def test_where_no_rotation_meets_the_cells_nothing_is_excluded(cap, quiet):
    whole = cap(lambda x, _y: x)
    near = Regions(("near",), (shapely.box(20e3, 0, 24e3, 4e3),))
    part = whole.kept(
        inside(Regions(("a",), (shapely.box(20e3, -4e3, 26e3, 6e3),)), whole.x_m, whole.y_m)
    )
    found = regions.check(part, near, rotations=1, seed=1, files=(), context=quiet)
    assert found.figures["rotations_on_the_cells"] == 0
    assert found.figures["curve"]["rotated_middle"] == [None] * len(found.figures["curve"]["cells"])
    best = next(iter(found.figures["tops"].values()))
    assert best["rotated"]["p"] == 1.0
    assert best["rotated"]["regions_hit_median"] is None
    assert found.outcome is Outcome.NO_SKILL
    assert "? to ?" in found.finding


def test_regions_without_cells_leave_the_columns_of_the_others(cap, three, quiet):
    away = Regions(("away", *three.names), (shapely.box(5e5, 0, 6e5, 1e4), *three.shapes))
    rows = check(cap(lambda x, _y: x), away, quiet).figures["by_region"]
    assert [row["region"] for row in rows] == list(away.names)
    assert len({tuple(row) for row in rows}) == 1
    assert rows[0]["cells"] == 0
    assert rows[0]["lift"] is None


def test_a_region_smaller_than_a_cell_is_told_from_one_elsewhere(cap, quiet):
    tiny = Regions(("tiny",), (shapely.box(100.0, 100.0, 110.0, 110.0),))
    cells = cap(lambda x, _y: x)
    found = regions.check(cells, tiny, rotations=99, seed=1, files=(), context=quiet)
    assert "larger than its cells of 2000 m" in found.finding


def test_many_regions_keep_their_numbers():
    """A layer without names has one for each polygon; sixteen bits do not number all of them."""
    count = 33_000
    squares = shapely.box(np.arange(count), 0.0, np.arange(1, count + 1), 1.0)
    many = Regions(tuple(map(str, range(count))), tuple(squares))
    assert many.labels(Grid(0.0, 1.0, 1.0, count, 1))[0].tolist() == list(range(count))


@pytest.mark.parametrize(
    ("p", "outcome"),
    [
        ([(0.01, 0.01), (0.04, 0.01)], Outcome.HOLDS),
        ([(0.01, 0.01), (0.06, 0.01)], Outcome.MEASURED),
        ([(0.01, 0.06), (0.01, 0.01)], Outcome.MEASURED),
        ([(0.01, 0.06), (0.06, 0.01)], Outcome.NO_SKILL),
    ],
)
def test_the_claim_holds_where_both_nulls_are_excluded_at_every_number(p, outcome):
    found = {
        str(n): {"rotated": {"p": one}, "matched": {"p": other}} for n, (one, other) in enumerate(p)
    }
    assert regions._outcome(found) is outcome


def test_the_finding_and_the_curve_are_the_counts_of_cells(cap, three, quiet):
    rng = np.random.default_rng(8)
    cells = cap(lambda x, y: rng.standard_normal(x.size) + 1.5 * inside(three, x, y))
    found = check(cells, three, quiet)
    held = inside(three, cells.x_m, cells.y_m)
    base = held.mean()
    for count in cells.tops:
        best = found.figures["tops"][str(count)]
        assert best["inside"] == held[cells.order[:count]].sum()
        low, high = (lift * count * base for lift in best["rotated"]["lift_interval"])
        assert f"with rotated regions {low:.0f} to {high:.0f}, p" in found.finding
        low, high = (lift * count * base for lift in best["matched"]["lift_interval"])
        assert f"of like latitude and slope {low:.0f} to {high:.0f}, p" in found.finding
    curve = found.figures["curve"]
    for count, lift in zip(curve["cells"], curve["lift"], strict=True):
        assert lift == pytest.approx(held[cells.order[:count]].mean() / base, abs=1e-4)


def test_regions_too_small_for_a_lift_are_marked(cap, three, quiet):
    small = Regions(("small", "near"), (shapely.box(50e3, 50e3, 54e3, 54e3), three.shapes[0]))
    rows = {r["region"]: r for r in check(cap(lambda x, _y: x), small, quiet).figures["by_region"]}
    assert rows["small"]["too_small"] is True
    assert rows["small"]["cells"] == 4
    large = Regions(("half",), (shapely.box(0, -2e5, 2e5, 2e5),))
    (row,) = check(cap(lambda x, _y: x), large, quiet).figures["by_region"]
    assert row["too_small"] is False
    assert row["lift"] == pytest.approx(2.0, abs=0.02)
