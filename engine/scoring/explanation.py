"""Why a cell scores as it does: Shapley values, exact margins, what would make it pass.

The trees' contributions (TreeSHAP, Lundberg et al. 2020, Nat. Mach. Intell. 2:56) add up to the
score's log-odds. People read scores, so they are carried over to score points by one factor for
each cell, (score - base score) / (log-odds - base log-odds): signs, order and proportions stay, and
the contributions add up to the score exactly.
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
from lunarsite.engine.scoring.features.columns import BY_NAME
from lunarsite.engine.scoring.scorer import features_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.scoring.profiles import Profile
    from lunarsite.engine.scoring.scorer import Scorer

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_FEW = 64
_CHUNK = 400_000


def contributions(scorer: Scorer, table: pd.DataFrame) -> tuple[Float, float]:
    """Return the contributions of all features to the log-odds of every cell.

    Returns
    -------
    values : ndarray of float64, shape (cells, features)
        In the order of the scorer's ``inputs``.
    base : float
        The log-odds that they start from.
    """
    inputs = pd.DataFrame(features_of(table, scorer.inputs), columns=list(scorer.inputs))
    if len(inputs) <= _FEW:
        found = scorer.booster.predict(xgb.DMatrix(inputs), pred_contribs=True).astype(np.float64)
        return found[:, :-1], float(found[0, -1]) if len(found) else 0.0
    explainer = WoodelfExplainer(scorer.booster)
    parts = []
    for start in range(0, len(inputs), _CHUNK):
        # Woodelf asks x < t', t' the float32 below the threshold t, where the trees ask x < t:
        # x = t' would go astray. A float64 just below x goes where the trees send x.
        part = np.nextafter(inputs.iloc[start : start + _CHUNK].astype(np.float64), -np.inf)
        parts.append(np.asarray(explainer.shap_values(part, verbose=False), np.float64))
    base = scorer.booster.predict(xgb.DMatrix(inputs.iloc[:1]), pred_contribs=True)[0, -1]
    return np.concatenate(parts), float(base)


def in_score_points(values: Float, base: float) -> tuple[Float, float]:
    """Return contributions and base in score points, adding up to the score.

    Where a cell's contributions cancel, the factor is the curve's slope at the base.
    """
    base_score = float(special.expit(base))
    total = values.sum(axis=1)
    small = np.abs(total) < 1e-9
    steep = base_score * (1.0 - base_score)
    rise = special.expit(base + total) - base_score
    factor = np.where(small, steep, rise / np.where(small, 1.0, total))
    return values * factor[:, None], base_score


def margins(profile: Profile, row: pd.Series) -> list[dict[str, Any]]:
    """Return value, limit and margin of each criterion, in the feature's unit."""
    found = []
    for criterion in profile.criteria:
        value = float(row[criterion.feature])
        known = bool(np.isfinite(value))
        margin = float(criterion.margin(value)) if known else None
        found.append(
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
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Passing:
    """The cells of a table that keep every criterion, and a tree of their places."""

    index: NDArray[np.int64]
    tree: cKDTree | None

    @classmethod
    def of(cls, profile: Profile, table: pd.DataFrame) -> Passing:
        """Find them."""
        index = np.flatnonzero(profile.passes(table))
        places = table[["x_m", "y_m"]].to_numpy(np.float64)[index]
        return cls(index, cKDTree(places) if len(index) else None)


def to_pass(profile: Profile, table: pd.DataFrame, index: int, passing: Passing) -> dict[str, Any]:
    """Return what would make a cell pass: the smallest changes, and the nearest cell that passes.

    Criteria limit one feature each, so the smallest change of each broken one leads to its limit,
    and all of them together are needed. A feature that is missing has no value to change.
    """
    row = table.iloc[index]
    broken = [found for found in margins(profile, row) if found["holds"] is not True]
    changes = [
        {
            "feature": found["feature"],
            "title": found["title"],
            "value": found["value"],
            "needed": found["threshold"],
            "change": None if found["value"] is None else found["threshold"] - found["value"],
            "unit": found["unit"],
        }
        for found in broken
    ]
    return {
        "passes": not broken,
        "changes": changes,
        "nearest_passing": _nearest(passing, table, index) if broken else None,
    }


def named_contributions(
    values: Float, names: Sequence[str], row: pd.Series, base_log_odds: float
) -> tuple[list[dict[str, Any]], float]:
    """Return one cell's contributions, strongest first, in score points, and the base value.

    ``values`` are log-odds of the features ``names``.
    """
    points, base = in_score_points(values[None, :], base_log_odds)
    order = np.argsort(-np.abs(points[0]), kind="stable")
    found = [
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
    return found, base


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
