"""The stage ``evaluate-segmentation``: a network evaluated on images whose masks are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import atomic, provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.report import reliability
from lunarsite.engine.segmentation import evaluation, inference, paired_images
from lunarsite.engine.text import counted
from lunarsite.engine.uncertainty import measures
from lunarsite.engine.uncertainty.out_of_distribution import auroc, false_positive_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.inference import Probe
    from lunarsite.engine.segmentation.onnx_runner import Runner

    Float = NDArray[np.float64]


_IMAGE_PX = 40_000
"""About the pixels of an image at the training resolution; one thread evaluates them."""


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare the predictions of a network with the masks of images."""
    pairs = paired_images.pairs_of(values["images"], values["masks"])
    others = paired_images.matching(values["outside"]) if values["outside"] else []
    loaded = inference.members_of(values)
    cpu_s = inference.core_s(loaded, values, _IMAGE_PX * (len(pairs) + len(others)))
    look = inference.runner_of(loaded, values, context, cpu_s=cpu_s)
    probe = inference.probe_of(loaded)
    share = 0.95 * len(pairs) / (len(pairs) + len(others))
    judged = evaluation.evaluate(
        look, paired_images.read_samples(pairs), len(pairs), context.part(0.0, share)
    )
    said = judged.summary()
    if values["outside"]:
        told = _outside(look, others, judged, values["outside"], context.part(share, 0.95))
        if probe is not None:
            inside, outside = (
                _distances(probe, paths, context)
                for paths in ([pair.image for pair in pairs], others)
            )
            if len(inside) and len(outside):
                told["distance"] = _told_apart(inside, outside)
        if values["uncertainty"] == values["test_time"] == "none":
            # Mutual information of a single prediction is zero for every image.
            del told["mutual_information"]
        said["out_of_distribution"] = told
    read = [path for pair in pairs for path in (pair.image, pair.mask)]
    record = provenance.describe(
        "evaluate-segmentation",
        {name: values[name] for name in ("view", "uncertainty", "passes", "seed", "test_time")},
        [*(checkpoint.path for checkpoint in loaded), *read, *others],
        device=context.devices(),
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


def lines(said: dict[str, Any]) -> list[str]:
    """Return the summary."""
    each = ", ".join(
        f"{name} {value:.3f}" for name, value in said["iou"].items() if value is not None
    )
    rock = "none in the masks" if said["any_rock"] is None else f"{said['any_rock']:.3f}"
    judged, calibration = counted(said["images"], "image"), said["calibration"]
    called = calibration["ece_called_rocks"]
    of_rocks = "" if called is None else f", of pixels predicted as rock {called:.4f}"
    found = [
        f"mIoU {said['miou']:.3f} over the classes in the masks of {judged}",
        f"Intersection over union: {each}; any rock {rock}",
        f"Calibration error {calibration['ece']:.4f}{of_rocks}",
    ]
    if "out_of_distribution" in said:
        other = said["out_of_distribution"]
        which = "mutual_information" if "mutual_information" in other else "entropy"
        named = which.replace("_", " ").capitalize()
        by_distance = (
            f", the distance from the training images with {other['distance']['auroc']:.3f}"
            if "distance" in other
            else ""
        )
        found.append(
            f"{named} separates {counted(other['images'], 'out-of-distribution image')} with an "
            f"AUROC of {other[which]['auroc']:.3f}{by_distance}"
        )
    return found


def _outside(
    look: Runner, paths: list[Path], judged: evaluation.Evaluation, pattern: str, context: Context
) -> dict[str, Any]:
    """Return how well uncertainty separates out-of-distribution images from the evaluated ones."""
    if not paths:
        raise InputError(f"No image matches {pattern!r}", "Check --outside; put it in quotes")
    means = []
    for number, path in enumerate(paths):
        context.progress(number / len(paths), "Evaluating out-of-distribution images")
        found = evaluation.predict(look, paired_images.read_image(path)[0])
        total = measures.entropy(found[:-1])
        means.append((float(total.mean()), float(np.maximum(total - found[-1], 0.0).mean())))
    other = np.array(means)
    return {
        "images": len(paths),
        "entropy": _told_apart(judged.entropy, other[:, 0]),
        "mutual_information": _told_apart(judged.mutual_information, other[:, 1]),
    }


def _distances(probe: Probe, paths: list[Path], context: Context) -> Float:
    """Return the distances from the training images, of all images that are large enough."""
    found = []
    for path in paths:
        context.check()
        distance = probe.distance(*paired_images.read_image(path))
        if distance is not None:
            found.append(distance)
    return np.array(found)


def _told_apart(inside: Float, outside: Float) -> dict[str, float]:
    return {
        "auroc": auroc(inside, outside),
        "fpr95": false_positive_rate(inside, outside),
        "median_inside": float(np.median(inside)),
        "median_outside": float(np.median(outside)),
    }
