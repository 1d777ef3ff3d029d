"""Training of the scorer: trees for what the closed form lacks, and their cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import xgboost as xgb
from scipy import special, stats

from lunarsite.engine import provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.scoring import labels, suitability
from lunarsite.engine.scoring.error_model import Errors, footprint_of
from lunarsite.engine.scoring.features.columns import BY_NAME
from lunarsite.engine.scoring.features.feature_table import cell_grid
from lunarsite.engine.scoring.scorer import Scorer, features_of, inputs_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.profiles import Profile

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

MIN_CELLS = 200
_LOWEST, _HIGHEST = -30.0, 30.0
_BLOCK_M = 30_000.0
_MAX_BIN = 512
_FEW_CELLS = 5_000
"""Up to this number of cells one thread is faster than several, especially on a busy machine."""
_SPREAD_SHARE = 0.25
SPANS = {"%": (0.0, 100.0), "deg": (0.0, 45.0)}
"""Range of features by unit, independent of the values in an area."""

_SETTINGS = {
    # Trained on the CPU whatever the device: on a GPU, subsampling draws other cells and features,
    # so that the same seed would give other trees and other ranks.
    "device": "cpu",
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "max_depth": 6,
    "learning_rate": 0.05,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "max_bin": _MAX_BIN,
    "min_child_weight": 1.0,
    "base_score": 0.0,
}
TREES = 300
_REFERENCES = 64
"""Cells of the training area with which the criteria of a place are compared."""

MOST_CRITERIA = 12
"""Criteria whose Shapley values can be enumerated."""

_MATTERS = 0.1
"""Suitability above which the errors of a score matter."""


def train(
    table: pd.DataFrame,
    profile: Profile,
    errors: Errors,
    context: Context,
    *,
    draws: int = 100,
    folds: int = 5,
    seed: int = 7,
) -> Scorer:
    """Fit a scorer to a feature table, and evaluate it by spatial cross-validation.

    Parameters
    ----------
    table : DataFrame
        A feature table; cells that lack the feature of a criterion are excluded.
    profile : Profile
        The criteria.
    errors : Errors
        Error model of the soft labels.
    context : Context
        Threads, progress.
    draws, folds, seed : int
        Number of Monte Carlo draws and of folds of spatial blocks; random seed.

    Returns
    -------
    Scorer
        With its card.

    Raises
    ------
    InputError
        If fewer than 200 cells have the features of all criteria.
    """
    if len(profile.criteria) > MOST_CRITERIA:
        raise InputError(
            f"The profile {profile.name!r} has {len(profile.criteria)} criteria; scores are "
            f"explained for {MOST_CRITERIA} at most",
            "Leave out the criteria that matter least",
        )
    known = table[profile.known(table)].reset_index(drop=True)
    if len(known) < MIN_CELLS:
        raise _too_few(table, profile, len(known))
    count, grid = len(known), cell_grid(known)
    taught = pd.concat([known, _spread(known, profile, seed)], ignore_index=True)
    label = labels.soft_labels(
        taught, profile, errors, count=draws, seed=seed, context=context.part(0.0, 0.2)
    )
    target: Float32 = np.clip(label, _LOWEST, _HIGHEST).astype(np.float32)
    footprint = footprint_of(table)
    memberships = suitability.log_memberships(taught, profile, errors, footprint)
    closed = np.clip(suitability.of_memberships(memberships), _LOWEST, _HIGHEST)
    inputs, weights = features_of(taught, inputs_for(profile)), _weights(target)
    block = _blocks(taught, folds, seed)
    held_out = np.full(count, np.nan)
    for fold in range(folds):
        context.progress(0.2 + 0.65 * fold / folds, f"cross-validation, fold {fold + 1}")
        out = block == fold
        if not out.any() or out.all():
            continue
        data = _Data(inputs[~out], target[~out], weights[~out], closed[~out])
        booster = _fit(data, profile, seed, context.threads)
        own = out[:count]
        rest = booster.inplace_predict(inputs[:count][own], validate_features=False)
        held_out[own] = closed[:count][own] + rest
    context.progress(0.87, "training on all cells")
    booster = _fit(_Data(inputs, target, weights, closed), profile, seed, context.threads)
    metrics = _metrics(held_out, target[:count], closed[:count], profile.passes(known))
    card = {
        "name": f"scorer-{profile.name}",
        "task": "log-odds of the suitability: closed form of the criteria, and trees for the rest",
        "profile": profile.as_dict(),
        "features": list(inputs_for(profile)),
        "monotone": _constraints(profile),
        "settings": _SETTINGS | {"trees": TREES, "seed": seed},
        "labels": {"draws": draws, "errors": errors.as_dict()},
        "background": _references(np.column_stack(memberships)[:count], seed),
        "training_area": {"cell_m": grid.pixel_m, "west_south_east_north_m": list(grid.bounds)},
        "training_cells": count,
        "training_cells_spread": len(taught) - count,
        "training_cells_that_pass": int(profile.passes(known).sum()),
        "validation": {"folds": folds, "block_m": _BLOCK_M, **metrics},
        "versions": provenance.versions(),
        "licence": "GPL-3.0-or-later",
    }
    return Scorer(booster, profile, card)


def _too_few(table: pd.DataFrame, profile: Profile, known: int) -> InputError:
    """Return the error for a table that teaches too little, with what it lacks most."""
    asked = dict.fromkeys(criterion.feature for criterion in profile.criteria)
    cells = {name: int(np.isfinite(table[name]).sum()) for name in asked}
    rare = {name: count for name, count in cells.items() if count < MIN_CELLS} or cells
    lacking = ", ".join(f"{name} is known in {count}" for name, count in rare.items())
    return InputError(
        f"{known} of {len(table)} cells have all features of the criteria; training needs "
        f"{MIN_CELLS}, and {lacking}",
        "Give layers that cover more cells, a larger area or smaller cells, or leave the criteria "
        "on these features out",
    )


def _spread(table: pd.DataFrame, profile: Profile, seed: int) -> pd.DataFrame:
    """Return copies of some cells with the features of the criteria drawn from their full range.

    Few cells of an area have an illumination of, say, 70 %; without these copies, the trees would
    score all values beyond the best of the area equally.
    """
    rng = np.random.default_rng([seed, 2])
    copies = table.iloc[rng.integers(0, len(table), round(_SPREAD_SHARE * len(table)))].copy()
    for criterion in profile.criteria:
        low, high = SPANS.get(BY_NAME[criterion.feature].unit, (0.0, 0.0))
        own = table[criterion.feature]
        low, high = min(low, float(own.min())), max(high, float(own.max()))
        drawn = rng.uniform(low, high, len(copies))
        copies[criterion.feature] = drawn.astype(own.to_numpy().dtype)
    return copies


class _Data(NamedTuple):
    """What the trees are fitted to, one row per cell.

    Parameters
    ----------
    inputs : ndarray of float32, shape (cells, features)
        Features.
    target : ndarray of float32, shape (cells,)
        Log-odds of the label.
    weights : ndarray of float32, shape (cells,)
        Training weights.
    closed : ndarray of float64, shape (cells,)
        Log-odds in closed form, to which the trees add.
    """

    inputs: Float32
    target: Float32
    weights: Float32
    closed: Float


def _references(memberships: Float, seed: int) -> list[list[float]]:
    """Return the log-memberships of some cells, with which the explanations compare.

    In random order: the first of them stand for all where fewer are used.
    """
    drawn = np.random.default_rng([seed, 3]).permutation(len(memberships))[:_REFERENCES]
    listed: list[list[float]] = np.round(memberships[drawn], 6).tolist()
    return listed


def _fit(data: _Data, profile: Profile, seed: int, threads: int) -> xgb.Booster:
    threads = threads if len(data.inputs) > _FEW_CELLS else 1
    directions = _constraints(profile)
    constraints = tuple(directions.values())
    settings = _SETTINGS | {"monotone_constraints": constraints, "seed": seed, "nthread": threads}
    matrix = xgb.QuantileDMatrix(
        data.inputs,
        data.target,
        weight=data.weights,
        base_margin=data.closed,
        feature_names=list(directions),
        max_bin=_MAX_BIN,
        nthread=threads,
    )
    return xgb.train(settings, matrix, num_boost_round=TREES)


def _constraints(profile: Profile) -> dict[str, int]:
    """Return the monotonicity constraint of each feature: 1, -1, or 0 for none."""
    ways: dict[str, set[int]] = {}
    for criterion in profile.criteria:
        ways.setdefault(criterion.feature, set()).add(criterion.direction)
    # Between two limits on one feature neither more nor less is always better.
    return {name: next(iter(found)) if len(found) == 1 else 0 for name, found in ways.items()}


def _weights(target: Float32) -> Float32:
    """Return training weights that favour cells near and within the limits.

    About 1 % of the cells determine the ranking; unsuitable ones need no fine distinction.
    """
    return np.asarray(0.02 + special.expit(0.5 * (target + 2.0)), dtype=np.float32)


def _blocks(table: pd.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of every cell: blocks of 30 km, or a ninth of the side of a small area."""
    x, y = table["x_m"].to_numpy(), table["y_m"].to_numpy()
    side = min(_BLOCK_M, max(float(np.ptp(x)), float(np.ptp(y))) / 9.0 + 1.0)
    across = np.floor((x - x.min()) / side).astype(np.int64)
    down = np.floor((y - y.min()) / side).astype(np.int64)
    _, index = np.unique(across * 100_000 + down, return_inverse=True)
    order = np.random.default_rng([seed, 1]).permutation(int(index.max()) + 1)
    return np.asarray(order[index] % folds)


