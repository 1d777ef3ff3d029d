"""The stages ``evaluate-segmentation`` and ``calibrate``: images whose masks are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import atomic, device, provenance
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.report import reliability
from lunarsite.engine.segmentation import classes, evaluation, paired_images, segmenting, weights
from lunarsite.engine.text import counted
from lunarsite.engine.training import checkpoints
from lunarsite.engine.uncertainty import measures
from lunarsite.engine.uncertainty.calibration import (
    Temperatures,
    auroc,
    false_positive_rate,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.paired_images import Pair
    from lunarsite.engine.segmentation.training.batches import Sample

    Float = NDArray[np.float64]

_LEAST_TO_CALIBRATE = 4


def evaluate(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare what a network says of images with their masks."""
    pairs = paired_images.pairs_of(values["images"], values["masks"])
    where = device.choose(context.device)
    look, loaded = segmenting.runner_of(values, where.kind, context)
    others = paired_images.matching(values["outside"]) if values["outside"] else []
    share = 0.95 * len(pairs) / (len(pairs) + len(others))
    judged = evaluation.judge(look, _read(pairs), len(pairs), context.part(0.0, share))
    said = judged.summary()
    if values["outside"]:
        told = _outside(look, others, judged, values["outside"], context.part(share, 0.95))
        if values["uncertainty"] == values["test_time"] == "none":
            # One look has nothing to disagree with: it is zero for every image.
            del told["mutual_information"]
        said["out_of_distribution"] = told
    read = [path for pair in pairs for path in (pair.image, pair.mask)]
    record = provenance.describe(
        "evaluate-segmentation",
        {name: values[name] for name in ("view", "uncertainty", "passes", "seed", "test_time")},
        [*(checkpoint.path for checkpoint in loaded), *read, *others],
        device=where.kind,
    )
    outputs: dict[str, str] = {}
    if values["out"]:
        path = Path(values["out"])
        with atomic.whole_file(path) as partial:
            partial.write_text(
                json.dumps({**said, "provenance": record}, indent=2) + "\n", encoding="utf-8"
            )
        outputs["figures"] = str(path)
    if values["picture"]:
        reliability.write(Path(values["picture"]), said["calibration"])
        outputs["picture"] = str(values["picture"])
    return {"outputs": outputs, **said, "summary": lines(said)}


def calibrate(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fit a network's temperatures to images, and write it with a card that says so."""
    path = Path(values["out"])
    if path.suffix != ".safetensors":
        raise ParameterError(
            f"--out: {path.name} does not end in .safetensors", "Name it like rocks.safetensors"
        )
    pairs = paired_images.pairs_of(values["images"], values["masks"])
    if len(pairs) < _LEAST_TO_CALIBRATE:
        raise InputError(
            f"{counted(len(pairs), 'image')} will not do: on every other one the temperatures are "
            "judged",
            f"Give at least {_LEAST_TO_CALIBRATE}",
        )
    loaded = weights.load(values["checkpoint"])
    where = device.choose(context.device)
    uncertain = bool(loaded.architecture.dropout or loaded.architecture.everywhere)
    asked = {"uncertain": uncertain, "seed": values["seed"]}
    plain = loaded.runner(where.kind, context.warn, temperatures=Temperatures(), **asked)
    context.progress(0.0, "Fitting the temperatures")
    warmth = evaluation.fit_temperatures(plain, _read(pairs[::2]), values["seed"])
    context.progress(0.4, "Judging")
    rest = pairs[1::2]
    before = evaluation.judge(
        loaded.runner(where.kind, context.warn, **asked),
        _read(rest),
        len(rest),
        context.part(0.4, 0.7),
    )
    warm = loaded.runner(where.kind, context.warn, temperatures=warmth, **asked)
    after = evaluation.judge(warm, _read(rest), len(rest), context.part(0.7, 0.95))
    said = after.summary()
    usual = said.pop("uncertainty")
    card = {
        **loaded.card,
        "calibration": {
            **loaded.said_of(warmth),
            "images": len(pairs[::2]),
            "data": f"{counted(len(pairs), 'image')} of {pairs[0].image.parent.name}",
        },
        "calibrated_metrics": said,
        "in_domain": usual,
    }
    checkpoints.save(path, loaded.state, card)
    outputs = {"checkpoint": str(path)}
    if values["picture"]:
        reliability.write(Path(values["picture"]), said["calibration"])
        outputs["picture"] = str(values["picture"])
    errors = [each.calibration.all.error() for each in (before, after)]
    of_rocks = [each.calibration.called_rare.error() for each in (before, after)]
    _warn_of_worse({"all pixels": errors, "what is called a rock": of_rocks}, context)
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
            f"Judged on {counted(len(rest), 'image')} that it was not fitted to",
        ],
    }


