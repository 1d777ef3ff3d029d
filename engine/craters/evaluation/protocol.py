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

from lunarsite.engine.craters.evaluation.metrics import Sides
from lunarsite.engine.errors import InputError, ParameterError

if TYPE_CHECKING:
    from lunarsite.engine.craters.circles import Circles

Bounds = tuple[float, float, float, float]

LEAST_SHARE = 0.8
"""Detections below this share of the cut do not take part, where nothing else is said."""

_SIDE = 4
"""Parts along a side of the bounds in which a catalogue's cover is looked at."""

_SMALL_M = 100.0
"""Catalogues of the Moon whose largest crater is smaller are likely in kilometres."""


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
    found = found.kept(np.lexsort((found.radius_m, found.y_m, found.x_m, -found.confidence)))
    known = known.kept(np.lexsort((known.depth_m, known.radius_m, known.y_m, known.x_m)))
    return Sides(
        found,
        known,
        found.inside(rules.bounds),
        (known.diameter_m >= rules.min_diameter_m) & known.inside(rules.bounds),
    )


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


def check_overlap(bounds: Bounds, frame: Bounds, what: str) -> None:
    """Raise if bounds and the frame of ``what`` have nothing in common.

    Raises
    ------
    ParameterError
        With where both lie.
    """
    west, south, east, north = frame
    if bounds[0] >= east or bounds[2] <= west or bounds[1] >= north or bounds[3] <= south:
        raise ParameterError(
            f"--bounds: {written(bounds)} m has nothing in common with {what}, "
            f"at {written(frame)} m (west, south, east, north)",
            "Give bounds inside it, or leave --bounds out",
        )


def written(bounds: Bounds) -> str:
    """Return bounds as ``--bounds`` takes them."""
    return ",".join(f"{edge:.0f}" for edge in bounds)


def uncovered(found: Circles, known: Circles, rules: Rules) -> str:
    """Return what to warn of where a catalogue seems to cover a part of the bounds only.

    The bounds are cut into 16 parts. Those in which it lists no crater of any size, but where
    detections lie, are too many if they are an eighth of all and more than craters at random
    places leave by three standard deviations (of a Poisson distribution). Empty if not so.

    Parameters
    ----------
    found : Circles
        Detections that take part.
    known : Circles
        The whole catalogue.
    rules : Rules
        Who counts.
    """
    west, south, east, north = rules.bounds
    edges = [np.linspace(south, north, _SIDE + 1), np.linspace(west, east, _SIDE + 1)]
    listed = known.kept(known.inside(rules.bounds))
    large = found.inside(rules.bounds) & (found.diameter_m >= rules.min_diameter_m)
    seen = found.kept(large)
    known_in, seen_in = (np.histogram2d(c.y_m, c.x_m, edges)[0] for c in (listed, seen))
    bare = (known_in == 0) & (seen_in > 0)
    parts = _SIDE**2
    by_chance = parts * (1.0 - 1.0 / parts) ** len(listed)
    if bare.sum() < max(parts / 8, by_chance + 3.0 * np.sqrt(by_chance)):
        return ""
    box = (listed.x_m.min(), listed.y_m.min(), listed.x_m.max(), listed.y_m.max())
    return (
        f"The catalogue lists no crater in {bare.sum()} of {parts} equal parts of the bounds, "
        f"where {int(seen_in[bare].sum())} detections lie, which count as new. If it does not "
        f"cover them, give the part that it covers, such as --bounds={written(box)}."
    )


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
    kilometres = ""
    if known.diameter_m.max() < _SMALL_M:
        kilometres = "; if its diameters are kilometres, name their column diameter_km"
    if not (inside & (known.diameter_m >= rules.min_diameter_m)).any():
        raise InputError(
            f"The largest crater of the catalogue {name} inside the bounds has "
            f"{known.diameter_m[inside].max():,.0f} m, the cut is {rules.min_diameter_m:,.0f} m",
            f"Give a lower --min-diameter-m or other bounds{kilometres}",
        )
