"""Diameters of craters in tables and layers, by the names of columns and the shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.vectors import positions

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float = NDArray[np.float64]

_OWN = ("diameter_m", "diameter_km")
_DIAMETER = {"diameter", "diam", "dia", "d"}
_RADIUS = {"radius", "rad", "r"}
_KILOMETRES = (("diam", "circ", "img"), ("diam", "circ", "i"), ("diam", "circ"))
"""Diameters of Robbins (2018) by the words of their column, also as a Shapefile cuts it; km."""

_WITHOUT_UNIT = {(word,) for word in (*_DIAMETER, *_RADIUS)}

_SMALLEST_M = 1e-3
_BASIN_M = 2_600_000.0
"""Larger than the largest basin of the Moon, South Pole-Aitken, metres."""
_LARGE_M = 300_000.0
"""Median diameter above which a catalogue lists nothing but basins, metres."""
_SAME = 0.05
"""Relative difference of two columns of one diameter."""
_LIKE_SHAPE = 0.25
"""Relative difference of a diameter and of the circle of the area of its polygon."""


def diameters_m(
    table: pd.DataFrame, what: str, context: Context, shapes: NDArray[np.object_] | None = None
) -> Float:
    """Return the diameters of craters on the ground, metres.

    Columns are named like ``diameter_m``, ``Diam_km``, ``D(km)`` or ``radius_m``; the unit is part
    of the name. Polygons give the diameter of the circle of their area where no column does, and
    the unit of a column that names none.

    Parameters
    ----------
    table : DataFrame
        The columns.
    what : str
        Name of the data in messages.
    context : Context
        Warnings.
    shapes : ndarray of object, optional
        Shapely geometries, the outlines of the craters on the map.

    Returns
    -------
    ndarray of float64
        Diameters; NaN where unreadable.

    Raises
    ------
    InputError
        If there are none, their unit is unclear or implausible, or two columns contradict each
        other.
    """
    of_shapes = None if shapes is None else _of_shapes(shapes)
    listed = _listed(table, what)
    if not listed:
        bare = [column for column in table if positions.tokens(column) in _WITHOUT_UNIT]
        if bare:
            return _with_unit_of_shapes(table, str(bare[0]), what, of_shapes)
        if of_shapes is None:
            raise InputError(
                f"{what} has no column diameter_m or diameter_km "
                f"(it has {', '.join(map(str, table.columns)) or 'none'})",
                "Name the column with the diameters diameter_m or diameter_km",
            )
        context.warn(f"{what}: the diameters are those of circles of the polygons' areas.")
        return of_shapes
    (name, diameter), *others = listed.items()
    for other, values in others:
        if _off(values, diameter) > _SAME:
            raise InputError(
                f"{what} has columns that contradict each other: {name} and {other} differ by a "
                f"factor of {_ratio(values, diameter):.3g} (the median)",
                "Correct one of them, or leave it out",
            )
    if of_shapes is not None and _off(diameter, of_shapes) > _LIKE_SHAPE:
        raise InputError(
            f"{what} has diameters that contradict its polygons: {name} is "
            f"{_ratio(diameter, of_shapes):.3g} times the diameter of the outlines (the median)",
            f"Check the unit of {name}, or leave the column out",
        )
    _check_plausible(name, diameter, what, context)
    return diameter


def _listed(table: pd.DataFrame, what: str) -> dict[str, Float]:
    """Return the diameters by column, the preferred first."""
    names = [str(column) for column in table]
    diameters = positions.length_columns(names, _DIAMETER)
    diameters.sort(key=lambda name: _OWN.index(name) if name in _OWN else len(_OWN))
    found = {name: positions.lengths_m(table, name, what) for name in diameters}
    for name in names:
        if positions.tokens(name) in _KILOMETRES:
            found[name] = positions.lengths_m(table, name, what) * 1000.0
    for name in positions.length_columns(names, _RADIUS):
        found[name] = 2.0 * positions.lengths_m(table, name, what)
    return found


def _of_shapes(shapes: NDArray[np.object_]) -> Float | None:
    """Return the diameters on the ground of circles of the areas of polygons; None for points."""
    area = shapely.area(shapes)
    if not (area > 0.0).any():
        return None
    middle = shapely.centroid(shapes)
    scale = moon.map_scale(shapely.get_x(middle), shapely.get_y(middle))
    diameter: Float = 2.0 * np.sqrt(area / np.pi) / scale
    return diameter


def _with_unit_of_shapes(
    table: pd.DataFrame, name: str, what: str, of_shapes: Float | None
) -> Float:
    """Return the diameters of a column without a unit, in that in which they fit the polygons."""
    values = positions.lengths_m(table, name, what)
    if positions.tokens(name)[0] in _RADIUS:
        values = 2.0 * values
    if of_shapes is not None:
        for factor in (1.0, 1000.0):
            if _off(factor * values, of_shapes) <= _LIKE_SHAPE:
                return factor * values
    raise InputError(
        f"{what} has a column {name} without a unit",
        f"Name it {name}_m if it is in metres, {name}_km if it is in kilometres",
    )


def _check_plausible(name: str, diameter: Float, what: str, context: Context) -> None:
    known = diameter[np.isfinite(diameter)]
    if not known.size:
        return
    kilometres = 1000.0 if positions.tokens(name) in _KILOMETRES else 1.0
    kilometres = max(kilometres, positions.UNITS_M.get(positions.tokens(name)[-1], 1.0))
    remedy = (
        f"If {name} is in metres, name it diameter_m"
        if kilometres > 1.0
        else f"{name} must be in metres"
    )
    if known.max() > _BASIN_M:
        raise InputError(
            f"{what} lists a diameter of {known.max() / 1000.0:,.0f} km ({name}), more than the "
            f"largest basin of the Moon, {_BASIN_M / 1000.0:,.0f} km",
            remedy,
        )
    positive = known[known > 0.0]  # what is not positive is told by the reader
    if positive.size and positive.min() < _SMALLEST_M:
        raise InputError(
            f"{what} lists a diameter of {positive.min():g} m ({name}), less than a grain of dust",
            "Correct the diameters or their unit, or remove those rows",
        )
    if np.median(known) > _LARGE_M:
        context.warn(
            f"{what}: half the diameters are above {np.median(known) / 1000.0:,.0f} km ({name}). "
            f"{remedy}."
        )


def _ratio(one: Float, other: Float) -> float:
    """Return the median ratio of two columns; 1 where they have no row in common."""
    both = np.isfinite(one) & np.isfinite(other) & (other > 0.0)
    return float(np.median(one[both] / other[both])) if both.any() else 1.0


def _off(one: Float, other: Float) -> float:
    return abs(_ratio(one, other) - 1.0)
