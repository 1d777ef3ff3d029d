"""From heat to probability: the confidence of a detection.

Three numbers of every crater, its hottest centre, the mean heat over the scales that could see it
and its size in pixels, are turned into a probability by a logistic curve (Platt 1999).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.craters.detection.decoding import Merged

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]


COVERED = 0.5
"""Of two circles with a larger share in common the less likely is dropped.

Of the catalogue's craters of 2 km and more south of 80°S (Wu et al. 2022) 0.6 % have 0.4 or
more in common with another.
"""


_SIZES = (2.0, 6.0)
"""Octaves of radius in pixels between which size tells; frames hold too few larger ones."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """From heat to probability, and the probability from which on a circle is reported."""

    constant: float
    best: float
    mean: float
    size: float
    threshold: float

    def confidence(self, found: Merged) -> Float:
        """Return the probability of each crater."""
        chance: Float = special.expit(features_of(found) @ self.weights())
        return chance

    def as_dict(self) -> dict[str, float]:
        """Return it as JSON."""
        return asdict(self)

    def weights(self) -> Float:
        """Return what the features are multiplied by."""
        return np.array([self.constant, self.best, self.mean, self.size])


def features_of(found: Merged) -> Float:
    """Return what the logistic curve weighs, shape (craters, 4): constant, best, mean, size."""
    mean = np.clip(found.total / found.scales, 1e-3, 1.0 - 1e-3)
    octave = np.clip(np.log2(found.radius_px), *_SIZES)
    return np.column_stack([np.ones_like(mean), found.best, special.logit(mean), octave])
