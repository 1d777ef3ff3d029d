"""The networks that say what an image shows.

Torch is imported here: only what trains or runs a network imports this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lunarsite.engine.errors import MissingDependencyError
from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.architecture import CHANNELS, ENCODERS
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
        network = Light(architecture.widths, architecture.dropout)
    if architecture.everywhere:
        add_mc_dropout(network, architecture.everywhere)
    return network


class Light(nn.Module):  # type: ignore[misc]
    """A U-Net of 1.6 million weights, from an image to logits at its own resolution.

    Takes (batch, 3, rows, columns), sides multiples of 32, and gives (batch, 4, rows, columns).
    """

    def __init__(self, widths: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        for level, (before, width) in enumerate(zip((CHANNELS, *widths), widths, strict=False)):
            # At the image's own resolution one layer is all that is worth its time.
            first = _block(before, width, 1 if level == 0 else 2)
            self.down.append(nn.Sequential(first, *([_block(width, width)] if level else [])))
        self.narrow = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, (deep, width) in enumerate(zip(widths[:0:-1], widths[-2::-1], strict=True)):
            self.narrow.append(nn.Conv2d(deep, width, 1))
            more = [_block(width, width)] if level < len(widths) - 2 else []
            self.up.append(nn.Sequential(_block(2 * width, width), *more))
        self.rise = nn.Upsample(scale_factor=2, mode="nearest")
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(widths[0], len(classes.NAMES), 1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the head reads."""
        kept = []
        for level in self.down:
            x = level(x)
            kept.append(x)
        for narrow, up, beside in zip(self.narrow, self.up, kept[-2::-1], strict=True):
            x = up(torch.cat([self.rise(narrow(x)), beside], dim=1))
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.head(self.dropout(self.features(x)))


def _block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


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
