"""An area of interest: the part of a raster that is worked on.

The part is a name that GDAL opens, so that whatever reads a raster also reads a part of one, and
only its blocks. The rest of an elevation model, through its overviews, is part of the far field.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pyproj.exceptions

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.file_names import part_name, part_of
from lunarsite.engine.io import raster, remedies
from lunarsite.engine.io.grid import MIN_SIDE_PX

if TYPE_CHECKING:
    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Bounds = tuple[float, float, float, float]
    Float = NDArray[np.float64]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBERS = re.compile(
    rf"\s*({_NUMBER})((?:\s*[,;\s]\s*{_NUMBER}){{2,3}})\s*(km)?\s*(\[.*\])?\s*", re.IGNORECASE
)
_EDGE_POINTS = 129
_REMEDY = (
    "Give a polygon layer, WEST,SOUTH,EAST,NORTH in metres on the map, or LON,LAT,RADIUS_KM; "
    "write --aoi= before a value that starts with a minus sign"
)


def narrowed(values: dict[str, Any], name: str, context: Context) -> dict[str, Any]:
    """Return the parameters of a stage with its raster narrowed to the area of interest.

    Parameters
    ----------
    values : dict
        Parameters of a stage, among them ``aoi``.
    name : str
        The parameter of the raster.
    context : Context
        Warnings.

    Returns
    -------
    dict
        With ``aoi`` as the edges of the part; None if the area covers the whole raster.

    Raises
    ------
    InputError
        If the area does not overlap the raster, or the layer cannot be read.
    ParameterError
        If it is neither a layer nor numbers.
    """
    area = values.get("aoi")
    if not area:
        return values
    path = part(values[name], area, context)
    if path == values[name]:
        return values if part_of(path) else values | {"aoi": None}
    return values | {name: path, "aoi": bounds_text(path)}


def bounds_text(path: str) -> str:
    """Return the edges of a raster as an area of interest."""
    with raster.opened(path, "The raster") as source:
        return ",".join(f"{edge:.15g}" for edge in source.bounds)


def part(path: str | Path, area: str, context: Context) -> str:
    """Return the name of the part of a raster in the rectangle around an area of interest.

    Parameters
    ----------
    path : path
        The raster.
    area : str
        A polygon layer; west, south, east and north edges, metres on the south polar map; or
        longitude and latitude, degrees, and radius, kilometres.
    context : Context
        Warnings.

    Returns
    -------
    str
        The path itself if the area covers the whole raster.
    """
    outer = part_of(path)
    with raster.opened(path, "The raster") as source:
        crs = raster.crs_of(source, "The raster")
        columns, rows = _pixels(source, crs, bounds_of(area, context))
        left, top = max(0, math.floor(columns[0])), max(0, math.floor(rows[0]))
        right = min(source.width, math.ceil(columns[1]))
        bottom = min(source.height, math.ceil(rows[1]))
        if right - left < MIN_SIDE_PX or bottom - top < MIN_SIDE_PX:
            raise InputError(
                f"The area of interest does not overlap {Path(source.name).name}, or only by "
                f"{max(0, right - left)} × {max(0, bottom - top)} pixels",
                f"Give an area inside it. {_REMEDY}",
            )
        if (left, top, right, bottom) == (0, 0, source.width, source.height):
            return str(path)
        if outer is not None:  # a part of a part is one of the whole
            path, (outer_left, outer_top, _, _) = outer
            left, right = left + outer_left, right + outer_left
            top, bottom = top + outer_top, bottom + outer_top
        return part_name(path, left, top, right - left, bottom - top)


def bounds_of(area: str, context: Context) -> Bounds:
    """Return the edges of an area of interest on the south polar map.

    Parameters
    ----------
    area : str
        As in `part`.
    context : Context
        Warnings.

    Returns
    -------
    tuple of float
        West, south, east and north, metres.

    Examples
    --------
    >>> from lunarsite.engine.context import Context
    >>> [round(edge) for edge in bounds_of("0,-90,25", Context())]
    [-25000, -25000, 25000, 25000]
    """
    match = _NUMBERS.fullmatch(area)
    if match is None:
        return _layer_bounds(area, context)
    numbers = [float(match[1]), *map(float, re.findall(_NUMBER, match[2]))]
    if len(numbers) == 3:
        return _circle_bounds(*numbers)
    if match[3]:
        raise ParameterError(f"--aoi: {area!r} has four numbers and km", _REMEDY)
    if match[4]:  # as QGIS writes an extent
        numbers = [numbers[0], numbers[2], numbers[1], numbers[3]]
        numbers = _on_map(numbers, match[4].strip("[] "), area)
    elif max(abs(number) for number in numbers) <= 360.0:
        raise ParameterError(
            f"--aoi: {area!r} looks like degrees; edges are in metres on the south polar map",
            "Give a centre and a radius, LON,LAT,RADIUS_KM, or edges in metres",
        )
    west, south, east, north = numbers
    if west >= east or south >= north:
        raise ParameterError(
            f"--aoi: {area!r} has its west edge east of its east edge, or its south edge north of "
            "its north edge",
            "Give WEST,SOUTH,EAST,NORTH in metres on the map",
        )
    return west, south, east, north


def map_probes(bounds: Bounds) -> tuple[Float, Float]:
    """Return x and y of points all over a rectangle, its edges among them, and the pole if inside.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east and north, metres on the south polar map.
    """
    west, south, east, north = bounds
    x, y = np.linspace(west, east, _EDGE_POINTS), np.linspace(south, north, _EDGE_POINTS)
    return (
        np.unique(np.append(x, np.clip(0.0, west, east))),
        np.unique(np.append(y, np.clip(0.0, south, north))),
    )


def _on_map(edges: list[float], name: str, area: str) -> list[float]:
    """Return the edges on the map of a rectangle in another lunar coordinate system."""
    try:
        crs = pyproj.CRS.from_user_input(name)
    except pyproj.exceptions.CRSError as error:
        raise ParameterError(
            f"--aoi: {area!r} names no coordinate system that is known", _REMEDY
        ) from error
    moon.check_body(crs, "The area of interest")
    if moon.is_south_polar(crs):
        return edges
    west, south, east, north = edges
    x, y = np.meshgrid(
        np.linspace(west, east, _EDGE_POINTS), np.linspace(south, north, _EDGE_POINTS)
    )
    to_map = pyproj.Transformer.from_crs(crs, moon.south_polar_crs(), always_xy=True)
    x, y = (np.asarray(value) for value in to_map.transform(x, y))
    return [float(value) for value in (x.min(), y.min(), x.max(), y.max())]


def _circle_bounds(lon_deg: float, lat_deg: float, radius_km: float) -> Bounds:
    if not (-360.0 <= lon_deg <= 360.0 and -90.0 <= lat_deg <= 90.0 and radius_km > 0.0):
        raise ParameterError(
            f"--aoi: {lon_deg:g},{lat_deg:g},{radius_km:g} is not a longitude, a latitude and a "
            "radius in kilometres",
            _REMEDY,
        )
    x, y = (float(value) for value in moon.lonlat_to_xy(lon_deg, lat_deg))
    radius_m = 1000.0 * radius_km * float(moon.map_scale(x, y))
    return x - radius_m, y - radius_m, x + radius_m, y + radius_m


def _layer_bounds(area: str, context: Context) -> Bounds:
    from lunarsite.engine.io.vectors import vector  # noqa: PLC0415  only for layers

    shapes = vector.read_polygons(area, "The area of interest", context)
    west, south, east, north = (float(value) for value in shapes.total_bounds)
    return west, south, east, north


def _pixels(
    source: rasterio.DatasetReader, crs: pyproj.CRS, bounds: Bounds
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the first and last column and row of a raster inside edges on the map."""
    x, y = np.meshgrid(*map_probes(bounds))
    if not moon.is_south_polar(crs):
        to_source = remedies.transformer(source, moon.south_polar_crs(), inverse=True)
        x, y = (np.asarray(value) for value in to_source.transform(x, y))
    back = ~source.transform
    columns, rows = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
    near = 1e-6  # an edge on the edge of a pixel does not take in the next one
    return (
        (float(columns.min()) + near, float(columns.max()) - near),
        (float(rows.min()) + near, float(rows.max()) - near),
    )
