"""Suitability and probability of a place, in closed form.

A criterion with margin m (positive if it is met) and softness s has the membership
1/(1 + exp(-m/s)), averaged over the error of its margin by a normal distribution of scale 1.702
(MacKay 1992, Neural Comput. 4:720). The *suitability* is the geometric mean of the memberships: it
ranks places, and a place on all its limits has 0.5, however many there are. The *probability* is
that of all margins being positive, given the errors alone: softness has no part in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from lunarsite.engine.scoring import error_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.scoring.error_model import Errors, Footprint, Values
    from lunarsite.engine.scoring.profiles import Profile

    Float = NDArray[np.float64]

_LOGISTIC = 1.702
"""Scale with which a normal distribution is closest to a logistic one."""


def log_memberships(
    values: Values, profile: Profile, errors: Errors, footprint: Footprint
) -> tuple[Float, ...]:
    """Return the logarithm of the membership of every criterion.

    Parameters
    ----------
    values : mapping of str to array
        Features by name, all of one shape; NaN for nodata.
    profile : Profile
        The criteria.
    errors : Errors
        The error model.
    footprint : Footprint
        The pixels over which features are averaged.

    Returns
    -------
    tuple of ndarray of float64
        One array for each criterion; at most 0, NaN for nodata.

    References
    ----------
    MacKay (1992), Neural Comput. 4:720.
    """
    sigma = error_model.standard_errors(values, profile, errors, footprint)
    return tuple(
        np.asarray(
            special.log_expit(
                criterion.margin(values[criterion.feature])
                / np.hypot(criterion.softness, error / _LOGISTIC)
            )
        )
        for criterion, error in zip(profile.criteria, sigma, strict=True)
    )


def log_odds(values: Values, profile: Profile, errors: Errors, footprint: Footprint) -> Float:
    """Return the log-odds of the suitability; NaN if a feature is missing."""
    return of_memberships(log_memberships(values, profile, errors, footprint))


def of_memberships(memberships: tuple[Float, ...] | Float) -> Float:
    """Return the log-odds of the geometric mean of memberships, given as logarithms."""
    total = memberships[0].astype(np.float64)
    for one in memberships[1:]:
        total = total + one
    return to_log_odds(total / len(memberships))


def exact_log_odds(values: Values, profile: Profile) -> Float:
    """Return the log-odds of the suitability of exact features; NaN if one is missing."""
    return of_memberships(
        tuple(
            np.asarray(special.log_expit(c.margin(values[c.feature]) / c.softness))
            for c in profile.criteria
        )
    )


def probability(values: Values, profile: Profile, errors: Errors, footprint: Footprint) -> Float:
    """Return the probability that every criterion is met, given the errors of the features.

    Features from one source of errors (heights, horizons, network) have the same error, in units
    of their standard errors, so that all of them hold in one interval of it. Sources are
    independent.

    Returns
    -------
    ndarray of float64
        0 to 1; NaN if a feature is missing.
    """
    sigma = error_model.standard_errors(values, profile, errors, footprint)
    low: dict[str | None, Float] = {}
    high: dict[str | None, Float] = {}
    total = np.ones(np.shape(values[profile.criteria[0].feature]))
    for criterion, error in zip(profile.criteria, sigma, strict=True):
        margin = criterion.margin(values[criterion.feature])
        known = np.isfinite(margin)
        total = np.where(known, total, np.nan)
        exact = error <= 0.0
        total = np.where(known & exact & (margin < 0.0), 0.0, total)
        limit = np.where(exact, np.inf, margin / np.where(exact, 1.0, error))
        source = error_model.source_of(criterion)
        if error_model.sign_of(criterion) > 0:
            low[source] = np.maximum(low.get(source, -np.inf), -limit)
        else:
            high[source] = np.minimum(high.get(source, np.inf), limit)
    for source in {*low, *high}:
        top, bottom = high.get(source), low.get(source)
        if top is None:
            share = special.ndtr(-np.asarray(bottom))
        elif bottom is None:
            share = special.ndtr(top)
        else:
            share = np.maximum(special.ndtr(top) - special.ndtr(bottom), 0.0)
        total = total * share
    return np.asarray(total)


def to_log_odds(log_share: Float) -> Float:
    """Return log(p / (1 - p)) from log(p), accurate for p near 0 and 1."""
    safe = np.minimum(log_share, -1e-300)
    return np.asarray(log_share - np.log(-np.expm1(safe)))
