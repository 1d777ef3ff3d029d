"""Measures of uncertainty, from the class probabilities of several passes or networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

_LEAST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Uncertain:
    """Class probabilities and how unsure they are.

    Parameters
    ----------
    probability : ndarray of float32, shape (classes, rows, columns)
        Mean over the passes.
    entropy : ndarray of float32, shape (rows, columns)
        Predictive entropy H[mean p], nats: 0 to the logarithm of the number of classes.
    mutual_information : ndarray of float32, shape (rows, columns)
        H[mean p] - mean H[p], nats: what the passes disagree about.
    """

    probability: Float32
    entropy: Float32
    mutual_information: Float32


def of_passes(probability: Float32) -> Uncertain:
    """Return mean, entropy and mutual information of passes.

    Parameters
    ----------
    probability : ndarray of float32, shape (passes, classes, rows, columns)
        Of each pass.
    """
    mean = probability.mean(axis=0)
    total = entropy(mean)
    each = np.mean([entropy(one) for one in probability], axis=0)
    # Rounding may bring a difference of nearly equal numbers below nothing.
    return Uncertain(mean, total, np.maximum(total - each, 0.0).astype(np.float32))


def entropy(probability: Float32) -> Float32:
    """Return the entropy, nats, of probabilities whose first dimension is the classes."""
    found: Float32 = -(probability * np.log(np.maximum(probability, _LEAST))).sum(axis=0)
    return np.maximum(found, 0.0).astype(np.float32)


def uncertainty_map_to_rgb(values: Float32, most: float | None = None) -> UInt8:
    """Return a picture of an uncertainty: dark blue for none over magenta to yellow for the most.

    Parameters
    ----------
    values : ndarray of float32, shape (rows, columns)
        Not negative; NaN where nothing is known, which is shown grey.
    most : float, optional
        Value of the last colour; the 99th percentile where not given.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    """
    known = np.isfinite(values)
    top = most
    if top is None:
        top = float(np.percentile(values[known], 99.0)) if known.any() else 1.0
    place = np.clip(np.where(known, values, 0.0) / max(top, _LEAST), 0.0, 1.0)
    at = np.linspace(0.0, 1.0, len(_RAMP))
    bands = [np.interp(place, at, [color[band] for color in _RAMP]) for band in range(3)]
    picture = np.rint(np.stack(bands, axis=2)).astype(np.uint8)
    picture[~known] = 128
    return picture


_RAMP = ((13, 8, 60), (84, 2, 163), (158, 24, 157), (214, 86, 109), (250, 158, 59), (240, 249, 33))
"""Dark to bright, so that it reads without colour too."""
