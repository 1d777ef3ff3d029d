from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from lunarsite.engine.context import Context
from lunarsite.engine.scoring import error_model, labels, profiles, suitability
from lunarsite.engine.scoring.error_model import Errors, footprint_of

CASSA = profiles.load("cassa")
NONE = Errors(0.0, 300.0, 0.0)


def soft(table, errors, count=100, seed=3):
    return labels.soft_labels(table, CASSA, errors, count=count, seed=seed, context=Context())


def closed_form(table, errors, profile=CASSA):
    return suitability.log_odds(table, profile, errors, footprint_of(table))


def standard_errors(table, errors, profile=CASSA):
    return error_model.standard_errors(table, profile, errors, footprint_of(table))


def curves(table):
    parts = [
        special.log_expit(c.margin(table[c.feature].to_numpy()) / c.softness)
        for c in CASSA.criteria
    ]
    return np.mean(parts, axis=0)


def test_log_odds_are_exact_near_0_and_near_1():
    wanted = np.array([-600.0, -30.0, -1.0, 0.0, 1.0, 30.0, 600.0])
    np.testing.assert_allclose(
        suitability.to_log_odds(special.log_expit(wanted)), wanted, rtol=1e-12, atol=1e-12
    )
    assert suitability.to_log_odds(np.array([0.0]))[0] > 600.0
    assert suitability.to_log_odds(np.array([-np.inf]))[0] == -np.inf


def test_without_errors_the_label_is_the_geometric_mean_of_the_curves(random_cells):
    table = random_cells()
    wanted = suitability.to_log_odds(curves(table))
    for found in (
        soft(table, NONE, 3),
        closed_form(table, NONE),
        suitability.exact_log_odds(table, CASSA),
    ):
        np.testing.assert_allclose(special.expit(found), special.expit(wanted), rtol=1e-9)


def test_closed_form_agrees_with_many_draws(random_cells):
    table = random_cells(12, 15)
    errors = Errors(2.0, 300.0, 0.3)
    closed = closed_form(table, errors)
    drawn = soft(table, errors, 1500)
    assert stats.spearmanr(closed, drawn).statistic > 0.995
    gap = np.abs(special.expit(closed) - special.expit(drawn))
    # One horizon error moves light and Earth contact together, which the closed form leaves out.
    assert gap.mean() < 0.01
    assert gap.max() < 0.05


def test_the_same_seed_gives_the_same_labels(random_cells):
    table = random_cells()
    errors = Errors()
    np.testing.assert_array_equal(soft(table, errors), soft(table, errors))
    assert (soft(table, errors) != soft(table, errors, seed=4)).any()


def test_draws_have_the_standard_errors(random_cells):
    table = random_cells(12, 15)
    errors = Errors(1.0, 300.0, 0.0)
    table["avg_illumination_pct"] = table["earth_visibility_pct"] = np.float32(1e4)
    table["slope_mean_deg"] = np.float32(1e3)  # the curve is a line here: log p = margin/softness
    sigma = standard_errors(table, errors)[0]
    drawn = np.array(list(labels.draws(table, CASSA, errors, 2000, 1)))
    np.testing.assert_allclose(drawn.std(axis=0), sigma, rtol=0.1)
    np.testing.assert_allclose(drawn.mean(), -995.0, rtol=1e-3)


def test_half_of_the_horizon_error_is_shared_by_neighbours(random_cells):
    table = random_cells(12, 15)
    errors = Errors(0.0, 300.0, 1.0)
    table["slope_mean_deg"] = np.float32(-1e4)
    table["earth_visibility_pct"] = np.float32(1e5)
    table["avg_illumination_pct"] = np.float32(-1e4)
    drawn = np.array(list(labels.draws(table, CASSA, errors, 2000, 1)))
    together = np.corrcoef(drawn[:, :60].T)[np.triu_indices(60, 1)].mean()
    assert 0.4 < together < 0.6


@pytest.mark.parametrize(
    "place", [{"side_m": 240.0}, {"side_m": 960.0}, {"radius_m": 100.0}, {"radius_m": 300.0}]
)
def test_the_error_of_a_mean_slope_is_that_of_drawn_heights(place):
    """Heights with Gaussian errors of 5 m that agree over 150 m, and Horn's slopes of them."""
    pixel_m, length_m = 60.0, 150.0
    footprint = error_model.Footprint(pixel_m, **place)
    mask = footprint.mask
    side = len(mask) + 2
    row, column = (index.ravel() for index in np.indices((side, side)))
    away_m = pixel_m * np.hypot(row[:, None] - row, column[:, None] - column)
    covariance = np.exp(-0.5 * (away_m / length_m) ** 2)
    random = np.random.default_rng(0)
    heights = random.multivariate_normal(np.zeros(side**2), covariance, 20_000, method="eigh")
    z = heights.reshape(-1, side, side)
    east = z[:, :-2, 2:] + 2.0 * z[:, 1:-1, 2:] + z[:, 2:, 2:]
    west = z[:, :-2, :-2] + 2.0 * z[:, 1:-1, :-2] + z[:, 2:, :-2]
    gradient = ((east - west) / (8.0 * pixel_m))[:, mask].mean(axis=1)
    found = error_model.gradient_error(footprint, length_m)
    assert found == pytest.approx(gradient.std(), rel=0.02)
    one = error_model.gradient_error(error_model.Footprint(pixel_m, side_m=pixel_m), length_m)
    assert found < one


def test_a_layer_of_elevation_errors_replaces_the_constant(random_cells):
    table = random_cells()
    plain = standard_errors(table, Errors(3.0))
    table.loc[:9, "elevation_error_mean_m"] = np.float32(6.0)
    own = standard_errors(table, Errors(3.0))
    np.testing.assert_allclose(own[0][:10], plain[0][:10] * 2.0, rtol=0.05)
    np.testing.assert_array_equal(own[0][10:], plain[0][10:])


