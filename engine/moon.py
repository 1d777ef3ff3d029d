"""The Moon and its south polar map: radius, coordinate systems, positions, azimuths, scale.

South polar stereographic on the sphere, scale 1 at the pole: r = 2R tan((90° + lat)/2),
x = r sin(lon), y = r cos(lon) (Snyder 1987, Map Projections, USGS PP 1395, eq. 21-5 to 21-11 with
the pole as centre).
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pyproj.exceptions

from lunarsite.engine.errors import CrsError, ParameterError
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float64]

RADIUS_M = 1_737_400.0
"""Radius of the reference sphere (IAU 2015)."""

_SAME_M = 1.0
"""Difference of radii that moves no place of the map by more than that."""

SOUTH_POLAR = "IAU_2015:30135"
NORTH_POLAR = "IAU_2015:30130"
GEOGRAPHIC = "IAU_2015:30100"

PROJ_DEGREES = f"+proj=longlat +R={RADIUS_M:.0f} +no_defs"
PROJ = f"+proj=stere +lat_0=-90 +lon_0=0 +k=1 +x_0=0 +y_0=0 +R={RADIUS_M:.0f} +units=m"
"""Degrees, and the south polar map, for programs whose tables of PROJ lack ``IAU_2015`` codes."""


@cache
def south_polar_crs() -> pyproj.CRS:
    """Return the coordinate system of the map, ``IAU_2015:30135``."""
    return pyproj.CRS.from_user_input(SOUTH_POLAR)


def file_crs() -> pyproj.CRS:
    """Return the coordinate system of the map for vector files: the definition without its code.

    QGIS reports the coordinate system of a GeoPackage as invalid if it is identified by an
    ``IAU_2015`` code and GDAL does not know that registry (QGIS 3.40 with GDAL 3.6).
    """
    definition: dict[str, Any] = _without_ids(south_polar_crs().to_json_dict())
    definition["name"] = f"Moon 2015 south polar stereographic ({SOUTH_POLAR})"
    return pyproj.CRS.from_json_dict(definition)


def lonlat_to_xy(lon_deg: ArrayLike, lat_deg: ArrayLike) -> tuple[Float, Float]:
    """Return map coordinates in metres.

    Parameters
    ----------
    lon_deg, lat_deg : array_like of float64
        Planetocentric east longitude and latitude, degrees. Any shapes that broadcast.

    Returns
    -------
    x_m, y_m : ndarray of float64
        South polar stereographic coordinates, metres.

    Raises
    ------
    ParameterError
        If the values are not numbers, or their shapes do not broadcast.

    References
    ----------
    Snyder (1987), Map Projections, USGS PP 1395, equations 21-5 to 21-18.

    Examples
    --------
    >>> x, y = lonlat_to_xy(90.0, -85.0)
    >>> round(float(x)), round(float(y))
    (151713, 0)
    """
    lon, lat = _numbers(lon_deg, lat_deg)
    lon = np.radians(lon)
    with np.errstate(invalid="ignore"):  # infinite degrees are nowhere: NaN
        r = 2.0 * RADIUS_M * np.tan(np.radians(90.0 + lat) / 2.0)
        return r * np.sin(lon), r * np.cos(lon)


def xy_to_lonlat(x_m: ArrayLike, y_m: ArrayLike) -> tuple[Float, Float]:
    """Return east longitude (-180 to 180) and latitude in degrees; inverse of `lonlat_to_xy`.

    Parameters
    ----------
    x_m, y_m : array_like of float64
        South polar stereographic coordinates, metres. Any shapes that broadcast.

    Returns
    -------
    lon_deg, lat_deg : ndarray of float64
        Planetocentric, degrees.

    Raises
    ------
    ParameterError
        If the values are not numbers, or their shapes do not broadcast.

    References
    ----------
    Snyder (1987), Map Projections, USGS PP 1395, equations 21-5 to 21-18.

    Examples
    --------
    >>> lon, lat = xy_to_lonlat(151713.0, 0.0)
    >>> round(float(lon), 3), round(float(lat), 3)
    (90.0, -85.0)
    """
    x, y = _numbers(x_m, y_m)
    lon = np.degrees(np.arctan2(x, y))
    lat = np.degrees(2.0 * np.arctan(np.hypot(x, y) / (2.0 * RADIUS_M))) - 90.0
    return lon, lat


def _numbers(one: ArrayLike, other: ArrayLike) -> tuple[Float, Float]:
    """Return two inputs as float64 arrays, after checking that their shapes broadcast.

    Raises
    ------
    ParameterError
        If the values are not numbers, or their shapes do not broadcast.
    """
    try:
        first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
        np.broadcast_shapes(first.shape, second.shape)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"The coordinates are not numbers of matching shapes: {error}",
            "Give two numbers, or two arrays of the same shape",
        ) from error
    return first, second


def map_scale(x_m: ArrayLike, y_m: ArrayLike) -> Float:
    """Return the map scale, map metres per metre on the ground.

    k = 1 + r²/(4R²) = 1/cos²(colatitude/2).

    Parameters
    ----------
    x_m, y_m : array_like of float64
        Position on the map, metres.

    Returns
    -------
    ndarray of float64
        1 at the pole, growing outward.

    References
    ----------
    Snyder (1987), Map Projections, USGS PP 1395, equation 21-4.

    Examples
    --------
    >>> round(float(map_scale(*lonlat_to_xy(0.0, -80.0))), 4)
    1.0077
    """
    x = np.asarray(x_m, dtype=np.float64)
    y = np.asarray(y_m, dtype=np.float64)
    return 1.0 + (x * x + y * y) / (4.0 * RADIUS_M**2)


def area_km2(x_m: ArrayLike, y_m: ArrayLike, side_m: float, share: ArrayLike = 1.0) -> float:
    """Return the area on the ground of squares of the map: map area over the squared map scale.

    Parameters
    ----------
    x_m, y_m : array_like of float
        Centres of the squares, map metres.
    side_m : float
        Side of the squares, map metres.
    share : array_like of float, optional
        Share of each square that counts.

    Returns
    -------
    float
        Square kilometres.

    Examples
    --------
    >>> round(area_km2([0.0], [0.0], 2000.0), 3)
    4.0
    """
    squares = (side_m / map_scale(x_m, y_m)) ** 2
    return float(np.sum(np.asarray(share, np.float64) * squares)) / 1e6


def map_circle(x_m: ArrayLike, y_m: ArrayLike, radius_m: ArrayLike) -> tuple[Float, Float, Float]:
    """Return the circle on the map of a circle on the ground.

    The map takes circles to circles, but not their centres to centres: that of a crater of 360 km
    at 85° S lies 650 m farther out than its middle on the ground.

    Parameters
    ----------
    x_m, y_m : array_like of float64
        Map position of the centres on the ground, metres.
    radius_m : array_like of float64
        Radii along the ground, metres.

    Returns
    -------
    x_m, y_m, radius_m : ndarray of float64
        Centres and radii on the map, metres.

    References
    ----------
    Snyder (1987), Map Projections, USGS PP 1395, equation 21-5, along the meridian of the centre.

    Examples
    --------
    >>> x, y, radius = map_circle(0.0, 0.0, 10_000.0)
    >>> round(float(radius), 2)
    10000.03
    """
    x, y, radius = (np.asarray(v, np.float64) for v in (x_m, y_m, radius_m))
    away = np.hypot(x, y)
    middle, half = np.arctan(away / (2.0 * RADIUS_M)), radius / (2.0 * RADIUS_M)
    near, far = (2.0 * RADIUS_M * np.tan(middle + side * half) for side in (-1.0, 1.0))
    growth = np.where(away > 0.0, 0.5 * (near + far) / np.where(away > 0.0, away, 1.0), 1.0)
    return x * growth, y * growth, 0.5 * (far - near)


def map_azimuth_deg(azimuth_deg: ArrayLike, lon_deg: ArrayLike) -> Float:
    """Return the azimuth on the map of a geographic azimuth at a longitude.

    At the longitude λ, north points radially outward on the map, at the map azimuth λ.

    Parameters
    ----------
    azimuth_deg : array_like of float64
        Geographic azimuth, clockwise from north, degrees.
    lon_deg : array_like of float64
        East longitude, degrees.

    Returns
    -------
    ndarray of float64
        Clockwise from +y, 0 to 360 degrees.
    """
    return np.mod(np.asarray(azimuth_deg, np.float64) + np.asarray(lon_deg, np.float64), 360.0)


def angular_distance_rad(x0_m: float, y0_m: float, x_m: ArrayLike, y_m: ArrayLike) -> Float:
    """Return the great-circle angle between a position on the map and others.

    Parameters
    ----------
    x0_m, y0_m : float
        The position, metres on the map.
    x_m, y_m : array_like of float64
        The other positions, metres on the map.

    Returns
    -------
    ndarray of float64
        Radians.
    """
    x = np.asarray(x_m, np.float64) / (2.0 * RADIUS_M)
    y = np.asarray(y_m, np.float64) / (2.0 * RADIUS_M)
    u, v = x0_m / (2.0 * RADIUS_M), y0_m / (2.0 * RADIUS_M)
    chord2 = ((x - u) ** 2 + (y - v) ** 2) / ((1.0 + x * x + y * y) * (1.0 + u * u + v * v))
    return 2.0 * np.arcsin(np.sqrt(np.minimum(chord2, 1.0)))


def check_body(crs: pyproj.CRS, what: str, command: Callable[[], str] | None = None) -> None:
    """Raise if a coordinate system is not one of the Moon.

    Parameters
    ----------
    crs : pyproj.CRS
        The coordinate system.
    what : str
        Name of the data in the message.
    command : callable, optional
        Returns the command that assigns the data a coordinate system of the Moon.

    Raises
    ------
    CrsError
        With the name of the coordinate system and the radius of its body.
    """
    ellipsoid = crs.ellipsoid
    if ellipsoid is not None and abs(ellipsoid.semi_major_metre - RADIUS_M) < 2_000.0:
        return
    if ellipsoid is None:
        problem = f"{what} has a coordinate system of no body: {crs.name!r}"
    else:
        radius_m = ellipsoid.semi_major_metre
        body = "the Earth" if abs(radius_m - 6_378_137.0) < 30_000.0 else "another body"
        problem = (
            f"{what} lies on {body}: its coordinate system {crs.name!r} has a radius of "
            f"{radius_m / 1000:,.1f} km, the Moon's is {RADIUS_M / 1000:,.1f} km"
        )
    how = (
        command()
        if command is not None
        else "in QGIS, or by gdal_edit.py -a_srs: "
        f"{SOUTH_POLAR} for metres on the south polar map, {GEOGRAPHIC} for degrees"
    )
    raise CrsError(
        problem,
        "Give lunar data; if they are lunar and only their label is wrong, set the coordinate "
        + (f"system: {how}" if command is not None else f"system of the Moon {how}"),
    )


def unusable(crs: pyproj.CRS, what: str, error: Exception) -> str:
    """Return the description of a coordinate system that PROJ cannot transform, and its reason."""
    reason = str(error).rpartition("Proj Error: ")[2].rstrip(").")
    return (
        f"The coordinate system {crs.name!r} of {what} cannot be used: PROJ refuses it ({reason})"
    )


def is_north_polar(crs: pyproj.CRS) -> bool:
    """Return whether a lunar coordinate system is stereographic about the north pole."""
    if not crs.is_projected:
        return False
    proj = proj_terms(crs)
    return bool(proj.get("proj") == "stere" and proj.get("lat_0") == 90)


def proj_terms(crs: pyproj.CRS) -> dict[str, Any]:
    """Return the terms of a coordinate system as a PROJ string; none if it has no such string."""
    with warnings.catch_warnings():  # a PROJ string drops the name of the datum
        warnings.simplefilter("ignore", UserWarning)
        try:
            return dict(crs.to_dict())
        except pyproj.exceptions.CRSError:
            return {}


def is_south_polar(crs: pyproj.CRS) -> bool:
    """Return whether a lunar coordinate system is the south polar stereographic one of the map."""
    return south_polar_unit_m(crs) == 1.0


def south_polar_unit_m(crs: pyproj.CRS) -> float | None:
    """Return the unit, metres, of a coordinate system that is the map's but for its unit.

    Returns
    -------
    float or None
        1 for the map itself, 1000 for the map in kilometres; None for all others.
    """
    return _polar_unit_m(crs, -90)


def is_north_map(crs: pyproj.CRS) -> bool:
    """Return whether a lunar coordinate system is ``IAU_2015:30130``, metres about the north."""
    return _polar_unit_m(crs, 90) == 1.0


def _polar_unit_m(crs: pyproj.CRS, pole_deg: int) -> float | None:
    """Return the unit of a coordinate system that is a polar map's but for it, metres."""
    if not crs.is_projected:
        return None
    proj = proj_terms(crs)
    is_same = (
        proj.get("proj") == "stere"
        and proj.get("lat_0") == pole_deg
        and proj.get("lat_ts", pole_deg) in (pole_deg, None)
        and proj.get("lon_0", 0) == 0
        and proj.get("x_0", 0) == 0
        and proj.get("y_0", 0) == 0
        and float(proj.get("k", proj.get("k_0", 1)) or 1) == 1.0
        and _is_reference_sphere(crs)
    )
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else None
    return float(unit) if is_same and unit else None


