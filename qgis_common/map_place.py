"""Places on the Moon, in the map of the engine and in that of the canvas."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsPointXY,
    QgsProject,
)

from lunarsite.engine.errors import CrsError
from lunarsite.qgis_common import moon_crs

_UNNAMED = "+proj=longlat +R=1737400 +no_defs +type=crs"
_NOWHERE = QgsPointXY(math.nan, math.nan)
_FARTHEST_M = 1e8
"""South polar metres beyond which a place is as good as the north pole, which that map lacks."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place: south polar map metres (IAU_2015:30135), and degrees."""

    x_m: float
    y_m: float
    lon_deg: float
    lat_deg: float


def place_at(point: QgsPointXY, crs: QgsCoordinateReferenceSystem) -> Place:
    """Return the place of a point on a map.

    Raises
    ------
    CrsError
        If the map is not one of the Moon, or the point is not on it.
    """
    check_moon(crs)
    there = _moved(point, crs, _geographic(crs))
    here = _moved(there, moon_crs.crs(moon_crs.GEOGRAPHIC), moon_crs.crs())
    if math.hypot(here.x(), here.y()) > _FARTHEST_M:
        raise CrsError(
            "The place lies at the north pole, which the engine's map does not hold",
            "Choose a place inside the scored area",
        )
    return Place(here.x(), here.y(), there.x(), there.y())


def place_of(lon_deg: float, lat_deg: float) -> Place:
    """Return the place of a longitude and a latitude, degrees.

    Raises
    ------
    CrsError
        If the south polar map does not hold it.
    """
    return place_at(QgsPointXY(lon_deg, lat_deg), moon_crs.crs(moon_crs.GEOGRAPHIC))


def point_on(crs: QgsCoordinateReferenceSystem, x_m: float, y_m: float) -> QgsPointXY:
    """Return where a place, in south polar map metres, lies on a map.

    Raises
    ------
    CrsError
        If the map is not one of the Moon, or does not hold it.
    """
    check_moon(crs)
    there = _moved(QgsPointXY(x_m, y_m), moon_crs.crs(), moon_crs.crs(moon_crs.GEOGRAPHIC))
    return _moved(there, _geographic(crs), crs)


def square_on(
    crs: QgsCoordinateReferenceSystem, x_m: float, y_m: float, size_m: float
) -> list[QgsPointXY]:
    """Return the outline of a cell on a map; the cell's centre and width are south polar metres."""
    steps = 4
    corners = ((-0.5, 0.5), (0.5, 0.5), (0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5))
    outline = []
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
        for k in range(steps):
            share = k / steps
            across, up = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            outline.append(point_on(crs, x_m + across * size_m, y_m + up * size_m))
    return outline


def to_south_polar(
    crs: QgsCoordinateReferenceSystem, context: QgsCoordinateTransformContext
) -> tuple[QgsCoordinateTransform, QgsCoordinateTransform]:
    """Return the two steps, over degrees, from a map to the south polar one; for many points.

    Raises
    ------
    CrsError
        If there is no way from that map to the Moon's.
    """
    degrees = _geographic(crs, context)
    first = QgsCoordinateTransform(crs, degrees, context)
    # One that is not valid leaves the coordinates as they are, without a word.
    if not first.isValid():
        raise CrsError(
            f"There is no way from {crs.authid() or crs.toProj()} to the Moon's south polar map",
            f"Set the layer's coordinate system to {moon_crs.SOUTH_POLAR} or another of the Moon's",
        )
    named = moon_crs.crs(moon_crs.GEOGRAPHIC)
    return first, QgsCoordinateTransform(named, moon_crs.crs(), context)


def check_moon(crs: QgsCoordinateReferenceSystem) -> None:
    """Raise if a map is not one of the Moon.

    Raises
    ------
    CrsError
        With the name of what it is.
    """
    if not crs.isValid():
        raise CrsError(
            "The map has no coordinate system, so a click has no place on the Moon",
            "Set the project's coordinate system to Moon 2015 south polar (IAU_2015:30135)",
        )
    body = moon_crs.body(crs)
    if body != moon_crs.MOON:
        shown = f"{body or 'another body'} ({crs.authid() or crs.description()})"
        raise CrsError(
            f"The map shows {shown}, not the Moon",
            "Set the project's coordinate system to Moon 2015 south polar (IAU_2015:30135)",
        )


def _geographic(
    crs: QgsCoordinateReferenceSystem, context: QgsCoordinateTransformContext | None = None
) -> QgsCoordinateReferenceSystem:
    """Return longitude and latitude on the sphere, in the form that a map can be brought to.

    PROJ takes a map without a registered body for one of another body, and QGIS then leaves the
    coordinates as they are without a word; an unnamed sphere goes with an unnamed map.
    """
    named = moon_crs.crs(moon_crs.GEOGRAPHIC)
    if context is None:
        context = QgsProject.instance().transformContext()
    if QgsCoordinateTransform(crs, named, context).isValid():
        return named
    return QgsCoordinateReferenceSystem.fromProj(_UNNAMED)


def _moved(
    point: QgsPointXY, source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> QgsPointXY:
    transform = QgsCoordinateTransform(source, target, QgsProject.instance().transformContext())
    try:
        found = transform.transform(point) if transform.isValid() else _NOWHERE
    except QgsCsException:
        found = _NOWHERE
    if not (math.isfinite(found.x()) and math.isfinite(found.y())):
        raise CrsError(
            f"The point {point.x():g}, {point.y():g} has no place on the Moon",
            "Choose a place inside the scored area",
        )
    return found
