"""The crater stages that need a network, from paths to paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lunarsite.engine import atomic, device, provenance
from lunarsite.engine.craters import calibration, recipe, training, weights
from lunarsite.engine.craters.architecture import Architecture
from lunarsite.engine.craters.weights import Checkpoint
from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

LICENCE = "CC0-1.0: made from generated ground alone"


def train(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Train a network by a recipe, calibrate it and write it with its card."""
    path = Path(values["out"])
    if path.suffix != ".safetensors":
        raise ParameterError(
            f"--out: {path.name} does not end in .safetensors", "Name it like craters.safetensors"
        )
    chosen = recipe.read(values["recipe"])
    if values["steps"] is not None:
        chosen = replace(
            chosen,
            steps=values["steps"],
            validate_every=min(chosen.validate_every, values["steps"]),
        )
    where = device.choose(context.device)
    atomic.make_folder(path.parent)
    start = weights.load(values["start"]) if values["start"] else None
    state_file = path.with_suffix(".state.safetensors")
    folder = Path(values["tiles_folder"]) if values["tiles_folder"] else None
    trained = training.train(
        chosen,
        values["seed"],
        where,
        state_file,
        context.part(0.0, 0.9),
        tile_folder=folder,
        start={n: torch.from_numpy(v) for n, v in start.state.items()} if start else None,
    )
    state = {name: value.cpu().numpy() for name, value in trained.state.items()}
    architecture = Architecture(chosen.architecture, chosen.widths)
    card: dict[str, Any] = {
        "format": 1,
        "architecture": architecture.as_dict(),
        "recipe": chosen.as_dict(),
        "seed": values["seed"],
        "started_from": start.card["weights"] if start else None,
        "data": "generated tiles; no real elevation model and no catalogue",
        "tiles": chosen.tiles,
        "steps": trained.progress.step,
        "best_step": trained.progress.best_step,
        "minutes": round(trained.progress.spent_s / 60.0, 1),
        "device": {"kind": where.kind, "name": where.name, "threads": context.threads},
        "history": trained.progress.history,
        "versions": {**provenance.versions(), "torch": where.torch},
        "licence": LICENCE,
    }
    # What is measured is what is stored: 16 bits.
    stored = {
        n: v.astype(np.float16).astype(np.float32) if v.dtype.kind == "f" else v
        for n, v in state.items()
    }
    runner = Checkpoint(stored, architecture, card, path).runner(where.kind)
    fitted, reached = calibration.calibrate(
        runner, context.part(0.9, 0.99, "Calibration"), frames=values["frames"]
    )
    card |= {"calibration": fitted.as_dict(), "metrics": reached}
    written = weights.save(path, state, card)
    state_file.unlink(missing_ok=True)
    context.progress(1.0, "Written")
    return {
        "outputs": {"checkpoint": str(path), "card": str(path.with_suffix(".json"))},
        "steps": written["steps"],
        "minutes": written["minutes"],
        "metrics": reached,
    }
