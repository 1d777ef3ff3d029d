"""Errors of diameters and depths of detections."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.craters import error_curves as errors
from lunarsite.engine.craters.error_curves import ErrorCurves


def test_a_fitted_curve_covers_one_sigma_everywhere():
    rng = np.random.default_rng(2)
    confidence, radius = rng.uniform(0.05, 0.95, 4_000), 2.0 ** rng.uniform(2.0, 6.0, 4_000)
    sigma = 0.2 * np.exp(-1.2 * confidence) * radius**-0.2
    error = sigma * rng.standard_normal(4_000)
    error[::50] = np.nan
    curve = errors.fitted(error, confidence, radius)
    stated = ErrorCurves(curve, curve).diameter_share(confidence, radius)
    known = np.isfinite(error)
    held = np.abs(error) <= stated
    assert held[known].mean() == pytest.approx(errors.ONE_SIGMA, abs=0.01)
    for part in (confidence < 0.3, confidence > 0.7, radius < 8.0, radius > 32.0):
        assert held[known & part].mean() == pytest.approx(errors.ONE_SIGMA, abs=0.06)


def test_errors_of_depths_grow_with_depth_and_diameter():
    curves = ErrorCurves((-2.0, 0.0, 0.0), (-1.0, -0.2, 0.0))
    half, size = np.full(3, 0.5), np.full(3, 8.0)
    depth = np.array([0.0, 100.0, np.nan])
    found = curves.depth_m(half, size, depth, np.full(3, 1_000.0))
    np.testing.assert_allclose(found, np.exp(-1.0) * np.array([20.0, 120.0, np.nan]))
    surer = curves.depth_m(np.full(3, 0.9), size, depth, np.full(3, 1_000.0))
    assert surer[1] < found[1]


def test_few_errors_give_one_value():
    assert errors.fitted(np.empty(0), np.empty(0), np.empty(0)) == (np.log(0.25), 0.0, 0.0)
    constant, *rest = errors.fitted(np.full(10, -0.1), np.full(10, 0.5), np.full(10, 8.0))
    assert constant == pytest.approx(np.log(0.1))
    assert rest == [0.0, 0.0]


def test_cards_hold_the_curves():
    curves = ErrorCurves((-2.0, 0.1, 0.0), (-1.0, -0.2, 0.0))
    assert ErrorCurves.of({"errors": curves.as_dict()}) == curves
    for card in ({}, {"errors": None}, {"errors": {"diameter": [1.0]}}, {"errors": {"depth": 1}}):
        assert ErrorCurves.of(card) is None
