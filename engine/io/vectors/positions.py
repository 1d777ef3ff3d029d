"""Positions and lengths in the columns of tables, recognised by the names of the columns."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lunarsite.engine import moon
from lunarsite.engine.errors import CrsError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float64]

UNITS_M = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres", "k"), 1000.0),
}
"""Metres in a unit, by its name at the end of a column; Shapefiles cut ``diameter_km`` short."""

_LON = {"lon", "long", "lng", "longitude"}
_LAT = {"lat", "latitude"}
_QUALIFIERS = (
    ("deg",),
    (),
    ("degrees",),
    ("degree",),
    ("dd",),
    ("e",),
    ("n",),
    ("east",),
    ("north",),
    ("deg", "e"),
    ("deg", "n"),
    ("180",),
    ("360",),
    ("circ", "img"),  # Robbins (2018)
    ("circ", "i"),  # the same in a Shapefile
    ("center",),  # the QGIS plugin Circle Craters
    ("centre",),
)
"""What may stand beside the word for longitude or latitude, the preferred first."""

_SLACK_DEG = 1e-6
_LONG = 1e12
"""Numbers above are written with an exponent."""
_SOUTH_DEG = -60.0
"""Longitudes that all lie between the pole and here look like latitudes."""

_ANGLE = re.compile(
    r"(?P<first>[NSEW])?\s*(?P<sign>[+-])?\s*"
    r"(?P<deg>\d+(?:[.,]\d+)?)(?:\s*(?:°|º|deg|d|:)\s*|\s+|$|(?=[NSEW]))"
    r"(?:(?P<min>\d+(?:[.,]\d+)?)(?:\s*(?:['′’m:])\s*|\s+|$|(?=[NSEW]))"
    r"(?:(?P<sec>\d+(?:[.,]\d+)?)\s*(?:''|[\"″”s])?\s*)?)?"
    r"(?P<last>[NSEW])?"
)
"""Degrees, minutes and seconds; hemispheres are capital letters, since s and m are also units."""

_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_THREE_DIGITS = re.compile(r"[+-]?\d{1,3},\d{3}")


def tokens(column: object) -> tuple[str, ...]:
    """Return the words of a column's name, in lower case: ``Diam_km`` and ``DiamKm`` are alike."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(column))
    return tuple(word for word in re.split(r"[^a-z0-9]+", parted.lower()) if word)


def table_lonlat(table: pd.DataFrame, what: str) -> tuple[Float, Float] | None:
    """Return longitudes and latitudes of a table, degrees; None without such columns.

    Columns are ``lon_deg`` and ``lat_deg``, or similar names, such as ``Long`` and ``Latitude`` or
    ``LON_CIRC_IMG`` and ``LAT_CIRC_IMG``. Values are numbers, or degrees, minutes and seconds as
    text; unreadable ones become NaN.

    Raises
    ------
    CrsError
        If they are out of range, radians, swapped, or all in the north.
    InputError
        If several columns could be meant.
    """
    columns = lonlat_columns(table.columns, what)
    if columns is None:
        return None
    lon, lat = degrees(table, columns)
    remedy = (
        f"Check that {columns[0]} and {columns[1]} are not swapped; metres in "
        f"{moon.SOUTH_POLAR} go in columns x_m and y_m"
    )
    exchange = f"Exchange {columns[0]} and {columns[1]}"
    convert = f"Convert {columns[0]} and {columns[1]} to degrees: multiply them by 57.29578"
    check_degrees(lon, lat, what, names=columns, remedy=remedy, exchange=exchange, convert=convert)
    return lon, lat


def degrees(table: pd.DataFrame, columns: tuple[str, str]) -> tuple[Float, Float]:
    """Return longitudes and latitudes in degrees, unchecked; NaN where unreadable."""
    return _angles(table[columns[0]], "EW"), _angles(table[columns[1]], "NS")


def table_xy(table: pd.DataFrame, what: str) -> tuple[Float, Float] | None:
    """Return map coordinates of a table, metres; None without the columns ``x_m`` and ``y_m``.

    Kilometres stand in ``x_km`` and ``y_km``. Unreadable values become NaN.

    Raises
    ------
    CrsError
        If they look like degrees.
    """
    found = []
    for axis in ("x", "y"):
        named = [str(column) for column in table if _unit_after(column, {axis}) is not None]
        if len(named) != 1:
            return None
        found.append(named[0])
    x, y = (lengths_m(table, column, what) for column in found)
    remedy = "Name those columns lon_deg and lat_deg"
    check_metres(x, y, what, names=(found[0], found[1]), remedy=remedy)
    return x, y


