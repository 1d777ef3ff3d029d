"""The networks that say what an image shows.

Torch is imported here: only what trains or runs a network imports this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from lunarsite.engine.errors import MissingDependencyError
from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.architecture import CHANNELS, ENCODERS
from lunarsite.engine.training.torch_unet import TorchUNet
from lunarsite.engine.uncertainty.dropout import add_mc_dropout

if TYPE_CHECKING:
    from lunarsite.engine.segmentation.architecture import Architecture


def build(architecture: Architecture, *, pretrained: bool = False) -> nn.Module:
    """Return a network with fresh weights.

    Parameters
    ----------
    architecture : Architecture
        Which.
    pretrained : bool
        Whether the encoder's weights are ImageNet's, which are fetched then.

    Raises
    ------
    InputError
        For an architecture that this version does not know.
    MissingDependencyError
        If the library it comes from is not there, or its weights cannot be fetched.
    """
    architecture.check()
    if architecture.name in ENCODERS:
        network = _encoded(architecture, pretrained=pretrained)
    else:
        network = TorchUNet(architecture.unet())
    if architecture.everywhere:
        add_mc_dropout(network, architecture.everywhere)
    return network


def _encoded(architecture: Architecture, *, pretrained: bool) -> nn.Module:
    try:
        import segmentation_models_pytorch as smp  # noqa: PLC0415  only these need it
    except ImportError as error:
        raise MissingDependencyError(
            f"The network {architecture.name} needs segmentation_models_pytorch",
            "Install the engine with its ml group",
        ) from error
    try:
        network = smp.Unet(
            ENCODERS[architecture.name],
            encoder_weights="imagenet" if pretrained else None,
            in_channels=CHANNELS,
            classes=len(classes.NAMES),
        )
    except OSError as error:
        raise MissingDependencyError(
            f"ImageNet's weights for {architecture.name} cannot be fetched: {error}",
            "Connect to the network, or set encoder_weights: none in the recipe",
        ) from error
    if architecture.dropout:
        head = network.segmentation_head
        network.segmentation_head = nn.Sequential(nn.Dropout2d(architecture.dropout), *head)
    return network
