"""Evaluation of a segmentation network against masks: IoU, calibration and uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from lunarsite.engine.segmentation import classes, resampling, samples, tiling
from lunarsite.engine.segmentation.metrics import Agreement
from lunarsite.engine.segmentation.samples import reduced
from lunarsite.engine.uncertainty import calibration, domain, measures
from lunarsite.engine.uncertainty.calibration import Calibration, Temperatures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.onnx_runner import Encoder, Runner
    from lunarsite.engine.segmentation.samples import Sample

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

ROCKS = (classes.SMALL, classes.LARGE)

_MOST_WINDOWS = 4
"""Most windows of a tile that are described: the encoder takes time too."""

_GOLDEN = 0.5 * (5.0**0.5 - 1.0)

_LEAST_VALID = 0.5
"""Least share of valid pixels in a window that is described."""

_PIXELS_EACH = 4_000
"""Pixels of an image that temperatures are fitted to, of those predicted as rock and of others."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Evaluation of a network on images whose masks are known.

    Parameters
    ----------
    agreement : Agreement
        Agreement of predicted classes and masks.
    calibration : Calibration
        Calibration of the probabilities.
    entropy, mutual_information : ndarray of float64, shape (images,)
        Means over each image, nats.
    """

    agreement: Agreement
    calibration: Calibration
    entropy: Float
    mutual_information: Float

    def summary(self) -> dict[str, Any]:
        """Return the metrics, JSON-able."""
        return {
            **self.agreement.summary(),
            "calibration": self.calibration.summary(),
            "uncertainty": {
                "entropy": percentiles(self.entropy),
                "mutual_information": percentiles(self.mutual_information),
            },
        }


def predict(runner: Runner, image: UInt8 | Float32) -> Float32:
    """Return a network's prediction for an image that fits in memory.

    Parameters
    ----------
    runner : Runner
        The network; the image is reduced to its training resolution.
    image : ndarray, shape (rows, columns, 3)
        Red, green and blue, 0 to 255; mirrored at its edges to multiples of the network's stride.

    Returns
    -------
    ndarray of float32, shape (`onnx_runner.BANDS`, rows, columns)
        Probability of each class, then the mean entropy of the passes, nats.
    """
    shape = (image.shape[0], image.shape[1])
    channels, _ = tile(image, runner.side_px)
    rows, columns = resampling.reduced_shape(shape, runner.side_px)
    prediction = runner(channels)[:, :rows, :columns]
    return resampling.enlarged_prediction(prediction, shape, Window(0, 0, shape[1], shape[0]))


def tile(
    image: UInt8 | Float32, side_px: int | None, known: Bool | None = None
) -> tuple[Float32, Bool]:
    """Return an image as a single tile at the training resolution.

    Parameters
    ----------
    image : ndarray, shape (rows, columns, 3)
        As for `predict`.
    side_px : int or None
        Training resolution of the network.
    known : ndarray of bool, shape (rows, columns), optional
        Valid pixels; by default all.

    Returns
    -------
    channels : ndarray of float32, shape (3, rows, columns)
        Input of the network, at the training resolution; mirrored at its end to multiples of the
        stride.
    known : ndarray of bool, shape (rows, columns)
        True where the tile is valid, and not mirrored.
    """
    before = (image.shape[0], image.shape[1])
    shape = resampling.reduced_shape(before, side_px)
    small = resampling.reduced(image.astype(np.float32), shape)
    padding = [(0, -side % tiling.STEP) for side in shape]
    padded: Float32 = np.pad(small, (*padding, (0, 0)), mode="symmetric")
    valid = np.ones(shape, bool)
    if known is not None:
        valid = known[np.ix_(*samples.nearest(before, shape))]
    return samples.channels(padded), np.pad(valid, padding)


def window_statistics(
    encoder: Encoder, channels: Float32, known: Bool, window_px: int
) -> list[Float]:
    """Return how windows of a tile look to an encoder.

    The windows have one size, that of the training images or a little less, since statistics of
    larger ones vary less.

    Parameters
    ----------
    encoder : Encoder
        First part of a network.
    channels : ndarray of float32, shape (3, rows, columns)
        Input of the network, at the training resolution.
    known : ndarray of bool, shape (rows, columns)
        Valid pixels.
    window_px : int
        Side of a window, a multiple of `tiling.STEP`.

    Returns
    -------
    list of ndarray of float64, shape (statistics,)
        `domain.feature_statistics` of at most `_MOST_WINDOWS` windows, spread over those that are
        mostly valid; none if the valid part is smaller than a window.
    """
    starts = [
        _starts(int(np.flatnonzero(known.any(axis=axis)).max(initial=-1)) + 1, window_px)
        for axis in (1, 0)
    ]
    windows = [
        (slice(row, row + window_px), slice(column, column + window_px))
        for row in starts[0]
        for column in starts[1]
    ]
    valid = [window for window in windows if known[window].mean() >= _LEAST_VALID]
    if len(valid) > _MOST_WINDOWS:
        # Regular steps would meet the same columns again.
        steps = (np.arange(_MOST_WINDOWS) + 0.5) * _GOLDEN % 1.0
        valid = [valid[int(step * len(valid))] for step in steps]
    found = []
    for window in valid:
        features = encoder(np.ascontiguousarray(channels[:, *window]))
        described = domain.feature_statistics(features, known[window])
        if np.isfinite(described).all():
            found.append(described)
    return found


def _starts(length: int, window_px: int) -> list[int]:
    """Return the first pixels of as few windows as cover a side, evenly spread; none if shorter."""
    if length < window_px:
        return []
    count = -(-length // window_px)
    return [int(start) for start in np.linspace(0, length - window_px, count)]


def evaluate(runner: Runner, samples: Iterable[Sample], count: int, context: Context) -> Evaluation:
    """Evaluate a network on images whose masks are known.

    Parameters
    ----------
    runner : Runner
        The network.
    samples : iterable of Sample
        Images and masks.
    count : int
        Number of samples.
    context : Context
        Progress and cancellation.
    """
    agreement = Agreement()
    calibrated = Calibration(classes.NAMES, ROCKS)
    means = []
    for number, (image, mask) in enumerate(samples):
        context.progress(number / max(count, 1), "Evaluating")
        prediction = predict(runner, image)
        probability = prediction[: len(classes.NAMES)]
        mean_entropy = prediction[len(classes.NAMES)]
        entropy = measures.entropy(probability)
        predicted = classes.classify(probability)
        agreement.add(predicted, mask)
        calibrated.add(probability, mask, predicted)
        mutual_information = np.maximum(entropy - mean_entropy, 0.0)
        means.append((float(entropy.mean()), float(mutual_information.mean())))
    values = np.array(means, np.float64).reshape(-1, 2)
    return Evaluation(agreement, calibrated, values[:, 0], values[:, 1])


def fit_temperatures(runner: Runner, samples: Iterable[Sample], seed: int = 7) -> Temperatures:
    """Fit the temperatures at which the probabilities are calibrated best.

    Parameters
    ----------
    runner : Runner
        The network, at temperatures of 1, or at those that are to be improved on.
    samples : iterable of Sample
        Images and masks; not those of the evaluation.
    seed : int
        Seed of the random choice of pixels.

    Returns
    -------
    Temperatures
        One for pixels predicted as rock, one for all others; factors on those of the runner.

    References
    ----------
    Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    rng = np.random.default_rng(seed)
    logits, labels = [], []
    for sample in samples:
        # At the training resolution: enlarging would mix the predictions of neighbouring pixels.
        image, mask = reduced(sample, runner.side_px)
        probability = predict(runner, image)[: len(classes.NAMES)].reshape(len(classes.NAMES), -1)
        labelled = np.flatnonzero(mask.ravel() < len(classes.NAMES))
        as_rock = np.isin(probability[:, labelled].argmax(axis=0), ROCKS)
        # The two temperatures are independent, so the ratio of the two numbers does not matter.
        chosen = np.concatenate(
            [rng.permutation(labelled[kind])[:_PIXELS_EACH] for kind in (~as_rock, as_rock)]
        )
        logits.append(np.log(np.maximum(probability[:, chosen], 1e-9)))
        labels.append(mask.ravel()[chosen])
    return calibration.fit_temperatures(
        np.concatenate(logits, axis=1), np.concatenate(labels), ROCKS
    )


