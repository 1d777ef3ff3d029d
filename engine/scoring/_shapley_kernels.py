"""Shapley values of the closed form, by enumeration, compiled."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def _log_odds(mean_log: float) -> float:
    safe = min(mean_log, -1e-300)
    return mean_log - math.log(-math.expm1(safe))


@njit(cache=True, nogil=True, error_model="numpy")
def shapley_values(memberships: Float, background: Float) -> Float:
    """Return the Shapley values of the criteria for the log-odds of the suitability.

    Parameters
    ----------
    memberships : ndarray of float64, shape (places, criteria)
        Logarithms of the memberships; NaN for nodata.
    background : ndarray of float64, shape (references, criteria)
        Those of the places with which each is compared, one after the other.

    Returns
    -------
    ndarray of float64, shape (places, criteria)
        They add up to the log-odds of the place minus the mean log-odds of the background.

    References
    ----------
    Shapley (1953), in Contributions to the Theory of Games II; Lundberg & Lee (2017), NeurIPS.
    """
    places, criteria = memberships.shape
    subsets = 1 << criteria
    size = np.zeros(subsets, np.int64)
    for s in range(1, subsets):
        size[s] = size[s >> 1] + (s & 1)
    weight = np.zeros(criteria)
    for k in range(criteria):
        weight[k] = math.exp(
            math.lgamma(k + 1.0) + math.lgamma(float(criteria - k)) - math.lgamma(criteria + 1.0)
        )
    out = np.zeros((places, criteria))
    value = np.empty(subsets)
    for n in range(places):
        for b in range(background.shape[0]):
            for s in range(subsets):
                total = 0.0
                for k in range(criteria):
                    inside = (s >> k) & 1
                    total += memberships[n, k] if inside == 1 else background[b, k]
                value[s] = _log_odds(total / criteria)
            for k in range(criteria):
                own = 1 << k
                for s in range(subsets):
                    if s & own == 0:
                        out[n, k] += weight[size[s]] * (value[s | own] - value[s])
        for k in range(criteria):
            out[n, k] /= background.shape[0]
    return out
