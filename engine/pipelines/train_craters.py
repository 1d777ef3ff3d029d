"""The stage ``train-craters``: a crater network from a recipe, with its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import device
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.craters.model.weights import Checkpoint
from lunarsite.engine.craters.training import calibration, real_ground, recipe, tile_sets
from lunarsite.engine.errors import CancelledError, ParameterError
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training import checkpoint_files, checkpoints, state_files
from lunarsite.engine.training.cards import TrainingData, training_card
from lunarsite.engine.training.dependencies import needs_torch
from lunarsite.engine.training.task import Data

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.training.real_ground import RealTiles

LICENCE = "CC0-1.0: made from generated ground alone"


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Train a network by a recipe, calibrate it and write it with its card.

    Raises
    ------
    CancelledError
        With the step from which the same command resumes.
    """
    needs_torch("Training")
    try:
        return _train(values, context)
    except CancelledError as error:
        raise state_files.cancelled(Path(values["out"])) from error


def _train(values: dict[str, Any], context: Context) -> dict[str, Any]:
    path = Path(values["out"])
    if path.suffix != ".safetensors":
        raise ParameterError(
            f"--out: {path.name} does not end in .safetensors", "Name it like craters.safetensors"
        )
    chosen = recipe.read(values["recipe"])
    start = weights.load(values["start"]) if values["start"] else None
    checkpoints.check_start(chosen, start, Architecture(chosen.architecture, chosen.widths))
    where = device.for_networks(context)
    real = real_ground.real_tiles(values, chosen, context.part(0.0, 0.05))
    data = _data(real, context) if real else None
    count = data.training_count if data else chosen.tiles
    chosen = chosen.for_tiles(count, values["steps"])
    state_file = state_files.state_of(path)
    folder = Path(values["tiles_folder"]) if values["tiles_folder"] else None
    from lunarsite.engine.craters.training import task  # noqa: PLC0415  needs torch

    trained = task.train(
        chosen,
        values["seed"],
        where,
        state_file,
        context.part(0.05 if real else 0.0, 0.9),
        data=data,
        tile_folder=folder,
        start=start.state if start else None,
    )
    state = trained.state
    architecture = Architecture(chosen.architecture, chosen.widths)
    metadata = {"source": real.source} if real else {"tiles_version": tiles.VERSION}
    card = training_card(
        trained,
        chosen.as_dict(),
        architecture.as_dict(),
        TrainingData(
            {"data": real.description if real else tiles.DATA, **metadata},
            "tiles",
            count,
            generated=real is None,
            licence=LICENCE,
        ),
        seed=values["seed"],
        start=start.card if start else None,
        device=where,
        threads=context.threads,
        batch_unit="tiles",
    )
    # What is measured is what is stored: 16 bits.
    stored = checkpoint_files.as_stored(state)
    runner = Checkpoint(stored, architecture, card, path).runner(where.kind, context)
    fitted, reached = calibration.calibrate(
        runner, context.part(0.9, 0.99, "Calibration"), frames=values["frames"]
    )
    card |= {"calibration": fitted.as_dict(), "metrics": reached}
    written = checkpoint_files.save(path, state, card)
    state_file.unlink(missing_ok=True)
    context.progress(1.0, "Written")
    return {
        "outputs": {"checkpoint": str(path), "card": str(path.with_suffix(".json"))},
        "steps": written["steps"],
        "minutes": written["minutes"],
        "metrics": reached,
        "summary": _summary(path, written),
    }


def _data(real: RealTiles, context: Context) -> Data:
    capacity_bytes = context.memory_limit_bytes // 2
    return Data(
        f"{real.description} {json.dumps(real.source)}",
        tile_sets.samples(real.tiles.training, capacity_bytes),
        len(real.tiles.training),
        tile_sets.samples(real.tiles.validation, capacity_bytes // 8),
        len(real.tiles.validation),
    )


def _summary(path: Path, card: dict[str, Any]) -> list[str]:
    """Return the summary of a finished training."""
    reached = card["metrics"]
    beside = f"{path.with_suffix('.json').name} and {path.with_suffix('.sha256').name}"
    f1 = f"F1 {reached['f1']:.2f} on {reached['frames']} held-out generated frames"
    return [
        f"{card['steps']:,} steps in {card['minutes']:g} minutes: {f1}",
        f"Keep these three files together: {path}, {beside}",
    ]
