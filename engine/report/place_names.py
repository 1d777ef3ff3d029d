"""Names of craters and mountains at the real south pole, for maps."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).parents[2] / "resources" / "moon" / "names.csv"
_LEAST_SHARE = 0.02
"""Smallest crater that is named, as a share of the map's width."""


class Name(NamedTuple):
    """A named feature.

    Parameters
    ----------
    name : str
        Its name in the Gazetteer of Planetary Nomenclature.
    x_m, y_m : float
        Its centre on the map, metres.
    diameter_m : float
        Its diameter, metres; 0 for mountains.
    """

    name: str
    x_m: float
    y_m: float
    diameter_m: float


def inside(bounds: tuple[float, float, float, float]) -> list[Name]:
    """Return the features inside edges on the map, the largest first.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east and north, metres.

    Returns
    -------
    list of Name
        Craters that are too small for the map are left out.
    """
    west, south, east, north = bounds
    least = _LEAST_SHARE * (east - west)
    return [
        each
        for each in _all()
        if west < each.x_m < east
        and south < each.y_m < north
        and (each.diameter_m >= least or not each.diameter_m)
    ]


@cache
def _all() -> list[Name]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        found = [
            Name(
                row["name"],
                float(row["x_m"]),
                float(row["y_m"]),
                1000.0 * float(row["diameter_km"] or 0.0),
            )
            for row in csv.DictReader(file)
        ]
    return sorted(found, key=lambda each: -each.diameter_m)
