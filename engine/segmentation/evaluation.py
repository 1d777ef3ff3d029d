"""What a network is worth: its agreement with masks, its calibration, and what is usual for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from lunarsite.engine.segmentation import classes, resampling, samples, tiling
from lunarsite.engine.segmentation.metrics import Agreement
from lunarsite.engine.segmentation.samples import reduced
from lunarsite.engine.uncertainty import calibration, measures
from lunarsite.engine.uncertainty.calibration import Calibration, Temperatures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.samples import Sample

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]


ROCKS = (classes.SMALL, classes.LARGE)


_PIXELS_EACH = 4_000
"""Pixels of a scene that temperatures are fitted to, and as many of those called a rock."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a network said of images whose masks are known.

    Parameters
    ----------
    agreement : Agreement
        Of classes.
    calibration : Calibration
        Of probabilities.
    entropy, mutual_information : ndarray of float64, shape (images,)
        Means over each image.
    """

    agreement: Agreement
    calibration: Calibration
    entropy: Float
    mutual_information: Float

    def summary(self) -> dict[str, Any]:
        """Return the figures, JSON-able."""
        return {
            **self.agreement.summary(),
            "calibration": self.calibration.summary(),
            "uncertainty": {
                "entropy": spread(self.entropy),
                "mutual_information": spread(self.mutual_information),
            },
        }


def answer(runner: Runner, image: UInt8 | Float32) -> Float32:
    """Return a network's answer for an image that fits in memory.

    Parameters
    ----------
    runner : Runner
        The network; it looks at the image reduced to its size.
    image : ndarray, shape (rows, columns, 3)
        Red, green and blue, 0 to 255; it is mirrored at its edges to sides that networks take.

    Returns
    -------
    ndarray of float32, shape (`runner.BANDS`, rows, columns)
        As of `runner.Runner`.
    """
    shape = (image.shape[0], image.shape[1])
    seen = resampling.reduced(image.astype(np.float32), resampling.shape_of(shape, runner.side_px))
    rows, columns = seen.shape[:2]
    more = [(0, -side % tiling.STEP) for side in (rows, columns)]
    whole: Float32 = np.pad(seen, (*more, (0, 0)), mode="symmetric")
    found = runner(samples.channels(whole))[:, :rows, :columns]
    return resampling.enlarged_answer(found, shape, Window(0, 0, shape[1], shape[0]))


def judge(runner: Runner, samples: Iterable[Sample], count: int, context: Context) -> Judged:
    """Return what a network says of images whose masks are known.

    Parameters
    ----------
    runner : Runner
        The network.
    samples : iterable of Sample
        Images and masks.
    count : int
        How many there are.
    context : Context
        Is told the progress, and may cancel.
    """
    agreement = Agreement()
    calibrated = Calibration(classes.NAMES, ROCKS)
    means = []
    for number, (image, mask) in enumerate(samples):
        context.progress(number / max(count, 1), "Judging")
        found = answer(runner, image)
        share, each = found[: len(classes.NAMES)], found[len(classes.NAMES)]
        total = measures.entropy(share)
        named = classes.named(share)
        agreement.add(named, mask)
        calibrated.add(share, mask, named)
        means.append((float(total.mean()), float(np.maximum(total - each, 0.0).mean())))
    values = np.array(means, np.float64).reshape(-1, 2)
    return Judged(agreement, calibrated, values[:, 0], values[:, 1])


def fit_temperatures(runner: Runner, samples: Iterable[Sample], seed: int = 7) -> Temperatures:
    """Return the temperatures at which probabilities come true best.

    Parameters
    ----------
    runner : Runner
        The network, at temperatures of 1.
    samples : iterable of Sample
        Images and masks that it is not judged on.
    seed : int
        Of the pixels that are taken.
    """
    rng = np.random.default_rng(seed)
    logits, truth = [], []
    for sample in samples:
        # As large as it is looked at: what is enlarged mixes what the network said of two pixels.
        image, mask = reduced(sample, runner.side_px)
        share = answer(runner, image)[: len(classes.NAMES)].reshape(len(classes.NAMES), -1)
        asked = np.flatnonzero(mask.ravel() < len(classes.NAMES))
        called = np.isin(share[:, asked].argmax(axis=0), ROCKS)
        # The two temperatures do not mix, so that neither minds how many the other has.
        some = np.concatenate(
            [rng.permutation(asked[kind])[:_PIXELS_EACH] for kind in (~called, called)]
        )
        logits.append(np.log(np.maximum(share[:, some], 1e-9)))
        truth.append(mask.ravel()[some])
    return calibration.fit_temperatures(
        np.concatenate(logits, axis=1), np.concatenate(truth), ROCKS
    )


def spread(values: Float) -> dict[str, float]:
    """Return median, and 5th and 95th percentile, of an image's mean uncertainty."""
    low, middle, high = np.percentile(values, [5.0, 50.0, 95.0])
    return {
        "median": float(middle),
        "percentile_5": float(low),
        "percentile_95": float(high),
    }
