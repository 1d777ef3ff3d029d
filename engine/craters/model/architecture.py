"""Architectures of the crater networks. Does not import torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.errors import InputError
from lunarsite.engine.training.networks.unet import UNet

STRIDE = 2
"""Input pixels per output pixel of the heat-map network."""

LEAST_RADIUS_PX = 4.0
"""Radius at which the first octave begins, pixels."""

OCTAVES = 4
"""Octaves of radius that a network detects at one scale: 4 to 64 pixels."""

HEADS = OCTAVES * 4 + 1
"""Output channels: for each octave centre, radius, and offset east and south; and one for rims."""

LEVELS = 5
"""Levels of the heat-map network, at strides 2, 4, 8, 16 and 32."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Architecture of a crater network.

    Parameters
    ----------
    name : str
        ``heat-maps`` (the default) or ``rims-resnet34``.
    widths : tuple of int
        Feature channels of the heat-map network at strides 2, 4, 8, 16 and 32.
    """

    name: str = "heat-maps"
    widths: tuple[int, ...] = (32, 48, 80, 128, 160)

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
        known = self.name == "rims-resnet34" or len(self.widths) == LEVELS
        if self.name not in {"heat-maps", "rims-resnet34"} or not known:
            raise InputError(
                f"There is no crater network {self.name!r} with {len(self.widths)} levels",
                "Use a checkpoint trained with this version of LunarSite",
            )

    def unet(self) -> UNet:
        """Return the description of the heat-map network.

        Its output has half the resolution of the input. The channels are the logits of centres for
        each octave, the logit of rims, then radius and offsets octave by octave.
        """
        return UNet(
            channels=len(inputs.CHANNELS),
            widths=self.widths,
            heads=(("centers", OCTAVES + 1), ("shapes", OCTAVES * 3)),
            unshuffle=STRIDE,
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the weights of the heat-map network."""
        return self.unet().shapes()
