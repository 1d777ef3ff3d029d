"""The crater networks as torch modules: centre heat maps, and the original LunarSite's rim mask.

Imports torch: only modules that train a network or run it with torch import this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.pyramid import HALO_PX
from lunarsite.engine.errors import MissingDependencyError
from lunarsite.engine.training.networks.torch_network import TorchNetwork
from lunarsite.engine.training.on_device import OnDevice

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.model.architecture import Architecture
    from lunarsite.engine.craters.model.onnx_runner import Runner

    Float32 = NDArray[np.float32]

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
    device, context, on_cpu : str, Context, callable or None
        As in `OnDevice`.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str,
        context: Context,
        on_cpu: Callable[[], Runner] | None = None,
    ) -> None:
        light = isinstance(network, TorchNetwork)
        # The rings that are fitted to a ResNet's rims take a hundred megabytes a block.
        self.thread_safe = light
        self._on_device = OnDevice(
            network,
            lambda model, inputs: model(inputs),
            device,
            context,
            unit="a block of the elevation model",
            # A ResNet's receptive field is as wide as a block.
            halo_px=HALO_PX if light else None,
            on_cpu=on_cpu,
        )

    def __call__(self, channels: Float32) -> Float32:
        """Return the output for a block, as `onnx_runner.Runner`."""
        return self._on_device(channels)


def _heat_maps(architecture: Architecture) -> nn.Module:
    """Return the heat-map network, initialised to low probabilities and to mean shapes."""
    network = TorchNetwork(architecture.unet())
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
