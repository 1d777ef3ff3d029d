"""Architectures of the segmentation networks. Does not import torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes
from lunarsite.engine.training.networks.efficientnet import EfficientUNet
from lunarsite.engine.training.networks.unet import UNet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CHANNELS = 3
"""Input channels: red, green, blue."""

ENSEMBLE = "ensemble"
"""Several networks in one file, whose predictions are averaged."""

ENCODERS = {"unet-resnet34": "resnet34", "unet-resnet50": "resnet50"}
"""Networks from segmentation_models_pytorch, and their encoders."""

DEFAULT_WIDTHS = {
    "unet-light": (16, 32, 48, 80, 128, 160),
    "unet-efficientnet-lite0": (16, 32, 48, 64, 96),
}
"""Networks that are described step by step, and run without torch, with their usual widths."""

DEEPEST = 32
"""Largest stride of the networks: rows and columns of an input are multiples of it."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Architecture of a segmentation network.

    Parameters
    ----------
    name : str
        ``unet-light`` (the default), ``unet-efficientnet-lite0``, ``unet-resnet34`` (the original
        LunarSite's) or ``unet-resnet50``; or ``ensemble``.
    widths : tuple of int
        Feature channels of the light network at strides 1 to 32, or of the decoder on top of
        EfficientNet-Lite0 at strides 1 to 16.
    dropout : float
        Dropout probability before the head, in training and in MC Dropout passes.
    everywhere : float
        Dropout probability after every ReLU (`uncertainty.dropout.add_mc_dropout`); 0 for none.
    members : tuple of Architecture
        Networks of an ensemble; empty for a single network.
    """

    name: str = "unet-light"
    widths: tuple[int, ...] = (24, 32, 64, 96, 128, 160)
    dropout: float = 0.1
    everywhere: float = 0.0
    members: tuple[Architecture, ...] = ()

    @classmethod
    def from_card(cls, described: Mapping[str, Any]) -> Architecture:
        """Return the architecture that a card describes.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the card describes none.
        """
        return cls(
            str(described["name"]),
            tuple(map(int, described["widths"])),
            float(described["dropout"]),
            float(described["everywhere"]),
            tuple(map(cls.from_card, described.get("members", ()))),
        )

    @classmethod
    def of_members(cls, members: Iterable[Architecture]) -> Architecture:
        """Return the architecture of an ensemble; all its networks have dropout, or it has none."""
        networks = tuple(members)
        return cls(ENSEMBLE, (), min(each.dropout for each in networks), 0.0, networks)

    def as_dict(self) -> dict[str, Any]:
        """Return the architecture as JSON."""
        values = {**asdict(self), "widths": list(self.widths)}
        if self.members:
            return values | {"members": [each.as_dict() for each in self.members]}
        del values["members"]
        return values

    def check(self) -> None:
        """Raise unless this version of LunarSite supports the architecture.

        Raises
        ------
        InputError
            If the name or the number of levels is unknown.
        """
        if self.name == ENSEMBLE and not self.is_known:
            raise InputError(
                "The ensemble is damaged, or of networks that cannot be in one",
                "Use a checkpoint written with this version of LunarSite",
            )
        if not self.is_known:
            raise InputError(
                f"There is no segmentation network {self.name!r} with {len(self.widths)} levels",
                "Use a checkpoint trained with this version of LunarSite",
            )

    @property
    def is_known(self) -> bool:
        """Whether this version of LunarSite supports the architecture."""
        if self.name == ENSEMBLE:
            described = all(m.is_described and not m.everywhere for m in self.members)
            return len(self.members) > 1 and described and all(m.is_known for m in self.members)
        levels = len(DEFAULT_WIDTHS.get(self.name, self.widths))
        named = self.name in DEFAULT_WIDTHS or self.name in ENCODERS
        return named and not self.members and len(self.widths) == levels

    @property
    def is_described(self) -> bool:
        """Whether the network is described step by step, so that it needs no torch to run."""
        return self.name in DEFAULT_WIDTHS or bool(self.members)

    def unet(self) -> UNet | EfficientUNet:
        """Return the description of a single network, from an image to the class logits."""
        heads = (("head", len(classes.NAMES)),)
        if self.name == "unet-efficientnet-lite0":
            return EfficientUNet(CHANNELS, self.widths, heads, self.dropout)
        return UNet(
            channels=CHANNELS,
            widths=self.widths,
            heads=heads,
            # At full resolution a second block costs more time than it gains accuracy.
            blocks_at_finest=1,
            dropout=self.dropout,
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the weights of a described network."""
        if self.members:
            return {
                f"{number}.{name}": shape
                for number, each in enumerate(self.members)
                for name, shape in each.shapes().items()
            }
        return self.unet().shapes()
