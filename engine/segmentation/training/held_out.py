"""Calibration and evaluation of a trained network on a held-out set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.segmentation import evaluation, resampling, tiling
from lunarsite.engine.segmentation.onnx_runner import Encoder, with_test_time_augmentation
from lunarsite.engine.segmentation.training import batches, camera_shifts
from lunarsite.engine.uncertainty import domain
from lunarsite.engine.uncertainty.calibration import Temperatures
from lunarsite.engine.uncertainty.domain import Domain
from lunarsite.engine.uncertainty.out_of_distribution import auroc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.samples import Sample, Source
    from lunarsite.engine.segmentation.training.recipe import Recipe
    from lunarsite.engine.segmentation.weights import Checkpoint
    from lunarsite.engine.training.task import Data

    Float = NDArray[np.float64]

SCENES = 256
"""Held-out scenes: one half for the calibration, the other for the evaluation. With half as many,
the calibration error depends on the draw: 0.008 for one seed and 0.012 for another."""

MEASURED, PASSES = 32, 500
"""Scenes and passes by which the mutual information of the closed form is measured."""

SEED = 7
"""Default seed of the pixels that temperatures are fitted to."""

_ROUNDS = 3
"""Times that the temperatures of an ensemble are fitted."""

FIRST_SEED = batches.VALIDATION_SEED + 500_000_000
"""Seed of the first held-out scene."""


def calibrate_and_evaluate(
    checkpoint: Checkpoint,
    chosen: Recipe,
    data: Data | None,
    folder: Path | None,
    where: Device,
    context: Context,
) -> dict[str, Any]:
    """Fit the temperatures of a network, and evaluate it at them.

    Parameters
    ----------
    checkpoint : Checkpoint
        The trained network.
    chosen : Recipe
        Recipe that it was trained with, or what an ensemble has of one.
    data : Data or None
        Data that it was trained on, whose validation set is used; None for generated scenes.
    folder : Path or None
        Folder that caches generated scenes between runs.
    where : Device
        Device to run on.
    context : Context
        Progress, warnings and cancellation.

    Returns
    -------
    dict
        The entries ``calibration``, ``metrics`` and ``in_domain`` of the card.
    """
    source, halves = _held_out(chosen, data, folder)
    uncertain = bool(chosen.dropout or chosen.everywhere)

    factors: tuple[float, ...] = ()

    def runner(temperatures: Temperatures, way: str = chosen.test_time) -> Runner:
        network = checkpoint.runner(
            where.kind,
            context,
            uncertain=uncertain,
            temperatures=temperatures,
            information=factors or None,
        )
        return with_test_time_augmentation(network, way)

    def to_fit() -> Iterable[Sample]:
        return _samples(source, halves[0], context)

    temperatures = fit(checkpoint, runner, to_fit)
    if uncertain:
        measured = _samples(source, halves[0][:MEASURED], context)
        factors = information_factors(checkpoint, temperatures, measured, where.kind, context)
    calibration = {**checkpoint.as_card(temperatures, factors), "images": len(halves[0])}
    metrics: dict[str, Any] = {}
    ways: dict[str, Any] = {}
    for way in dict.fromkeys(
        (chosen.test_time, "none", "flip", "scales") if uncertain else (chosen.test_time,)
    ):
        summary = evaluation.evaluate(
            runner(temperatures, way), _samples(source, halves[1], context), len(halves[1]), context
        ).summary()
        ways[way] = summary.pop("uncertainty")
        metrics = metrics or summary
    return {
        "calibration": calibration,
        "metrics": metrics,
        "in_domain": ways[chosen.test_time] | {"test_time": ways},
    }


def _held_out(
    chosen: Recipe, data: Data | None, folder: Path | None
) -> tuple[Source, tuple[range, range]]:
    """Return the held-out samples, and the numbers of either half."""
    if data is None:
        scenes = batches.scenes(chosen.view, FIRST_SEED, folder, 0)
        return scenes, (range(SCENES // 2), range(SCENES // 2, SCENES))
    half = max(1, data.validation_count // 2)
    return data.validation, (range(half), range(half, data.validation_count) or range(half))


def fit_domain(
    checkpoint: Checkpoint,
    chosen: Recipe,
    data: Data | None,
    folder: Path | None,
    context: Context,
) -> tuple[Domain | None, dict[str, Any]]:
    """Fit how images like those of the training look to a network's encoder.

    They are one half of the held-out scenes, or the training images of own data; the distances of
    the other half, or of the held-out images, are the usual ones. Of the networks of an ensemble,
    the one whose distances separate images put through a camera model (`camera_shifts`) best is
    taken.

    Parameters
    ----------
    checkpoint, chosen, data, folder, context
        As for `calibrate_and_evaluate`. Own images that are too few are warned of.

    Returns
    -------
    domain : Domain or None
        None if there are too few images, or if the network is not described step by step.
    card : dict
        The entry ``domain`` of the card; empty without one.
    """
    if not checkpoint.architecture.is_described:
        return None, {}
    source, halves = _held_out(chosen, data, folder)
    images, others = (source, halves[0]), halves[1]
    if data is not None:
        count = min(data.training_count, SCENES)
        spread = np.linspace(0, data.training_count - 1, count).astype(int).tolist()
        images, others = (data.training, spread), range(data.validation_count)
    fewest = min(len(images[1]), len(others))
    if fewest < domain.FEWEST:
        if data is not None:
            context.warn(
                f"The network will not tell how far an image is from its training images: that "
                f"needs {domain.FEWEST} of them and as many held out, and there are "
                f"{len(images[1])} and {len(others)}."
            )
        return None, {}
    encoders = [Encoder(each.state, each.architecture) for each in checkpoint.members]
    side_px = checkpoint.side_px

    shape = resampling.reduced_shape(images[0](images[1][0]).mask.shape[:2], side_px)
    window_px = min(shape) // tiling.STEP * tiling.STEP
    if not window_px:
        return None, {}

    def described(sample: Sample) -> list[Float]:
        seen = evaluation.tile(sample.image, side_px)
        return [
            np.array(evaluation.window_statistics(encoder, *seen, window_px))
            for encoder in encoders
        ]

    ours = [described(sample) for sample in _samples(*images, context)]
    usual, moved = [], []
    for number, sample in enumerate(_samples(source, others, context)):
        usual.append(described(sample))
        moved.append(described(_shifted(sample, number)))
    best, apart = _separating_best(ours, usual, moved, window_px)
    if best is None:
        return None, {}
    entry = {
        "network": best.network,
        "window_px": window_px,
        "images": len(ours),
        "held_out_images": len(usual),
        "auroc_of_shifts": round(apart, 4),
    }
    return best, {"domain": entry}


def _separating_best(
    ours: list[list[Float]], usual: list[list[Float]], moved: list[list[Float]], window_px: int
) -> tuple[Domain | None, float]:
    """Return the domain that separates shifted images best from others, and its AUROC.

    Parameters
    ----------
    ours, usual, moved : list of list of ndarray of float64, shape (windows, statistics)
        Statistics of each image to each network: of the images that domains are fitted to, of
        held-out ones, and of shifted ones. Images without a window do not count.
    window_px : int
        As in `Domain`.
    """
    best: Domain | None = None
    highest = 0.0
    for network in range(len(ours[0])):
        of_ours, of_usual, of_moved = (
            [each[network] for each in group if len(each[network])]
            for group in (ours, usual, moved)
        )
        try:
            found = Domain.fit(of_ours, of_usual, window_px, network)
        except ValueError:  # to this encoder all images are the same, or most are too small
            continue
        inside, outside = (
            np.array([found.distance(windows) for windows in group])
            for group in (of_usual, of_moved)
        )
        apart = auroc(inside, outside)
        if best is None or apart > highest:
            best, highest = found, apart
    return best, highest


def _shifted(sample: Sample, number: int) -> Sample:
    """Return a sample after a shift of the camera model, at its strongest; kinds go by turns."""
    kind, level = camera_shifts.KINDS[number % len(camera_shifts.KINDS)], camera_shifts.LEVELS[-1]
    return camera_shifts.shifted(sample, kind, level, np.random.default_rng([SEED, number]))


def fit(
    checkpoint: Checkpoint,
    runner: Callable[[Temperatures], Runner],
    samples: Callable[[], Iterable[Sample]],
    seed: int = SEED,
) -> Temperatures:
    """Return the temperatures at which a network, or an ensemble, is calibrated best.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network.
    runner : callable
        Returns it at given temperatures.
    samples : callable
        Returns the images and masks, from the first one.
    seed : int, optional
        As in `evaluation.fit_temperatures`.
    """
    temperatures = Temperatures()
    # Those of an ensemble are fitted to the mean of its networks, and divide the logits of each.
    for _ in range(_ROUNDS if checkpoint.architecture.members else 1):
        found = evaluation.fit_temperatures(runner(temperatures), samples(), seed)
        temperatures = temperatures.times(found)
    return temperatures


def information_factors(
    checkpoint: Checkpoint,
    temperatures: Temperatures,
    samples: Iterable[Sample],
    device: str,
    context: Context,
) -> tuple[float, ...]:
    """Return the factor on the mutual information of the closed form of each network.

    1 for networks without a closed form, whose passes are always drawn.

    Parameters
    ----------
    checkpoint : Checkpoint
        A network or an ensemble.
    temperatures : Temperatures
        Those that it was found to need.
    samples : iterable of Sample
        Images to measure on.
    device, context : str, Context
        As in `weights.Checkpoint.runner`.
    """
    images = list(samples)
    together = bool(checkpoint.architecture.members)
    found = []
    for each in checkpoint.members:
        if each.architecture.everywhere:
            found.append(1.0)
            continue
        warmth = each.temperatures.times(temperatures) if together else temperatures
        closed, drawn = (
            each.runner(
                device,
                context,
                uncertain=True,
                passes=passes,
                temperatures=warmth,
                information=(1.0,),
            )
            for passes in (0, PASSES)
        )
        found.append(round(evaluation.information_factor(closed, drawn, images), 4))
    return tuple(found)


def _samples(source: Source, numbers: Sequence[int], context: Context) -> Iterable[Sample]:
    """Yield the samples of some numbers."""
    for number in numbers:
        context.check()
        yield source(number)
