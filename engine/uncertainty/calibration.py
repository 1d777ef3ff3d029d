"""Whether probabilities come true: calibration error, Brier score, log loss, risk and coverage.

Everything is counted in fine bins of confidence, so that images are judged one by one and any
number of pixels fits.
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
    """What logits are divided by, so that what they say comes true as often as they say.

    Parameters
    ----------
    common : float
        Where the network calls another class than a rare one.
    rare : float
        Where it calls a rare one. The class that a pass calls stays the same, whichever it is; the
        mean of passes calls another at a few pixels in ten thousand, on borders.
    """

    common: float = 1.0
    rare: float = 1.0


BINS = 15
"""Of the expected calibration error (Guo et al. 2017, arXiv 1706.04599)."""

_FINE = 100
"""Fine bins in one of those."""

_LEAST = 1e-12

_LEAST_PIXELS = 200
"""That a temperature is fitted to."""


@dataclass(slots=True, eq=False)
class Reliability:
    """Confidences and how often they came true, in fine bins.

    Parameters
    ----------
    count, right, total : ndarray of float64, shape (fine bins,)
        Pixels, those that came true, and the sum of their confidences.
    """

    count: Float = field(default_factory=lambda: np.zeros(BINS * _FINE))
    right: Float = field(default_factory=lambda: np.zeros(BINS * _FINE))
    total: Float = field(default_factory=lambda: np.zeros(BINS * _FINE))

    def add(self, confidence: Float32, right: Bool) -> None:
        """Take in pixels, of any shape."""
        at = np.clip(
            (confidence * self.count.size).astype(np.int64), 0, self.count.size - 1
        ).ravel()
        size = self.count.size
        self.count += np.bincount(at, minlength=size)
        self.right += np.bincount(at, weights=right.ravel().astype(np.float64), minlength=size)
        self.total += np.bincount(at, weights=confidence.ravel().astype(np.float64), minlength=size)

    def error(self) -> float:
        """Return the expected calibration error over `BINS` bins of equal width; NaN if empty."""
        return self._gap(np.arange(0, self.count.size, _FINE))

    def adaptive_error(self) -> float:
        """Return the same over bins of about equal numbers of pixels."""
        done = np.cumsum(self.count)
        if not done[-1]:
            return float("nan")
        wanted = done[-1] * np.arange(BINS) / BINS
        edges = np.searchsorted(done, wanted, side="right")
        return self._gap(np.unique(np.minimum(edges, self.count.size - 1)))

    def curve(self) -> dict[str, list[float]]:
        """Return mean confidence, share that came true and number of pixels of each bin."""
        edges = np.arange(0, self.count.size, _FINE)
        count, right, total = (
            np.add.reduceat(v, edges) for v in (self.count, self.right, self.total)
        )
        filled = count > 0
        return {
            "confidence": (total[filled] / count[filled]).tolist(),
            "accuracy": (right[filled] / count[filled]).tolist(),
            "pixels": count[filled].tolist(),
        }

    def risk_at(self, coverage: float) -> float:
        """Return the share of errors among the most confident pixels, so many of all."""
        count, wrong = self.count[::-1], (self.count - self.right)[::-1]
        done = np.cumsum(count)
        if not done[-1]:
            return float("nan")
        last = int(np.searchsorted(done, coverage * done[-1]))
        return float(wrong[: last + 1].sum() / max(done[last], 1.0))

    def area_under_risk(self) -> float:
        """Return the area under the curve of risk over coverage: 0 where errors come last."""
        count, wrong = self.count[::-1], (self.count - self.right)[::-1]
        done = np.cumsum(count)
        if not done[-1]:
            return float("nan")
        risk = np.cumsum(wrong) / np.maximum(done, 1.0)
        return float((risk * count).sum() / done[-1])

    def _gap(self, edges: NDArray[np.int64]) -> float:
        count, right, total = (
            np.add.reduceat(v, edges) for v in (self.count, self.right, self.total)
        )
        if not count.sum():
            return float("nan")
        return float(np.abs(right - total).sum() / count.sum())


class Calibration:
    """How probabilities of classes came true, over images.

    Parameters
    ----------
    classes : tuple of str
        Their names.
    rare : tuple of int
        Classes that are looked at for themselves: the pixels that are called one of them.
    """

    def __init__(self, classes: tuple[str, ...], rare: tuple[int, ...]) -> None:
        self._classes, self._rare = classes, rare
        self.all = Reliability()
        self.called_rare = Reliability()
        self.truly_rare = Reliability()
        self.each = [Reliability() for _ in classes]
        self._brier = self._loss = self._pixels = 0.0

    def add(self, probability: Float32, mask: UInt8, said: UInt8 | None = None) -> None:
        """Take in an image.

        Parameters
        ----------
        probability : ndarray of float32, shape (classes, rows, columns)
            Adding up to one.
        mask : ndarray of uint8, shape (rows, columns)
            The classes; what is no class is left out.
        said : ndarray of uint8, shape (rows, columns), optional
            Which class is called; the most probable one where not given.
        """
        asked = mask < len(self._classes)
        share, truth = probability[:, asked], mask[asked]
        named = share.argmax(axis=0) if said is None else said[asked]
        confidence = np.take_along_axis(share, named[None].astype(np.intp), axis=0)[0]
        right = named == truth
        self.all.add(confidence, right)
        called = np.isin(named, self._rare)
        self.called_rare.add(confidence[called], right[called])
        there = np.isin(truth, self._rare)
        self.truly_rare.add(confidence[there], right[there])
        for number, reliability in enumerate(self.each):
            reliability.add(share[number], truth == number)
        wanted = share[truth, np.arange(truth.size)].astype(np.float64)
        self._brier += float(
            (share.astype(np.float64) ** 2).sum() - 2.0 * wanted.sum() + truth.size
        )
        self._loss -= float(np.log(np.maximum(wanted, _LEAST)).sum())
        self._pixels += truth.size

    def summary(self) -> dict[str, Any]:
        """Return the figures, JSON-able."""
        pixels = max(self._pixels, 1.0)
        return {
            "pixels": int(self._pixels),
            "ece": _round(self.all.error()),
            "adaptive_ece": _round(self.all.adaptive_error()),
            "ece_called_rocks": _round(self.called_rare.error()),
            "ece_true_rocks": _round(self.truly_rare.error()),
            "ece_by_class": {
                name: _round(one.error())
                for name, one in zip(self._classes, self.each, strict=True)
            },
            "brier": _round(self._brier / pixels),
            "nll": _round(self._loss / pixels),
            "risk_at_90_pct": _round(self.all.risk_at(0.9)),
            "area_under_risk": _round(self.all.area_under_risk()),
            "curve": self.all.curve(),
            "curve_called_rocks": self.called_rare.curve(),
        }


def temperature(logits: Float32, truth: UInt8) -> float:
    """Return what logits are to be divided by for the least log loss (Guo et al. 2017).

    Parameters
    ----------
    logits : ndarray of float32, shape (classes, pixels)
        Up to a constant per pixel: logarithms of probabilities do.
    truth : ndarray of uint8, shape (pixels,)
        The classes.
    """
    there = np.arange(truth.size)

    def loss(log_temperature: float) -> float:
        warm = logits / np.float32(np.exp(log_temperature))
        top = warm.max(axis=0)
        total = top + np.log(np.exp(warm - top).sum(axis=0))
        return float((total - warm[truth, there]).mean())

    found = optimize.minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded")
    return float(np.exp(found.x))


def temperatures(logits: Float32, truth: UInt8, rare: tuple[int, ...]) -> Temperatures:
    """Return the temperatures of the least log loss, for pixels that are called rare and others.

    Parameters
    ----------
    logits, truth
        As of `temperature`.
    rare : tuple of int
        The rare classes. Where too few pixels are called one of them, one temperature is for all.
    """
    called = np.isin(logits.argmax(axis=0), rare)
    if min(int(called.sum()), int((~called).sum())) < _LEAST_PIXELS:
        both = temperature(logits, truth)
        return Temperatures(both, both)
    common, own = (temperature(logits[:, some], truth[some]) for some in (~called, called))
    return Temperatures(common, own)


def auroc(inside: Float, outside: Float) -> float:
    """Return how often a score of ``outside`` is above one of ``inside``; ties count half."""
    if not inside.size or not outside.size:
        return float("nan")
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, side="left")
    upto = np.searchsorted(ordered, outside, side="right")
    return float((below + upto).mean() / (2.0 * inside.size))


def false_positive_rate(inside: Float, outside: Float, recall: float = 0.95) -> float:
    """Return the share of ``inside`` at or above the score that ``recall`` of ``outside`` reach."""
    if not inside.size or not outside.size:
        return float("nan")
    limit = np.quantile(outside, 1.0 - recall)
    return float((inside >= limit).mean())


def _round(value: float) -> float | None:
    """Return a figure as JSON can hold it: None for what cannot be said."""
    return round(value, 6) if np.isfinite(value) else None
