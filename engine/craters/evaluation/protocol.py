"""Evaluation protocol: which detections and which catalogued craters count.

- A catalogued crater is a target, to be found, if its diameter is at least the cut and its centre
  lies inside the bounds.
- Detections smaller than 0.8 of the cut are left out. All others take part, including those
  slightly below the cut, since diameters have errors: if they match nothing, they count as new.
  Those with their centre outside the bounds may match, but never count as new.
- A detection that matches only a crater that is not a target (below the cut, or with its centre
  outside the bounds) is ignored: neither a hit nor new.
- All other detections are new. Catalogues are incomplete, so precision is a lower bound.

The bounds should be those within which the catalogue is complete.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.craters.evaluation.metrics import Comparison
from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX
from lunarsite.engine.errors import InputError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.circles import Circles
    from lunarsite.engine.io.grid import Grid

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]

Bounds = tuple[float, float, float, float]

LEAST_SHARE = 0.8
"""Default of the smallest detection that takes part, as a share of the cut."""

_SIDE = 4
"""Cells along each side of the bounds in which the coverage of a catalogue is checked."""

_SMALL = 0.05
"""If the largest circle is smaller than this share of the cut, its unit is probably another."""

_LARGEST_KM = 2_000.0
"""Bounds of smaller numbers, in which there is nothing, may be in kilometres."""

_WHOLE = 0.99
"""Share of the bounds that an elevation model must cover for all of them to be compared."""


@dataclass(frozen=True, slots=True)
class InclusionCriteria:
    """Which craters and detections count.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east, north on the map, metres.
    min_diameter_m : float
        The cut: least diameter of a target on the ground.
    min_detected_diameter_m : float
        Least diameter of a detection that takes part.
    """

    bounds: Bounds
    min_diameter_m: float
    min_detected_diameter_m: float


def comparison_of(found: Circles, known: Circles, criteria: InclusionCriteria) -> Comparison:
    """Return detections and catalogue in a canonical order, with what counts.

    Parameters
    ----------
    found, known : Circles
        Detections and catalogue.
    criteria : InclusionCriteria
        Bounds and diameters.
    """
    found = found.kept(found.diameter_m >= criteria.min_detected_diameter_m)
    # Canonical order: ties between equal costs do not depend on the order of the files.
    found = found.kept(np.lexsort((found.radius_m, found.y_m, found.x_m, -found.confidence)))
    known = known.kept(np.lexsort((known.depth_m, known.radius_m, known.y_m, known.x_m)))
    return Comparison(
        found,
        known,
        found.inside(criteria.bounds),
        (known.diameter_m >= criteria.min_diameter_m) & known.inside(criteria.bounds),
    )


def read_bounds(text: str) -> Bounds:
    """Parse west, south, east and north, separated by commas or blanks.

    Raises
    ------
    ParameterError
        If it is anything else.
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
    """Return the least diameter of detections that take part, metres.

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


def check_visible(known: Circles, criteria: InclusionCriteria, grid: Grid, name: str) -> None:
    """Raise if the pixels of an elevation model are too coarse for every crater to be found.

    Raises
    ------
    InputError
        States the pixel and how wide the largest crater is.
    """
    inside = known.kept(known.inside(criteria.bounds))
    widest_px = 2.0 * float(inside.radius_m.max()) / grid.pixel_m
    if widest_px < 2.0 * LEAST_RADIUS_PX:
        raise InputError(
            f"The DEM has pixels of {grid.pixel_m:,.0f} m, coarser than its craters: the largest "
            f"of {name} inside the bounds, {inside.diameter_m.max():,.0f} m, is {widest_px:.1f} "
            f"pixels wide, and a network sees craters of {2.0 * LEAST_RADIUS_PX:.0f} pixels and "
            "more",
            "Give a DEM with finer pixels, or a catalogue of larger craters",
        )


def check_overlap(bounds: Bounds, frame: Bounds, what: str) -> None:
    """Raise unless the bounds intersect the extent of ``what``.

    Raises
    ------
    ParameterError
        States both extents.
    """
    west, south, east, north = frame
    if bounds[0] >= east or bounds[2] <= west or bounds[1] >= north or bounds[3] <= south:
        west, south, east, north = (1000.0 * edge for edge in bounds)
        kilometres = ""
        if west < frame[2] and east > frame[0] and south < frame[3] and north > frame[1]:
            in_metres = format_bounds((west, south, east, north))
            kilometres = f". If they are in kilometres, give --bounds={in_metres}"
        raise ParameterError(
            f"--bounds: {format_bounds(bounds)} m does not intersect {what}, "
            f"at {format_bounds(frame)} m (west, south, east, north)",
            f"Give bounds inside it, or leave --bounds out{kilometres}",
        )


def format_bounds(bounds: Bounds) -> str:
    """Return bounds in the format of ``--bounds``."""
    return ",".join(f"{edge:.0f}" for edge in bounds)


def coverage_warning(found: Circles, known: Circles, criteria: InclusionCriteria) -> str:
    """Return a warning if the catalogue seems to cover only a part of the bounds, else "".

    The bounds are divided into 16 cells. Cells with detections but without a catalogued crater of
    any size are too many if they are at least an eighth of all, and exceed the expectation for
    craters at random places by three standard deviations (Poisson).

    Parameters
    ----------
    found : Circles
        Detections that take part.
    known : Circles
        The whole catalogue.
    criteria : InclusionCriteria
        Bounds and diameters.
    """
    west, south, east, north = criteria.bounds
    edges = [np.linspace(south, north, _SIDE + 1), np.linspace(west, east, _SIDE + 1)]
    listed = known.kept(known.inside(criteria.bounds))
    large = found.inside(criteria.bounds) & (found.diameter_m >= criteria.min_diameter_m)
    detected = found.kept(large)
    listed_in, detected_in = (np.histogram2d(c.y_m, c.x_m, edges)[0] for c in (listed, detected))
    bare = (listed_in == 0) & (detected_in > 0)
    cells = _SIDE**2
    expected = cells * (1.0 - 1.0 / cells) ** len(listed)
    if bare.sum() < max(cells / 8, expected + 3.0 * np.sqrt(expected)):
        return ""
    box = _largest_part(listed_in > 0, edges)
    return (
        f"The catalogue lists no crater in {bare.sum()} of {cells} equal parts of the bounds, but "
        f"{int(detected_in[bare].sum())} detections lie there and count as new. If the catalogue "
        "does not cover them, give bounds that it covers, such as "
        f"--bounds={format_bounds(box)}."
    )


def _largest_part(covered: Bool, edges: list[Float]) -> Bounds:
    """Return the largest rectangle of parts of the bounds that are all covered."""
    best, bounds = 0, (0, 1, 0, 1)
    for top, bottom in itertools.combinations(range(_SIDE + 1), 2):
        for left, right in itertools.combinations(range(_SIDE + 1), 2):
            size = (bottom - top) * (right - left)
            if size > best and covered[top:bottom, left:right].all():
                best, bounds = size, (top, bottom, left, right)
    top, bottom, left, right = bounds
    y, x = edges
    return float(x[left]), float(y[top]), float(x[right]), float(y[bottom])


def check_catalogue(known: Circles, criteria: InclusionCriteria, name: str) -> None:
    """Raise unless a catalogue lists at least one target.

    Raises
    ------
    InputError
        States where its craters lie, or how large they are.
    """
    if not len(known):
        raise InputError(
            f"The crater catalogue {name} lists no crater", "Give one that covers the detections"
        )
    inside = known.inside(criteria.bounds)
    if not inside.any():
        west, south, east, north = (1000.0 * edge for edge in criteria.bounds)
        in_metres = (west, south, east, north)
        small = max(map(abs, criteria.bounds)) < _LARGEST_KM
        if small and known.inside(in_metres).any():
            raise ParameterError(
                f"--bounds: {format_bounds(criteria.bounds)} m holds no crater of the catalogue "
                f"{name}",
                f"If they are in kilometres, give --bounds={format_bounds(in_metres)}",
            )
        raise InputError(
            f"No crater of the catalogue {name} lies inside the bounds "
            f"{', '.join(f'{edge:,.0f}' for edge in criteria.bounds)} m: its craters lie at x "
            f"{known.x_m.min():,.0f} to {known.x_m.max():,.0f} m and y {known.y_m.min():,.0f} to "
            f"{known.y_m.max():,.0f} m",
            "Check that it covers the area, and that its x_m and y_m are in the Moon's south polar "
            "stereographic projection; columns lon_deg and lat_deg take precedence, and southern "
            "latitudes are negative",
        )
    if not (inside & (known.diameter_m >= criteria.min_diameter_m)).any():
        largest = float(known.diameter_m[inside].max())
        remedy = "Give a lower --min-diameter-m or other bounds"
        if largest < _SMALL * criteria.min_diameter_m:
            remedy = (
                "If its diameters are in kilometres, name their column diameter_km; otherwise give "
                "a lower --min-diameter-m or other bounds"
            )
        raise InputError(
            f"The largest crater of the catalogue {name} inside the bounds has {largest:,.4g} m, "
            f"the cut is {criteria.min_diameter_m:,.0f} m",
            remedy,
        )


def check_detections(found: Circles, criteria: InclusionCriteria, context: Context) -> None:
    """Warn if no detection is large enough to take part."""
    if not len(found):
        context.warn("There are no detections: every catalogued crater counts as missed.")
        return
    largest = float(found.diameter_m.max())
    if largest < criteria.min_detected_diameter_m:
        kilometres = ""
        if largest < _SMALL * criteria.min_diameter_m:
            kilometres = ". If their diameters are in kilometres, name the column diameter_km"
        context.warn(
            f"All detections, {largest:,.4g} m at the most, are smaller than "
            f"{criteria.min_detected_diameter_m:,.0f} m and are left out{kilometres}."
        )


def check_smallest(
    known: Circles, smallest_m: float, criteria: InclusionCriteria, context: Context
) -> None:
    """Warn if detections begin above the diameters that are compared."""
    cut = criteria.min_diameter_m
    if smallest_m <= criteria.min_detected_diameter_m:
        return
    targets = known.diameter_m[known.inside(criteria.bounds) & (known.diameter_m >= cut)]
    smaller = int((targets < smallest_m).sum())
    if not smaller:
        context.warn(
            f"The detections begin at {smallest_m:,.0f} m: craters near the cut of {cut:,.0f} m "
            "whose diameter came out small are missing among them."
        )
        return
    context.warn(
        f"The detections begin at {smallest_m:,.0f} m, so that {smaller:,} of the "
        f"{len(targets):,} catalogued craters cannot be among them and count as missed. Give "
        f"--min-diameter-m {math.ceil(smallest_m / LEAST_SHARE)}."
    )


def clipped(bounds: Bounds, frame: Bounds, what: str, context: Context) -> Bounds:
    """Return the part of the bounds that an elevation model covers, and warn if that is less.

    Raises
    ------
    ParameterError
        As `check_overlap`.
    """
    check_overlap(bounds, frame, what)
    west, south, east, north = (
        max(bounds[0], frame[0]),
        max(bounds[1], frame[1]),
        min(bounds[2], frame[2]),
        min(bounds[3], frame[3]),
    )
    area = (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])
    share = (east - west) * (north - south) / area
    if share > _WHOLE:
        return bounds
    context.warn(
        f"Of the bounds {100.0 * share:.2g} % are covered by {what}: only that part counts, "
        f"--bounds={format_bounds((west, south, east, north))}."
    )
    return west, south, east, north
