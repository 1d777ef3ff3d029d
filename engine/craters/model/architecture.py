"""What networks there are, and what weights fit them. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.training.targets import OCTAVES, STRIDE
from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the weights of the heat-map network."""
        return dict(_shapes(self.widths))


def _shapes(widths: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    first = len(inputs.CHANNELS) * STRIDE**2
    for level, (before, width) in enumerate(zip((first, *widths), widths, strict=False)):
        yield from _block(f"down.{level}.0", before, width)
        yield from _block(f"down.{level}.1", width, width)
    for level, (deep, width) in enumerate(zip(widths[:0:-1], widths[-2::-1], strict=True)):
        yield f"narrow.{level}.weight", (width, deep, 1, 1)
        yield f"narrow.{level}.bias", (width,)
        yield from _block(f"up.{level}.0", 2 * width, width)
        yield from _block(f"up.{level}.1", width, width)
    for head, count in (("centers", OCTAVES + 1), ("shapes", OCTAVES * 3)):
        yield f"{head}.weight", (count, widths[0], 1, 1)
        yield f"{head}.bias", (count,)


def _block(name: str, before: int, after: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.0.weight", (after, before, 3, 3)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.1.{part}", (after,)
