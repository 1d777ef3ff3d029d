"""Mean, predictive entropy and mutual information of an ensemble's predictions.

The members are networks of several seeds (deep ensemble), or passes of one network with other
dropped channels (MC Dropout).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.uncertainty.measures import entropy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EnsemblePrediction:
    """Class probabilities of an ensemble and their uncertainty.

    Parameters
    ----------
    probability : ndarray of float32, shape (classes, rows, columns)
        Mean over the members.
    entropy : ndarray of float32, shape (rows, columns)
        Predictive entropy H[mean p], nats: 0 to the logarithm of the number of classes.
    mutual_information : ndarray of float32, shape (rows, columns)
        H[mean p] - mean H[p], nats: the disagreement between the members.
    """

    probability: Float32
    entropy: Float32
    mutual_information: Float32


def combine(probability: Float32) -> EnsemblePrediction:
    """Return the mean, the predictive entropy and the mutual information of the members.

    Parameters
    ----------
    probability : ndarray of float32, shape (members, classes, rows, columns)
        Class probabilities of each member.

    Returns
    -------
    EnsemblePrediction
        Of all members together.

    References
    ----------
    Houlsby et al. 2011, arXiv 1112.5745.
    """
    mean = probability.mean(axis=0)
    total = entropy(mean)
    expected = np.mean([entropy(member) for member in probability], axis=0)
    # Rounding may turn the difference of nearly equal numbers negative.
    disagreement = np.maximum(total - expected, 0.0).astype(np.float32)
    return EnsemblePrediction(mean, total, disagreement)
