"""Explanation of scores: Shapley values, margins, and the changes with which a cell would pass.

The contributions of the criteria to the closed form are Shapley values, enumerated over all subsets
of criteria against cells of the training area; those of the trees are theirs (TreeSHAP, Lundberg et
al. 2020, Nat. Mach. Intell. 2:56). Together they add up to the log-odds of the score. The base is
the expected log-odds of those cells. For readability they are converted to score points with one
factor per cell, (score - base score) / (log-odds - base log-odds), which preserves signs, order and
proportions: the contributions add up to the score exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xgboost as xgb
from scipy import special
from scipy.spatial import cKDTree
from woodelf import WoodelfExplainer

from lunarsite.engine import moon
from lunarsite.engine.scoring import _shapley_kernels, suitability
from lunarsite.engine.scoring.error_model import footprint_of
from lunarsite.engine.scoring.features.columns import BY_NAME
from lunarsite.engine.scoring.scorer import features_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.scoring.error_model import Errors
    from lunarsite.engine.scoring.profiles import Profile
    from lunarsite.engine.scoring.scorer import Scorer

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_FEW = 64
_EVALUATIONS = 512
"""Subsets of criteria and references that are evaluated for a cell, about."""

_LEAST = 8
"""References at least, however many criteria there are."""

_CHUNK = 400_000


def contributions(
    scorer: Scorer, table: pd.DataFrame, errors: Errors | None = None
) -> tuple[Float, float]:
    """Return the contributions of all features to the log-odds of every cell.

    Parameters
    ----------
    scorer : Scorer
        The scorer.
    table : DataFrame
        Feature table.
    errors : Errors, optional
        Errors of the features; by default those of the scorer's labels.

    Returns
    -------
    values : ndarray of float64, shape (cells, features)
        In the order of ``inputs`` of the scorer.
    base : float
        Log-odds to which they are added.

    References
    ----------
    Lundberg et al. (2020), Nat. Mach. Intell. 2:56.
    """
    values, base = _of_closed_form(scorer, table, errors or scorer.errors)
    more, more_base = of_trees(scorer, table)
    return values + more, base + more_base


def _of_closed_form(scorer: Scorer, table: pd.DataFrame, errors: Errors) -> tuple[Float, float]:
    """Return the contributions of the criteria, added up by feature."""
    profile = scorer.profile
    memberships = suitability.log_memberships(table, profile, errors, footprint_of(table))
    references = scorer.background[: max(_LEAST, _EVALUATIONS >> len(profile.criteria))]
    of_criteria = _shapley_kernels.shapley_values(np.column_stack(memberships), references)
    expected = suitability.of_memberships(tuple(references.T)).mean()
    by_feature = np.zeros((len(table), len(scorer.inputs)))
    for k, criterion in enumerate(profile.criteria):
        by_feature[:, scorer.inputs.index(criterion.feature)] += of_criteria[:, k]
    return by_feature, float(expected)


def of_trees(scorer: Scorer, table: pd.DataFrame) -> tuple[Float, float]:
    """Return the contributions of the features in the trees."""
    inputs = pd.DataFrame(features_of(table, scorer.inputs), columns=list(scorer.inputs))
    if len(inputs) <= _FEW:
        shap = scorer.booster.predict(xgb.DMatrix(inputs), pred_contribs=True).astype(np.float64)
        return shap[:, :-1], float(shap[0, -1]) if len(shap) else 0.0
    explainer = WoodelfExplainer(scorer.booster)
    parts = []
    for start in range(0, len(inputs), _CHUNK):
        # Woodelf tests x < t', where t' is the float32 below the threshold t, but the trees test
        # x < t: x = t' would take the wrong branch. A float64 just below x takes the right one.
        part = np.nextafter(inputs.iloc[start : start + _CHUNK].astype(np.float64), -np.inf)
        parts.append(np.asarray(explainer.shap_values(part, verbose=False), np.float64))
    base = scorer.booster.predict(xgb.DMatrix(inputs.iloc[:1]), pred_contribs=True)[0, -1]
    return np.concatenate(parts), float(base)


def in_score_points(values: Float, base: float) -> tuple[Float, float]:
    """Convert contributions and base from log-odds to score points, which add up to the score.

    Parameters
    ----------
    values : ndarray of float64, shape (cells, features)
        Contributions to the log-odds.
    base : float
        Log-odds to which they are added.

    Returns
    -------
    values : ndarray of float64, shape (cells, features)
        Contributions in score points.
    base : float
        Base score.

    Notes
    -----
    If the contributions of a cell cancel, the factor is the slope of the logistic curve at the
    base.
    """
    base_score = float(special.expit(base))
    total = values.sum(axis=1)
    small = np.abs(total) < 1e-9
    steep = base_score * (1.0 - base_score)
    rise = special.expit(base + total) - base_score
    factor = np.where(small, steep, rise / np.where(small, 1.0, total))
    return values * factor[:, None], base_score


def margins(profile: Profile, row: pd.Series) -> list[dict[str, Any]]:
    """Return value, limit and margin of each criterion, in the unit of its feature."""
    listed = []
    for criterion in profile.criteria:
        value = float(row[criterion.feature])
        known = bool(np.isfinite(value))
        margin = float(criterion.margin(value)) if known else None
        listed.append(
            {
                "feature": criterion.feature,
                "title": BY_NAME[criterion.feature].title,
                "value": value if known else None,
                "sense": criterion.sense,
                "threshold": criterion.threshold,
                "margin": margin,
                "unit": criterion.unit,
                "holds": margin >= 0.0 if margin is not None else None,
            }
        )
    return listed


@dataclass(frozen=True, slots=True, eq=False)
class Passing:
    """The cells of a table that meet every criterion, and a spatial index of their positions."""

    index: NDArray[np.int64]
    tree: cKDTree | None

    @classmethod
    def of(cls, profile: Profile, table: pd.DataFrame) -> Passing:
        """Return the passing cells of a feature table."""
        index = np.flatnonzero(profile.passes(table))
        positions = table[["x_m", "y_m"]].to_numpy(np.float64)[index]
        return cls(index, cKDTree(positions) if len(index) else None)


def to_pass(profile: Profile, table: pd.DataFrame, index: int, passing: Passing) -> dict[str, Any]:
    """Return the smallest changes with which a cell would pass, and the nearest passing cell.

    Each criterion limits one feature, so the smallest change of a violated one is to its limit, and
    all of them are needed. A missing feature has no value to change. A cell that is not known well
    enough for a score does not pass either.
    """
    row = table.iloc[index]
    known = bool(profile.known(table.iloc[[index]])[0])
    violated = [margin for margin in margins(profile, row) if margin["holds"] is not True]
    changes = [
        {
            "feature": margin["feature"],
            "title": margin["title"],
            "value": margin["value"],
            "needed": margin["threshold"],
            "change": None if margin["value"] is None else margin["threshold"] - margin["value"],
            "unit": margin["unit"],
        }
        for margin in violated
    ]
    passes = known and not violated
    return {
        "passes": passes,
        "changes": changes,
        "nearest_passing": None if passes else _nearest(passing, table, index),
    }


def named_contributions(
    values: Float, names: Sequence[str], row: pd.Series, base_log_odds: float
) -> tuple[list[dict[str, Any]], float]:
    """Return the contributions of a cell in score points, strongest first, and the base value.

    Parameters
    ----------
    values : ndarray of float64, shape (features,)
        Contributions to the log-odds.
    names : sequence of str
        Names of the features.
    row : Series
        Feature values of the cell.
    base_log_odds : float
        Log-odds to which the contributions are added.

    Returns
    -------
    contributions : list of dict
        ``feature``, ``title``, ``value``, ``unit``, ``contribution`` and ``log_odds``.
    base : float
        Base score.
    """
    points, base = in_score_points(values[None, :], base_log_odds)
    order = np.argsort(-np.abs(points[0]), kind="stable")
    contributions_ = [
        {
            "feature": names[k],
            "title": BY_NAME[names[k]].title,
            "value": float(row[names[k]]) if np.isfinite(row[names[k]]) else None,
            "unit": BY_NAME[names[k]].unit,
            "contribution": float(points[0, k]),
            "log_odds": float(values[k]),
        }
        for k in order
    ]
    return contributions_, base


def _nearest(passing: Passing, table: pd.DataFrame, index: int) -> dict[str, Any] | None:
    if passing.tree is None:
        return None
    here = table.iloc[index]
    _, nearest = passing.tree.query([here["x_m"], here["y_m"]])
    other = table.iloc[int(passing.index[nearest])]
    angle = moon.angular_distance_rad(
        float(here["x_m"]), float(here["y_m"]), float(other["x_m"]), float(other["y_m"])
    )
    return {
        "cell_id": int(other["cell_id"]),
        "lon_deg": float(other["lon_deg"]),
        "lat_deg": float(other["lat_deg"]),
        "x_m": float(other["x_m"]),
        "y_m": float(other["y_m"]),
        "distance_m": float(angle) * moon.RADIUS_M,
    }
