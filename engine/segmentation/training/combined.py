"""Several networks in one checkpoint, whose predictions are averaged (deep ensemble)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine import provenance
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.training import held_out
from lunarsite.engine.segmentation.training.recipe import Recipe
from lunarsite.engine.segmentation.weights import Checkpoint, tensors_of
from lunarsite.engine.training import checkpoint_files
from lunarsite.engine.training.cards import TERMS

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device

_OF_MEMBERS = ("recipe", "calibration", "metrics", "device", "licence")
"""Entries of the networks' cards that the card of the ensemble repeats, besides their origin."""


def combine(
    loaded: list[Checkpoint],
    path: Path,
    where: Device,
    context: Context,
    *,
    folder: Path | None = None,
    bits: int = 16,
) -> dict[str, Any]:
    """Write several networks into one checkpoint, calibrated and evaluated together.

    Parameters
    ----------
    loaded : list of Checkpoint
        Single networks that need no torch, of one view and one training resolution.
    path : Path
        Ends in .safetensors.
    where : Device
        Device to evaluate on.
    context : Context
        Progress and cancellation.
    folder : Path, optional
        Folder that caches the held-out scenes.
    bits : {16, 8}
        Bits of a weight.

    Returns
    -------
    dict
        The card as written.

    Raises
    ------
    ParameterError
        Unless there are at least two networks that can be combined.
    """
    _check(loaded)
    for each in loaded:
        _warn_of_other_data(each, context)
    together = Architecture.of_members(each.architecture for each in loaded)
    state = {
        f"{number}.{name}": values
        for number, each in enumerate(loaded)
        for name, values in each.state.items()
    }
    card: dict[str, Any] = {
        "format": 1,
        "architecture": together.as_dict(),
        "classes": list(classes.NAMES),
        "recipe": {
            "name": "ensemble",
            "view": _view(loaded[0]),
            "side_px": loaded[0].side_px,
            "dropout": together.dropout,
            "test_time": "none",
        },
        "members": [_origin(each) for each in loaded],
        "versions": provenance.versions(),
        "licence": "; ".join(
            dict.fromkeys(str(each.card.get("licence", TERMS)) for each in loaded)
        ),
    }
    stored = checkpoint_files.as_stored(state, bits)
    checkpoint, recipe = Checkpoint(stored, together, card, path), Recipe(**card["recipe"])
    card |= held_out.calibrate_and_evaluate(checkpoint, recipe, None, folder, where, context)
    domain, described = held_out.fit_domain(checkpoint, recipe, None, folder, context)
    return checkpoint_files.save(path, {**state, **tensors_of(domain)}, card | described, bits=bits)


def _origin(network: Checkpoint) -> dict[str, Any]:
    """Return what the card of an ensemble says of one of its networks."""
    card = network.card
    repeated = {name: card[name] for name in _OF_MEMBERS if name in card}
    return {**repeated, **checkpoint_files.start_metadata(card)}


def _view(network: Checkpoint) -> str:
    return str(network.card.get("recipe", {}).get("view", "surface"))


def _warn_of_other_data(network: Checkpoint, context: Context) -> None:
    """Warn of a network that was trained or calibrated on other images than generated scenes."""
    card = network.card
    if "data" in card.get("calibration", {}) or not (
        "scenes_version" in card or "data" not in card
    ):
        context.warn(
            f"{network.path.name} was trained or calibrated on images of your own, and the "
            "networks are calibrated together on generated scenes: calibrate the result on your "
            "images with lunarsite calibrate."
        )


def _check(loaded: list[Checkpoint]) -> None:
    if len(loaded) < 2:
        raise ParameterError(
            "An ensemble needs at least two networks", "Give two names or files of networks"
        )
    for each in loaded:
        architecture = each.architecture
        if architecture.members or not architecture.is_described or architecture.everywhere:
            raise ParameterError(
                f"{each.path.name} cannot be part of an ensemble in one file",
                "Give single networks of the architectures unet-light and "
                "unet-efficientnet-lite0; segment-terrain averages others with "
                "--uncertainty ensemble",
            )
    for what, found in (
        ("views", {_view(each) for each in loaded}),
        ("training resolutions", {str(each.side_px) for each in loaded}),
    ):
        if len(found) > 1:
            raise ParameterError(
                f"The networks have different {what}: {' and '.join(sorted(found))}",
                "Give networks of one view and training resolution",
            )
    if len({bool(each.architecture.dropout) for each in loaded}) > 1:
        raise ParameterError(
            "Some of the networks have dropout and others have none",
            "Give networks trained with dropout, or average them with --uncertainty ensemble",
        )
    if len({each.state["head.weight"].tobytes() for each in loaded}) < len(loaded):
        raise ParameterError("A network is given twice", "Give each of them once")
