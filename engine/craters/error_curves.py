"""Errors of diameters and depths of detections, as one standard deviation.

The relative error of a diameter depends on how sure the network is and on how many pixels the
radius has; that of a depth is in proportion to the depth and to the relief of the ground, for
which a small share of the diameter stands. Both curves are fitted to generated craters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Float = NDArray[np.float64]

GROUND = 0.02
"""Share of the diameter that is added to a depth before its error is taken in proportion."""

ONE_SIGMA = 0.6827
"""Share of a normal distribution within one standard deviation."""

_SIZES = (2.0, 6.0)
_CERTAIN = (0.02, 0.98)


@dataclass(frozen=True, slots=True)
class ErrorCurves:
    """Coefficients of log standard deviations: constant, logit of the confidence, log2 of radius.

    Parameters
    ----------
    diameter : tuple of float
        Of the error of the diameter over the diameter.
    depth : tuple of float
        Of the error of the depth over the depth plus `GROUND` of the diameter.
    """

    diameter: tuple[float, float, float]
    depth: tuple[float, float, float]

    def diameter_share(self, confidence: Float, radius_px: Float) -> Float:
        """Return the standard deviation of diameters, over the diameter.

        Parameters
        ----------
        confidence : ndarray of float64, shape (detections,)
            Calibrated confidence, 0 to 1.
        radius_px : ndarray of float64, shape (detections,)
            Radius in pixels of the finest scale.
        """
        share: Float = np.exp(predictors(confidence, radius_px) @ np.array(self.diameter))
        return share

    def depth_m(
        self, confidence: Float, radius_px: Float, depth_m: Float, diameter_m: Float
    ) -> Float:
        """Return the standard deviation of depths, in the unit of depth and diameter."""
        share: Float = np.exp(predictors(confidence, radius_px) @ np.array(self.depth))
        return share * depth_scale(depth_m, diameter_m)

    def as_dict(self) -> dict[str, Any]:
        """Return the curves as JSON."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Self | None:
        """Return the curves on the card of a checkpoint; None on one of an earlier version."""
        held = card.get("errors")
        try:
            return held and cls(
                *(tuple(map(float, held[name])) for name in ("diameter", "depth"))  # type: ignore[arg-type]
            )
        except (KeyError, TypeError, ValueError):
            return None


def predictors(confidence: Float, radius_px: Float) -> Float:
    """Return what the curves depend on, shape (detections, 3)."""
    certain = special.logit(np.clip(confidence, *_CERTAIN))
    octave = np.clip(np.log2(np.maximum(radius_px, 1e-9)), *_SIZES)
    return np.column_stack([np.ones_like(certain), certain, octave])


def depth_scale(depth_m: Float, diameter_m: Float) -> Float:
    """Return what the error of a depth is in proportion to."""
    scale: Float = np.maximum(depth_m, 0.0) + GROUND * diameter_m
    return scale


def fitted(error: Float, confidence: Float, radius_px: Float) -> tuple[float, float, float]:
    """Return the coefficients of a curve, such that it covers one sigma of the errors.

    Parameters
    ----------
    error : ndarray of float64, shape (detections,)
        Errors in the unit of the curve, of either sign; NaN is left out.
    confidence, radius_px : ndarray of float64, shape (detections,)
        As for `predictors`.
    """
    known = np.isfinite(error)
    size = np.abs(error[known])
    if size.size < 30:
        wide = float(np.quantile(size, ONE_SIGMA)) if size.size else 0.25
        return (float(np.log(max(wide, 1e-3))), 0.0, 0.0)
    x = predictors(confidence[known], radius_px[known])
    floor = 0.1 * float(np.median(size)) + 1e-6
    weights, *_ = np.linalg.lstsq(x, np.log(size + floor), rcond=None)
    over = np.quantile(size / np.exp(x @ weights), ONE_SIGMA)
    weights[0] += np.log(over)
    constant, by_confidence, by_size = (round(float(w), 4) for w in weights)
    return constant, by_confidence, by_size
