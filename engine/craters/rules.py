"""Who counts where detections are compared with a catalogue.

- A catalogued crater is to be found if its diameter is the cut or more and its centre lies inside
  the bounds.
- Detections smaller than 0.8 of the cut do not take part. All others do, also those a little
  below the cut, for diameters are measured with errors: where they match nothing they count as
  new. Those whose centre lies outside the bounds may match but are not wrong.
- A detection that matches only a catalogued crater below the cut, or one with its centre outside
  the bounds, is neither a hit nor new: the crater is there, but nobody asked for it.
- What is left is new. Catalogues are incomplete, so precision is a lower bound.

Bounds should be those inside which the catalogue lists what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.metrics import Sides
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.scoring.catalogue import read_catalogue

if TYPE_CHECKING:
    from pathlib import Path

Bounds = tuple[float, float, float, float]

LEAST_SHARE = 0.8
"""Detections below this share of the cut do not take part, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who counts.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east, north on the map, metres.
    min_diameter_m : float
        The cut, on the ground.
    min_detected_diameter_m : float
        Smaller detections do not take part.
    """

    bounds: Bounds
    min_diameter_m: float
    min_detected_diameter_m: float


def sides_of(found: Circles, known: Circles, rules: Rules) -> Sides:
    """Return detections and catalogue, in an order of their own, with who counts."""
    found = found.kept(found.diameter_m >= rules.min_detected_diameter_m)
    # Files in another order are the same files: equal costs are broken by what circles are.
    found = found.kept(np.lexsort((found.radius_m, found.y_m, found.x_m, -found.score)))
    known = known.kept(np.lexsort((known.depth_m, known.radius_m, known.y_m, known.x_m)))
    return Sides(
        found,
        known,
        found.inside(rules.bounds),
        (known.diameter_m >= rules.min_diameter_m) & known.inside(rules.bounds),
    )


def catalogue(path: str | Path) -> Circles:
    """Read a crater catalogue as circles.

    Raises
    ------
    InputError, CrsError
        As `read_catalogue`.
    """
    table = read_catalogue(path)
    depth = pd.to_numeric(table["depth_m"], errors="coerce") if "depth_m" in table else None
    return Circles.of_ground(table["x_m"], table["y_m"], table["diameter_m"], depth_m=depth)


def read_bounds(text: str) -> Bounds:
    """Return west, south, east and north as four numbers with commas or blanks say them.

    Raises
    ------
    ParameterError
        If they are not that.
    """
    try:
        west, south, east, north = (float(word) for word in text.replace(",", " ").split())
    except ValueError:
        west = east = south = north = 0.0
    if not (np.isfinite([west, south, east, north]).all() and west < east and south < north):
        raise ParameterError(
            f"--bounds: {text!r} is not west,south,east,north in map metres",
            "Write four numbers such as -30000,-10600,21200,15000",
        )
    return west, south, east, north


def least_detected_m(cut_m: float, given_m: float | None) -> float:
    """Return the diameter from which detections take part.

    Raises
    ------
    ParameterError
        If it is above the cut.
    """
    least = LEAST_SHARE * cut_m if given_m is None else given_m
    if least > cut_m:
        raise ParameterError(
            f"--min-detected-diameter-m: {least:g} m is more than the cut of {cut_m:g} m",
            "Give at most --min-diameter-m",
        )
    return least


def check_catalogue(known: Circles, rules: Rules, name: str) -> None:
    """Raise if a catalogue lists no crater that is to be found.

    Raises
    ------
    InputError
        With where its craters lie, or how large they are.
    """
    if not len(known):
        raise InputError(
            f"The crater catalogue {name} lists no crater", "Give one that covers the detections"
        )
    inside = known.inside(rules.bounds)
    if not inside.any():
        raise InputError(
            f"No crater of the catalogue {name} lies inside the bounds "
            f"{', '.join(f'{edge:,.0f}' for edge in rules.bounds)} m: its craters lie at x "
            f"{known.x_m.min():,.0f} to {known.x_m.max():,.0f} m and y {known.y_m.min():,.0f} to "
            f"{known.y_m.max():,.0f} m",
            "Check that it covers the place and that its x_m and y_m are of the Moon's south polar "
            "stereographic map; columns lon_deg and lat_deg go before them, southern latitudes are "
            "negative",
        )
    if not (inside & (known.diameter_m >= rules.min_diameter_m)).any():
        raise InputError(
            f"The largest crater of the catalogue {name} inside the bounds has "
            f"{known.diameter_m[inside].max():,.0f} m, the cut is {rules.min_diameter_m:,.0f} m",
            "Give a lower --min-diameter-m or other bounds",
        )
