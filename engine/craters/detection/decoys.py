"""Precision of detections without a catalogue, by the same search in the ground upside down.

Upside down, craters are hills, and what is found is false. Such decoys are assumed to be about as
many, at every confidence, as the false detections in the ground as it is: the target-decoy approach
of proteomics (Elias & Gygi 2007, Nature Methods 4, 207). One decoy is added, so that none of few
does not mean that all are right.

The mean confidence is an estimate too. Both tend to be too low on real ground: catalogues, by which
the confidence is calibrated, list fewer craters than there are, and real ground upside down looks
more like craters than what is falsely detected. So the higher one is taken. On ground where the
network is surer than it should be, the decoys then have no say: both are reported. Where they fail,
and which way, is in docs/results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lunarsite.engine.craters.circles import Circles

    Float = NDArray[np.float64]

FEWEST = 15
"""Fewest detections from which the precision at a threshold is estimated."""

LEAST_CONFIDENCE = 0.02
"""Lowest threshold that is tried."""

FROM_DECOYS, FROM_CONFIDENCE = "decoys", "confidence"
"""Sources of an estimate."""

_INTERVAL = 0.95
_SIGMAS = 1.96
"""Half the width of that interval, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Estimated precision of the detections above a threshold.

    Parameters
    ----------
    threshold : float
        Least confidence.
    precision, low, high : float
        Estimate and its interval of 95 %, 0 to 1. That of the mean confidence takes the calibration
        for right, and is the narrower for it.
    detections, decoys : int
        Numbers above the threshold, in the ground and in the ground upside down.
    source : str
        `FROM_DECOYS` or `FROM_CONFIDENCE`.
    """

    threshold: float
    precision: float
    low: float
    high: float
    detections: int
    decoys: int
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON."""
        return {
            "threshold": self.threshold,
            "precision": round(self.precision, 3),
            "interval": [round(self.low, 3), round(self.high, 3)],
            "detections": self.detections,
            "decoys": self.decoys,
            "from": self.source,
            "precision_by_decoys": round(self.by_decoys(), 3),
        }

    def by_decoys(self) -> float:
        """Return the precision that the decoys alone promise."""
        return max(float(_by_decoys(self.detections, self.decoys)), 0.0)

    def sentence(self) -> str:
        """Return the estimate as a sentence."""
        numbers = (
            f"{self.decoys:,} detections in the ground upside down against {self.detections:,}"
        )
        if self.source == FROM_CONFIDENCE:
            numbers = f"their mean confidence ({self.by_decoys():.2f} by the {numbers})"
        return (
            f"Estimated precision {self.precision:.2f} [{self.low:.2f}, {self.high:.2f}]: {numbers}"
        )


def estimate(
    found: Float, decoys: Float, threshold: float, *, by_confidence: bool = False
) -> Precision | None:
    """Return the estimated precision at a threshold; None of fewer than `FEWEST` detections.

    The interval is that of the rate of decoys (Poisson, Garwood 1936), about which the number of
    false detections scatters besides; or that of the number of right ones among detections of these
    confidences.

    Parameters
    ----------
    found, decoys : ndarray of float64
        Confidences in the ground and in the ground upside down.
    threshold : float
        Least confidence.
    by_confidence : bool, optional
        Whether the mean confidence is taken where it is higher: of a network that is calibrated on
        real ground.
    """
    targets, false = int((found >= threshold).sum()), int((decoys >= threshold).sum())
    if targets < FEWEST:
        return None
    trust = found[found >= threshold]
    mean = float(trust.mean())
    promised = float(_by_decoys(targets, false))
    if by_confidence and mean > promised:
        half = _SIGMAS * float(np.sqrt((trust * (1.0 - trust)).sum())) / targets
        low, high = max(mean - half, 0.0), min(mean + half, 1.0)
        return Precision(
            round(threshold, 4), mean, low, high, targets, false, source=FROM_CONFIDENCE
        )
    tail = 0.5 * (1.0 - _INTERVAL)
    few = float(stats.chi2.ppf(tail, 2 * false)) / 2.0 if false else 0.0
    many = float(stats.chi2.ppf(1.0 - tail, 2 * (false + 1))) / 2.0
    low, high = (float(np.clip(1.0 - number / targets, 0.0, 1.0)) for number in (many, few))
    best = max(promised, 0.0)
    return Precision(round(threshold, 4), best, low, high, targets, false, source=FROM_DECOYS)


def _by_decoys(detections: ArrayLike, decoys: ArrayLike) -> Float:
    """Return the precision that decoys promise for some detections; below 0 where they are more."""
    return 1.0 - (np.asarray(decoys, float) + 1.0) / np.maximum(detections, 1)


def threshold_for(
    found: Circles,
    decoys: Circles,
    precision: float,
    least_m: float,
    *,
    by_confidence: bool = False,
) -> Precision | None:
    """Return the lowest threshold at which the estimated precision is at least a given one.

    Small craters are many and easy, and would hide that most of a few large detections are false.
    The precision is therefore kept among those of at least once, twice, four times and so on the
    least diameter, wherever `FEWEST` of them are above the threshold.

    Parameters
    ----------
    found, decoys : Circles
        Detections in the ground, and in the ground upside down.
    precision : float
        Least precision, 0 to 1.
    least_m : float
        Least diameter of the craters that are listed, metres.
    by_confidence : bool, optional
        As for `estimate`.

    Returns
    -------
    Precision or None
        That of all listed craters; None if no threshold with `FEWEST` detections reaches it.
    """
    ours, theirs = (each.at_least(least_m, LEAST_CONFIDENCE) for each in (found, decoys))
    if len(ours) < FEWEST:
        return None
    # A threshold is that of a detection, rounded down so that its text keeps the detection.
    listed = np.sort(ours.confidence)[::-1]
    levels = np.unique(np.floor(listed[FEWEST - 1 :] * 1e4) / 1e4)
    enough = np.ones(levels.size, bool)
    least = least_m
    while True:
        some, false = (each.at_least(least, 0.0).confidence for each in (ours, theirs))
        if some.size < FEWEST:
            break
        some = np.sort(some)
        first = np.searchsorted(some, levels)
        targets = some.size - first
        wrong = false.size - np.searchsorted(np.sort(false), levels)
        kept = _by_decoys(targets, wrong) >= precision
        if by_confidence:
            above = np.append(np.cumsum(some[::-1])[::-1], 0.0)[first]
            kept |= above >= precision * targets
        enough &= kept | (targets < FEWEST)
        least *= 2.0
    if not enough.any():
        return None
    lowest = float(levels[np.argmax(enough)])
    return estimate(ours.confidence, theirs.confidence, lowest, by_confidence=by_confidence)
