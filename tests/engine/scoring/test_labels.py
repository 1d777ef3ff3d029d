from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from lunarsite.engine.context import Context
from lunarsite.engine.scoring import labels, profiles

CASSA = profiles.load("cassa")
NONE = labels.Errors(0.0, 300.0, 0.0)


def soft(table, errors, count=100, seed=3):
    return labels.soft_labels(table, CASSA, errors, count=count, seed=seed, context=Context())


def curves(table):
    parts = [
        special.log_expit(c.margin(table[c.feature].to_numpy()) / c.softness)
        for c in CASSA.criteria
    ]
    return np.sum(parts, axis=0)


def test_log_odds_are_exact_near_0_and_near_1():
    wanted = np.array([-600.0, -30.0, -1.0, 0.0, 1.0, 30.0, 600.0])
    np.testing.assert_allclose(
        labels.log_odds(special.log_expit(wanted)), wanted, rtol=1e-12, atol=1e-12
    )
    assert labels.log_odds(np.array([0.0]))[0] > 600.0
    assert labels.log_odds(np.array([-np.inf]))[0] == -np.inf


def test_without_errors_the_label_is_the_product_of_the_curves(random_cells):
    table = random_cells()
    wanted = labels.log_odds(curves(table))
    for found in (
        soft(table, NONE, 3),
        labels.closed_form_log_odds(table, CASSA, NONE),
        labels.exact_log_odds(table, CASSA),
    ):
        np.testing.assert_allclose(special.expit(found), special.expit(wanted), rtol=1e-9)


def test_closed_form_agrees_with_many_draws(random_cells):
    table = random_cells(12, 15)
    errors = labels.Errors(2.0, 300.0, 0.3)
    closed = labels.closed_form_log_odds(table, CASSA, errors)
    drawn = soft(table, errors, 1500)
    assert stats.spearmanr(closed, drawn).statistic > 0.995
    gap = np.abs(special.expit(closed) - special.expit(drawn))
    # One horizon error moves light and Earth contact together, which the closed form leaves out.
    assert gap.mean() < 0.01
    assert gap.max() < 0.05


def test_the_same_seed_gives_the_same_labels(random_cells):
    table = random_cells()
    errors = labels.Errors()
    np.testing.assert_array_equal(soft(table, errors), soft(table, errors))
    assert (soft(table, errors) != soft(table, errors, seed=4)).any()


def test_draws_have_the_standard_errors(random_cells):
    table = random_cells(12, 15)
    errors = labels.Errors(1.0, 300.0, 0.0)
    table["avg_illumination_pct"] = table["earth_visibility_pct"] = np.float32(1e4)
    table["slope_mean_deg"] = np.float32(1e3)  # the curve is a line here: log p = margin/softness
    sigma = labels.standard_errors(table, CASSA, errors)[0]
    drawn = np.array(list(labels.draws(table, CASSA, errors, 2000, 1)))
    np.testing.assert_allclose(drawn.std(axis=0), sigma, rtol=0.1)
    np.testing.assert_allclose(drawn.mean(), -995.0, rtol=1e-3)


def test_half_of_the_horizon_error_is_shared_by_neighbours(random_cells):
    table = random_cells(12, 15)
    errors = labels.Errors(0.0, 300.0, 1.0)
    table["slope_mean_deg"] = np.float32(-1e4)
    table["earth_visibility_pct"] = np.float32(1e5)
    table["avg_illumination_pct"] = np.float32(-1e4)
    drawn = np.array(list(labels.draws(table, CASSA, errors, 2000, 1)))
    together = np.corrcoef(drawn[:, :60].T)[np.triu_indices(60, 1)].mean()
    assert 0.4 < together < 0.6


def test_the_error_of_a_slope_is_that_of_two_correlated_heights(random_cells):
    # Heights two pixels apart with Gaussian errors of 5 m that agree over 150 m.
    pixel_m, length_m, error_m = 60.0, 150.0, 5.0
    table = random_cells(cell_m=240.0, pixel_m=pixel_m)
    apart_m = 2.0 * pixel_m
    agreement = np.exp(-(apart_m**2) / (2.0 * length_m**2))
    covariance = error_m**2 * np.array([[1.0, agreement], [agreement, 1.0]])
    heights = np.random.default_rng(0).multivariate_normal([0.0, 0.0], covariance, 200_000)
    drawn = np.degrees(np.arctan(np.std(heights[:, 0] - heights[:, 1]) / apart_m))
    errors = labels.Errors(error_m, length_m, 0.0)
    (slope, *_) = labels.standard_errors(table, CASSA, errors)
    # The cell is smaller than the correlation: it holds one independent error.
    assert slope == pytest.approx(drawn, rel=0.01)


def test_a_layer_of_elevation_errors_replaces_the_constant(random_cells):
    table = random_cells()
    plain = labels.standard_errors(table, CASSA, labels.Errors(3.0))
    table.loc[:9, "elevation_error_mean_m"] = np.float32(6.0)
    own = labels.standard_errors(table, CASSA, labels.Errors(3.0))
    np.testing.assert_allclose(own[0, :10], plain[0, :10] * 2.0, rtol=0.05)
    np.testing.assert_array_equal(own[0, 10:], plain[0, 10:])


def test_a_missing_sensitivity_is_the_default(random_cells):
    table = random_cells()
    own = labels.standard_errors(table, CASSA, labels.Errors())[1]
    np.testing.assert_allclose(own, 0.1 * table["illumination_sensitivity"], rtol=1e-6)
    table["illumination_sensitivity"] = np.float32(np.nan)
    assert labels.standard_errors(table, CASSA, labels.Errors())[1] == pytest.approx(0.73)
    bare = table.drop(columns="illumination_sensitivity")
    assert labels.standard_errors(bare, CASSA, labels.Errors())[1] == pytest.approx(0.73)


def test_a_larger_error_softens_the_label(random_cells):
    table = random_cells()
    small = special.expit(labels.closed_form_log_odds(table, CASSA, labels.Errors()))
    large = special.expit(labels.closed_form_log_odds(table, CASSA, labels.Errors(20.0, 300.0, 2)))
    passing = CASSA.passes(table)
    assert passing.any()
    assert (large[passing] < small[passing]).all()


def test_a_missing_criterion_has_no_label(random_cells):
    table = random_cells()
    table.loc[3, "avg_illumination_pct"] = np.float32(np.nan)
    for found in (
        soft(table, labels.Errors()),
        labels.closed_form_log_odds(table, CASSA, labels.Errors()),
    ):
        assert np.flatnonzero(np.isnan(found)).tolist() == [3]


def test_the_width_of_the_closed_form_is_that_of_an_integral(random_cells, tmp_path):
    # A logistic curve blurred by a normal error, against the integral over that error.
    path = tmp_path / "slope.yaml"
    path.write_text("criteria:\n  - {feature: slope_mean_deg, at_most: 5, softness: 0.2}\n")
    profile = profiles.load(str(path))
    table = random_cells()
    errors = labels.Errors(6.0, 300.0, 0.0)
    (sigma,) = labels.standard_errors(table, profile, errors)
    assert np.median(sigma) > 2.0 * 0.2
    margin = 5.0 - table["slope_mean_deg"].to_numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    blurred = special.expit((margin[:, None] + sigma[:, None] * nodes) / 0.2) @ weights
    wanted = blurred / weights.sum()
    found = special.expit(labels.closed_form_log_odds(table, profile, errors))
    assert np.abs(found - wanted).max() < 0.02
