"""The networks: centre heat-maps by size octave, and the rim mask of the original LunarSite.

Torch is imported here: only what trains or runs a network imports this module.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import nn

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.training.targets import OCTAVES, STRIDE
from lunarsite.engine.errors import MissingDependencyError
from lunarsite.engine.training.on_device import OnDevice

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
        return HeatMaps(architecture.widths)
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


class HeatMaps(nn.Module):  # type: ignore[misc]
    """A U-Net from the channels to heat-maps at half the resolution.

    Takes (batch, channels, rows, columns) and gives (batch, `architecture.HEADS`, rows / 2,
    columns / 2): the logits of centres for each octave, then of rims, then radius and offsets
    octave by octave.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        first = len(inputs.CHANNELS) * STRIDE**2
        self.unshuffle = nn.PixelUnshuffle(STRIDE)
        self.down = nn.ModuleList()
        for before, width in zip((first, *widths), widths, strict=False):
            stride = 1 if before == first else 2
            self.down.append(nn.Sequential(_block(before, width, stride), _block(width, width)))
        self.up = nn.ModuleList()
        self.narrow = nn.ModuleList()
        for deep, width in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.narrow.append(nn.Conv2d(deep, width, 1))
            self.up.append(nn.Sequential(_block(2 * width, width), _block(width, width)))
        self.rise = nn.Upsample(scale_factor=2, mode="nearest")
        self.centers = nn.Conv2d(widths[0], OCTAVES + 1, 1)
        self.shapes = nn.Conv2d(widths[0], OCTAVES * 3, 1)
        nn.init.constant_(self.centers.bias, -4.0)
        nn.init.zeros_(self.shapes.weight)
        nn.init.zeros_(self.shapes.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the heads' values."""
        x = self.unshuffle(x)
        kept = []
        for level in self.down:
            x = level(x)
            kept.append(x)
        for narrow, up, beside in zip(self.narrow, self.up, kept[-2::-1], strict=True):
            x = up(torch.cat([self.rise(narrow(x)), beside], dim=1))
        return torch.cat([self.centers(x), self.shapes(x)], dim=1)


def _block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _resnet_rims() -> nn.Module:
    try:
        import segmentation_models_pytorch as smp  # noqa: PLC0415  only this recipe needs it
    except ImportError as error:
        raise MissingDependencyError(
            "The recipe rims-resnet34 needs segmentation_models_pytorch",
            "Install the engine with its ml group",
        ) from error
    return smp.Unet("resnet34", encoder_weights=None, in_channels=len(inputs.CHANNELS), classes=1)
