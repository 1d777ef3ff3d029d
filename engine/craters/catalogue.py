"""Crater catalogues: tables or layers with positions and diameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from lunarsite.engine import moon
from lunarsite.engine.context import require_context
from lunarsite.engine.craters.circles import Circles, duplicates
from lunarsite.engine.craters.diameters import diameters_m
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io.vectors import layers, positions, vector
from lunarsite.engine.io.vectors.listed import Listed, check_agree, listed, warn_of_moved
from lunarsite.engine.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

_FEW, _CROWDED = 10, 50.0
"""Fewer craters may well overlap each other; and the area of craters, in units of that over which
they are spread, which no ground reaches."""

_OFF_CENTRE = 0.25
"""How far a geometry may lie from the columns of positions, in diameters."""

LAYER = "craters"
"""The layer of a GeoPackage that lists craters, as ``detect-craters`` writes it."""


def read_catalogue(path: str | Path, *, context: Context | None = None) -> pd.DataFrame:
    """Read a crater catalogue.

    Parameters
    ----------
    path : path
        A table, such as CSV, or a vector file with points or polygons, such as GeoPackage,
        Shapefile or GeoJSON; ``FILE|layername=NAME`` names one of several layers, of which
        ``craters`` is the default. Positions are those of the geometry in any lunar coordinate
        system, or the columns ``lon_deg`` and ``lat_deg`` or ``x_m`` and ``y_m``. Diameters are a
        column ``diameter_m`` or ``diameter_km``, or those of polygons. Similar names of columns
        are recognised, as those of Robbins (2018) and Head et al. (2010). A depth, ``depth_m`` or
        ``depth_km``, is optional and may have gaps.
    context : Context, optional
        Warnings.

    Returns
    -------
    DataFrame
        ``x_m``, ``y_m``, ``lon_deg``, ``lat_deg``, ``diameter_m``, ``depth_m`` if known, and all
        other columns of the file. Craters of the northern hemisphere are left out.

    Raises
    ------
    InputError
        If the file is missing, not a table, or lacks these columns; if a diameter is not positive
        or implausible, or a position not a number.
    CrsError
        If positions contradict each other, if degrees are out of range, swapped or all in the
        north, if metres look like degrees, or if a layer lies on another body.

    References
    ----------
    Head et al. (2010), Science 329, 1504. Robbins (2019), JGR Planets 124, 871.

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
    context = require_context(context)
    return _table_of(_layer(path, context), context)


def _layer(path: str | Path, context: Context) -> layers.Layer:
    layer = layers.read_layer(
        path, "The crater catalogue", ("Point", "Polygon"), context, preferred=LAYER
    )
    check_not_compared(layer.frame.columns, layer.what)
    return layer


def _table_of(layer: layers.Layer, context: Context) -> pd.DataFrame:
    """Return the table of a layer, as `read_catalogue`."""
    table = _attributes(layer.frame)
    columns, x, y, shapes = _located(layer, table, context)
    table["diameter_m"] = diameters_m(table, layer.what, context, shapes)
    if columns is not None:
        # The centre of an outline need not be that of the circle which a catalogue lists.
        slack_m = _OFF_CENTRE * table["diameter_m"].to_numpy()
        used = "the geometry is used"
        warn_of_moved(columns, x, y, layer.what, context, used=used, slack_m=slack_m)
    for name in positions.length_columns(map(str, table), {"depth"})[:1]:
        table["depth_m"] = positions.lengths_m(table, name, layer.what)
    table["x_m"], table["y_m"] = x, y
    table["lon_deg"], table["lat_deg"] = moon.xy_to_lonlat(x, y)
    _check(table["diameter_m"] > 0, layer.what, "a positive diameter")
    _check(np.isfinite(table["x_m"]) & np.isfinite(table["y_m"]), layer.what, "a position")
    _check(np.isfinite(table["diameter_m"]), layer.what, "a finite diameter")
    if "depth_m" in table:
        plausible = table["depth_m"].isna() | table["depth_m"].between(0.0, table["diameter_m"])
        _check(plausible, layer.what, "a depth between 0 and its diameter")
    _check_extent(table, layer.what)
    table = _southern(table, layer.what, context)
    return table[listed_once(table, layer.what, context)].reset_index(drop=True)


def listed_once(
    table: pd.DataFrame, what: str, context: Context, noun: str = "crater"
) -> NDArray[np.bool_]:
    """Return which circles do not repeat an earlier one, and warn of those that do.

    Circles that are nearly the same, as where two catalogues were joined, are kept and warned of.

    Parameters
    ----------
    table : DataFrame
        With ``x_m``, ``y_m`` and ``diameter_m``.
    what : str
        Name of the layer in messages.
    context : Context
        Takes the warnings.
    noun : str, optional
        What the circles are.

    Returns
    -------
    ndarray of bool, shape (circles,)
        False of circles that equal an earlier one.
    """
    x, y, diameter = (table[name].to_numpy(np.float64) for name in ("x_m", "y_m", "diameter_m"))
    repeated, near = duplicates(x, y, diameter)
    if repeated.any():
        context.warn(
            f"{what}: {counted(int(repeated.sum()), noun)} of the same place and diameter as "
            "another left out."
        )
    if near:
        context.warn(
            f"{what}: {counted(near, 'pair')} of {noun}s {'is' if near == 1 else 'are'} nearly the "
            "same, as where layers were joined: both count. Remove one of each pair."
        )
    return ~repeated


