"""Calibration and figures of a network on scenes that took no part in its training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.segmentation import evaluation
from lunarsite.engine.segmentation.onnx_runner import averaged
from lunarsite.engine.segmentation.training import batches
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.samples import Sample, Source
    from lunarsite.engine.segmentation.training.recipe import Recipe
    from lunarsite.engine.segmentation.weights import Checkpoint
    from lunarsite.engine.training.task import Data


SCENES = 256
"""Held-out scenes: one half for the temperatures, the other for the figures. With half as many the
calibration error is a matter of chance: 0.008 one time and 0.012 the next."""

FIRST_SEED = batches.VALIDATION_SEED + 500_000_000
"""Seed of the first held-out scene."""


def measured(
    checkpoint: Checkpoint,
    chosen: Recipe,
    data: Data | None,
    folder: Path | None,
    where: Device,
    context: Context,
) -> dict[str, Any]:
    """Return what a card says of a network's temperatures, figures and usual uncertainty."""
    if data is None:
        source: Source = batches.Scenes(chosen.view, FIRST_SEED, folder, 0)
        halves = (range(SCENES // 2), range(SCENES // 2, SCENES))
    else:
        source = data.unseen
        half = max(1, data.unseen_count // 2)
        halves = (range(half), range(half, data.unseen_count) or range(half))
    uncertain = bool(chosen.dropout or chosen.everywhere)

    def runner(warmth: Temperatures, *, asked: bool) -> Runner:
        made = checkpoint.runner(where.kind, context.warn, uncertain=asked, temperatures=warmth)
        return averaged(made, chosen.test_time)

    warmth = evaluation.fit_temperatures(
        runner(Temperatures(), asked=uncertain), _numbered(source, halves[0])
    )
    judged = evaluation.judge(
        runner(warmth, asked=uncertain),
        _numbered(source, halves[1]),
        len(halves[1]),
        context,
    )
    said = judged.summary()
    usual = said.pop("uncertainty")
    return {
        "calibration": {**checkpoint.said_of(warmth), "images": len(halves[0])},
        "metrics": said,
        "in_domain": usual,
    }


def _numbered(source: Source, numbers: range) -> Iterable[Sample]:
    """Yield samples by their numbers."""
    for number in numbers:
        yield source(number)
