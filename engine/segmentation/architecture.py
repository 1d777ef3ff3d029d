"""Architectures of the segmentation networks. Does not import torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes
from lunarsite.engine.training.unet import UNet

CHANNELS = 3
"""Input channels: red, green, blue."""

ENCODERS = {"unet-resnet34": "resnet34", "unet-resnet50": "resnet50"}
"""Networks from segmentation_models_pytorch, and their encoders."""

DEEPEST = 32
"""Largest stride of the networks: rows and columns of an input are multiples of it."""

LEVELS = 6
"""Levels of the light network, at strides 1, 2, 4, 8, 16 and 32."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Architecture of a segmentation network.

    Parameters
    ----------
    name : str
        ``unet-light`` (the default), ``unet-resnet34`` (the original LunarSite's) or
        ``unet-resnet50``.
    widths : tuple of int
        Feature channels of the light network at strides 1 to 32.
    dropout : float
        Dropout probability before the head, in training and in MC Dropout passes.
    everywhere : float
        Dropout probability after every ReLU (`uncertainty.dropout.add_mc_dropout`); 0 for none.
    """

    name: str = "unet-light"
    widths: tuple[int, ...] = (24, 32, 64, 96, 128, 160)
    dropout: float = 0.1
    everywhere: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the architecture as JSON."""
        return {**asdict(self), "widths": list(self.widths)}

    def check(self) -> None:
        """Raise unless this version of LunarSite supports the architecture.

        Raises
        ------
        InputError
            If the name or the number of levels is unknown.
        """
        known = self.name in ENCODERS or (self.name == "unet-light" and len(self.widths) == LEVELS)
        if not known:
            raise InputError(
                f"There is no segmentation network {self.name!r} with {len(self.widths)} levels",
                "Use a checkpoint trained with this version of LunarSite",
            )

    def unet(self) -> UNet:
        """Return the description of the light network, from an image to the class logits."""
        return UNet(
            channels=CHANNELS,
            widths=self.widths,
            heads=(("head", len(classes.NAMES)),),
            # At full resolution a second block costs more time than it gains accuracy.
            blocks_at_finest=1,
            dropout=self.dropout,
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the weights of the light network."""
        return self.unet().shapes()