def lengths_m(table: pd.DataFrame, column: str, what: str) -> Float:
    """Return a column of lengths in metres; the unit is the last word of its name.

    Unreadable values become NaN.

    Raises
    ------
    InputError
        If a comma may separate decimals or thousands.
    """
    values = table[column]
    if not pd.api.types.is_numeric_dtype(values):
        texts = values.dropna().astype(str).str.strip()
        commas = texts[texts.str.contains(",", regex=False)]
        if len(commas) and commas.map(lambda text: bool(_THREE_DIGITS.fullmatch(text))).all():
            text = commas.iloc[0]
            raise InputError(
                f"{what}: {column} is {text!r}, which may be {text.replace(',', '.')} or "
                f"{text.replace(',', '')}",
                "Write decimals with a point, and thousands without a separator",
            )
    return _numbers(values) * UNITS_M.get(tokens(column)[-1], 1.0)


def length_columns(columns: Iterable[str], words: set[str]) -> list[str]:
    """Return the columns of lengths whose name is one of some words with a unit, in order."""
    return [column for column in columns if _unit_after(column, words) is not None]


def check_degrees(
    lon_deg: ArrayLike,
    lat_deg: ArrayLike,
    what: str,
    *,
    names: tuple[str, str] = ("longitude", "latitude"),
    remedy: str,
    exchange: str,
    convert: str,
) -> None:
    """Raise if degrees are not those of places in the south of the Moon.

    Parameters
    ----------
    lon_deg, lat_deg : array_like of float64
        Degrees; NaN is ignored.
    what : str
        Name of the data in messages.
    names : tuple of str
        Names of both in messages.
    remedy : str
        What to do about values out of range, such as metres.
    exchange : str
        What to do about latitudes that stand first.
    convert : str
        What to do about radians.

    Raises
    ------
    CrsError
        If values are out of range, longitude and latitude are swapped, all latitudes are positive,
        or all places lie at the equator as radians would.
    """
    lon, lat = np.asarray(lon_deg, np.float64), np.asarray(lat_deg, np.float64)
    lon, lat = lon[np.isfinite(lon)], lat[np.isfinite(lat)]
    if not lon.size or not lat.size:
        return
    south_first = (lon <= 0.0).all() and (lon >= -90.0).all()
    beyond = (np.abs(lat) > 90.0 + _SLACK_DEG).any() and (np.abs(lat) <= 360.0).all()
    like_latitudes = south_first and (lon < _SOUTH_DEG).all()
    middle = (lat > _SOUTH_DEG).all() and (lat < -_SOUTH_DEG).any()
    if (south_first and beyond) or (like_latitudes and middle):
        raise CrsError(
            f"{what} has longitude and latitude swapped: its {names[0]} is {lon.min():.2f} to "
            f"{lon.max():.2f} and its {names[1]} {lat.min():.2f} to {lat.max():.2f}",
            exchange,
        )
    for name, values, most in ((names[0], lon, 360.0), (names[1], lat, 90.0)):
        if np.abs(values).max() > most + _SLACK_DEG:
            raise CrsError(
                f"{what} is in another coordinate system: its {name} lies between "
                f"{_shown(values.min())} and {_shown(values.max())}, degrees within "
                f"{-most:g} and {most:g}",
                remedy,
            )
    if (lat > 0.0).all():
        raise CrsError(
            f"{what} lies in the north: its {names[1]} is {lat.min():.2f} to {lat.max():.2f}",
            "Southern latitudes are negative: write -89.45 for 89.45° S",
        )
    turn = 2.0 * math.pi + _SLACK_DEG
    if lat.min() < 0.0 and np.abs(lat).max() <= turn / 4.0 and np.abs(lon).max() <= turn:
        raise CrsError(
            f"{what} is in radians: its {names[0]} is {lon.min():.4f} to {lon.max():.4f} and its "
            f"{names[1]} {lat.min():.4f} to {lat.max():.4f}, which in degrees would be at the "
            "equator",
            convert,
        )


