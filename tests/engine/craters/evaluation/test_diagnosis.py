"""Diagnosis of missed craters, and the stage diagnose-craters."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import (
    diagnosis,
    diagnosis_page,
    diagnosis_report,
    preprocessing,
    protocol,
)
from lunarsite.engine.craters.evaluation.diagnosis import Cell
from lunarsite.engine.craters.evaluation.protocol import InclusionCriteria
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.stages import diagnose_craters
from lunarsite.engine.synthetic.crater_tiles import tiles

GRID = Grid(0.0, 40_000.0, 100.0, 400, 400)
CRITERIA = InclusionCriteria(GRID.bounds, 2000.0, 1600.0)
NONE = {"preparation": None, "threshold": None, "recall": 0.0, "low": 0.0, "high": 0.0}


def on_map(*rows, score=None, depth=None):
    x, y, radius = np.array(rows, np.float64).reshape(-1, 3).T
    score = np.ones(x.size) if score is None else np.array(score, np.float64)
    depth = np.full(x.size, np.nan) if depth is None else np.array(depth, np.float64)
    return Circles(x, y, radius, score, depth)


def levels_of(height, folder):
    grid = Grid(0.0, 100.0 * height.shape[0], 100.0, height.shape[1], height.shape[0])
    return pyramid.of(grid, height.astype(np.float32), Scratch(folder, 10**9))


def catalogued(seed=1, side=9):
    """Return craters on a lattice, fresh in the west, worn and degraded in the east."""
    random = np.random.default_rng(seed)
    x, y = (4000.0 * (v.ravel() + 0.8) for v in np.indices((side, side)))
    ratio = np.where(x < 14_000, 0.15, np.where(x < 26_000, 0.07, 0.03))
    radius = random.uniform(1050, 1500, x.size)
    return Circles(x, y, radius, np.ones(x.size), 2 * radius * ratio)


def test_only_the_plane_is_removed():
    row, column = np.indices((90, 120)).astype(np.float32)
    bowl = 50.0 * np.exp(-((row - 40) ** 2 + (column - 60) ** 2) / 200.0)
    plain = preprocessing.without_plane(bowl.astype(np.float32), 100.0)
    tilted = preprocessing.without_plane((bowl + 3 * row - 2 * column + 900).astype("f4"), 100.0)
    np.testing.assert_allclose(tilted, plain, atol=2e-3)
    assert abs(float(plain.mean())) < 1e-3


@pytest.mark.parametrize("times", [0.1, 1.0, 40.0])
def test_a_stretch_gives_all_terrain_the_same_relief(times):
    random = np.random.default_rng(3)
    height = np.cumsum(random.normal(size=(128, 128)), axis=0).astype(np.float32)
    once = preprocessing.stretched(height, 100.0)
    np.testing.assert_allclose(
        preprocessing.stretched(times * height, 100.0), once, rtol=1e-3, atol=1
    )
    low, high = np.percentile(once, (1, 99))
    assert high - low == pytest.approx(0.03 * 128 * 100.0, rel=1e-3)


def test_equalisation_flattens_the_histogram_and_keeps_the_order():
    random = np.random.default_rng(3)
    height = (random.normal(size=(100, 100)) ** 3).astype(np.float32)
    height[10:20, 30:40] = np.nan
    flat, even = (f(height, 50.0) for f in (preprocessing.without_plane, preprocessing.equalised))
    known = np.isfinite(height)
    assert (np.isfinite(even) == known).all()
    order = np.argsort(flat[known], kind="stable")
    assert (np.diff(even[known][order]) >= 0).all()
    counts, _ = np.histogram(even[known], 10)
    np.testing.assert_allclose(counts, known.sum() / 10, rtol=0.02)


@pytest.mark.parametrize("name", list(preprocessing.NAMES))
def test_preparations_keep_gaps_and_flat_ground(name, tmp_path):
    height = np.full((200, 200), 7.0, np.float32)
    height[:, 150:] = np.nan
    level = preprocessing.prepared(levels_of(height, tmp_path), name)[0]
    seen = level.around(-10, 100, 64, 128)
    assert seen.shape == (64, 128)
    assert (np.isfinite(seen[10:, :50])).all()
    assert np.isnan(seen[:10]).all()
    assert np.isnan(seen[:, 50:]).all()
    assert np.ptp(seen[10:, :50]) < 1e-3
    assert np.isnan(level.around(0, 160, 32, 32)).all()


def test_rim_distances_of_known_cases():
    one = on_map((0, 0, 1000), (9000, 0, 1000), (0, 0, 500))
    other = on_map((0, 0, 1200), (9300, 0, 1000))
    away = diagnosis.rim_distance(one, other)
    assert away[0] == pytest.approx(0.2)
    # A shift by s moves the rim by s |cos|, 2 s / pi in the mean.
    assert away[1] == pytest.approx(0.3 * 2 / np.pi, rel=0.02)
    assert away[2] == pytest.approx(700 / 500)
    assert np.isinf(diagnosis.rim_distance(one, on_map())).all()
    assert diagnosis.rim_distance(on_map(), one).size == 0


def test_degradation_classes_follow_depth_over_diameter():
    some = on_map(*[(0, 0, 500)] * 5, depth=[100, 99, 50, 49, np.nan])
    expected = ["fresh", "worn", "worn", "degraded", "of unknown depth"]
    assert diagnosis.degradation(some).tolist() == expected


def test_few_predictions_at_random_places_lie_on_rims():
    known = catalogued()
    shares = diagnosis.near_at_random(known, known, CRITERIA.bounds, 3)
    np.testing.assert_array_equal(
        shares, diagnosis.near_at_random(known, known, CRITERIA.bounds, 3)
    )
    assert 0.0 < shares.mean() < 0.2
    assert diagnosis.near_at_random(on_map(), known, CRITERIA.bounds, 3).max() == 0.0


def test_the_gain_is_at_the_same_precision():
    hit = np.arange(40) < 20
    more, most = np.arange(40) < 32, np.ones(40, bool)
    first = Cell("as trained", 0.5, hit, 5)
    cells = [
        first,
        Cell("stretched", 0.4, more, 8),
        Cell("stretched", 0.1, most, 90),
        Cell("as trained", 0.1, most, 90),
    ]
    result = diagnosis.gain(cells, first, 7)
    assert (result["preparation"], result["threshold"]) == ("stretched", 0.4)
    assert result["recall"] == pytest.approx(0.3)
    assert 0.1 < result["low"] < 0.3 < result["high"] < 0.5
    assert diagnosis.gain([first, cells[2]], first, 7) == NONE
    silent = Cell("as trained", 0.5, np.zeros(40, bool), 0)
    assert silent.precision is None
    assert diagnosis.gain([silent, cells[1]], silent, 7)["recall"] == 0.8


def test_a_lower_threshold_must_gain_recall_at_sufficient_precision():
    def of(threshold, hits, new, name="as trained"):
        return Cell(name, threshold, np.arange(20) < hits, new)

    first = of(0.4, 8, 1)
    # Wrong half of the time, another preparation, too little more, a higher threshold.
    others = [of(0.02, 19, 19), of(0.1, 18, 0, "stretched"), of(0.3, 9, 1), of(0.5, 20, 0)]
    assert diagnosis.lower_threshold([first, *others], first) is None
    good = [of(0.2, 12, 2), of(0.1, 15, 5), of(0.05, 15, 7)]
    result = diagnosis.lower_threshold([first, *others, *good], first)
    assert (result.threshold, result.recall, result.precision) == (0.1, 0.75, 0.75)


def test_the_page_proposes_a_lower_threshold(tmp_path):
    known = catalogued()
    score = np.where(np.arange(len(known)) % 4 == 0, 0.8, 0.15)
    found = Circles(known.x_m, known.y_m, known.radius_m, score, known.depth_m)
    report, _ = diagnose(dict.fromkeys(preprocessing.NAMES, found), known, tmp_path)
    assert report["lower_threshold"] == {"threshold": 0.1, "recall": 1.0, "precision": 1.0}
    page = diagnosis_page.markdown(report, {"inputs": []})
    for text in (page, "\n".join(diagnosis_page.lines(report))):
        assert "at --min-confidence 0.1 recall is 1.00 with a precision of 1.00 or more" in text
        for which in ("on average", "at most in"):
            assert which in text
    sure = Circles(known.x_m, known.y_m, known.radius_m, 0.0 * score + 0.8, known.depth_m)
    report, _ = diagnose(dict.fromkeys(preprocessing.NAMES, sure), known, tmp_path)
    assert report["lower_threshold"] is None
    assert "--min-confidence" not in diagnosis_page.markdown(report, {"inputs": []})


def test_the_gain_accounts_for_multiple_comparisons():
    random = np.random.default_rng(0)
    lucky = 0
    for _ in range(200):
        # Four results that differ by chance alone.
        shared, cells = random.random(22), []
        for name in preprocessing.NAMES:
            score, wrong = 0.6 * shared + 0.4 * random.random(22), random.random(15)
            cells += [
                Cell(name, limit, score > limit, int((wrong > limit).sum()))
                for limit in diagnosis.THRESHOLDS
            ]
        result = diagnosis.gain(cells, cells[5], 1)
        lucky += result["recall"] >= diagnosis.GAIN and result["low"] > 0.0
    assert lucky <= 14


@pytest.mark.parametrize(
    ("misses", "predictions", "recall", "near", "expected"),
    [
        (3, 50, 0.5, 0.9, "nothing to explain"),
        (20, 50, 0.3, 0.9, "modality shift"),
        (20, 2, 0.0, 0.5, "undecided"),
        (20, 50, 0.0, 0.8, "distribution within the domain"),
        (20, 50, 0.0, 0.05, "modality shift"),
        (20, 50, 0.0, 0.3, "undecided"),
    ],
)
def test_verdicts_follow_the_evidence(misses, predictions, recall, near, expected):
    gained = {**NONE, "preparation": "stretched", "recall": recall, "low": recall / 2}
    chance = np.full(100, 0.1)
    verdict, reason = diagnosis.verdict(misses, predictions, gained, near, chance)
    assert verdict == expected
    assert reason


def diagnose(found, known, folder):
    random = np.random.default_rng(2)
    levels = levels_of(random.normal(0, 10, (400, 400)), folder)
    known = protocol.comparison_of(
        known, known, InclusionCriteria(CRITERIA.bounds, 2000.0, 0.0)
    ).known
    return diagnosis_report.diagnose(found, known, CRITERIA, levels, threshold=0.5, seed=7)


def test_missing_one_class_is_a_matter_of_the_training_set(tmp_path):
    known = catalogued()
    fresh = known.kept(diagnosis.degradation(known) == "fresh")
    report, distances = diagnose(dict.fromkeys(preprocessing.NAMES, fresh), known, tmp_path)
    assert report["verdict"] == "distribution within the domain"
    by_class = {row["class"]: row for row in report["classes"]}
    assert by_class["fresh"]["recall"]["as trained"] == 1.0
    assert by_class["worn"]["hits"] == by_class["degraded"]["hits"] == 0
    assert by_class["fresh"]["predictions_to_true_radii"] == pytest.approx(0.0, abs=1e-9)
    assert by_class["worn"]["misses_to_prediction_radii"] > 0.3
    assert distances["misses"].size == report["catalogued"] - by_class["fresh"]["catalogued"]
    assert len(report["grid"]) == 44
    json.dumps(report, allow_nan=False)


def test_a_preparation_that_recovers_craters_indicates_a_modality_shift(tmp_path):
    known = catalogued()
    few = known.kept(np.arange(len(known)) % 4 == 0)
    found = {**dict.fromkeys(preprocessing.NAMES, few), "equalised": known}
    report, _ = diagnose(found, known, tmp_path)
    assert report["verdict"] == "modality shift"
    assert report["gain"]["preparation"] == "equalised"
    assert "equalised" in report["reason"]


def test_scattered_predictions_indicate_a_modality_shift(tmp_path):
    known = catalogued()
    random = np.random.default_rng(5)
    place = random.uniform(0, 40_000, (60, 2))
    scattered = on_map(*np.column_stack([place, np.full(60, 4500.0)]))
    report, _ = diagnose(dict.fromkeys(preprocessing.NAMES, scattered), known, tmp_path)
    assert report["verdict"] == "modality shift"
    assert report["near"]["of_predictions"] <= report["near"]["by_chance_high"]


def test_no_predictions_are_no_evidence(tmp_path):
    report, distances = diagnose(
        dict.fromkeys(preprocessing.NAMES, on_map()), catalogued(), tmp_path
    )
    assert report["verdict"] == "undecided"
    assert report["precision"] is None
    assert all(row["misses_to_prediction_radii"] is None for row in report["classes"])
    assert np.isinf(distances["misses"]).all()
    json.dumps(report, allow_nan=False)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """Return a generated DEM and the catalogue of its craters."""
    folder = tmp_path_factory.mktemp("ground")
    made = tiles.make(5, 320, pixel_m=100.0)
    grid = Grid(-16_000.0, 16_000.0, 100.0, 320, 320)
    cog.write_raster(folder / "dem.tif", made.height_m, grid, description="height", unit="m")
    circles = made.circles[made.circles[:, 3] > 0]
    x = grid.x_min_m + (circles[:, 0] + 0.5) * 100.0
    y = grid.y_max_m - (circles[:, 1] + 0.5) * 100.0
    diameter = 200.0 * circles[:, 2] / moon.map_scale(x, y)
    listed = {"x_m": x, "y_m": y, "diameter_m": diameter, "depth_m": circles[:, 4]}
    pd.DataFrame(listed).to_csv(folder / "craters.csv", index=False)
    return {
        "dem": str(folder / "dem.tif"),
        "catalogue": str(folder / "craters.csv"),
        "min_diameter_m": 1200.0,
    }


def test_the_stage_writes_a_figure_a_page_and_a_table(ground, tmp_path):
    result = diagnose_craters.STAGE.run({**ground, "out": str(tmp_path / "d")}, Context(threads=2))
    names = {path.name for path in (tmp_path / "d").iterdir()}
    assert names == {"diagnosis.csv", "diagnosis.md", "diagnosis.png"}
    assert (tmp_path / "d" / "diagnosis.png").read_bytes().startswith(b"\x89PNG")
    grid = pd.read_csv(tmp_path / "d" / "diagnosis.csv")
    assert len(grid) == 44
    assert set(grid["preparation"]) == set(preprocessing.NAMES)
    page = (tmp_path / "d" / "diagnosis.md").read_text("utf-8")
    assert result["verdict"].capitalize() in page
    assert result["summary"][0] == f"Verdict: {result['verdict']}"
    # On terrain like its training set the network finds most, without any preparation.
    assert result["recall"] > 0.4
    by_name = grid[grid["threshold"] == 0.3].set_index("preparation")["recall"]
    assert by_name["as trained"] >= by_name["equalised"] - 0.1
    json.dumps(result, allow_nan=False)


def test_a_diagnosis_warns_of_a_catalogue_that_does_not_cover_the_bounds(ground, tmp_path):
    table = pd.read_csv(ground["catalogue"])
    table[table["y_m"] > 0.0].to_csv(tmp_path / "half.csv", index=False)
    context = Context(threads=2)
    given = {**ground, "catalogue": str(tmp_path / "half.csv"), "out": str(tmp_path / "d")}
    diagnose_craters.STAGE.run(given, context)
    assert any("lists no crater in" in result for result in context.warnings)


def test_a_diagnosis_needs_a_catalogue_of_the_place(ground, tmp_path):
    given = {**ground, "out": str(tmp_path / "d")}
    away, empty = "500000,500000,600000,600000", "-16000,-16000,-15990,-15990"
    with pytest.raises(ParameterError, match="does not intersect the DEM"):
        diagnose_craters.STAGE.run(given | {"bounds": away}, Context(threads=2))
    with pytest.raises(InputError, match="lies inside the bounds"):
        diagnose_craters.STAGE.run(given | {"bounds": empty}, Context(threads=2))
    assert not (tmp_path / "d").exists()
