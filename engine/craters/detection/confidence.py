"""Confidence of detections: calibrated probabilities from heat-map values.

A logistic curve (Platt 1999) maps three features of a detection to a probability: the largest
heat-map value at its centre, the mean value over the scales that resolve it, and its size in
pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.craters.detection.decoding import Merged

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]


MAX_IOU = 0.5
"""Non-maximum suppression: of two circles with a larger intersection over union, the less likely
is dropped.

Among catalogued craters of 2 km and more south of 80°S (Wu et al. 2022), 0.6 % have an IoU of 0.4
or more with another.
"""

UNCALIBRATED = (
    "The confidence is calibrated on generated terrain alone: on real terrain, degraded craters "
    "get too low a one"
)
"""What is said of networks without a calibration on real ground."""

_SIZES = (2.0, 6.0)
"""Range of log2 of the radius in pixels that is a feature; frames hold too few larger craters."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Coefficients of the logistic curve, and the default threshold.

    Parameters
    ----------
    constant, best, mean, size : float
        Coefficients of the features, `features_of`.
    threshold : float
        Least probability of a reported circle.
    """

    constant: float
    best: float
    mean: float
    size: float
    threshold: float

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Self:
        """Return the calibration on a card."""
        return cls(**card["calibration"])

    def confidence(self, merged: Merged) -> Float:
        """Return the probability that each detection is a crater."""
        return self.of_features(features_of(merged))

    def of_features(self, features: Float) -> Float:
        """Return the probability for features as `features_of` returns them."""
        probability: Float = special.expit(features @ self.weights())
        return probability

    def as_dict(self) -> dict[str, float]:
        """Return the calibration as JSON."""
        return asdict(self)

    def weights(self) -> Float:
        """Return the coefficients of the features."""
        return np.array([self.constant, self.best, self.mean, self.size])


def features_of(merged: Merged) -> Float:
    """Return the features of the logistic curve.

    Returns
    -------
    ndarray of float64, shape (detections, 4)
        One; the largest logit; the logit of the mean heat-map value; log2 of the radius in pixels.
    """
    mean = np.clip(merged.total / merged.scales, 1e-3, 1.0 - 1e-3)
    octave = np.clip(np.log2(merged.radius_px), *_SIZES)
    return np.column_stack([np.ones_like(mean), merged.best, special.logit(mean), octave])