def _of_rocks(errors: list[float]) -> list[str]:
    """Return a line on the pixels called rocks, where there are any."""
    if not np.isfinite(errors).all():
        return []
    return [f"Of what is called a rock {errors[0]:.4f} before and {errors[1]:.4f} after"]


def _warn_of_worse(errors: dict[str, list[float]], context: Context) -> None:
    """Warn where what is said comes true less often than before, as far as figures are shown."""
    worse = [
        f"of {what} from {before:.4f} to {after:.4f}"
        for what, (before, after) in errors.items()
        if round(after, 4) > round(before, 4)
    ]
    if worse:
        context.warn(
            f"The calibration error grew {' and '.join(worse)} on images that the temperatures "
            "were not fitted to: give more images, or go on with the network as it was."
        )


def lines(said: dict[str, Any]) -> list[str]:
    """Return what a person wants to read first."""
    each = ", ".join(
        f"{name} {value:.3f}" for name, value in said["iou"].items() if value is not None
    )
    rock = "none in the masks" if said["any_rock"] is None else f"{said['any_rock']:.3f}"
    judged, calibration = counted(said["images"], "image"), said["calibration"]
    called = calibration["ece_called_rocks"]
    of_rocks = "" if called is None else f", of what is called a rock {called:.4f}"
    found = [
        f"mIoU {said['miou']:.3f} over the classes in the masks of {judged}",
        f"Intersection over union: {each}; any rock {rock}",
        f"Calibration error {calibration['ece']:.4f}{of_rocks}",
    ]
    if "out_of_distribution" in said:
        other = said["out_of_distribution"]
        which = "mutual_information" if "mutual_information" in other else "entropy"
        named = which.replace("_", " ").capitalize()
        found.append(
            f"{named} tells {counted(other['images'], 'image')} from outside apart with an AUROC "
            f"of {other[which]['auroc']:.3f}"
        )
    return found


def _read(pairs: list[Pair]) -> Iterable[Sample]:
    """Yield images with masks, one by one.

    Raises
    ------
    InputError
        After the last one, if no mask held a class.
    """
    held = False
    for pair in pairs:
        sample = pair.read()
        held = held or bool((sample.mask != classes.NODATA).any())
        yield sample
    if not held:
        what = "The mask holds" if len(pairs) == 1 else f"The masks of {len(pairs)} images hold"
        raise InputError(
            f"{what} no class where the images are known: all of it is {classes.NODATA}, nodata",
            "Give masks with the numbers 0 to 3, or the colours of classes",
        )


def _outside(
    look: Runner, paths: list[Path], judged: evaluation.Judged, pattern: str, context: Context
) -> dict[str, Any]:
    """Return how well uncertainty tells other images, seen in the same way, from those judged."""
    if not paths:
        raise InputError(f"No image matches {pattern!r}", "Check --outside; put it in quotes")
    means = []
    for number, path in enumerate(paths):
        context.progress(number / len(paths), "Looking at images from outside")
        found = evaluation.answer(look, paired_images.read_image(path)[0])
        total = measures.entropy(found[:-1])
        means.append((float(total.mean()), float(np.maximum(total - found[-1], 0.0).mean())))
    other = np.array(means)
    return {
        "images": len(paths),
        "entropy": _told_apart(judged.entropy, other[:, 0]),
        "mutual_information": _told_apart(judged.mutual_information, other[:, 1]),
    }


def _told_apart(inside: Float, outside: Float) -> dict[str, float]:
    return {
        "auroc": auroc(inside, outside),
        "fpr95": false_positive_rate(inside, outside),
        "median_inside": float(np.median(inside)),
        "median_outside": float(np.median(outside)),
    }