def _check_extent(table: pd.DataFrame, what: str) -> None:
    """Raise if craters are much larger than the area over which they are spread.

    Raises
    ------
    InputError
        With the remedy.
    """
    if len(table) < _FEW:
        return
    spread_m = max(float(np.ptp(table[name])) for name in ("x_m", "y_m"))
    usual_m = float(table["diameter_m"].median())
    squares = float((table["diameter_m"].to_numpy(np.float64) ** 2).sum())
    crowded = squares > _CROWDED * (spread_m + usual_m) ** 2
    if spread_m > 0.0 and (crowded or usual_m > spread_m):
        raise InputError(
            f"{what} lists {len(table):,} craters, half of them wider than {usual_m:,.0f} m, but "
            f"all within {spread_m:,.0f} m of each other: positions and diameters have different "
            "units",
            "If the positions are in kilometres, name their columns x_km and y_km",
        )


def read_circles(
    path: str | Path, *, context: Context | None = None, mirrored: bool = False
) -> Circles:
    """Read a crater catalogue as circles.

    Parameters
    ----------
    path, context
        As for `read_catalogue`.
    mirrored : bool, optional
        Whether it is a catalogue of the north, to be read as its mirror image across the equator.

    Raises
    ------
    InputError, CrsError
        As `read_catalogue`.
    """
    if mirrored:
        surroundings = require_context(context)
        table = _table_of(_mirrored(_layer(path, surroundings)), surroundings)
    else:
        table = read_catalogue(path, context=context)
    return Circles.of_ground(
        table["x_m"], table["y_m"], table["diameter_m"], depth_m=table.get("depth_m")
    )


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


def _mirrored(layer: layers.Layer) -> layers.Layer:
    """Return a catalogue of the north as its mirror image across the equator, by its degrees.

    Raises
    ------
    CrsError
        If it lies in the south.
    InputError
        If it has no longitudes and latitudes.
    """
    table = _attributes(layer.frame)
    names = positions.lonlat_columns(table.columns, layer.what)
    if names is None:
        raise InputError(
            f"{layer.what} has no longitudes and latitudes "
            f"(it has the columns {', '.join(map(str, table.columns))})",
            "In the north its positions are read from the columns lon_deg and lat_deg: add them",
        )
    lon, lat = positions.degrees(table, names)
    if len(lat) and not (lat > 0.0).any():
        raise CrsError(
            f"{layer.what} lies in the south of the Moon, at latitudes of {np.nanmin(lat):.2f} to "
            f"{np.nanmax(lat):.2f}, but the elevation model is of the north",
            "Give a catalogue and an elevation model of the same pole",
        )
    metres = [column for column in table if positions.tokens(column)[0] in {"x", "y"}]
    plain = table.drop(columns=[*names, *metres]).assign(lon_deg=lon, lat_deg=-lat)
    return replace(layer, frame=plain)


def _attributes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a layer without its geometry."""
    if isinstance(frame, gpd.GeoDataFrame):
        return pd.DataFrame(frame.drop(columns=frame.geometry.name))
    return frame


def _located(
    layer: layers.Layer, table: pd.DataFrame, context: Context
) -> tuple[Listed | None, NDArray[np.float64], NDArray[np.float64], NDArray[np.object_] | None]:
    """Return the positions of columns besides the geometry, those on the map, and the shapes.

    Raises
    ------
    InputError
        If there are none.
    """
    columns = listed(table, layer.what, context)
    # A layer without a coordinate system may still list its positions.
    if columns is None or getattr(layer.frame, "crs", None) is not None:
        drawn = vector.centers(layer, context)
        if drawn is not None:
            x, y, shapes = drawn
            if columns is not None:
                remedy = vector.GEOMETRY_COUNTS
                check_agree(columns, x, y, layer.what, "geometries", remedy)
            return columns, x, y, shapes
    if columns is None:
        raise InputError(
            f"{layer.what} has no positions "
            f"(it has the columns {', '.join(map(str, table.columns))})",
            "Name the columns with the positions lon_deg and lat_deg, or x_m and y_m",
        )
    return None, columns.x_m, columns.y_m, None


def _southern(table: pd.DataFrame, what: str, context: Context) -> pd.DataFrame:
    """Return the craters of the southern hemisphere: the map cannot show the others.

    Raises
    ------
    CrsError
        If there are none.
    """
    north = table["lat_deg"] > 0.0
    if not north.any():
        return table
    if north.all():
        raise CrsError(
            f"{what} lies in the north of the Moon, at latitudes of {table['lat_deg'].min():.2f} "
            f"to {table['lat_deg'].max():.2f}",
            "Give craters of the south; x_m and y_m are metres on its polar stereographic map, "
            f"{moon.SOUTH_POLAR}",
        )
    context.warn(
        f"{what}: {counted(int(north.sum()), 'crater')} of the northern hemisphere left out."
    )
    return table[~north].reset_index(drop=True)


def _check(good: pd.Series[bool], what: str, lacking: str) -> None:
    bad = int((~good).sum())
    if bad:
        raise InputError(
            f"{what} holds {counted(bad, 'crater')} without {lacking}, the first is number "
            f"{int(good.to_numpy().argmin()) + 1}",
            "Remove or fix those rows",
        )
