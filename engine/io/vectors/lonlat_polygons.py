"""Polygons in degrees as polygons on the south polar map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]

_DENSE_DEG = 0.05
_SAME_DEG = 1e-9
_POLE_DEG = -90.0 + 1e-9
_ALIKE = 0.85
"""Intersection over union of two readings of the edges below which they are warned of."""
_STEPS = 16
_LINE = 1e-9
"""Area per squared length of a ring whose corners lie on one line, by rounding."""


@dataclass(frozen=True, slots=True)
class MapPolygon:
    """A polygon on the map.

    Parameters
    ----------
    shape : Polygon or MultiPolygon
        In map metres, valid.
    bow_m : float
        How far its edges lie from lines that are straight in longitude and latitude, metres; 0
        where both polygons are much the same (intersection over union of 0.85 or more).
    """

    shape: shapely.Geometry
    bow_m: float


def on_map(shape: shapely.Geometry, name: str) -> MapPolygon:
    """Return a polygon in degrees as a polygon on the map.

    Edges are straight on the polar map, as if its corners had been drawn there: they run the short
    way round the Moon, across 180° and round the pole, whatever range longitudes have. Only a ring
    that follows meridians and parallels alone, a box in longitude and latitude, follows its
    parallels on the map too; one from -180° to 180° goes all the way round.

    Parameters
    ----------
    shape : Polygon or MultiPolygon
        East longitude and latitude, degrees.
    name : str
        Its name in messages.

    Returns
    -------
    MapPolygon
        The polygon; its parts may have been merged.

    Raises
    ------
    InputError
        If it has no area, or a side of a box may go either way round the Moon.
    """
    parts, bows = [], [0.0]
    for part in shapely.get_parts(shape):
        if part.is_empty:
            continue
        shell, bow = _ring(shapely.get_coordinates(part.exterior), name)
        holes = [_ring(shapely.get_coordinates(hole), name)[0] for hole in part.interiors]
        parts.append(polygonal(shapely.Polygon(shell, holes)))
        bows.append(bow)
    whole = shapely.union_all(parts)
    if not whole.area > _LINE * whole.length**2:
        raise InputError(
            f"{name} has no area on the polar map: its corners lie on one line through the pole",
            "Add corners along its edges, every 90° of longitude or closer",
        )
    return MapPolygon(whole, max(bows))


def polygonal(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a shape as a valid polygon or multipolygon, without lines and points."""
    valid = shapely.make_valid(shape)
    parts = shapely.get_parts(shapely.get_parts(valid))
    return shapely.union_all([part for part in parts if part.geom_type == "Polygon"])


def _ring(lonlat: Float, name: str) -> tuple[Float, float]:
    """Return a ring on the map, and how far its edges bow where that matters."""
    if _is_box(lonlat):
        _check_sides(lonlat, name)
        line = shapely.segmentize(shapely.LineString(lonlat), _DENSE_DEG)
        lonlat = shapely.get_coordinates(line)
        return _project(lonlat), 0.0
    xy = _project(lonlat)
    return xy, _bow_m(lonlat, xy)


def _is_box(lonlat: Float) -> bool:
    """Return whether a ring consists of meridians and parallels, of both."""
    along = np.abs(np.diff(lonlat, axis=0)) > _SAME_DEG
    return bool(not along.all(axis=1).any() and along.any(axis=0).all())


def _check_sides(lonlat: Float, name: str) -> None:
    """Raise if a side of a box may go either way round the Moon."""
    span = np.abs(np.diff(lonlat[:, 0]))
    away = lonlat[:-1, 1] > _POLE_DEG
    either = away & (span > 180.0 + _SAME_DEG) & (np.abs(span - 360.0) > _SAME_DEG)
    for index in np.flatnonzero(either):
        west, east = sorted((lonlat[index, 0], lonlat[index + 1, 0]))
        raise InputError(
            f"{name} has a side from {west:g}° to {east:g}°, which may go either way round the "
            "Moon",
            f"Across 180°, write the longitudes as {east:g} to {west + 360.0:g}; else add a corner "
            f"halfway, at {(west + east) / 2.0:g}",
        )


def _bow_m(lonlat: Float, xy: Float) -> float:
    """Return the distance between edges and lines straight in degrees; 0 if it matters little."""
    lon, lat = lonlat[:, 0].copy(), lonlat[:, 1]
    turn = np.remainder(np.diff(lon) + 180.0, 360.0) - 180.0
    at_pole = (lat <= _POLE_DEG)[:-1] | (lat <= _POLE_DEG)[1:]
    turn[at_pole] = 0.0
    start = np.where(lat[:-1] <= _POLE_DEG, lon[1:], lon[:-1])
    share = np.linspace(0.0, 1.0, _STEPS, endpoint=False)
    curved = np.column_stack(
        [
            (start[:, None] + turn[:, None] * share).ravel(),
            (lat[:-1, None] + np.diff(lat)[:, None] * share).ravel(),
        ]
    )
    along = _project(curved).reshape(len(turn), _STEPS, 2)
    straight = xy[:-1, None] + np.diff(xy, axis=0)[:, None] * share[:, None]
    bow = float(np.hypot(*np.moveaxis(along - straight, -1, 0)).max())
    one, other = (polygonal(shapely.Polygon(ring)) for ring in (xy, along.reshape(-1, 2)))
    common, either = shapely.intersection(one, other), shapely.union(one, other)
    return bow if common.area < _ALIKE * either.area else 0.0


def _project(lonlat: Float) -> Float:
    """Return map coordinates; the same ones at -180° and at 180°, so that seams close."""
    return np.column_stack(moon.lonlat_to_xy(np.remainder(lonlat[:, 0], 360.0), lonlat[:, 1]))
