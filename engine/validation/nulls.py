"""Null models and the statistics that compare figures with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

INTERVAL = (2.5, 97.5)
"""Percentiles of the intervals that are quoted."""

_LATITUDE_CLASSES = 20
_SLOPE_CLASSES = 10
_LEAST_CELLS = 10
"""Cells of a class, at least: the only cell of a class is like none but itself."""


def p_value(observed: float, null: ArrayLike, ties: np.random.Generator | None = None) -> float:
    """Return the share of a null distribution, the observed value included, that is as large.

    Parameters
    ----------
    observed : float
        The statistic.
    null : array_like of float
        The statistic under the null model; NaN is left out.
    ties : Generator, optional
        Breaks ties at random, for p-values that are uniform under the null model also where the
        statistic is a count. Without it, ties count as as large, and p is rather too high.

    Returns
    -------
    float
        (1 + number as large) / (1 + number); never 0.

    Examples
    --------
    >>> p_value(3.0, [0.0, 1.0, 2.0])
    0.25
    """
    drawn = np.asarray(null, np.float64)
    drawn = drawn[np.isfinite(drawn)]
    larger = np.count_nonzero(drawn > observed)
    tied = np.count_nonzero(drawn == observed)
    if ties is None:
        return float((1 + larger + tied) / (1 + drawn.size))
    return float((larger + (1 + tied) * ties.random()) / (1 + drawn.size))


def interval(values: ArrayLike) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile; NaN is left out, and NaN returned for nothing."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if known.size == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(known, INTERVAL)
    return float(low), float(high)


def classes(latitude_deg: Float, slope_deg: Float | None = None) -> Int:
    """Return classes of like latitude, and of like slope if slopes are given.

    Classes have about equal numbers of cells: 20 of latitude, each divided into 10 of slope; fewer
    where a class would have fewer than 10 cells.

    Parameters
    ----------
    latitude_deg, slope_deg : ndarray of float64, shape (cells,)
        Latitudes and slopes, without missing values.

    Returns
    -------
    ndarray of int64, shape (cells,)
        Number of the class of each cell.
    """
    of_slope = 1 if slope_deg is None else _SLOPE_CLASSES
    of_latitude = _number_of(latitude_deg.size // of_slope, _LATITUDE_CLASSES)
    by_latitude = _quantile_class(latitude_deg, of_latitude)
    if slope_deg is None:
        return by_latitude
    combined = np.empty_like(by_latitude)
    for number in range(of_latitude):
        at = by_latitude == number
        within = _number_of(int(at.sum()), _SLOPE_CLASSES)
        combined[at] = number * _SLOPE_CLASSES + _quantile_class(slope_deg[at], within)
    return combined


def _number_of(cells: int, most: int) -> int:
    return min(most, max(1, cells // _LEAST_CELLS))


def _quantile_class(values: Float, count: int) -> Int:
    order = np.argsort(values, kind="stable")
    found = np.empty(values.size, np.int64)
    found[order] = np.arange(values.size, dtype=np.int64) * count // max(values.size, 1)
    return found


def matched_counts(
    labels: Int, chosen: Int, cell_class: Int, draws: int, rng: np.random.Generator
) -> Int:
    """Return how many cells with each label random cells of the same classes hold.

    As many cells of each class are drawn, without replacement, as are chosen: the distribution is
    multivariate hypergeometric, class by class.

    Parameters
    ----------
    labels : ndarray of int64, shape (cells,)
        Label of each cell; -1 for none.
    chosen : ndarray of int64
        Row numbers of the chosen cells.
    cell_class : ndarray of int64, shape (cells,)
        Class of each cell.
    draws : int
        Number of draws.
    rng : Generator
        Random numbers.

    Returns
    -------
    ndarray of int64, shape (draws, labels)
        Counts by label.
    """
    names = int(labels.max(initial=-1)) + 1
    total = np.zeros((draws, names), np.int64)
    numbers = int(cell_class.max(initial=-1)) + 1
    table = np.bincount(
        cell_class * (names + 1) + labels + 1, minlength=numbers * (names + 1)
    ).reshape(numbers, names + 1)
    wanted = np.bincount(cell_class[chosen], minlength=numbers)
    for number in np.flatnonzero(wanted):
        drawn = rng.multivariate_hypergeometric(
            table[number], int(wanted[number]), size=draws, method="marginals"
        )
        total += drawn[:, 1:]
    return total


def block_bootstrap(
    parts: Float,
    block: Int,
    statistic: Callable[[Float], Float],
    draws: int,
    rng: np.random.Generator,
) -> Float:
    """Return a statistic of sums over cells, for resampled blocks of cells.

    Parameters
    ----------
    parts : ndarray of float64, shape (terms, cells)
        What is summed.
    block : ndarray of int64, shape (cells,)
        Number of the block of each cell.
    statistic : callable
        From sums of shape (terms, draws) to values of shape (draws,).
    draws : int
        Number of draws.
    rng : Generator
        Random numbers.

    Returns
    -------
    ndarray of float64, shape (draws,)
        Values of the statistic.
    """
    _, number = np.unique(block, return_inverse=True)
    blocks = int(number.max(initial=-1)) + 1
    sums: Float = np.stack([np.bincount(number, weights=part, minlength=blocks) for part in parts])
    weights: Float = rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=draws).astype(
        np.float64
    )
    return np.asarray(statistic(sums @ weights.T), np.float64)
