"""Crater catalogues: tables with positions and diameters, CSV or GeoPackage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyogrio
import pyogrio.errors
import pyproj

from lunarsite.engine import moon
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.errors import CrsError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

LAYER = "craters"
"""The layer of a GeoPackage that lists craters, as ``detect-craters`` writes it."""

_NUMBERS = {"diameter_m", "diameter_km", "lon_deg", "lat_deg", "x_m", "y_m", "depth_m"}

_OFF_M = 5_000.0
"""Tolerance between positions in degrees and in metres: degrees are rounded, catalogues revised."""


def read_catalogue(path: str | Path) -> pd.DataFrame:
    """Read a crater catalogue.

    Parameters
    ----------
    path : path
        A CSV file, or a GeoPackage with a layer ``craters`` or a single layer. Columns are
        ``diameter_m`` (or ``diameter_km``) and either ``lon_deg`` and ``lat_deg`` or ``x_m`` and
        ``y_m``; ``depth_m`` is optional and may have gaps.

    Returns
    -------
    DataFrame
        ``x_m``, ``y_m``, ``lon_deg``, ``lat_deg``, ``diameter_m`` and all other columns of the
        file.

    Raises
    ------
    InputError
        If the file is missing, not a table, or lacks these columns; if a diameter is not positive
        or a position not a number.
    CrsError
        If its ``x_m`` and ``y_m`` contradict its ``lon_deg`` and ``lat_deg``, if degrees are out of
        range or metres look like degrees, or if a layer lies on another body.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "craters.csv"
    >>> listed = pd.DataFrame({"lon_deg": [0.0], "lat_deg": [-89.5], "diameter_km": [12.5]})
    >>> listed.to_csv(file, index=False)
    >>> round(float(read_catalogue(file)["diameter_m"].iloc[0]))
    12500
    """
    if not isinstance(path, str | Path):
        raise InputError(f"The crater catalogue: {path!r} is not a path", "Give a path")
    file = Path(path)
    if not file.is_file():
        raise InputError(f"The crater catalogue: there is no file {path}", "Check the path")
    table = _layer(file) if file.suffix.lower() == ".gpkg" else _csv(file)
    check_not_compared(table.columns, f"The crater catalogue {file.name}")
    for name in _NUMBERS & set(table):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    if "diameter_m" not in table and "diameter_km" in table:
        table["diameter_m"] = table["diameter_km"] * 1000.0
    if "diameter_m" not in table:
        raise InputError(
            f"The crater catalogue {file.name} has no column diameter_m or diameter_km "
            f"(it has {', '.join(map(str, table.columns))})",
            "Name the column with the diameters diameter_m or diameter_km",
        )
    if {"lon_deg", "lat_deg"} <= set(table):
        _check_degrees(table, file)
        x, y = moon.lonlat_to_xy(table["lon_deg"], table["lat_deg"])
        if {"x_m", "y_m"} <= set(table):
            _check_map(np.hypot(table["x_m"].to_numpy() - x, table["y_m"].to_numpy() - y), file)
        table["x_m"], table["y_m"] = x, y
    elif {"x_m", "y_m"} <= set(table):
        _check_metres(table, file)
        table["lon_deg"], table["lat_deg"] = moon.xy_to_lonlat(table["x_m"], table["y_m"])
    else:
        raise InputError(
            f"The crater catalogue {file.name} has no positions "
            f"(it has the columns {', '.join(map(str, table.columns))})",
            "Name the columns with the positions lon_deg and lat_deg, or x_m and y_m",
        )
    _check(table["diameter_m"] > 0, file, "a positive diameter")
    _check(np.isfinite(table["x_m"]) & np.isfinite(table["y_m"]), file, "a position")
    _check(np.isfinite(table["diameter_m"]), file, "a finite diameter")
    return table


def read_circles(path: str | Path) -> Circles:
    """Read a crater catalogue as circles.

    Raises
    ------
    InputError, CrsError
        As `read_catalogue`.
    """
    table = read_catalogue(path)
    depth = pd.to_numeric(table["depth_m"], errors="coerce") if "depth_m" in table else None
    return Circles.of_ground(table["x_m"], table["y_m"], table["diameter_m"], depth_m=depth)


def check_not_compared(columns: Iterable[str], what: str) -> None:
    """Raise if a layer is the output of evaluate-craters.

    It mixes both inputs: misses lie where they are catalogued, hits where they were detected.

    Raises
    ------
    InputError
        Says what to give instead.
    """
    if {"kind", "catalogue_diameter_m"} <= set(columns):
        raise InputError(
            f"{what} is an output of evaluate-craters, with hits, misses and new craters",
            "Give the detections or the catalogue that were its inputs",
        )


def _csv(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file)
    except UnicodeDecodeError as error:
        raise InputError(
            f"The crater catalogue {file.name} is not a CSV table in UTF-8, but in another "
            "encoding, such as Latin-1",
            f"Save it in UTF-8: iconv -f LATIN1 -t UTF-8 {file.name} > NEW.csv",
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"The crater catalogue {file.name} is not a CSV table: {error}",
            "Give a CSV file with a header line",
        ) from error
    if len(table.columns) == 1:
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if separator in str(table.columns[0]):
                raise InputError(
                    f"The crater catalogue {file.name} is separated by {name}, not by commas",
                    "Save it as CSV with commas, and with points in its decimals",
                )
    return table


def _layer(file: Path) -> pd.DataFrame:
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(file)]
        if LAYER not in names and len(names) != 1:
            raise InputError(
                f"The crater catalogue {file.name} holds the layers {', '.join(names)}",
                f"Name the layer with the craters {LAYER}, or put it in a separate file",
            )
        layer = LAYER if LAYER in names else names[0]
        table: pd.DataFrame = pyogrio.read_dataframe(file, layer=layer, read_geometry=False)
        crs = pyogrio.read_info(file, layer=layer).get("crs")
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise InputError(
            f"The crater catalogue {file.name} cannot be read: {str(error).splitlines()[0][:200]}",
            "Give a GeoPackage as detect-craters writes it, or a CSV table",
        ) from error
    if crs is not None:
        moon.check_body(pyproj.CRS.from_user_input(crs), f"The crater catalogue {file.name}")
    return table


def _check_degrees(table: pd.DataFrame, file: Path) -> None:
    """Raise if longitudes or latitudes are out of range."""
    for name, most in (("lon_deg", 360.0), ("lat_deg", 90.0)):
        low, high = table[name].min(), table[name].max()
        if low < -most or high > most:
            raise CrsError(
                f"The crater catalogue {file.name} is in another coordinate system: its {name} "
                f"lies between {low:,.2f} and {high:,.2f}, degrees within {-most:g} and {most:g}",
                f"Check that lon_deg and lat_deg are not swapped; metres in "
                f"{moon.SOUTH_POLAR} go in columns x_m and y_m",
            )


def _check_metres(table: pd.DataFrame, file: Path) -> None:
    """Raise if all positions in metres look like degrees in the southern hemisphere."""
    x, y = table["x_m"], table["y_m"]
    if len(table) and (x.abs() <= 360.0).all() and y.between(-90.0, -45.0).all():
        raise CrsError(
            f"The crater catalogue {file.name} is in another coordinate system: its x_m of "
            f"{x.min():,.2f} to {x.max():,.2f} and y_m of {y.min():,.2f} to {y.max():,.2f} look "
            "like degrees",
            "Name those columns lon_deg and lat_deg",
        )


def _check_map(off_m: NDArray[np.float64], file: Path) -> None:
    known = off_m[np.isfinite(off_m)]
    typical = float(np.median(known)) if known.size else 0.0
    if typical > _OFF_M:
        raise CrsError(
            f"The crater catalogue {file.name} is in another coordinate system: its x_m and y_m "
            f"lie {typical / 1000.0:,.0f} km from its lon_deg and lat_deg on the map (the median)",
            f"Give x_m and y_m in {moon.SOUTH_POLAR}, or leave them out",
        )


def _check(good: pd.Series[bool], file: Path, what: str) -> None:
    bad = int((~good).sum())
    if bad:
        raise InputError(
            f"The crater catalogue {file.name} holds {bad} craters without {what}",
            "Remove or fix those rows",
        )
