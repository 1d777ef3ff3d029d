"""The crater networks as torch modules: centre heat maps, and the original LunarSite's rim mask.

Imports torch: only modules that train a network or run it with torch import this one.
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
"""Largest stride of the networks: rows and columns of an input are multiples of it."""


def build(architecture: Architecture) -> nn.Module:
    """Return a network with randomly initialised weights.

    Raises
    ------
    InputError
        For an architecture that this version does not support.
    MissingDependencyError
        If the ResNet-34 is requested and segmentation_models_pytorch is not installed.
    """
    architecture.check()
    if architecture.name == "heat-maps":
        return _heat_maps(architecture)
    return _resnet_rims()


class TorchRunner:
    """A network on its device; an `onnx_runner.Runner`.

    Parameters
    ----------
    network : nn.Module
        Network with its weights.
    device, warn : str, callable
        As in `OnDevice`.
    """

    thread_safe = False

    def __init__(
        self, network: nn.Module, device: str, warn: Callable[[str], None] = log.warning
    ) -> None:
        self._on_device = OnDevice(network, device, warn, "a block of the elevation model")

    def __call__(self, channels: Float32) -> Float32:
        """Return the output for a block, as `onnx_runner.Runner`."""

        def forward(network: nn.Module, device: str) -> Float32:
            x = torch.from_numpy(channels[None]).to(device, memory_format=torch.channels_last)
            heads: Float32 = network(x)[0].float().cpu().numpy()
            return heads

        return self._on_device.run(forward)


def _heat_maps(architecture: Architecture) -> nn.Module:
    """Return the heat-map network, initialised to low probabilities and to mean shapes."""
    network = TorchUNet(architecture.unet())
    nn.init.constant_(network.centers.bias, -4.0)
    nn.init.zeros_(network.shapes.weight)
    nn.init.zeros_(network.shapes.bias)
    return network


def _resnet_rims() -> nn.Module:
    try:
        import segmentation_models_pytorch as smp  # noqa: PLC0415  optional dependency
    except ImportError as error:
        raise MissingDependencyError(
            "The recipe rims-resnet34 needs segmentation_models_pytorch",
            "Install the engine with its ml group",
        ) from error
    return smp.Unet("resnet34", encoder_weights=None, in_channels=len(inputs.CHANNELS), classes=1)
