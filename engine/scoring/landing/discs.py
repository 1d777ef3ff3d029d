"""The landing disc: the ground on which every criterion is evaluated together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS_M = 100.0
"""Default radius of a landing disc, metres."""

LEAST_RADIUS_PX = 1.5
"""Smallest radius, pixels: the eight neighbours of the centre belong to such a disc."""

LEAST_KNOWN = 0.9
"""Share of its pixels that must be known for a disc to be evaluated."""


@dataclass(frozen=True, slots=True)
class Disc:
    """The pixels whose centres lie within a radius of the centre of a pixel.

    Parameters
    ----------
    radius_m : float
        Radius, map metres (on the Moon's south polar map up to 0.8 % more than ground metres, at
        80°S).
    pixel_m : float
        Pixel size, map metres.
    """

    radius_m: float
    pixel_m: float

    @classmethod
    def of(cls, radius_m: float, pixel_m: float) -> Self:
        """Return a disc of at least `LEAST_RADIUS_PX` pixels.

        Examples
        --------
        >>> Disc.of(100.0, 25.0).radius_m, Disc.of(100.0, 200.0).radius_m
        (100.0, 300.0)
        """
        return cls(max(radius_m, LEAST_RADIUS_PX * pixel_m), pixel_m)

    @property
    def half_widths(self) -> NDArray[np.int64]:
        """Pixels to either side of the middle column in row 0, 1, 2 … from the middle row.

        Examples
        --------
        >>> Disc(100.0, 25.0).half_widths.tolist()
        [4, 3, 3, 2, 0]
        """
        radius = self.radius_m / self.pixel_m * (1.0 + 1e-9)
        rows = np.arange(math.floor(radius) + 1)
        return np.asarray(np.floor(np.sqrt(radius**2 - rows**2)), np.int64)

    @property
    def reach(self) -> int:
        """Pixels from the centre to the farthest row of the disc."""
        return len(self.half_widths) - 1

    @property
    def pixels(self) -> int:
        """Number of pixels of the disc."""
        widths = 2 * self.half_widths + 1
        return int(widths[0] + 2 * widths[1:].sum())

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The pixels of the disc, shape (2 reach + 1, 2 reach + 1)."""
        widths = self.half_widths[np.abs(np.arange(-self.reach, self.reach + 1))]
        across = np.abs(np.arange(-self.reach, self.reach + 1))
        return np.asarray(across[None, :] <= widths[:, None])


def check_cell(disc: Disc, cell_m: float) -> None:
    """Raise if a landing disc is larger than the cells in which it is looked for.

    A disc of `LEAST_RADIUS_PX` is taken as it is: the elevation model shows nothing smaller.

    Raises
    ------
    InputError
        With the remedy.
    """
    if disc.radius_m <= max(cell_m, LEAST_RADIUS_PX * disc.pixel_m) * 1.001:
        return
    # Cells are whole pixels.
    least_m = math.ceil(disc.radius_m / disc.pixel_m / 1.001) * disc.pixel_m
    raise InputError(
        f"A landing disc of {disc.radius_m:g} m radius is larger than a cell of {cell_m:g} m",
        f"Use cells of at least {least_m:g} m (--cell-m), a smaller --landing-radius-m, or "
        "rank whole cells: --place cell",
    )
