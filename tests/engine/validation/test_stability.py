"""The ranking under other limits and weights, without a criterion, and against simple rules."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.context import QuietContext
from lunarsite.engine.scoring import profiles
from lunarsite.engine.scoring.error_model import Errors
from lunarsite.engine.validation import networks, stability
from lunarsite.engine.validation.checks import Outcome


@pytest.fixture(scope="module")
def made(cap):
    """Return scored cells and their run: light decides, slopes and Earth hardly vary."""
    rng = np.random.default_rng(1)

    def make(slope_spread=2.0, light_spread=20.0):
        base = cap(lambda x, _y: x)
        count = len(base)
        features = pd.DataFrame(
            {
                "row": base.row,
                "column": base.column,
                "cell_x_m": base.x_m,
                "cell_y_m": base.y_m,
                "x_m": base.x_m,
                "y_m": base.y_m,
                "pixel_m": 100.0,
                "cell_m": base.grid.pixel_m,
                "landing_radius_m": 150.0,
                "slope_mean_deg": 4.0 + slope_spread * rng.standard_normal(count),
                "avg_illumination_pct": 35.0 + light_spread * rng.standard_normal(count),
                "earth_visibility_pct": 55.0,
            }
        )
        scores = pd.DataFrame({"rank_low": np.arange(count), "rank_high": np.arange(count) + 50})
        profile = profiles.load("cassa")
        score = np.min(
            [c.margin(features[c.feature]) / c.softness for c in profile.criteria], axis=0
        )
        cells = cap(lambda _x, _y: score)
        return cells, SimpleNamespace(features=features, scores=scores, profile=profile)

    return make


def test_a_ranking_with_wide_margins_is_stable(made):
    cells, run = made()
    found = stability.check_stability(cells, run, Errors(), seed=1, context=QuietContext())
    low, middle, high = found.figures["limits_shared"]
    assert found.outcome is Outcome.HOLDS
    assert 0.5 <= low <= middle <= high <= 1.0
    assert found.figures["rank_interval_median"] == 50.0
    assert "ranks wide" in found.finding


def test_a_ranking_of_cells_that_hardly_differ_is_not(made):
    cells, run = made(slope_spread=0.01, light_spread=0.05)
    table = run.features
    # Of two criteria that pull apart, the limits decide which one counts.
    table["avg_illumination_pct"] = 33.0 + 5.0 * (table["slope_mean_deg"] - 4.0) * 100.0
    table["slope_mean_deg"] = 5.0 + (table["slope_mean_deg"] - 4.0) * 100.0
    found = stability.check_stability(cells, run, Errors(), seed=1, context=QuietContext())
    assert found.figures["weights_shared"][0] < 0.3


def test_a_criterion_that_decides_nothing_is_found(made):
    cells, run = made()
    found = stability.check_ablation(cells, run, Errors(), None)
    without = found.figures["shared_without"]
    assert without["earth_visibility_pct"] > 0.95
    assert without["avg_illumination_pct"] < 0.5
    assert found.outcome is Outcome.FAILS
    assert "lift" not in found.figures


def test_rules_are_compared_by_their_lift(made):
    cells, run = made()
    inside = run.features["avg_illumination_pct"].to_numpy() > 70.0
    lift = stability.check_ablation(cells, run, Errors(), inside).figures["lift"]
    assert lift["Average illumination at least 33 % alone"] > lift["score"] > 0.0


def test_cells_tied_with_the_last_count_by_their_share():
    inside = np.array([True, False, True, False])
    assert stability._lift(np.array([1.0, 1.0, 1.0, 1.0]), inside, 2) == pytest.approx(1.0)
    assert stability._lift(np.array([2.0, 1.0, 1.0, 0.0]), inside, 2) == pytest.approx(1.5)


def test_one_criterion_cannot_be_left_out(made):
    cells, run = made()
    run.profile = run.profile.with_criteria(run.profile.criteria[:1])
    assert stability.check_ablation(cells, run, Errors(), None).outcome is Outcome.NOT_RUN


def test_the_card_of_the_scorer_says_that_labels_are_its_own():
    validation = {
        "folds": 5,
        "block_m": 30000.0,
        "rmse_above_a_tenth": 0.0013,
        "calibration_error": 3e-5,
        "spearman_with_closed_form": 1.0,
    }
    found = stability.check_card({"validation": validation}, "the synthetic polar cap", ())
    assert found.outcome is Outcome.BY_CONSTRUCTION
    assert "not that the criteria are right" in found.finding
    assert stability.check_card({}, "", ()).outcome is Outcome.NOT_RUN


def test_a_rock_network_that_is_too_sure_does_not_hold():
    held = {
        "images": 80,
        "precision_of_rocks": 0.43,
        "confidence_of_rocks": 0.61,
        "ece_predicted_rocks": 0.17,
    }
    found = networks.rocks_of_card({"held_out": {"renders": held}}, "surface.json")
    assert found.outcome is Outcome.FAILS
    assert "43 %" in found.finding
    true = networks.rocks_of_card(
        {"held_out": {"renders": held | {"ece_predicted_rocks": 0.01}}}, ""
    )
    assert true.outcome is Outcome.HOLDS
    assert networks.rocks_of_card({}, "x.json").outcome is Outcome.NOT_RUN


def test_crater_detections_no_better_than_random_circles_show_no_skill():
    gate = {
        "recall": {"value": 0.2, "low": 0.05, "high": 0.4},
        "precision": {"value": 0.3, "low": 0.1, "high": 0.5},
        "f1": {"value": 0.25, "low": 0.1, "high": 0.4},
        "random_circles": {"recall": {"mean": 0.1}},
    }
    report = {"gates": {"iou": gate}, "catalogued": 22, "min_diameter_m": 2000.0}
    assert networks.craters_evaluated(report, ()).outcome is Outcome.NO_SKILL
    gate["recall"]["low"] = 0.15
    assert networks.craters_evaluated(report, ()).outcome is Outcome.HOLDS
    assert networks.craters_of_card({}, "c.json").outcome is Outcome.NOT_RUN


def test_an_evaluation_of_nothing_is_told_without_a_number():
    none = {"value": None, "low": None, "high": None}
    gate = dict.fromkeys(("recall", "precision", "f1"), none) | {
        "random_circles": {"recall": {"mean": None}}
    }
    report = {"gates": {"iou": gate}, "catalogued": 22, "min_diameter_m": 2000.0}
    found = networks.craters_evaluated(report, ())
    assert found.outcome is Outcome.NO_SKILL
    assert "precision at least unknown" in found.finding
    said = {"images": 3, "miou": None, "any_rock": None, "iou": {}}
    bare = networks.rocks_evaluated(
        said | {"calibration": {"ece_called_rocks": None, "ece": 0}}, ()
    )
    assert bare.outcome is Outcome.MEASURED
    assert "mIoU unknown" in bare.finding


@pytest.mark.parametrize(("error", "outcome"), [(0.05, Outcome.HOLDS), (0.06, Outcome.FAILS)])
def test_confidence_within_five_points_holds(error, outcome):
    said = {"images": 3, "miou": 0.5, "any_rock": 0.4, "iou": {}}
    calibration = {"ece_called_rocks": error, "ece": 0.01}
    assert networks.rocks_evaluated(said | {"calibration": calibration}, ()).outcome is outcome


def test_a_card_with_no_kind_of_images_is_not_a_network_that_can_be_trusted():
    assert networks.rocks_of_card({"held_out": {"source": "x"}}, "").outcome is Outcome.NOT_RUN


def test_rules_of_a_small_run_are_compared_over_no_more_than_a_fifth(made):
    cells, run = made()
    few = np.arange(len(cells)) < 600
    run.features = run.features[few]
    inside = run.features["avg_illumination_pct"].to_numpy() > 60.0
    found = stability.check_ablation(cells.kept(few), run, Errors(), inside)
    # The best 600 of 600 cells have a lift of 1, whatever ranks them.
    assert found.figures["lift"]["Average illumination at least 33 % alone"] > 3.0
    assert "lift of the best 100 in" in found.finding


def test_figures_of_stability_and_rules_are_counts_of_cells(made):
    cells, run = made()
    found = stability.check_stability(cells, run, Errors(), seed=1, context=QuietContext())
    assert found.figures["limits_shared"][0] < 1.0
    assert found.figures["weights_shared"][0] < 1.0
    best = cells.order[: found.figures["top"]]
    low, high = run.scores["rank_low"].to_numpy(), run.scores["rank_high"].to_numpy()
    run.scores["rank_high"] = np.where(np.isin(low, low[best[:30]]), 200, 201)
    again = stability.check_stability(cells, run, Errors(), seed=1, context=QuietContext())
    assert again.figures["within_twice_the_top"] == 0.3
    assert again.figures["limits_shared"] == found.figures["limits_shared"]
    run.scores["rank_high"] = high
    meets = np.all([c.margin(run.features[c.feature]) >= 0 for c in run.profile.criteria], axis=0)
    rules = stability.check_ablation(cells, run, Errors(), None).figures
    assert 0.0 < meets.mean() < 0.5
    assert rules["share_that_meets_all"] == pytest.approx(meets.mean(), abs=1e-5)


@pytest.mark.parametrize(("soft", "outcome"), [(1.0, Outcome.HOLDS), (1e5, Outcome.FAILS)])
def test_a_ranking_that_limits_decide_does_not_hold(made, monkeypatch, soft, outcome):
    cells, run = made()
    true = stability.replace
    monkeypatch.setattr(
        stability,
        "replace",
        lambda c, threshold: true(c, threshold=c.threshold + soft * (threshold - c.threshold)),
    )
    found = stability.check_stability(cells, run, Errors(), seed=1, context=QuietContext())
    assert found.outcome is outcome