def _metrics(
    held_out: Float, target: Float32, closed: Float, passes: NDArray[np.bool_]
) -> dict[str, Any]:
    known = np.isfinite(held_out)
    if known.sum() < MIN_CELLS // 2:
        return {"cells": int(known.sum())}
    predicted, expected = held_out[known], target[known].astype(np.float64)
    score, label = special.expit(predicted), special.expit(expected)
    passing, matters = passes[known], np.maximum(score, label) > _MATTERS
    gap = score - label
    metrics: dict[str, Any] = {
        "cells": int(known.sum()),
        "spearman_with_label": _rounded(stats.spearmanr(predicted, expected).statistic),
        "spearman_with_closed_form": _rounded(stats.spearmanr(predicted, closed[known]).statistic),
        "cells_above_a_tenth": int(matters.sum()),
        "rmse_above_a_tenth": _rounded(np.sqrt(np.mean(gap[matters] ** 2)))
        if matters.any()
        else None,
        "rmse_log_odds_above_a_tenth": _rounded(
            np.sqrt(np.mean((predicted - expected)[matters] ** 2))
        )
        if matters.any()
        else None,
        "calibration_error": _rounded(_calibration(score, label)),
        "passing_cells": int(passing.sum()),
    }
    if 0 < passing.sum() < len(passing):
        ranks = stats.rankdata(predicted)
        positive = int(passing.sum())
        area = ranks[passing].sum() - positive * (positive + 1) / 2
        metrics["auc_of_strict_rule"] = _rounded(area / (positive * (len(passing) - positive)))
    return metrics


def _calibration(probability: Float, label: Float) -> float:
    """Return the expected calibration error over 15 bins of equal width."""
    which = np.minimum((probability * 15).astype(int), 14)
    count = np.bincount(which, minlength=15)
    gap = np.bincount(which, weights=probability - label, minlength=15)
    return float(np.abs(gap[count > 0]).sum() / len(probability))


def _rounded(value: Any) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
