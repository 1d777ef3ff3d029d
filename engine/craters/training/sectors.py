"""Sectors of longitude that separate the training set from the validation set.

Neighbouring tiles show the same craters, so a random split would leak the validation set into
training. A sector with a gap on both sides does not, except for craters wider than the gap, which
`tile_sets.split` handles. Tiles in a gap or across an edge belong to neither set.
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
    """Longitudes of the validation set.

    Parameters
    ----------
    west_deg, east_deg : float
        East longitudes of its edges; it may cross 180°.
    gap_deg : float
        Width of the gap on both sides, which belongs to neither set.

    Raises
    ------
    ParameterError
        If one of the two sets would have no longitudes.
    """

    west_deg: float
    east_deg: float
    gap_deg: float

    def __post_init__(self) -> None:
        if self.width_deg <= 0.0 or self._rest_deg <= 0.0:
            raise ParameterError(
                f"--sector: from {self.west_deg:g}° to {self.east_deg:g}° with gaps of "
                f"{self.gap_deg:g}° leaves no longitudes on one side",
                "Give two longitudes such as 0,60 and a gap of some degrees",
            )

    @property
    def width_deg(self) -> float:
        """Width from the western to the eastern edge."""
        return (self.east_deg - self.west_deg) % 360.0

    @property
    def _rest_deg(self) -> float:
        return 360.0 - self.width_deg - 2.0 * self.gap_deg

    def inside(self, west_deg: Float, width_deg: Float) -> Bool:
        """Return which spans of longitude lie in the sector."""
        within: Bool = (west_deg - self.west_deg) % 360.0 + width_deg <= self.width_deg
        return within

    def outside(self, west_deg: Float, width_deg: Float) -> Bool:
        """Return which spans of longitude lie outside the sector and its gaps."""
        first = self.east_deg + self.gap_deg
        beyond: Bool = (west_deg - first) % 360.0 + width_deg <= self._rest_deg
        return beyond


def check_apart(one: Sector, other: Sector) -> None:
    """Raise `ParameterError` if two sectors, with the gap of one between them, overlap."""
    apart = one.outside(np.array([other.west_deg]), np.array([other.width_deg]))
    if not apart.all():
        raise ParameterError(
            f"--test-sector from {other.west_deg:g}° to {other.east_deg:g}° overlaps --sector from "
            f"{one.west_deg:g}° to {one.east_deg:g}° or its gaps of {one.gap_deg:g}°",
            "Give two sectors that lie apart, such as 0,70 and 180,250",
        )


def read_sector(text: str, gap_deg: float, name: str = "--sector") -> Sector:
    """Parse a sector, two longitudes separated by a comma or a blank.

    Raises
    ------
    ParameterError
        If it is anything else, or leaves one of the two sets empty.
    """
    try:
        west, east = (float(word) for word in text.replace(",", " ").split())
    except ValueError:
        west = east = np.nan
    if not (abs(west) <= 360.0 and abs(east) <= 360.0):
        raise ParameterError(
            f"{name}: {text!r} is not west,east in degrees of longitude",
            "Write two numbers such as 0,60",
        )
    return Sector(west, east, gap_deg)


def span_of(west_m: float, south_m: float, east_m: float, north_m: float) -> tuple[float, float]:
    """Return the western longitude of a rectangle on the map, and its width, degrees.

    A rectangle that contains the pole spans all longitudes; any other spans those of its corners.
    """
    if west_m <= 0.0 <= east_m and south_m <= 0.0 <= north_m:
        return -180.0, 360.0
    corners, _ = moon.xy_to_lonlat(
        [west_m, west_m, east_m, east_m], [south_m, north_m, south_m, north_m]
    )
    away = (corners - corners[0] + 180.0) % 360.0 - 180.0
    # Rounded, so that tiles that touch the edge of a sector fall on their own side of it.
    return round(float(corners[0] + away.min()) % 360.0, 9), round(float(np.ptp(away)), 9)
