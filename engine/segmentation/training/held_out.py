"""Calibration and evaluation of a trained network on a held-out set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.segmentation import evaluation, resampling
from lunarsite.engine.segmentation.onnx_runner import Encoder, with_test_time_augmentation
from lunarsite.engine.segmentation.training import batches, camera_shifts
from lunarsite.engine.uncertainty.calibration import Temperatures
from lunarsite.engine.uncertainty.domain import FEWEST, Domain
from lunarsite.engine.uncertainty.out_of_distribution import auroc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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


def domain(
    checkpoint: Checkpoint,
    chosen: Recipe,
    data: Data | None,
    folder: Path | None,
    context: Context,
) -> tuple[Domain | None, dict[str, Any]]:
    """Fit how the training images look to a network's encoder.

    Of the networks of an ensemble, the one whose distances separate images put through a camera
    model (`camera_shifts`) best is taken.

    Parameters
    ----------
    checkpoint, chosen, data, folder, context
        As for `calibrate_and_evaluate`.

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
    # Own images are few: all that were trained on are looked at, and all held-out ones compared.
    training, others = (source, halves[0]), halves[1]
    if data is not None:
        training = data.training, range(min(data.training_count, SCENES))
        others = range(data.validation_count)
    if min(len(training[1]), len(others)) < FEWEST:
        return None, {}
    best: tuple[float, Domain, dict[str, Any]] | None = None
    for number, each in enumerate(checkpoint.members):
        encoder = Encoder(each.state, each.architecture)

        def described(
            samples: Iterable[Sample],
            encoder: Encoder = encoder,
            side_px: int | None = each.side_px,
        ) -> Float:
            found = [evaluation.numbers(encoder, sample.image, side_px) for sample in samples]
            return np.array(found)

        usual = described(_samples(source, others, context))
        try:
            found = Domain.fit(described(_samples(*training, context)), usual)
        except ValueError:  # to this encoder, all images are the same
            continue
        moved = described(_shifted(_samples(source, others, context)))
        apart = auroc(
            np.array([found.distance(numbers) for numbers in usual]),
            np.array([found.distance(numbers) for numbers in moved]),
        )
        if best is None or apart > best[0]:
            first = next(iter(_samples(*training, context))).mask.shape
            said = {
                "network": number,
                "shape_px": list(resampling.reduced_shape(first, each.side_px)),
                "images": len(training[1]),
                "held_out_images": len(others),
                "auroc_of_shifts": round(apart, 4),
            }
            best = apart, found, said
    return (best[1], {"domain": best[2]}) if best else (None, {})


def _shifted(samples: Iterable[Sample]) -> Iterable[Sample]:
    """Yield samples after one shift of the camera model each, at its strongest."""
    kinds, level = camera_shifts.KINDS, camera_shifts.LEVELS[-1]
    for number, sample in enumerate(samples):
        rng = np.random.default_rng([SEED, number])
        yield camera_shifts.shifted(sample, kinds[number % len(kinds)], level, rng)


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


def _samples(source: Source, numbers: range, context: Context) -> Iterable[Sample]:
    """Yield the samples of some numbers."""
    for number in numbers:
        context.check()
        yield source(number)
