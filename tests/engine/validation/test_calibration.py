"""The probability of places against draws of the errors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.scoring import error_model, profiles, suitability
from lunarsite.engine.scoring.error_model import Errors
from lunarsite.engine.validation import calibration
from lunarsite.engine.validation.checks import Outcome

ERRORS = Errors(dem_error_m=3.0, horizon_error_deg=0.3)


@pytest.fixture(scope="module")
def made(cap):
    """Return cells near their limits, and their run with the closed form's probabilities."""
    rng = np.random.default_rng(1)
    cells = cap(lambda x, _y: x)
    count = len(cells)
    features = pd.DataFrame(
        {
            "row": cells.row,
            "column": cells.column,
            "cell_x_m": cells.x_m,
            "cell_y_m": cells.y_m,
            "x_m": cells.x_m,
            "y_m": cells.y_m,
            "pixel_m": 100.0,
            "cell_m": cells.grid.pixel_m,
            "landing_radius_m": 150.0,
            "slope_mean_deg": 5.0 + 1.5 * rng.standard_normal(count),
            "avg_illumination_pct": 33.0 + 3.0 * rng.standard_normal(count),
            "earth_visibility_pct": 50.0 + 3.0 * rng.standard_normal(count),
        }
    )
    profile = profiles.load("cassa")
    footprint = error_model.footprint_of(features)
    probability = suitability.probability(features, profile, ERRORS, footprint)
    scores = pd.DataFrame({"probability": probability})
    return cells, SimpleNamespace(features=features, scores=scores, profile=profile)


def test_the_closed_form_is_that_of_the_draws(made):
    found = calibration.check(*made, ERRORS, seed=1)
    assert found.outcome is Outcome.HOLDS
    assert found.figures["cells"] == 2000
    assert found.figures["calibration_error"] < 0.005
    assert len(found.figures["bins"]) == 10
    assert sum(each["cells"] for each in found.figures["bins"]) == 2000


def test_probabilities_of_other_errors_are_a_failure(made):
    cells, run = made
    other = Errors(dem_error_m=0.5, horizon_error_deg=0.05)
    assert calibration.check(cells, run, other, seed=1).outcome is Outcome.FAILS


def test_errors_that_criteria_share_are_drawn_once(made):
    """Light and Earth visibility have one horizon: drawn apart, both hold less often."""
    cells, run = made
    share = calibration._share_of_draws(run, cells.index[:400], ERRORS, np.random.default_rng(1))
    assert np.abs(share - run.scores["probability"].to_numpy()[:400]).max() < 0.06


def test_certain_cells_have_no_curve(made):
    cells, run = made
    certain = run.scores.assign(probability=0.0)
    sure = SimpleNamespace(features=run.features, scores=certain, profile=run.profile)
    assert calibration.check(cells, sure, ERRORS, seed=1).outcome is Outcome.NOT_RUN
