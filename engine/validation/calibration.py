"""The probability of a place against how often it meets every criterion over drawn errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.scoring import error_model
from lunarsite.engine.validation.checks import Check, Outcome, not_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.scoring.finished_run import Run
    from lunarsite.engine.validation.cells import ScoredCells

    Float = NDArray[np.float64]

NAME = "probability-calibration"
CLAIM = "A place with a probability of p meets every criterion in a share p of draws of the errors."
_CELLS = 2_000
_DRAWS = 2_000
_BINS = 10
_CERTAIN = 0.005
"""Cells with probabilities this close to 0 or 1 tell nothing apart."""
_TOLERANCE = 0.02


def check(cells: ScoredCells, run: Run, errors: error_model.Errors, *, seed: int) -> Check:
    """Return the calibration curve of the probability, against draws of heights and horizons.

    The probability is a closed form. Here features are moved by random errors, one for each source
    of errors, and the criteria are evaluated as they are.

    Parameters
    ----------
    cells, run, errors : ScoredCells, Run, Errors
        The run and its error model.
    seed : int
        Seed of the draws.
    """
    probability = run.scores["probability"].to_numpy(np.float64)[cells.index]
    uncertain = np.flatnonzero((probability > _CERTAIN) & (probability < 1.0 - _CERTAIN))
    if uncertain.size == 0:
        lacks = "Every cell is certain to meet the criteria or not to: there is no curve."
        return not_run(NAME, CLAIM, lacks)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(uncertain, min(_CELLS, uncertain.size), replace=False))
    share = _share_of_draws(run, cells.index[chosen], errors, rng)
    predicted = probability[chosen]
    of_bin = np.minimum((predicted * _BINS).astype(np.int64), _BINS - 1)
    count = np.bincount(of_bin, minlength=_BINS)
    mean, found = (
        np.bincount(of_bin, weights=values, minlength=_BINS) / np.maximum(count, 1)
        for values in (predicted, share)
    )
    error = float(np.sum(count * np.abs(mean - found)) / chosen.size)
    worst = float(np.abs(predicted - share).max())
    figures: dict[str, Any] = {
        "cells": int(chosen.size),
        "draws": _DRAWS,
        "calibration_error": round(error, 5),
        "greatest_difference": round(worst, 5),
        "bins": [
            {
                "cells": int(count[number]),
                "probability": round(float(mean[number]), 4),
                "share_of_draws": round(float(found[number]), 4),
            }
            for number in np.flatnonzero(count)
        ],
    }
    return Check(
        name=NAME,
        claim=CLAIM,
        outcome=Outcome.HOLDS if error <= _TOLERANCE else Outcome.FAILS,
        finding=f"Over {chosen.size:,} cells of uncertain outcome the calibration error is "
        f"{error:.4f}, the greatest difference {worst:.3f}. The errors are those that the run was "
        "told: whether they are the true ones, this does not show.",
        null=f"{_DRAWS:,} draws of the errors; a calibration error of {_TOLERANCE:g}",
        figures=figures,
    )


def _share_of_draws(
    run: Run, index: NDArray[np.int64], errors: error_model.Errors, rng: np.random.Generator
) -> Float:
    """Return the share of draws in which cells meet every criterion, shape (cells,)."""
    table = run.features.iloc[index]
    criteria = run.profile.criteria
    sigma = error_model.standard_errors(
        table, run.profile, errors, error_model.footprint_of(run.features)
    )
    margins = [c.margin(table[c.feature].to_numpy(np.float64)) for c in criteria]
    sources = [error_model.source_of(c) for c in criteria]
    met = np.zeros(index.size)
    for _ in range(_DRAWS):
        noise = {source: rng.standard_normal(index.size) for source in dict.fromkeys(sources)}
        good = np.ones(index.size, bool)
        for criterion, margin, own, source in zip(criteria, margins, sigma, sources, strict=True):
            moved = (
                margin
                if source is None
                else (margin + error_model.sign_of(criterion) * own * noise[source])
            )
            good &= moved >= 0.0
        met += good
    return met / _DRAWS
