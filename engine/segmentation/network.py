"""The segmentation networks as torch modules.

Imports torch: only modules that train a network or run it with torch import this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from lunarsite.engine.errors import MissingDependencyError
from lunarsite.engine.segmentation import classes, samples
from lunarsite.engine.segmentation.architecture import CHANNELS, ENCODERS
from lunarsite.engine.training.networks import imagenet
from lunarsite.engine.training.networks.torch_network import TorchNetwork
from lunarsite.engine.uncertainty.dropout import add_mc_dropout

if TYPE_CHECKING:
    import torch

    from lunarsite.engine.segmentation.architecture import Architecture


def build(architecture: Architecture, *, pretrained: bool = False) -> nn.Module:
    """Return a network with randomly initialised weights.

    Parameters
    ----------
    architecture : Architecture
        Architecture to build.
    pretrained : bool
        Whether to initialise the encoder with ImageNet weights: those of EfficientNet-Lite0 come
        with the ml group, the others are downloaded.

    Raises
    ------
    InputError
        For an architecture that this version does not support.
    MissingDependencyError
        If segmentation_models_pytorch is not installed, or the weights are not installed or cannot
        be downloaded.
    """
    architecture.check()
    if architecture.name in ENCODERS:
        network = _smp_unet(architecture, pretrained=pretrained)
    else:
        network = TorchNetwork(architecture.unet())
        if pretrained:
            initial = imagenet.encoder_state(CHANNELS, samples.MEAN, samples.SPREAD)
            network.load_state_dict(network.state_dict() | initial)
    if architecture.everywhere:
        add_mc_dropout(network, architecture.everywhere)
    return network


def features(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the features of a network before its head, shape (batch, channels, rows, columns)."""
    if isinstance(network, TorchNetwork):
        return network.features(x)
    return network.decoder(network.encoder(x))


def head(network: nn.Module) -> nn.Conv2d:
    """Return the last convolution of a network, from the features to the logits."""
    if isinstance(network, TorchNetwork):
        return network.get_submodule("head")
    modules = network.segmentation_head.modules()
    return next(module for module in modules if isinstance(module, nn.Conv2d))


def _smp_unet(architecture: Architecture, *, pretrained: bool) -> nn.Module:
    try:
        import segmentation_models_pytorch as smp  # noqa: PLC0415  optional dependency
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
            f"The ImageNet weights for {architecture.name} cannot be downloaded: {error}",
            "Connect to the internet, or set encoder_weights: none in the recipe",
        ) from error
    if architecture.dropout:
        head = network.segmentation_head
        network.segmentation_head = nn.Sequential(nn.Dropout2d(architecture.dropout), *head)
    return network
