"""Sectors of longitude that keep apart what is learned from and what nobody learns from.

Neighbouring tiles show the same craters, so a split by chance would let a network know what it is
measured on. A sector with a gap on both sides does not, but for craters wider than the gap, which
`sets.split` takes care of; tiles in a gap, or across an edge, belong to neither side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sector:
    """The longitudes that nobody learns from.

    Parameters
    ----------
    west_deg, east_deg : float
        East longitudes of its edges; it may go over 180°.
    gap_deg : float
        Longitudes on both sides that belong to neither.

    Raises
    ------
    ParameterError
        If one of the two sides would have no width.
    """

    west_deg: float
    east_deg: float
    gap_deg: float

    def __post_init__(self) -> None:
        if self.width_deg <= 0.0 or self._rest_deg <= 0.0:
            raise ParameterError(
                f"--sector: from {self.west_deg:g}° to {self.east_deg:g}° with gaps of "
                f"{self.gap_deg:g}° leaves nothing on one of its sides",
                "Give two longitudes such as 0,60 and a gap of some degrees",
            )

    @property
    def width_deg(self) -> float:
        """From its western to its eastern edge."""
        return (self.east_deg - self.west_deg) % 360.0

    @property
    def _rest_deg(self) -> float:
        return 360.0 - self.width_deg - 2.0 * self.gap_deg

    def inside(self, west_deg: Float, width_deg: Float) -> Bool:
        """Return which spans of longitude lie in it."""
        within: Bool = (west_deg - self.west_deg) % 360.0 + width_deg <= self.width_deg
        return within

    def outside(self, west_deg: Float, width_deg: Float) -> Bool:
        """Return which spans of longitude lie beyond it and its gaps."""
        first = self.east_deg + self.gap_deg
        beyond: Bool = (west_deg - first) % 360.0 + width_deg <= self._rest_deg
        return beyond


def read_sector(text: str, gap_deg: float) -> Sector:
    """Return the sector that two numbers with a comma or a blank say.

    Raises
    ------
    ParameterError
        If they are not that.
    """
    try:
        west, east = (float(word) for word in text.replace(",", " ").split())
    except ValueError:
        west = east = np.nan
    if not (abs(west) <= 360.0 and abs(east) <= 360.0):
        raise ParameterError(
            f"--sector: {text!r} is not west,east in degrees of longitude",
            "Write two numbers such as 0,60",
        )
    return Sector(west, east, gap_deg)


def span_of(west_m: float, south_m: float, east_m: float, north_m: float) -> tuple[float, float]:
    """Return the western longitude of a rectangle on the map, and its width, degrees.

    A rectangle with the pole in it has all longitudes; that of any other lies between those of its
    corners.
    """
    if west_m <= 0.0 <= east_m and south_m <= 0.0 <= north_m:
        return -180.0, 360.0
    corners, _ = moon.xy_to_lonlat(
        [west_m, west_m, east_m, east_m], [south_m, north_m, south_m, north_m]
    )
    away = (corners - corners[0] + 180.0) % 360.0 - 180.0
    # Rounded, so that tiles that touch an edge of a sector are on the side where they lie.
    return round(float(corners[0] + away.min()) % 360.0, 9), round(float(np.ptp(away)), 9)
