from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from scipy import special, stats

from lunarsite.engine import provenance
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.scoring import (
    explanation,
    profiles,
    ranking,
    scorer,
    scorer_training,
    suitability,
)
from lunarsite.engine.scoring.error_model import Errors, footprint_of
from lunarsite.engine.scoring.features import columns

CASSA = profiles.load("cassa")
ERRORS = Errors()


def fit(table, seed=7):
    return scorer_training.train(
        table, CASSA, ERRORS, Context(threads=1), draws=30, folds=2, seed=seed
    )


@pytest.fixture(scope="module")
def table(random_cells):
    return random_cells()


@pytest.fixture(scope="module")
def model(table):
    return fit(table)


def test_monotone_in_every_criterion_on_10_000_perturbations(table, model):
    random = np.random.default_rng(2)
    cells = table.iloc[random.integers(0, len(table), 10_000)].reset_index(drop=True)
    before = model.log_odds(cells)
    for criterion in CASSA.criteria:
        better = cells.copy()
        better[criterion.feature] += criterion.direction * random.gamma(1.0, 10.0, len(cells))
        assert (model.log_odds(better) >= before).all(), criterion.feature


def test_the_score_is_ordered_by_the_margin(table, model):
    good = table[CASSA.passes(table)].iloc[[0] * 4].reset_index(drop=True)
    good["avg_illumination_pct"] = np.float32(60.0)
    good["earth_visibility_pct"] = np.float32(80.0)
    good["slope_mean_deg"] = np.array([0.5, 4.9, 5.5, 15.0], np.float32)
    found = model.log_odds(good)
    assert (np.diff(found) < 0.0).all()


def test_position_is_not_among_the_features(table, model):
    assert not set(columns.POSITION) & set(model.inputs)
    moved = table.copy()
    for name in columns.POSITION:
        moved[name] = np.random.default_rng(1).permutation(moved[name].to_numpy())
    np.testing.assert_array_equal(model.log_odds(moved), model.log_odds(table))


def test_a_missing_criterion_has_no_score_and_another_feature_may_be_missing(table, model):
    gaps = table.copy()
    gaps.loc[0, "earth_visibility_pct"] = np.float32(np.nan)
    gaps.loc[1, "relief_mean_m"] = np.float32(np.nan)
    found = model.log_odds(gaps)
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()


