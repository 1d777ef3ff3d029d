"""The stage ``train-segmenter``: segmentation networks from a recipe, with their cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import atomic, device
from lunarsite.engine.errors import CancelledError, ParameterError
from lunarsite.engine.segmentation import classes, paired_images
from lunarsite.engine.segmentation import weights as networks
from lunarsite.engine.segmentation.training import batches, held_out, recipe
from lunarsite.engine.segmentation.weights import Checkpoint, tensors_of
from lunarsite.engine.training import checkpoint_files, checkpoints, state_files
from lunarsite.engine.training.cards import TrainingData, training_card
from lunarsite.engine.training.dependencies import needs_torch
from lunarsite.engine.training.networks.efficientnet import PRETRAINED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device
    from lunarsite.engine.segmentation.training.recipe import Recipe
    from lunarsite.engine.training.task import Data


LICENCE = "CC0-1.0: made from generated scenes alone"
PRETRAINED_LICENCE = f"Apache-2.0: made from {PRETRAINED} and generated scenes"


DATA = {
    "surface": "generated scenes of the lunar surface",
    "orbital": "generated images from orbit",
}


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Train one network, or several that differ only in their seed, and write them.

    Raises
    ------
    CancelledError
        With the step from which the same command resumes.
    """
    needs_torch("Training")
    path = Path(values["out"])
    if path.suffix != ".safetensors":
        raise ParameterError(
            f"--out: {path.name} does not end in .safetensors", "Name it like rocks.safetensors"
        )
    if values["masks"] and not values["images"]:
        raise ParameterError(
            "--masks is given without --images", "Give the pattern of the images too"
        )
    bits = int(values["bits"])
    chosen = recipe.read(values["recipe"])
    start = _start(values["start"], chosen)
    checkpoints.check_start(chosen, start, chosen.built())
    where = device.for_networks(context)
    folder = Path(values["scenes_folder"]) if values["scenes_folder"] else None
    data = (
        paired_images.read(values["images"], values["masks"], context) if values["images"] else None
    )
    chosen = chosen.for_steps(values["steps"], data.training_count if data else None)
    atomic.make_folder(path.parent)
    count = values["members"]
    begun = checkpoint_files.start_metadata(start.card) if start else None
    written: list[dict[str, Any]] = []
    for number in range(count):
        target = path if count == 1 else path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
        part = context.part(number / count, (number + 1) / count)
        seed = values["seed"] + number
        done = count > 1 and target.is_file()
        if done and _made_by(target, chosen, seed, data, begun, bits=bits):
            # One of several that was finished before the work was interrupted.
            written.append({"path": target, "metrics": networks.load(target).card["metrics"]})
            continue
        try:
            card = _train_one(chosen, seed, where, target, part, data, folder, start, bits=bits)
        except CancelledError as error:
            raise state_files.cancelled(target) from error
        written.append({"path": target, "metrics": card["metrics"]})
    context.progress(1.0, "Written")
    best = written[0]["metrics"]
    return {
        "outputs": {"checkpoint": str(written[0]["path"])},
        "checkpoints": [str(each["path"]) for each in written],
        "steps": chosen.steps,
        "metrics": [each["metrics"] for each in written],
        "summary": [
            f"mIoU {best['miou']}, any rock {best['any_rock']}",
            f"Calibration error {best['calibration']['ece']}",
            f"On {best['images']} held-out images",
        ],
    }


def _start(path: str | None, chosen: Recipe) -> Checkpoint | None:
    """Return the network to begin with: of an ensemble, the first that the recipe can train."""
    if not path:
        return None
    loaded = networks.load(path)
    wanted = chosen.built()
    fitting = (
        each
        for each in loaded.members
        if (each.architecture.name, each.architecture.widths) == (wanted.name, wanted.widths)
    )
    return next(fitting, loaded)


def _train_one(
    chosen: Recipe,
    seed: int,
    where: Device,
    path: Path,
    context: Context,
    data: Data | None,
    folder: Path | None,
    start: Checkpoint | None,
    *,
    bits: int,
) -> dict[str, Any]:
    state_file = state_files.state_of(path)
    from lunarsite.engine.segmentation.training import task  # noqa: PLC0415  needs torch

    trained = task.train(
        chosen,
        seed,
        where,
        state_file,
        context.part(0.0, 0.9),
        data=data,
        scene_folder=folder,
        start=start.state if start else None,
    )
    state = trained.state
    begun = start.card if start else None
    card = training_card(
        trained,
        chosen.as_dict(),
        chosen.built().as_dict(),
        TrainingData(
            _learned_from(chosen, data, begun),
            "scenes",
            data.training_count if data else chosen.scenes,
            generated=data is None and (start is not None or _has_known_origin(chosen)),
            licence=_licence(chosen, start),
        ),
        seed=seed,
        start=begun,
        device=where,
        threads=context.threads,
        batch_unit="crops",
    ) | {"classes": list(classes.NAMES)}
    # What is measured is what is stored.
    stored = checkpoint_files.as_stored(state, bits)
    checkpoint = Checkpoint(stored, chosen.built(), card, path)
    card |= held_out.calibrate_and_evaluate(
        checkpoint, chosen, data, folder, where, context.part(0.9, 1.0)
    )
    domain, described = held_out.fit_domain(checkpoint, chosen, data, folder, context)
    written = checkpoint_files.save(
        path, {**state, **tensors_of(domain)}, card | described, bits=bits
    )
    state_file.unlink(missing_ok=True)
    return written


def _learned_from(
    chosen: Recipe, data: Data | None, start: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return how a card names what a network learned from."""
    if data is not None:
        return {"data": data.name}
    version = batches.GENERATORS[chosen.view].VERSION
    return {"data": _data(chosen, start), "scenes_version": version}


def _licence(chosen: Recipe, start: Checkpoint | None) -> str:
    """Return the licence of a network that saw generated scenes after its initial weights."""
    if start is not None:
        own = str(start.card.get("licence"))
        return own if own in (LICENCE, PRETRAINED_LICENCE) else LICENCE
    return LICENCE if chosen.encoder_weights == "none" else PRETRAINED_LICENCE


def _has_known_origin(chosen: Recipe) -> bool:
    """Return whether the initial weights are random, or under a licence that is known."""
    return chosen.encoder_weights == "none" or chosen.built().is_described


def _data(chosen: Recipe, start: Mapping[str, Any] | None) -> str:
    """Return how a card names generated scenes, and what the encoder began with."""
    scenes = DATA[chosen.view]
    if start is not None:
        return f"{scenes}, after the data of the initial network"
    if chosen.encoder_weights == "none":
        return f"{scenes}; nothing is learned from a real image"
    what = PRETRAINED if chosen.built().is_described else "weights trained on ImageNet"
    return f"{scenes}, after {what}; nothing is learned from a real image of the Moon"


def _made_by(
    path: Path,
    chosen: Recipe,
    seed: int,
    data: Data | None,
    start: dict[str, Any] | None,
    *,
    bits: int,
) -> bool:
    """Return whether a checkpoint is what a recipe, a seed, data and a start give."""
    card = checkpoint_files.read_card(path, networks.COMMAND)
    wanted = {"recipe": chosen.as_dict(), "seed": seed, "started_from": start}
    wanted |= {"scenes_version": None} | _learned_from(chosen, data, start)
    wanted["weights"] = {"file": path.name, "bits": bits}
    return all(card.get(name) == value for name, value in wanted.items())
