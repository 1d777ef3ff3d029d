"""What segmentation networks there are, and what weights fit them. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the weights of the light network."""
        return dict(_shapes(self.widths))


def _shapes(widths: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for level, (before, width) in enumerate(zip((CHANNELS, *widths), widths, strict=False)):
        yield from _block(f"down.{level}.0", before, width)
        if level:
            yield from _block(f"down.{level}.1", width, width)
    for level, (deep, width) in enumerate(zip(widths[:0:-1], widths[-2::-1], strict=True)):
        yield f"narrow.{level}.weight", (width, deep, 1, 1)
        yield f"narrow.{level}.bias", (width,)
        yield from _block(f"up.{level}.0", 2 * width, width)
        if level < len(widths) - 2:
            yield from _block(f"up.{level}.1", width, width)
    yield "head.weight", (len(classes.NAMES), widths[0], 1, 1)
    yield "head.bias", (len(classes.NAMES),)


def _block(name: str, before: int, after: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.0.weight", (after, before, 3, 3)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.1.{part}", (after,)