def check_metres(
    x_m: ArrayLike,
    y_m: ArrayLike,
    what: str,
    *,
    names: tuple[str, str] = ("x", "y"),
    remedy: str,
) -> None:
    """Raise if all map coordinates look like degrees in the south.

    Parameters
    ----------
    x_m, y_m : array_like of float64
        Map coordinates, metres; NaN is ignored.
    what : str
        Name of the data in messages.
    names : tuple of str
        Names of both in messages.
    remedy : str
        What to do about degrees.

    Raises
    ------
    CrsError
        With their range.
    """
    x, y = np.asarray(x_m, np.float64), np.asarray(y_m, np.float64)
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if not x.size or not y.size:
        return
    if np.abs(x).max() <= 360.0 and y.min() >= -90.0 and y.max() <= -45.0:
        raise CrsError(
            f"{what} is in another coordinate system: its {names[0]} of {x.min():,.2f} to "
            f"{x.max():,.2f} and {names[1]} of {y.min():,.2f} to {y.max():,.2f} look like degrees",
            remedy,
        )


def _shown(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < _LONG else f"{value:g}"


def lonlat_columns(columns: Iterable[object], what: str) -> tuple[str, str] | None:
    """Return the columns with longitudes and latitudes; None if one of them is missing.

    Raises
    ------
    InputError
        If several columns could be meant.
    """
    by_words: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for column in columns:
        words = tokens(column)
        for is_lon, names in ((True, _LON), (False, _LAT)):
            at = [index for index, word in enumerate(words) if word in names]
            if len(at) == 1:
                rest = words[: at[0]] + words[at[0] + 1 :]
                by_words.setdefault((is_lon, rest), []).append(str(column))
    chosen = []
    for is_lon in (True, False):
        ranked = [by_words[is_lon, rest] for rest in _QUALIFIERS if (is_lon, rest) in by_words]
        if not ranked:
            return None
        if len(ranked[0]) > 1:
            raise InputError(
                f"{what} has several columns for the {'longitude' if is_lon else 'latitude'}: "
                f"{', '.join(ranked[0])}",
                f"Name the right one {'lon_deg' if is_lon else 'lat_deg'}",
            )
        chosen.append(ranked[0][0])
    return chosen[0], chosen[1]


def _unit_after(column: object, words: set[str]) -> float | None:
    """Return metres per unit if a column's name is one of some words and a unit, else None."""
    parts = tokens(column)
    if len(parts) == 2 and parts[0] in words:
        return UNITS_M.get(parts[1])
    return None


def _numbers(values: pd.Series) -> Float:
    """Return numbers, also those with a decimal comma; NaN for all else."""
    if pd.api.types.is_bool_dtype(values):
        return np.full(len(values), np.nan)
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(np.float64, na_value=np.nan)
    texts = values.astype("string").str.strip().str.replace("\u2212", "-", regex=False)
    points = texts.str.contains(".", regex=False).fillna(value=False).any()
    if not points:
        comma = texts.str.fullmatch(_COMMA.pattern).fillna(value=False)
        texts = texts.where(~comma, texts.str.replace(",", ".", regex=False))
    return pd.to_numeric(texts, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _angles(values: pd.Series, hemispheres: str) -> Float:
    """Return angles in degrees, from numbers or text; NaN if unreadable.

    ``hemispheres`` are the letters for positive and negative angles.
    """
    degrees = _numbers(values)
    if not pd.api.types.is_numeric_dtype(values):
        for index in np.flatnonzero(~np.isfinite(degrees) & values.notna().to_numpy()):
            degrees[index] = _angle(str(values.iloc[index]), hemispheres)
    return degrees


def _angle(text: str, hemispheres: str) -> float:
    match = _ANGLE.fullmatch(text.strip().replace("\u2212", "-"))
    if match is None or (match["first"] and match["last"]):
        return float("nan")
    letter = (match["first"] or match["last"] or "").upper()
    parts = [float((match[name] or "0").replace(",", ".")) for name in ("deg", "min", "sec")]
    contradictory = letter and (letter not in hemispheres or match["sign"] == "-")
    if contradictory or max(parts[1:]) >= 60.0:
        return float("nan")
    angle = parts[0] + parts[1] / 60.0 + parts[2] / 3600.0
    return -angle if match["sign"] == "-" or letter == hemispheres[1] else angle
