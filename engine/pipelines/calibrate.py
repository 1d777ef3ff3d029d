"""The stage ``calibrate``: temperature scaling of a network on images of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import device
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.report import reliability
from lunarsite.engine.segmentation import classes, evaluation, paired_images, weights
from lunarsite.engine.segmentation.training import held_out
from lunarsite.engine.text import counted
from lunarsite.engine.training import checkpoint_files
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float = NDArray[np.float64]

_LEAST_TO_CALIBRATE = 4

_FEWEST_PIXELS = 5_000
"""Fewest labelled pixels that temperatures are fitted to."""


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fit the temperatures of a network to images, and write it with an updated card."""
    path = Path(values["out"])
    if path.suffix != ".safetensors":
        raise ParameterError(
            f"--out: {path.name} does not end in .safetensors", "Name it like rocks.safetensors"
        )
    pairs = paired_images.pairs_of(values["images"], values["masks"])
    if len(pairs) < _LEAST_TO_CALIBRATE:
        raise InputError(
            f"Only {counted(len(pairs), 'image')}: too few, since on every other one the "
            "temperatures are "
            "evaluated",
            f"Give at least {_LEAST_TO_CALIBRATE}",
        )
    loaded = weights.load(values["checkpoint"])
    labels = _labels(pairs[::2], context)
    labels.warn_of_view(loaded.view, loaded.path.name, context)
    where = device.for_networks(context)
    uncertain = bool(loaded.architecture.dropout or loaded.architecture.everywhere)
    asked = {"uncertain": uncertain, "seed": values["seed"]}
    context.progress(0.0, "Fitting the temperatures")
    warmth = held_out.fit(
        loaded,
        lambda tried: loaded.runner(where.kind, context, temperatures=tried, **asked),
        lambda: paired_images.read_samples(pairs[::2]),
        values["seed"],
    )
    if not labels.rocks:
        warmth = Temperatures(warmth.common, loaded.temperatures.rare)
        context.warn(
            "The masks of the images that temperatures are fitted to hold no rocks: the "
            f"temperature of pixels predicted as rock stays {warmth.rare:.3g}. Give images with "
            "rocks to fit it."
        )
    elif warmth.rare == warmth.common:
        context.warn(
            "Too few pixels are predicted as rock, or as anything else, to fit a temperature of "
            "their own: both are the same. Give more images with rocks and ground."
        )
    context.progress(0.4, "Evaluating")
    rest = pairs[1::2]
    before = evaluation.evaluate(
        loaded.runner(where.kind, context, **asked),
        paired_images.read_samples(rest),
        len(rest),
        context.part(0.4, 0.7),
    )
    factors = tuple(1.0 for _ in loaded.members)
    if uncertain:
        measured = paired_images.read_samples(pairs[::2][: held_out.MEASURED])
        factors = held_out.information_factors(loaded, warmth, measured, where.kind, context)
    warm = loaded.runner(where.kind, context, temperatures=warmth, information=factors, **asked)
    after = evaluation.evaluate(
        warm, paired_images.read_samples(rest), len(rest), context.part(0.7, 0.95)
    )
    said = after.summary()
    usual = said.pop("uncertainty")
    # What was found on held-out images was found at the former temperatures.
    former = {name: value for name, value in loaded.card.items() if name != "held_out"}
    card = {
        **former,
        "calibration": {
            **loaded.as_card(warmth, factors),
            "images": len(pairs[::2]),
            "data": f"{counted(len(pairs), 'image')} of {pairs[0].image.parent.name}",
        },
        "calibrated_metrics": said,
        "in_domain": usual,
    }
    bits = loaded.card.get("weights", {}).get("bits", checkpoint_files.BITS[0])
    checkpoint_files.save(path, loaded.tensors(), card, bits=bits)
    outputs = {"checkpoint": str(path)}
    if values["picture"]:
        reliability.write(Path(values["picture"]), said["calibration"])
        outputs["picture"] = str(values["picture"])
    errors = [each.calibration.all.expected_calibration_error() for each in (before, after)]
    of_rocks = [
        each.calibration.predicted_rare.expected_calibration_error() for each in (before, after)
    ]
    _warn_of_worse({"all pixels": errors, "pixels predicted as rock": of_rocks}, context)
    return {
        "outputs": outputs,
        "temperature": warmth.common,
        "temperature_of_rocks": warmth.rare,
        "ece_before": errors[0],
        "ece_after": errors[1],
        "summary": [
            f"Temperature {warmth.common:.3f}, of rocks {warmth.rare:.3f}",
            f"Calibration error {errors[0]:.4f} before and {errors[1]:.4f} after",
            *_of_rocks(of_rocks),
            f"Evaluated on {counted(len(rest), 'held-out image')}",
        ],
    }


def _labels(pairs: list[paired_images.Pair], context: Context) -> paired_images.Labels:
    """Return what the masks that temperatures are fitted to label.

    Raises
    ------
    InputError
        If they label too few pixels, or a single class: the network would come out certain of it.
    """
    labels = paired_images.labels_of(pairs, context)
    if (few := int(labels.pixels.sum())) < _FEWEST_PIXELS:
        raise InputError(
            f"The masks label only {counted(few, 'pixel')}: too few to fit temperatures",
            f"Every other image is for the evaluation; the others must have {_FEWEST_PIXELS:,} "
            "labelled pixels",
        )
    if np.count_nonzero(labels.pixels) < 2:
        labels.check_rocks()
        name = classes.NAMES[int(labels.pixels.argmax())]
        raise InputError(
            f"The masks label {name} alone: the network would come out certain of it everywhere",
            "Give images with rocks and ground",
        )
    return labels


def _of_rocks(errors: list[float]) -> list[str]:
    """Return a summary line for the pixels predicted as rock, if there are any."""
    if not np.isfinite(errors).all():
        return []
    return [f"Of pixels predicted as rock {errors[0]:.4f} before and {errors[1]:.4f} after"]


def _warn_of_worse(errors: dict[str, list[float]], context: Context) -> None:
    """Warn if the calibration error has increased, to the precision of the summary."""
    worse = [
        f"of {what} from {before:.4f} to {after:.4f}"
        for what, (before, after) in errors.items()
        if round(after, 4) > round(before, 4)
    ]
    if worse:
        context.warn(
            f"The calibration error grew {' and '.join(worse)} on images that the temperatures "
            "were not fitted to: give more images, or keep the original network."
        )
