"""The ranking itself: under other limits and weights, without a criterion, against simple rules."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.scoring import error_model, suitability
from lunarsite.engine.scoring.features.columns import BY_NAME
from lunarsite.engine.validation.checks import Check, Outcome, not_run, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.finished_run import Run
    from lunarsite.engine.scoring.profiles import Profile
    from lunarsite.engine.validation.cells import ScoredCells

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

STABILITY = "rank-stability"
STABILITY_CLAIM = (
    "The best cells stay the best when limits, weights and data are a little different."
)
ABLATION = "ablation"
ABLATION_CLAIM = "Each criterion changes which cells are the best."
CARD = "scorer-validation"
CARD_CLAIM = "The scorer holds on spatial blocks that it was not trained on."
_DRAWS = 60
_HELD = 0.5


def check_stability(
    cells: ScoredCells, run: Run, errors: error_model.Errors, *, seed: int, context: Context
) -> Check:
    """Return how many of the best cells stay so under other limits and weights.

    Limits move by a normal deviate of half their softness, weights of the criteria are drawn evenly
    from all that add to one. What heights, horizons and the borders of cells do is in the rank
    intervals.
    """
    profile = run.profile
    top = cells.tops[0]
    table = run.features.iloc[cells.index]
    footprint = error_model.footprint_of(run.features)
    values = {c.feature: table[c.feature].to_numpy(np.float64) for c in profile.criteria}
    rng = np.random.default_rng(seed)
    memberships = _memberships(table, profile, errors, footprint)
    own = _Ranking.of(memberships.mean(axis=0), top)
    limits, weights = [], []
    for number in range(_DRAWS):
        context.progress(number / _DRAWS, "other limits and weights")
        moved = tuple(
            replace(c, threshold=c.threshold + 0.5 * c.softness * rng.standard_normal())
            for c in profile.criteria
        )
        shifted = _memberships(table, profile.with_criteria(moved), errors, footprint)
        limits.append(own.shared(shifted.mean(axis=0)))
        if len(profile.criteria) > 1:
            drawn = rng.dirichlet(np.ones(len(profile.criteria)))
            weights.append(own.shared(drawn @ memberships))
    low, high = (
        run.scores[name].to_numpy(np.float64)[cells.index[cells.order[:top]]]
        for name in ("rank_low", "rank_high")
    )
    figures: dict[str, Any] = {
        "top": top,
        "draws": _DRAWS,
        "limits_shared": rounded(np.percentile(limits, (5, 50, 95))),
        "weights_shared": rounded(np.percentile(weights, (5, 50, 95))) if weights else None,
        "criteria": {c.feature: _spread(values[c.feature]) for c in profile.criteria},
        "rank_interval_median": float(np.median(high - low)),
        "within_twice_the_top": round(float(np.mean(high <= 2 * top)), 4),
    }
    worst = figures["limits_shared"][0]
    text = (
        f"Of the best {top} cells, {100 * figures['limits_shared'][1]:.0f} % stay among them when "
        f"limits move by half their softness (in 19 of 20 draws {100 * worst:.0f} % or more)"
    )
    if weights:
        text += (
            f", and {100 * figures['weights_shared'][1]:.0f} % under random weights of the criteria"
        )
    text += (
        ". Errors of heights, horizons and cell borders leave "
        f"{100 * figures['within_twice_the_top']:.0f} % of them within rank {2 * top}; the median "
        f"rank interval is {figures['rank_interval_median']:.0f} ranks wide."
    )
    return Check(
        name=STABILITY,
        claim=STABILITY_CLAIM,
        outcome=Outcome.HOLDS if figures["limits_shared"][1] >= _HELD else Outcome.FAILS,
        finding=text,
        null=f"Random cells would share {100.0 * top / len(cells):.2g} %",
        figures=figures,
    )


def check_ablation(
    cells: ScoredCells, run: Run, errors: error_model.Errors, inside: NDArray[np.bool_] | None
) -> Check:
    """Return what each criterion, and each simple rule in place of the score, does to the best.

    Parameters
    ----------
    cells, run, errors : ScoredCells, Run, Errors
        The run.
    inside : ndarray of bool, shape (cells,), optional
        Cells inside candidate regions: the rules are compared by their lift too.
    """
    profile = run.profile
    if len(profile.criteria) < 2:
        return not_run(
            ABLATION, ABLATION_CLAIM, "The profile has one criterion: none can be left out."
        )
    top = cells.tops[0]
    table = run.features.iloc[cells.index]
    footprint = error_model.footprint_of(run.features)
    memberships = _memberships(table, profile, errors, footprint)
    own = _Ranking.of(memberships.mean(axis=0), top)
    without, alone = {}, {}
    rankings: dict[str, Float] = {"score": cells.score}
    for number, criterion in enumerate(profile.criteria):
        rest = np.delete(memberships, number, axis=0).mean(axis=0)
        without[criterion.feature] = round(own.shared(rest), 4)
        alone[criterion.feature] = round(own.shared(memberships[number]), 4)
        rankings[f"{criterion.title} alone"] = memberships[number]
    margins = [c.margin(table[c.feature]) for c in profile.criteria]
    bare = np.sum([margin >= 0.0 for margin in margins], axis=0).astype(np.float64)
    rankings["number of criteria met"] = bare
    figures: dict[str, Any] = {
        "top": top,
        "shared_without": without,
        "shared_alone": alone,
        "share_that_meets_all": round(float(np.mean(bare == len(profile.criteria))), 5),
    }
    text = f"Of the best {top} cells, " + ", ".join(
        f"{100 * share:.0f} % stay without {BY_NAME[feature].title.lower()}"
        for feature, share in without.items()
    )
    if inside is not None and inside.any():
        # The more of all cells are the best, the closer is each lift to 1.
        most = cells.tops[-1]
        figures["lift"] = {
            name: round(_lift(rank, inside, most), 3) for name, rank in rankings.items()
        }
        text += f"; lift of the best {most} in candidate regions: " + ", ".join(
            f"{name} {lift:.2f}" for name, lift in figures["lift"].items()
        )
    changes = all(share < 0.95 for share in without.values())
    return Check(
        name=ABLATION,
        claim=ABLATION_CLAIM,
        outcome=Outcome.HOLDS if changes else Outcome.FAILS,
        finding=text + ".",
        null="The bare rule: cells ranked by how many criteria they meet, ties shared evenly",
        figures=figures,
    )


def check_card(card: Mapping[str, Any], trained_on: str, files: tuple[str, ...]) -> Check:
    """Return the validation of the scorer on spatial blocks, from its card."""
    figures = dict(card.get("validation") or {})
    if not figures:
        return not_run(CARD, CARD_CLAIM, "The scorer's card has no validation: train it again.")
    error = figures.get("rmse_above_a_tenth")
    return Check(
        name=CARD,
        claim=CARD_CLAIM,
        outcome=Outcome.BY_CONSTRUCTION,
        finding=f"Trained on {trained_on}; in {figures.get('folds')} folds of blocks of "
        f"{figures.get('block_m', 0) / 1000:g} km it reproduces the suitability with an RMSE of "
        f"{error if error is None else format(error, '.4f')} where that exceeds 0.1, and a "
        f"calibration error of {figures.get('calibration_error', float('nan')):.1e}. The labels "
        "are made from the criteria themselves: this shows that the scorer reproduces them, not "
        "that the criteria are right.",
        null=f"The closed form: rank correlation {figures.get('spearman_with_closed_form')}",
        figures=figures,
        files=files,
    )


class _Ranking:
    """The best cells of a ranking."""

    def __init__(self, best: Int) -> None:
        self.best = best

    @classmethod
    def of(cls, score: Float, top: int) -> _Ranking:
        return cls(_best(score, top))

    def shared(self, other: Float) -> float:
        """Return the share of the best cells that are the best of another ranking too."""
        both = np.intersect1d(self.best, _best(other, self.best.size))
        return float(both.size / self.best.size)


def _best(score: Float, top: int) -> Int:
    return np.argpartition(-score, top - 1)[:top]


def _memberships(
    table: Any, profile: Profile, errors: error_model.Errors, footprint: error_model.Footprint
) -> Float:
    """Return the logarithms of the memberships, shape (criteria, cells)."""
    return np.stack(suitability.log_memberships(table, profile, errors, footprint))


def _lift(score: Float, inside: NDArray[np.bool_], top: int) -> float:
    """Return the lift of the best cells; cells tied with the last count by their share."""
    top = min(top, score.size)
    limit = -np.partition(-score, top - 1)[top - 1]
    above, tied = score > limit, score == limit
    held = inside[above].sum() + inside[tied].mean() * (top - above.sum())
    return float(held / top / inside.mean())


def _spread(values: Float) -> list[float | None]:
    return rounded(np.nanpercentile(values, (5, 50, 95)))
