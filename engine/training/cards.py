"""The card of a trained network: how it was trained, from what, on what. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lunarsite.engine import provenance
from lunarsite.engine.training import checkpoint_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.device import Device
    from lunarsite.engine.training.trainer import Trained

TERMS = "That of the training data and of the initial network"
"""Licence of a network that has seen other data than generated ones."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a network was trained on.

    Parameters
    ----------
    metadata : mapping
        Entries of the card that name the data and their version.
    unit : str
        What samples are: ``tiles`` or ``scenes``.
    count : int
        How many there were.
    generated : bool
        Whether all of them were generated.
    licence : str
        Of networks that have seen nothing else.
    """

    metadata: Mapping[str, Any]
    unit: str
    count: int
    generated: bool
    licence: str


def training_card(
    trained: Trained,
    recipe: Mapping[str, Any],
    architecture: Mapping[str, Any],
    data: TrainingData,
    *,
    seed: int,
    start: Mapping[str, Any] | None,
    device: Device,
    threads: int,
    batch_unit: str,
) -> dict[str, Any]:
    """Return the card of a training that has ended, before calibration and figures.

    Parameters
    ----------
    trained : Trained
        The result of the training.
    recipe, architecture : mapping
        As JSON.
    data : TrainingData
        What it was trained on.
    seed : int
        Of the training.
    start : mapping or None
        Card of the checkpoint that it began with.
    device : Device
        Where it was trained.
    threads : int
        On the processor.
    batch_unit : str
        What a pass takes at a time: ``tiles`` or ``crops``.
    """
    generated = data.generated and (start is None or start.get("licence") == data.licence)
    return {
        "format": 1,
        "architecture": dict(architecture),
        "recipe": dict(recipe),
        "seed": seed,
        "started_from": None if start is None else checkpoint_files.start_metadata(start),
        **data.metadata,
        data.unit: data.count,
        "steps": trained.progress.step,
        "best_step": trained.progress.best_step,
        "minutes": round(trained.progress.spent_s / 60.0, 1),
        "device": {
            "kind": device.kind,
            "name": device.name,
            "threads": threads,
            f"{batch_unit}_at_once": trained.batch,
            "precision": recipe.get("precision", "bfloat16"),
        },
        "history": trained.progress.history,
        "versions": {**provenance.versions(), "torch": device.torch},
        "licence": data.licence if generated else TERMS,
    }
