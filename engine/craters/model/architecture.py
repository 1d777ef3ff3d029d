"""What networks there are, and what weights fit them. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.errors import InputError
from lunarsite.engine.training.unet import UNet

STRIDE = 2
"""Pixels per output pixel."""

LEAST_RADIUS_PX = 4.0
"""Radius at which the first octave begins."""

OCTAVES = 4
"""Octaves of radius that a network sees at one scale: 4 to 64 pixels."""

HEADS = OCTAVES * 4 + 1
"""Per octave centre, radius, and offset east and south; and one for rims."""

LEVELS = 5
"""Strides 2, 4, 8, 16 and 32."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a checkpoint's weights fit.

    Parameters
    ----------
    name : str
        ``heat-maps`` (the default) or ``rims-resnet34``.
    widths : tuple of int
        Features at strides 2, 4, 8, 16 and 32 of the heat-map network.
    """

    name: str = "heat-maps"
    widths: tuple[int, ...] = (32, 48, 80, 128, 160)

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
        known = self.name == "rims-resnet34" or len(self.widths) == LEVELS
        if self.name not in {"heat-maps", "rims-resnet34"} or not known:
            raise InputError(
                f"There is no crater network {self.name!r} with {len(self.widths)} levels",
                "Take a checkpoint that this version of LunarSite trained",
            )

    def unet(self) -> UNet:
        """Return the description of the heat-map network, whose output is half as wide and high.

        Its channels are the logits of centres for each octave, the logit of rims, then radius and
        offsets octave by octave.
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
