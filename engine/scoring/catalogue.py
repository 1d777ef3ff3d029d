"""Crater catalogues: CSV tables with positions and diameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError

_NUMBERS = {"diameter_m", "diameter_km", "lon_deg", "lat_deg", "x_m", "y_m"}


def read_catalogue(path: str | Path) -> pd.DataFrame:
    """Read a crater catalogue.

    Parameters
    ----------
    path : path
        A CSV file with a column ``diameter_m`` (or ``diameter_km``) and either ``lon_deg`` and
        ``lat_deg`` or ``x_m`` and ``y_m``.

    Returns
    -------
    DataFrame
        ``x_m``, ``y_m``, ``lon_deg``, ``lat_deg``, ``diameter_m`` and whatever else the file has.

    Raises
    ------
    InputError
        If the file is absent, not a table, or lacks these columns; if a diameter is not positive
        or a position not a number.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"The crater catalogue: there is no file {path}", "Check the path")
    try:
        table = pd.read_csv(file)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"The crater catalogue {file.name} is not a CSV table: {error}",
            "Give a CSV file with a header line",
        ) from error
    for name in _NUMBERS & set(table):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    if "diameter_m" not in table and "diameter_km" in table:
        table["diameter_m"] = table["diameter_km"] * 1000.0
    if "diameter_m" not in table:
        raise InputError(
            f"The crater catalogue {file.name} has no column diameter_m "
            f"(it has {', '.join(map(str, table.columns))})",
            "Name the column with the diameters diameter_m or diameter_km",
        )
    if {"lon_deg", "lat_deg"} <= set(table):
        table["x_m"], table["y_m"] = moon.lonlat_to_xy(table["lon_deg"], table["lat_deg"])
    elif {"x_m", "y_m"} <= set(table):
        table["lon_deg"], table["lat_deg"] = moon.xy_to_lonlat(table["x_m"], table["y_m"])
    else:
        raise InputError(
            f"The crater catalogue {file.name} has no positions",
            "Give the columns lon_deg and lat_deg, or x_m and y_m",
        )
    _check(table["diameter_m"] > 0, file, "a positive diameter")
    _check(np.isfinite(table["x_m"]) & np.isfinite(table["y_m"]), file, "a position")
    _check(np.isfinite(table["diameter_m"]), file, "a finite diameter")
    return table


def _check(good: pd.Series[bool], file: Path, what: str) -> None:
    bad = int((~good).sum())
    if bad:
        raise InputError(
            f"The crater catalogue {file.name} holds {bad} craters without {what}",
            "Remove or mend those lines",
        )
