"""The networks: centre heat-maps by size octave, and the rim mask of the original LunarSite.

Torch is imported here: only what trains or runs a network imports this module.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import nn

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.errors import MissingDependencyError
from lunarsite.engine.training.on_device import OnDevice
from lunarsite.engine.training.torch_unet import TorchUNet

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.craters.model.architecture import Architecture

    Float32 = NDArray[np.float32]

log = logging.getLogger(__name__)

DEEPEST = 32
"""Sides of what a network sees are multiples of this."""


def build(architecture: Architecture) -> nn.Module:
    """Return a network with fresh weights.

    Raises
    ------
    InputError
        For an architecture that this version does not know.
    MissingDependencyError
        If the ResNet-34 is asked for without the library it comes from.
    """
    architecture.check()
    if architecture.name == "heat-maps":
        return _heat_maps(architecture)
    return _resnet_rims()


class TorchRunner:
    """A network on its device, as `runner.Runner` says.

    Parameters
    ----------
    network, device, warn
        As of `OnDevice`; a block is the least there is to be seen at once.
    """

    at_once = False

    def __init__(
        self, network: nn.Module, device: str, warn: Callable[[str], None] = log.warning
    ) -> None:
        self._placed = OnDevice(network, device, warn, "one block of the elevation model")

    def __call__(self, channels: Float32) -> Float32:
        """Return the heads for one block's channels."""

        def answer(network: nn.Module, device: str) -> Float32:
            x = torch.from_numpy(channels[None]).to(device, memory_format=torch.channels_last)
            found: Float32 = network(x)[0].float().cpu().numpy()
            return found

        return self._placed.run(answer)


def _heat_maps(architecture: Architecture) -> nn.Module:
    """Return the heat-map network, which at first is sure of nothing and knows no shape."""
    network = TorchUNet(architecture.unet())
    nn.init.constant_(network.centers.bias, -4.0)
    nn.init.zeros_(network.shapes.weight)
    nn.init.zeros_(network.shapes.bias)
    return network


def _resnet_rims() -> nn.Module:
    try:
        import segmentation_models_pytorch as smp  # noqa: PLC0415  only this recipe needs it
    except ImportError as error:
        raise MissingDependencyError(
            "The recipe rims-resnet34 needs segmentation_models_pytorch",
            "Install the engine with its ml group",
        ) from error
    return smp.Unet("resnet34", encoder_weights=None, in_channels=len(inputs.CHANNELS), classes=1)
