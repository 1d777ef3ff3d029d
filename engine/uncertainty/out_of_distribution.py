"""How well an uncertainty separates out-of-distribution images from in-distribution ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]


def auroc(inside: Float, outside: Float) -> float:
    """Return the area under the ROC curve of a score that should be higher out of distribution.

    Parameters
    ----------
    inside, outside : ndarray of float64, shape (images,)
        Scores of in-distribution and of out-of-distribution images.

    Returns
    -------
    float
        Probability that an out-of-distribution score exceeds an in-distribution one, ties counted
        half; NaN if either is empty.
    """
    if not inside.size or not outside.size:
        return float("nan")
    # The method only concerns the p-value, which is not used.
    test = stats.mannwhitneyu(outside, inside, method="asymptotic")
    return float(test.statistic / (inside.size * outside.size))


def false_positive_rate(inside: Float, outside: Float, recall: float = 0.95) -> float:
    """Return the false positive rate at a given recall of out-of-distribution images.

    Parameters
    ----------
    inside, outside : ndarray of float64, shape (images,)
        Scores of in-distribution and of out-of-distribution images.
    recall : float
        Fraction of the out-of-distribution images at or above the threshold.

    Returns
    -------
    float
        Fraction of the in-distribution images at or above the same threshold; NaN if either is
        empty.
    """
    if not inside.size or not outside.size:
        return float("nan")
    threshold = np.quantile(outside, 1.0 - recall)
    return float((inside >= threshold).mean())
