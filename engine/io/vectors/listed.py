"""Positions that the columns of a table or layer list, and how well they agree with others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import CrsError
from lunarsite.engine.io.vectors import positions
from lunarsite.engine.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lunarsite.engine.context import Context

    Float = NDArray[np.float64]

_OFF_M = 5_000.0
"""Median distance up to which positions count as those of one coordinate system."""

_LEAST_OFF_M = 100.0
"""Distance at which a single position counts as moved, besides what rounding explains."""

_EQUATOR_M = 2.0 * moon.RADIUS_M

_DIGITS = 6
"""Decimals of degrees that are told apart: 3 cm."""


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Positions in the columns of a table.

    Parameters
    ----------
    x_m, y_m : ndarray of float64
        Map coordinates; NaN where unreadable.
    within_m : ndarray of float64
        How far the rounding of the columns may put each of them from its place, on the map.
    what : str
        What the columns are in messages.
    """

    x_m: Float
    y_m: Float
    within_m: Float
    what: str


def listed(table: pd.DataFrame, what: str, context: Context) -> Listed | None:
    """Return the positions in the columns of a table; None without such columns.

    Where there are degrees and metres, the degrees count, with a warning of rows that differ.

    Raises
    ------
    CrsError
        If they are out of range, radians, swapped or in the north, or if degrees and metres
        contradict each other.
    InputError
        If several columns could be meant.
    """
    lonlat = positions.table_lonlat(table, what)
    on_map = positions.table_xy(table, what)
    if lonlat is None:
        return on_map and Listed(*on_map, np.zeros(len(table)), "x and y")
    x, y = moon.lonlat_to_xy(*lonlat)
    lon_step, lat_step = (math.radians(_rounded_to(values)) for values in lonlat)
    within = _EQUATOR_M * lat_step + np.hypot(x, y) * lon_step
    found = Listed(x, y, within, "longitudes and latitudes")
    if on_map is not None:
        others = "x_m and y_m"
        remedy = f"Give x_m and y_m in {moon.SOUTH_POLAR}, or leave one of both out"
        check_agree(found, *on_map, what, others, remedy)
        warn_of_moved(found, *on_map, what, context, used=f"the {found.what} are used")
    return found


def check_agree(found: Listed, x_m: Float, y_m: Float, what: str, others: str, remedy: str) -> None:
    """Raise if the positions of columns are far from other positions of the same rows.

    Parameters
    ----------
    found : Listed
        Positions of the columns.
    x_m, y_m : ndarray of float64
        The other positions on the map.
    what, others : str
        Names of the data and of the other positions in messages.
    remedy : str
        What to do about it.

    Raises
    ------
    CrsError
        If the median distance is more than 5 km.
    """
    off_m = np.hypot(found.x_m - x_m, found.y_m - y_m)
    known = off_m[np.isfinite(off_m)]
    typical = float(np.median(known)) if known.size else 0.0
    if typical > _OFF_M:
        raise CrsError(
            f"{what} is in another coordinate system: its {others} lie {typical / 1000.0:,.0f} km "
            f"from its {found.what} on the map (the median)",
            remedy,
        )


def warn_of_moved(
    found: Listed,
    x_m: Float,
    y_m: Float,
    what: str,
    context: Context,
    *,
    used: str,
    slack_m: ArrayLike = 0.0,
) -> None:
    """Warn of rows whose columns and other positions differ by more than rounding.

    Parameters
    ----------
    found : Listed
        Positions of the columns.
    x_m, y_m : ndarray of float64
        The other positions on the map.
    what : str
        Name of the data in messages.
    context : Context
        Takes the warning.
    used : str
        Which of both counts.
    slack_m : array_like of float64, optional
        Further distance that is no contradiction.
    """
    off_m = np.hypot(found.x_m - x_m, found.y_m - y_m)
    # In the north the map stretches the rounding of degrees without bound.
    southern = np.minimum(np.hypot(x_m, y_m), np.hypot(found.x_m, found.y_m)) <= _EQUATOR_M
    allowed_m = _LEAST_OFF_M + found.within_m + np.asarray(slack_m)
    moved = np.flatnonzero(southern & (off_m > allowed_m))
    if moved.size:
        verb = "is" if moved.size == 1 else "are"
        context.warn(
            f"{what}: {moved.size} of {counted(len(off_m), 'position')} {verb} up to "
            f"{off_m[moved].max() / 1000.0:,.3g} km from the {found.what} in the same row, the "
            f"first is number {moved[0] + 1}; {used}. Correct or remove what is out of date."
        )


def _rounded_to(degrees: Float) -> float:
    """Return the step of the decimals that numbers are written with, such as 0.01."""
    known = degrees[np.isfinite(degrees)]
    for digits in range(_DIGITS):
        if np.abs(known - np.round(known, digits)).max(initial=0.0) < 1e-9:
            return float(10.0**-digits)
    return float(10.0**-_DIGITS)
