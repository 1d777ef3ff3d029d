"""Calibration of class probabilities: metrics and temperature scaling.

The metrics (expected calibration error, Brier score, log loss, risk at a coverage) are accumulated
image by image in fine bins of confidence, so that memory does not grow with the number of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import optimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]


class Temperatures(NamedTuple):
    """Temperatures that calibrate the class probabilities of a network.

    Logits are divided by them before the softmax.

    Parameters
    ----------
    common : float
        For pixels whose predicted class is not a rare one.
    rare : float
        For pixels whose predicted class is a rare one. The class predicted by a single pass does
        not change; that of the mean over passes changes at a few pixels in ten thousand, at class
        borders.
    """

    common: float = 1.0
    rare: float = 1.0

    def times(self, other: Temperatures) -> Temperatures:
        """Return the temperatures of a network whose logits are divided by these and others."""
        return Temperatures(self.common * other.common, self.rare * other.rare)


BINS = 15
"""Bins of the expected calibration error (Guo et al. 2017, arXiv 1706.04599)."""

_FINE = 100
"""Fine bins in each of those bins."""

_EPSILON = 1e-12

_MIN_PIXELS = 200
"""Pixels needed to fit a temperature."""


@dataclass(slots=True, eq=False)
class Reliability:
    """Histogram of confidence and accuracy, in fine bins of confidence.

    Parameters
    ----------
    count, correct, confidence : ndarray of float64, shape (fine bins,)
        Number of pixels, number of correct predictions, and sum of the confidences.
    """

    count: Float = field(default_factory=lambda: np.zeros(BINS * _FINE))
    correct: Float = field(default_factory=lambda: np.zeros(BINS * _FINE))
    confidence: Float = field(default_factory=lambda: np.zeros(BINS * _FINE))

    def add(self, confidence: Float32, correct: Bool) -> None:
        """Add the confidence of pixels and whether their prediction is correct, of any shape."""
        size = self.count.size
        bins = np.clip((confidence * size).astype(np.int64), 0, size - 1).ravel()
        correct_pixels = correct.ravel().astype(np.float64)
        confidences = confidence.ravel().astype(np.float64)
        self.count += np.bincount(bins, minlength=size)
        self.correct += np.bincount(bins, weights=correct_pixels, minlength=size)
        self.confidence += np.bincount(bins, weights=confidences, minlength=size)

    def expected_calibration_error(self) -> float:
        """Return the expected calibration error over `BINS` bins of equal width; NaN if empty."""
        return self._calibration_error(np.arange(0, self.count.size, _FINE))

    def adaptive_calibration_error(self) -> float:
        """Return the calibration error over `BINS` bins of about equally many pixels."""
        cumulative = np.cumsum(self.count)
        if not cumulative[-1]:
            return float("nan")
        quantiles = cumulative[-1] * np.arange(BINS) / BINS
        edges = np.searchsorted(cumulative, quantiles, side="right")
        return self._calibration_error(np.unique(np.minimum(edges, self.count.size - 1)))

    def curve(self) -> dict[str, list[float]]:
        """Return mean confidence, accuracy and number of pixels of each bin that is not empty."""
        count, correct, confidence = self._binned(np.arange(0, self.count.size, _FINE))
        filled = count > 0
        return {
            "confidence": (confidence[filled] / count[filled]).tolist(),
            "accuracy": (correct[filled] / count[filled]).tolist(),
            "pixels": count[filled].tolist(),
        }

    def risk_at(self, coverage: float) -> float:
        """Return the error rate of the most confident pixels that make up ``coverage`` of all."""
        count, wrong = self.count[::-1], (self.count - self.correct)[::-1]
        cumulative = np.cumsum(count)
        if not cumulative[-1]:
            return float("nan")
        last = int(np.searchsorted(cumulative, coverage * cumulative[-1]))
        return float(wrong[: last + 1].sum() / max(cumulative[last], 1.0))

    def area_under_risk(self) -> float:
        """Return the area under the risk-coverage curve, lower where errors are less confident."""
        count, wrong = self.count[::-1], (self.count - self.correct)[::-1]
        cumulative = np.cumsum(count)
        if not cumulative[-1]:
            return float("nan")
        risk = np.cumsum(wrong) / np.maximum(cumulative, 1.0)
        return float((risk * count).sum() / cumulative[-1])

    def _calibration_error(self, edges: NDArray[np.int64]) -> float:
        count, correct, confidence = self._binned(edges)
        if not count.sum():
            return float("nan")
        return float(np.abs(correct - confidence).sum() / count.sum())

    def _binned(self, edges: NDArray[np.int64]) -> tuple[Float, Float, Float]:
        """Return the three sums over bins that begin at ``edges``."""
        count, correct, confidence = (
            np.add.reduceat(fine, edges) for fine in (self.count, self.correct, self.confidence)
        )
        return count, correct, confidence


class Calibration:
    """Calibration metrics of class probabilities, accumulated image by image.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes.
    rare : tuple of int
        Classes with metrics of their own: over the pixels predicted as one of them, and over the
        pixels that truly are.
    """

    def __init__(self, classes: tuple[str, ...], rare: tuple[int, ...]) -> None:
        self._classes, self._rare = classes, rare
        self.all = Reliability()
        self.predicted_rare = Reliability()
        self.truly_rare = Reliability()
        self.by_class = [Reliability() for _ in classes]
        self._brier = self._loss = self._pixels = 0.0

    def add(self, probability: Float32, mask: UInt8, predicted: UInt8 | None = None) -> None:
        """Add an image.

        Parameters
        ----------
        probability : ndarray of float32, shape (classes, rows, columns)
            Adding up to one over the classes.
        mask : ndarray of uint8, shape (rows, columns)
            True classes; pixels with any other value are ignored.
        predicted : ndarray of uint8, shape (rows, columns), optional
            Predicted classes. Defaults to the most probable ones.
        """
        labelled = mask < len(self._classes)
        share, truth = probability[:, labelled], mask[labelled]
        classes = share.argmax(axis=0) if predicted is None else predicted[labelled]
        confidence = np.take_along_axis(share, classes[None].astype(np.intp), axis=0)[0]
        correct = classes == truth
        self.all.add(confidence, correct)
        predicted_rare = np.isin(classes, self._rare)
        self.predicted_rare.add(confidence[predicted_rare], correct[predicted_rare])
        truly_rare = np.isin(truth, self._rare)
        self.truly_rare.add(confidence[truly_rare], correct[truly_rare])
        for number, reliability in enumerate(self.by_class):
            reliability.add(share[number], truth == number)
        likelihood = share[truth, np.arange(truth.size)].astype(np.float64)
        self._brier += float(
            (share.astype(np.float64) ** 2).sum() - 2.0 * likelihood.sum() + truth.size
        )
        self._loss -= float(np.log(np.maximum(likelihood, _EPSILON)).sum())
        self._pixels += truth.size

    def summary(self) -> dict[str, Any]:
        """Return the metrics, ready for JSON; None for those without pixels."""
        pixels = max(self._pixels, 1.0)
        return {
            "pixels": int(self._pixels),
            "ece": _round(self.all.expected_calibration_error()),
            "adaptive_ece": _round(self.all.adaptive_calibration_error()),
            "ece_called_rocks": _round(self.predicted_rare.expected_calibration_error()),
            "ece_true_rocks": _round(self.truly_rare.expected_calibration_error()),
            "ece_by_class": {
                name: _round(reliability.expected_calibration_error())
                for name, reliability in zip(self._classes, self.by_class, strict=True)
            },
            "brier": _round(self._brier / pixels),
            "nll": _round(self._loss / pixels),
            "risk_at_90_pct": _round(self.all.risk_at(0.9)),
            "area_under_risk": _round(self.all.area_under_risk()),
            "curve": self.all.curve(),
            "curve_called_rocks": self.predicted_rare.curve(),
        }


def fit_temperature(logits: Float32, truth: UInt8) -> float:
    """Return the temperature that minimises the log loss.

    Parameters
    ----------
    logits : ndarray of float32, shape (classes, pixels)
        Up to a constant per pixel: logarithms of probabilities will do.
    truth : ndarray of uint8, shape (pixels,)
        True classes.

    Returns
    -------
    float
        Divisor of the logits, from exp(-2.5) to exp(2.5).

    References
    ----------
    Guo et al. 2017, arXiv 1706.04599.
    """
    pixels = np.arange(truth.size)
    # In float32 the loss is flat, up to rounding, over some thousandths around its minimum.
    exact = logits.astype(np.float64)

    def log_loss(log_temperature: float) -> float:
        scaled = exact / np.exp(log_temperature)
        top = scaled.max(axis=0)
        normalisation = top + np.log(np.exp(scaled - top).sum(axis=0))
        return float((normalisation - scaled[truth, pixels]).mean())

    fit = optimize.minimize_scalar(log_loss, bounds=(-2.5, 2.5), method="bounded")
    return float(np.exp(fit.x))


def fit_temperatures(logits: Float32, truth: UInt8, rare: tuple[int, ...]) -> Temperatures:
    """Return the temperatures of pixels predicted as a rare class and of all others.

    Parameters
    ----------
    logits, truth
        As in `fit_temperature`.
    rare : tuple of int
        The rare classes.

    Returns
    -------
    Temperatures
        Both the same where too few pixels are predicted as a rare class, or as another one.
    """
    predicted_rare = np.isin(logits.argmax(axis=0), rare)
    if min(int(predicted_rare.sum()), int((~predicted_rare).sum())) < _MIN_PIXELS:
        single = fit_temperature(logits, truth)
        return Temperatures(single, single)
    common, own = (
        fit_temperature(logits[:, pixels], truth[pixels])
        for pixels in (~predicted_rare, predicted_rare)
    )
    return Temperatures(common, own)


def _round(value: float) -> float | None:
    """Return a metric for JSON: None where it is undefined."""
    return round(value, 6) if np.isfinite(value) else None