def information_factor(closed: Runner, drawn: Runner, samples: Iterable[Sample]) -> float:
    """Return the mutual information of many passes, in units of that of the closed form.

    It is the median over the images of the ratio of their means.

    Parameters
    ----------
    closed : Runner
        The network with the closed form, at a factor of 1.
    drawn : Runner
        The network with at least a few hundred passes.
    samples : iterable of Sample
        Images; not those of the evaluation.

    Returns
    -------
    float
        1 where the closed form finds none.
    """
    ratios = []
    for sample in samples:
        image, _ = reduced(sample, closed.side_px)
        means = []
        for runner in (closed, drawn):
            found = predict(runner, image)
            count = len(classes.NAMES)
            shared = measures.entropy(found[:count]) - found[count]
            means.append(float(np.maximum(shared, 0.0).mean(dtype=np.float64)))
        if means[0] > 0.0:
            ratios.append(means[1] / means[0])
    return float(np.median(ratios)) if ratios else 1.0


def percentiles(values: Float) -> dict[str, float]:
    """Return the median and the 5th and 95th percentiles of the images' mean uncertainty."""
    low, middle, high = np.percentile(values, [5.0, 50.0, 95.0])
    return {
        "median": float(middle),
        "percentile_5": float(low),
        "percentile_95": float(high),
    }