def test_the_same_seed_gives_the_same_bytes_with_any_threads(tmp_path, table, model):
    again = scorer_training.train(
        table, CASSA, ERRORS, Context(threads=2), draws=30, folds=2, seed=7
    )
    for number, one in enumerate((model, again)):
        one.save(tmp_path / str(number) / "scorer.ubj")
    for name in ("scorer.ubj", "scorer.json"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_a_saved_scorer_gives_the_same_scores(tmp_path, table, model):
    path = tmp_path / "scorer.ubj"
    model.save(path)
    loaded = scorer.load(path, CASSA)
    np.testing.assert_array_equal(loaded.log_odds(table), model.log_odds(table))
    card = json.loads((tmp_path / "scorer.json").read_text())
    assert card["features"] == list(model.inputs)
    assert card["validation"]["spearman_with_label"] > 0.8
    assert card["monotone"]["slope_mean_deg"] == -1
    assert card["labels"]["errors"] == ERRORS.as_dict()


def test_unusable_scorers_are_refused_with_the_reason(tmp_path, model):
    path = tmp_path / "scorer.ubj"
    with pytest.raises(InputError, match=r"There is no file .*scorer.ubj"):
        scorer.load(path, CASSA)
    model.save(path)
    with pytest.raises(InputError, match=r"other criteria \('cassa'\) than those of 'hls'"):
        scorer.load(path, profiles.load("hls"))
    card = json.loads((tmp_path / "scorer.json").read_text())
    whole = path.read_bytes()

    def listed(text, trees=whole):
        (tmp_path / "scorer.json").write_text(text)
        path.write_bytes(trees)
        provenance.write_checksums(tmp_path / "scorer.sha256", (path, tmp_path / "scorer.json"))

    for text in (json.dumps(card | {"features": ["x"]}), "[]"):
        listed(text)
        with pytest.raises(InputError, match="other features"):
            scorer.load(path, CASSA)
    for text, trees in (("{", whole), ("[" * 100_000, whole), (json.dumps(card), whole[:1000])):
        listed(text, trees)
        with pytest.raises(InputError, match=r"cannot be read.*train it again"):
            scorer.load(path, CASSA)


def flipped(content, at, bit):
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


@pytest.mark.parametrize("name", ["scorer.ubj", "scorer.json"])
def test_no_flipped_bit_reaches_the_parser(tmp_path, model, name, monkeypatch):
    """Of 24 flipped bits nine ended the process: XGBoost does not look where it reads."""
    path = tmp_path / "scorer.ubj"
    model.save(path)
    whole = (tmp_path / name).read_bytes()
    monkeypatch.setattr(scorer.xgb, "Booster", lambda: pytest.fail("it was parsed"))
    draw = np.random.default_rng(24)
    for _ in range(24):
        at, bit = int(draw.integers(len(whole))), int(draw.integers(8))
        (tmp_path / name).write_bytes(flipped(whole, at, bit))
        with pytest.raises(InputError, match="checksum differs"):
            scorer.load(path, CASSA)


def test_a_scorer_without_checksums_is_refused_and_one_under_another_name_is_not(tmp_path, model):
    model.save(tmp_path / "scorer.ubj")
    for end in ("ubj", "json", "sha256"):
        (tmp_path / f"scorer.{end}").rename(tmp_path / f"mine.{end}")
    scorer.load(tmp_path / "mine.ubj", CASSA)
    sums = (tmp_path / "mine.sha256").rename(tmp_path / "SHA256SUMS")
    with pytest.raises(InputError, match="checksum differs"):
        scorer.load(tmp_path / "mine.ubj", CASSA)
    sums.write_text(sums.read_text().replace("scorer.", "*mine."))
    scorer.load(tmp_path / "mine.ubj", CASSA)
    sums.unlink()
    with pytest.raises(InputError, match=r"no list of checksums.*mine.sha256.*copy all three"):
        scorer.load(tmp_path / "mine.ubj", CASSA)


def test_training_needs_enough_cells(table):
    few = table.copy()
    few.loc[150:, "slope_mean_deg"] = np.float32(np.nan)
    words = r"150 of 600 cells have all.*needs 200, and slope_mean_deg is known in 150\. Give"
    with pytest.raises(InputError, match=words):
        fit(few)
    # Each is known often enough, and both together are not.
    light = CASSA.criteria[1].feature
    few = table.copy()
    few.loc[300:, "slope_mean_deg"] = few.loc[:299, light] = np.float32(np.nan)
    words = rf"0 of 600 cells.*slope_mean_deg is known in 300.*{light} is known in 300"
    with pytest.raises(InputError, match=words):
        fit(few)


def test_blocks_are_whole_squares_and_fill_the_folds(table):
    fold = scorer_training._blocks(table, 5, 7)
    assert set(fold) == {0, 1, 2, 3, 4}
    across = np.floor((table["x_m"] - table["x_m"].min()) / (9600.0 / 9 + 1)).astype(int)
    down = np.floor((table["y_m"] - table["y_m"].min()) / (9600.0 / 9 + 1)).astype(int)
    assert pd.Series(fold).groupby([across, down]).nunique().max() == 1


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # shap's own colours
def test_contributions_of_the_trees_equal_those_of_shap_with_gaps_on_both_ways(table, model):
    import shap as reference  # noqa: PLC0415  where its warnings are ignored

    gaps = table.copy()
    random = np.random.default_rng(4)
    for name in model.inputs:
        gaps.loc[random.random(len(gaps)) < 0.05, name] = np.float32(np.nan)
    inputs = scorer.features_of(gaps, model.inputs)
    explainer = reference.TreeExplainer(model.booster)
    wanted = explainer.shap_values(xgb.DMatrix(inputs, feature_names=list(model.inputs)))
    many, base = explanation.of_trees(model, gaps)
    few, few_base = explanation.of_trees(model, gaps.iloc[:40])
    np.testing.assert_allclose(many, wanted, atol=1e-4)
    np.testing.assert_allclose(few, many[:40], atol=1e-4)
    assert base == pytest.approx(few_base, abs=1e-6)
    total = model.booster.inplace_predict(inputs, validate_features=False)
    np.testing.assert_allclose(many.sum(axis=1) + base, total, atol=1e-4)


def test_contributions_of_the_criteria_are_shapley_values(table, model):
    """Averages over all orders of the criteria, against every reference."""
    cells = table.iloc[:20]
    found, base = explanation._of_closed_form(model, cells, ERRORS)
    own = np.column_stack(suitability.log_memberships(cells, CASSA, ERRORS, footprint_of(table)))
    background = model.background
    wanted = np.zeros(own.shape)
    orders = list(itertools.permutations(range(3)))
    for order in orders:
        mixed = np.broadcast_to(background, (len(own), *background.shape)).copy()
        before = suitability.of_memberships(tuple(np.moveaxis(mixed, -1, 0)))
        for k in order:
            mixed[..., k] = own[:, None, k]
            after = suitability.of_memberships(tuple(np.moveaxis(mixed, -1, 0)))
            wanted[:, k] += (after - before).mean(axis=1) / len(orders)
            before = after
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    whole = suitability.log_odds(cells, CASSA, ERRORS, footprint_of(table))
    np.testing.assert_allclose(found.sum(axis=1) + base, whole, rtol=1e-9)


def test_contributions_add_up_to_the_score(table, model):
    for errors in (ERRORS, Errors(5.0, 300.0, 0.5)):
        values, base = explanation.contributions(model, table, errors)
        np.testing.assert_allclose(
            values.sum(axis=1) + base, model.log_odds(table, errors=errors), atol=1e-4
        )


def test_features_that_no_criterion_names_move_no_score(table, model):
    named = {criterion.feature for criterion in CASSA.criteria}
    assert set(model.inputs) == named
    other = table.copy()
    for feature in columns.FEATURES:
        if feature.name not in named:
            other[feature.name] = np.random.default_rng(3).permutation(table[feature.name])
    other["elevation_error_mean_m"] = np.float32(np.nan)
    np.testing.assert_array_equal(model.log_odds(other), model.log_odds(table))


def test_a_cell_less_than_half_known_has_no_score(table, model):
    part = table.copy()
    part.loc[:4, "coverage_slope_pct"] = np.float32(49.9)
    part.loc[5:9, "coverage_slope_pct"] = np.float32(50.0)
    found = model.log_odds(part)
    assert np.isnan(found[:5]).all()
    assert np.isfinite(found[5:]).all()
    assert not CASSA.passes(part)[:5].any()


def test_contributions_in_score_points_add_up_to_the_score(table, model):
    values, base = explanation.contributions(model, table)
    points, base_score = explanation.in_score_points(values, base)
    np.testing.assert_allclose(
        points.sum(axis=1) + base_score, special.expit(values.sum(axis=1) + base), atol=1e-12
    )
    assert (np.sign(points) == np.sign(values)).all()
    np.testing.assert_array_equal(
        np.argsort(-np.abs(points[0]), kind="stable"), np.argsort(-np.abs(values[0]), kind="stable")
    )
    cancelled, at = explanation.in_score_points(np.array([[2.0, -2.0]]), 0.0)
    assert cancelled.tolist() == [[0.5, -0.5]]
    assert at == 0.5


def test_changes_to_pass_are_minimal_and_the_nearest_cell_is_found(table):
    passing = explanation.Passing.of(CASSA, table)
    broken = np.flatnonzero(~CASSA.passes(table))
    for index in broken[:40]:
        found = explanation.to_pass(CASSA, table, int(index), passing)
        row = table.iloc[index]
        away = np.hypot(table["x_m"] - row["x_m"], table["y_m"] - row["y_m"])
        nearest = away[CASSA.passes(table)].min()
        assert found["nearest_passing"]["distance_m"] == pytest.approx(nearest, rel=1e-3)
        mended = table.iloc[[index]].astype({c.feature: np.float64 for c in CASSA.criteria})
        for change in found["changes"]:
            mended[change["feature"]] += change["change"]
        assert CASSA.passes(mended.round(9)).all()
        assert len(found["changes"]) == sum(
            float(c.margin(row[c.feature])) < 0 for c in CASSA.criteria
        )
    assert explanation.to_pass(CASSA, table, int(passing.index[0]), passing) == {
        "passes": True,
        "changes": [],
        "nearest_passing": None,
    }


def test_changes_to_pass_without_passing_cells_and_with_nodata(table):
    none = table.copy()
    none["slope_mean_deg"] = np.float32(30.0)
    none.loc[0, "slope_mean_deg"] = np.float32(np.nan)
    found = explanation.to_pass(CASSA, none, 0, explanation.Passing.of(CASSA, none))
    assert found["nearest_passing"] is None
    assert found["changes"][0]["change"] is None
    assert found["changes"][0]["needed"] == 5.0


def test_ranks_ties_and_percentiles():
    rank = ranking.ranks(np.array([0.2, np.nan, 0.9, 0.2, 0.5]))
    np.testing.assert_array_equal(rank, [3, np.nan, 1, 4, 2])
    np.testing.assert_array_equal(ranking.percentiles(rank), [50, np.nan, 100, 25, 75])


def test_rank_intervals_contain_the_rank_and_grow_with_the_error(table, model):
    log_odds = model.log_odds(table)
    log_odds[5] = np.nan
    rank = ranking.ranks(log_odds)

    def found(errors):
        return ranking.rank_intervals(
            log_odds, table, CASSA, errors, count=60, seed=1, context=Context()
        )

    low, high = found(ERRORS)
    known = np.isfinite(rank)
    assert np.isnan(low[5])
    assert np.isnan(high[5])
    inside = (low <= rank) & (rank <= high)
    assert inside[known].mean() > 0.9
    exact_low, exact_high = found(Errors(0.0, 300.0, 0.0))
    np.testing.assert_array_equal(exact_low[known], rank[known])
    np.testing.assert_array_equal(exact_high[known], rank[known])
    wide_low, wide_high = found(Errors(5.0, 300.0, 0.5))
    assert (wide_high - wide_low)[known].mean() > (high - low)[known].mean()
    np.testing.assert_array_equal(found(ERRORS)[0], low)


def test_the_score_follows_the_closed_form(table, model):
    closed = suitability.log_odds(table, CASSA, ERRORS, footprint_of(table))
    found = model.log_odds(table)
    assert stats.spearmanr(found, closed).statistic > 0.999
    gap = np.abs(special.expit(found) - special.expit(closed))
    assert gap.max() < 0.02


def test_optional_features_are_inputs_only_with_a_criterion(tmp_path, table):
    assert "crater_rim_distance_m" not in scorer.inputs_for(CASSA)
    path = tmp_path / "wary.yaml"
    path.write_text(
        "criteria:\n"
        "  - {feature: slope_mean_deg, at_most: 5, softness: 1}\n"
        "  - {feature: crater_rim_distance_m, at_least: 40, softness: 5}\n"
    )
    wary = profiles.load(str(path))
    model = scorer_training.train(table, wary, ERRORS, Context(), draws=10, folds=2)
    assert model.inputs == ("slope_mean_deg", "crater_rim_distance_m")
    nearer = table.assign(crater_rim_distance_m=np.float32(5.0))
    farther = table.assign(crater_rim_distance_m=np.float32(80.0))
    assert (model.log_odds(nearer) < model.log_odds(farther)).all()
    model.save(tmp_path / "wary.ubj")
    loaded = scorer.load(tmp_path / "wary.ubj", wary)
    np.testing.assert_array_equal(loaded.log_odds(table), model.log_odds(table))