def test_a_missing_sensitivity_is_the_default(random_cells):
    table = random_cells()
    own = standard_errors(table, Errors())[1]
    np.testing.assert_allclose(own, 0.1 * table["illumination_sensitivity"], rtol=1e-6)
    table["illumination_sensitivity"] = np.float32(np.nan)
    assert standard_errors(table, Errors())[1] == pytest.approx(0.73)
    bare = table.drop(columns="illumination_sensitivity")
    assert standard_errors(bare, Errors())[1] == pytest.approx(0.73)


def test_a_larger_error_softens_the_label(random_cells):
    table = random_cells()
    small = special.expit(closed_form(table, Errors()))
    large = special.expit(closed_form(table, Errors(20.0, 300.0, 2)))
    passing = CASSA.passes(table)
    assert passing.any()
    assert (large[passing] < small[passing]).all()


def test_a_missing_criterion_has_no_label(random_cells):
    table = random_cells()
    table.loc[3, "avg_illumination_pct"] = np.float32(np.nan)
    for found in (
        soft(table, Errors()),
        closed_form(table, Errors()),
    ):
        assert np.flatnonzero(np.isnan(found)).tolist() == [3]


def test_the_width_of_the_closed_form_is_that_of_an_integral(random_cells, tmp_path):
    # A logistic curve blurred by a normal error, against the integral over that error.
    path = tmp_path / "slope.yaml"
    path.write_text("criteria:\n  - {feature: slope_mean_deg, at_most: 5, softness: 0.2}\n")
    profile = profiles.load(str(path))
    table = random_cells()
    errors = Errors(6.0, 300.0, 0.0)
    (sigma,) = standard_errors(table, errors, profile)
    assert np.median(sigma) > 2.0 * 0.2
    margin = 5.0 - table["slope_mean_deg"].to_numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    blurred = special.expit((margin[:, None] + sigma[:, None] * nodes) / 0.2) @ weights
    wanted = blurred / weights.sum()
    found = special.expit(closed_form(table, errors, profile))
    assert np.abs(found - wanted).max() < 0.02


@pytest.mark.parametrize("name", ["cassa", "hls"])
def test_the_probability_is_the_share_of_draws_in_which_every_criterion_holds(random_cells, name):
    profile = profiles.load(name)
    table = random_cells(15, 20)
    random = np.random.default_rng(8)
    count = len(table)
    table["slope_mean_deg"] = random.normal(5.0, 1.5, count).astype(np.float32)
    table["slope_max_deg"] = random.normal(8.0, 1.5, count).astype(np.float32)
    table["clearance_8deg_m"] = random.normal(200.0, 150.0, count).astype(np.float32)
    table["avg_illumination_pct"] = random.normal(33.5, 1.5, count).astype(np.float32)
    table["earth_visibility_pct"] = random.normal(50.5, 1.5, count).astype(np.float32)
    errors = Errors(2.0, 300.0, 0.2)
    found = suitability.probability(table, profile, errors, footprint_of(table))
    sigma = standard_errors(table, errors, profile)
    ground, horizon = random.standard_normal((2, 10_000, 1))
    holds = np.ones((10_000, count), bool)
    for criterion, error in zip(profile.criteria, sigma, strict=True):
        noise = ground if criterion.feature.startswith(("slope", "clearance")) else horizon
        holds &= criterion.margin(table[criterion.feature].to_numpy()) + error * noise >= 0.0
    assert np.abs(found - holds.mean(axis=0)).max() < 0.02
    assert 0.1 < found.mean() < 0.9


def test_two_limits_on_one_feature_are_met_in_between(random_cells):
    criteria = (
        profiles.Criterion("avg_illumination_pct", "at_least", 40.0, 5.0),
        profiles.Criterion("avg_illumination_pct", "at_most", 41.0, 5.0),
    )
    profile = profiles.Profile("band", "band", "", criteria)
    table = random_cells(2, 3).assign(
        avg_illumination_pct=np.float32(40.5), illumination_sensitivity=np.float32(10.0)
    )
    found = suitability.probability(table, profile, Errors(0.0, 300.0, 0.1), footprint_of(table))
    assert found == pytest.approx(special.ndtr(0.5) - special.ndtr(-0.5))
    drawn = np.array(list(labels.draws(table, profile, Errors(0.0, 300.0, 0.1), 50, 1)))
    # A brighter place is nearer to one limit and farther from the other.
    assert drawn.std() < 0.03


def test_a_place_on_all_its_limits_has_a_suitability_of_a_half(random_cells):
    table = random_cells(2, 3)
    for limit, names in ((5.0, ["slope_mean_deg"]), (8.0, ["slope_max_deg"])):
        table[names] = np.float32(limit)
    table["avg_illumination_pct"], table["earth_visibility_pct"] = np.float32(33), np.float32(50)
    table["clearance_8deg_m"] = np.float32(100.0)
    for name in ("cassa", "hls"):
        found = closed_form(table, Errors(), profiles.load(name))
        np.testing.assert_allclose(found, 0.0, atol=1e-12)


def test_a_place_ten_errors_beyond_a_limit_has_no_probability(random_cells):
    table = random_cells(2, 3).assign(
        slope_mean_deg=np.float32(6.0),
        avg_illumination_pct=np.float32(80.0),
        earth_visibility_pct=np.float32(90.0),
    )
    errors = Errors(0.5, 300.0, 0.1)
    assert standard_errors(table, errors)[0].max() < 0.1
    assert suitability.probability(table, CASSA, errors, footprint_of(table)).max() < 1e-20
    assert special.expit(closed_form(table, errors)).min() > 0.5
