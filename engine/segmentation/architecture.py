"""What segmentation networks there are, and what weights fit them. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes
from lunarsite.engine.training.unet import UNet

CHANNELS = 3
"""Red, green, blue."""

ENCODERS = {"unet-resnet34": "resnet34", "unet-resnet50": "resnet50"}
"""Networks of segmentation_models_pytorch and the encoders they are built on."""

DEEPEST = 32
"""Sides of what a network sees are multiples of this."""

LEVELS = 6
"""Strides 1, 2, 4, 8, 16 and 32."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a checkpoint's weights fit.

    Parameters
    ----------
    name : str
        ``unet-light`` (the default), ``unet-resnet34`` (the original LunarSite's) or
        ``unet-resnet50``.
    widths : tuple of int
        Features at strides 1 to 32 of the light network.
    dropout : float
        Share of the features before the head that are dropped in training, and in passes for the
        uncertainty.
    everywhere : float
        The same after every ReLU (`uncertainty.dropout.add_mc_dropout`); 0 for nowhere.
    """

    name: str = "unet-light"
    widths: tuple[int, ...] = (24, 32, 64, 96, 128, 160)
    dropout: float = 0.1
    everywhere: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "widths": list(self.widths)}

    def check(self) -> None:
        """Raise if this version does not know it.

        Raises
        ------
        InputError
            If so.
        """
        known = self.name in ENCODERS or (self.name == "unet-light" and len(self.widths) == LEVELS)
        if not known:
            raise InputError(
                f"There is no segmentation network {self.name!r} with {len(self.widths)} levels",
                "Take a checkpoint that this version of LunarSite trained",
            )

    def unet(self) -> UNet:
        """Return the description of the light network, from an image to logits of the classes."""
        return UNet(
            channels=CHANNELS,
            widths=self.widths,
            heads=(("head", len(classes.NAMES)),),
            # At the image's own resolution a second block is not worth its time.
            blocks_at_finest=1,
            dropout=self.dropout,
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the weights of the light network."""
        return self.unet().shapes()
