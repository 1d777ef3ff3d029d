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


_DISTANCE_SHARE = 0.2
"""About the time that the distance of an image takes, in units of its evaluation."""

_IMAGE_PX = 40_000
"""About the pixels of an image at the training resolution; one thread evaluates them."""


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare the predictions of a network with the masks of images."""
    pairs = paired_images.pairs_of(values["images"], values["masks"])
    others = paired_images.matching(values["outside"]) if values["outside"] else []
    if values["outside"] and not others:
        raise InputError(
            f"No image matches {values['outside']!r}", "Check --outside; put it in quotes"
        )
    loaded = inference.members_of(values)
    cpu_s = inference.core_s(loaded, values, _IMAGE_PX * (len(pairs) + len(others)))
    look = inference.runner_of(loaded, values, context, cpu_s=cpu_s)
    probe = inference.probe_of(loaded)
    labels = paired_images.labels_of(pairs, context)
    if labels.is_binary:
        context.warn(f"{paired_images.BINARY}. {paired_images.WRITE_ROCKS}.")
    for checkpoint in loaded:
        labels.warn_of_view(checkpoint.view, checkpoint.path.name, context)
    shared = {pair.image.resolve() for pair in pairs} & {path.resolve() for path in others}
    if shared:
        context.warn(
            f"{counted(len(shared), 'image')} of --outside are evaluated as well: they cannot be "
            "told apart from themselves."
        )
    # The encoder takes a fraction of the network's time, and only where others are compared.
    ends = np.cumsum([len(pairs), len(others), _DISTANCE_SHARE * len(pairs) * bool(others)])
    ends = 0.95 * ends / ends[-1]
    judged = evaluation.evaluate(
        look, paired_images.read_samples(pairs), len(pairs), context.part(0.0, ends[0])
    )
    said = judged.summary()
    if values["outside"]:
        told, far = _outside(look, probe, others, judged, context.part(ends[0], ends[1]))
        if probe is not None:
            near = _distances(probe, [pair.image for pair in pairs], context.part(ends[1], ends[2]))
            told |= _told_apart_by_distance(near, far)
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
        small = other.get("too_small_for_distance", 0)
        if small:
            by_distance += f" ({counted(small, 'image')} too small for a distance)"
        found.append(
            f"{named} separates {counted(other['images'], 'out-of-distribution image')} with an "
            f"AUROC of {other[which]['auroc']:.3f}{by_distance}"
        )
    return found


def _outside(
    look: Runner,
    probe: Probe | None,
    paths: list[Path],
    judged: evaluation.Evaluation,
    context: Context,
) -> tuple[dict[str, Any], list[float | None]]:
    """Return how well uncertainty separates other images from the evaluated ones.

    Also their distances from the training images: None of images that are too small.
    """
    means, distances = [], []
    for number, path in enumerate(paths):
        context.progress(number / len(paths), "Evaluating out-of-distribution images")
        image, known = paired_images.read_image(path)
        found = evaluation.predict(look, image)
        total = measures.entropy(found[:-1])
        means.append((float(total.mean()), float(np.maximum(total - found[-1], 0.0).mean())))
        distances.append(None if probe is None else probe.distance(image, known))
    other = np.array(means)
    told = {
        "images": len(paths),
        "entropy": _told_apart(judged.entropy, other[:, 0]),
        "mutual_information": _told_apart(judged.mutual_information, other[:, 1]),
    }
    return told, distances


def _distances(probe: Probe, paths: list[Path], context: Context) -> list[float | None]:
    """Return the distances of images from the training images: None of those too small."""
    found = []
    for number, path in enumerate(paths):
        context.progress(number / len(paths), "Measuring distances from the training images")
        found.append(probe.distance(*paired_images.read_image(path)))
    return found


def _told_apart_by_distance(
    inside: list[float | None], outside: list[float | None]
) -> dict[str, Any]:
    """Return how well distances separate images, and how many are too small to have one."""
    near, far = (np.array([one for one in each if one is not None]) for each in (inside, outside))
    told: dict[str, Any] = {
        "too_small_for_distance": len(inside) + len(outside) - len(near) - len(far)
    }
    if len(near) and len(far):
        told["distance"] = _told_apart(near, far)
    return told


def _told_apart(inside: Float, outside: Float) -> dict[str, float]:
    return {
        "auroc": auroc(inside, outside),
        "fpr95": false_positive_rate(inside, outside),
        "median_inside": float(np.median(inside)),
        "median_outside": float(np.median(outside)),
    }
