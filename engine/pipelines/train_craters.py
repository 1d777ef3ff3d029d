"""The stage ``train-craters``: a crater network from a recipe, with its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import device
from lunarsite.engine.craters.detection import confidence
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.craters.model.weights import Checkpoint
from lunarsite.engine.craters.training import calibration, mixed, real_ground, recipe, tile_sets
from lunarsite.engine.errors import CancelledError, ParameterError
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training import checkpoint_files, checkpoints, state_files
from lunarsite.engine.training.cards import TrainingData, training_card
from lunarsite.engine.training.dependencies import needs_torch
from lunarsite.engine.training.task import Data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.training.real_ground import MixedGround, RealTiles
    from lunarsite.engine.craters.training.recipe import Recipe

    Weights = Mapping[str, NDArray[np.generic]]

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
    state_file = state_files.state_of(path)
    folder = Path(values["tiles_folder"]) if values["tiles_folder"] else None
    real: RealTiles | MixedGround | None
    data: Data | None
    if chosen.real_percent:
        real = both = real_ground.mixed_ground(values, context.part(0.0, 0.05))
        chosen = chosen.for_tiles(chosen.tiles, values["steps"])
        name = f"{both.description} {json.dumps(both.source)}"
        data = mixed.mixed(
            chosen, values["seed"], both.training, both.validation, name, folder, context
        )
        ground, count = both.ground, chosen.tiles
    else:
        real = alone = real_ground.real_tiles(values, chosen, context.part(0.0, 0.05))
        data = _data(alone, context) if alone else None
        ground, count = None, data.training_count if data else chosen.tiles
        chosen = chosen.for_tiles(count, values["steps"])
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
    state = averaged(trained.state, start.state if start else None, chosen.start_share)
    architecture = Architecture(chosen.architecture, chosen.widths)
    metadata: dict[str, Any] = {"source": real.source} if real else {}
    if real is None or chosen.real_percent:
        metadata["tiles_version"] = tiles.VERSION
    card = training_card(
        trained,
        chosen.as_dict(),
        architecture.as_dict(),
        TrainingData(
            {"data": _described(real, chosen), **metadata},
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
    fitted = calibration.calibrate(
        runner, context.part(0.9, 0.99, "Calibration"), frames=values["frames"], ground=ground
    )
    card |= {
        "calibration": fitted.curve.as_dict(),
        "calibrated_on": calibrated_on(real if ground else None),
        "errors": fitted.errors.as_dict(),
        "metrics": fitted.metrics,
        "metrics_on_real_ground": fitted.real or None,
    }
    written = checkpoint_files.save(path, state, card)
    state_file.unlink(missing_ok=True)
    context.progress(1.0, "Written")
    return {
        "outputs": {"checkpoint": str(path), "card": str(path.with_suffix(".json"))},
        "steps": written["steps"],
        "minutes": written["minutes"],
        "metrics": fitted.metrics,
        "metrics_on_real_ground": fitted.real or None,
        "calibrated_on": card["calibrated_on"],
        "summary": _summary(path, written),
    }


def averaged(state: Weights, start: Weights | None, share: float) -> dict[str, NDArray[np.generic]]:
    """Return the average of trained and initial weights.

    Between the two, a network keeps what it could and has most of what it learned (Wortsman et al.
    2022, arXiv 2109.01903).

    Parameters
    ----------
    state, start : mapping of str to ndarray
        Trained and initial weights; without the latter, the former.
    share : float
        Share of the initial weights, 0 to 1.
    """
    if start is None or not share:
        return dict(state)
    result = dict(state)
    for name, value in state.items():
        if value.dtype.kind == "f":
            before, after = (np.asarray(v, np.float64) for v in (start[name], value))
            result[name] = ((1.0 - share) * after + share * before).astype(value.dtype)
    return result


def _data(real: RealTiles, context: Context) -> Data:
    capacity_bytes = context.memory_limit_bytes // 2
    return Data(
        f"{real.description} {json.dumps(real.source)}",
        tile_sets.samples(real.tiles.training, capacity_bytes),
        len(real.tiles.training),
        tile_sets.samples(real.tiles.validation, capacity_bytes // 8),
        len(real.tiles.validation),
    )


def calibrated_on(real: RealTiles | MixedGround | None) -> str:
    """Return what the confidence of a network is calibrated on, for its card."""
    if real is None:
        return "generated frames alone"
    west, east = real.source["sector_deg"]
    names = " with ".join(file["name"] for file in real.source["inputs"])
    return (
        f"generated frames, and real ground with the same weight: {names}, longitudes {west:g} to "
        f"{east:g}. Detections that the catalogue does not list count as wrong, though it is "
        "incomplete: confidence and precision are lower bounds there"
    )


def _described(real: RealTiles | MixedGround | None, chosen: Recipe) -> str:
    if real is None:
        return tiles.DATA
    if not chosen.real_percent:
        return real.description
    return f"{chosen.real_percent} % {real.description}, the others generated tiles"


def _summary(path: Path, card: dict[str, Any]) -> list[str]:
    """Return the summary of a finished training."""
    reached = card["metrics"]
    beside = f"{path.with_suffix('.json').name} and {path.with_suffix('.sha256').name}"
    f1 = f"F1 {reached['f1']:.2f} on {reached['frames']} held-out generated frames"
    ground = []
    for name, its in (card["metrics_on_real_ground"] or {}).items():
        scores = f"recall {its['recall']:.2f}, precision at least {its['precision']:.2f}"
        ground.append(f"{name.capitalize()} sector, {its['craters']} craters: {scores}")
    if not ground:
        ground = [confidence.UNCALIBRATED]
    return [
        f"{card['steps']:,} steps in {card['minutes']:g} minutes: {f1}",
        *ground,
        f"Keep these three files together: {path}, {beside}",
    ]