def _is_reference_sphere(crs: pyproj.CRS) -> bool:
    """Return whether a coordinate system is of the sphere of 1737.4 km, to a metre."""
    body = crs.ellipsoid
    axes_m = () if body is None else (body.semi_major_metre, body.semi_minor_metre)
    return bool(axes_m) and all(abs(axis_m - RADIUS_M) <= _SAME_M for axis_m in axes_m)


def _figure(crs: pyproj.CRS) -> str:
    """Return the axes of the body of a coordinate system, kilometres."""
    body = crs.ellipsoid
    axes_km = sorted({body.semi_major_metre / 1000, body.semi_minor_metre / 1000}) if body else []
    return f"a radius of {' and '.join(f'{axis_km:,.7g}' for axis_km in axes_km)} km"


def check_south_polar(crs: pyproj.CRS, what: str, command: Callable[[], str] | None = None) -> None:
    """Raise if a coordinate system is not the Moon's south polar stereographic one.

    Parameters
    ----------
    crs : pyproj.CRS
        The coordinate system.
    what : str
        Name of the data in the message.
    command : callable, optional
        Returns the command that warps the data.

    Raises
    ------
    CrsError
        For another body, geographic degrees, or another projection.
    """
    check_body(crs, what)
    if is_south_polar(crs):
        return
    if is_north_polar(crs):
        raise CrsError(
            f"{what} is on the Moon's north polar map ({crs.name!r}); LunarSite works at the "
            "south pole",
            "Give an elevation model of the south pole; if only its label is wrong, set the "
            f"coordinate system {SOUTH_POLAR}",
        )
    unit_m = south_polar_unit_m(crs)
    remedy = "Warp it to the Moon's south polar stereographic map: " + (
        command()
        if command is not None
        else f"gdalwarp -t_srs {quoted(PROJ)} -r bilinear -dstnodata nan INPUT.tif OUTPUT.tif"
    )
    if crs.is_geographic:
        raise CrsError(f"{what} is in degrees ({crs.name!r}), not in metres on the map", remedy)
    if not _is_reference_sphere(crs) and crs.is_projected:
        raise CrsError(
            f"{what} is on the map of a body with {_figure(crs)}, not of the sphere of "
            f"{RADIUS_M / 1000:,.1f} km",
            f"Its heights may count from there as well. {remedy}",
        )
    if unit_m is not None:
        raise CrsError(
            f"{what} is on the south polar map, but its coordinates are in units of {unit_m:g} m, "
            "not in metres",
            remedy,
        )
    raise CrsError(
        f"{what} is in {crs.name!r}, not in the Moon's south polar stereographic grid in "
        "metres with scale 1 at the pole",
        remedy,
    )


def _without_ids(node: Any) -> Any:
    """Return a PROJJSON object without its identifiers."""
    if isinstance(node, dict):
        return {key: _without_ids(value) for key, value in node.items() if key != "id"}
    if isinstance(node, list):
        return [_without_ids(value) for value in node]
    return node
