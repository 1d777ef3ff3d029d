"""Calibration and evaluation of a trained network on a held-out set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.segmentation import evaluation
from lunarsite.engine.segmentation.onnx_runner import with_test_time_augmentation
from lunarsite.engine.segmentation.training import batches
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.samples import Sample, Source
    from lunarsite.engine.segmentation.training.recipe import Recipe
    from lunarsite.engine.segmentation.weights import Checkpoint
    from lunarsite.engine.training.task import Data

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
    if data is None:
        source: Source = batches.scenes(chosen.view, FIRST_SEED, folder, 0)
        halves = (range(SCENES // 2), range(SCENES // 2, SCENES))
    else:
        source = data.validation
        half = max(1, data.validation_count // 2)
        halves = (range(half), range(half, data.validation_count) or range(half))
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
