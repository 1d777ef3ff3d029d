"""Places on the Moon, and their coordinates in the CRS of the engine and of the map canvas."""

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
"""Beyond this distance in the south polar CRS, a place is practically at the north pole."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place, in the south polar CRS (IAU_2015:30135), metres, and in degrees."""

    x_m: float
    y_m: float
    lon_deg: float
    lat_deg: float


def place_at(point: QgsPointXY, crs: QgsCoordinateReferenceSystem) -> Place:
    """Return the place at a point of a map.

    Raises
    ------
    CrsError
        If the CRS is not lunar, or the point is not on the Moon.
    """
    check_moon(crs)
    there = _transformed(point, crs, _geographic(crs))
    here = _transformed(there, moon_crs.crs(moon_crs.GEOGRAPHIC), moon_crs.crs())
    if math.hypot(here.x(), here.y()) > _FARTHEST_M:
        raise CrsError(
            "The place is at the north pole, which the engine's CRS cannot represent",
            "Choose a place in the scored area",
        )
    return Place(here.x(), here.y(), there.x(), there.y())


def place_of(lon_deg: float, lat_deg: float) -> Place:
    """Return the place at a longitude and a latitude, degrees.

    Raises
    ------
    CrsError
        If the south polar CRS cannot represent it.
    """
    return place_at(QgsPointXY(lon_deg, lat_deg), moon_crs.crs(moon_crs.GEOGRAPHIC))


def point_on(crs: QgsCoordinateReferenceSystem, x_m: float, y_m: float) -> QgsPointXY:
    """Transform south polar coordinates, metres, to the CRS of a map.

    Raises
    ------
    CrsError
        If the CRS is not lunar, or cannot represent the place.
    """
    check_moon(crs)
    there = _transformed(QgsPointXY(x_m, y_m), moon_crs.crs(), moon_crs.crs(moon_crs.GEOGRAPHIC))
    return _transformed(there, _geographic(crs), crs)


def square_on(
    crs: QgsCoordinateReferenceSystem, x_m: float, y_m: float, size_m: float
) -> list[QgsPointXY]:
    """Return the outline of a cell in the CRS of a map; centre and width in south polar metres."""
    steps = 4
    corners = ((-0.5, 0.5), (0.5, 0.5), (0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5))
    outline = []
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
        for k in range(steps):
            share = k / steps
            across, up = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            outline.append(point_on(crs, x_m + across * size_m, y_m + up * size_m))
    return outline


def circle_on(
    crs: QgsCoordinateReferenceSystem, x_m: float, y_m: float, radius_m: float
) -> list[QgsPointXY]:
    """Return the outline of a disc in the CRS of a map; centre and radius in south polar metres."""
    turns = (2.0 * math.pi * k / 48 for k in range(49))
    return [
        point_on(crs, x_m + radius_m * math.cos(turn), y_m + radius_m * math.sin(turn))
        for turn in turns
    ]


def to_south_polar(
    crs: QgsCoordinateReferenceSystem, context: QgsCoordinateTransformContext
) -> tuple[QgsCoordinateTransform, QgsCoordinateTransform]:
    """Return the two transforms, via degrees, from a CRS to the south polar CRS.

    Raises
    ------
    CrsError
        If there is no such transform.
    """
    degrees = _geographic(crs, context)
    first = QgsCoordinateTransform(crs, degrees, context)
    # An invalid transform silently leaves the coordinates unchanged.
    if not first.isValid():
        raise CrsError(
            f"Cannot transform {crs.authid() or crs.toProj()} to the Moon's south polar CRS",
            f"Set the CRS of the layer to {moon_crs.SOUTH_POLAR} or another lunar CRS",
        )
    named = moon_crs.crs(moon_crs.GEOGRAPHIC)
    return first, QgsCoordinateTransform(named, moon_crs.crs(), context)


def check_moon(crs: QgsCoordinateReferenceSystem) -> None:
    """Check that a CRS is lunar.

    Raises
    ------
    CrsError
        If it is not.
    """
    if not crs.isValid():
        raise CrsError(
            "The map has no CRS, so places on the Moon cannot be located",
            "Set the project CRS to the Moon's south polar CRS (IAU_2015:30135)",
        )
    body = moon_crs.body(crs)
    if body != moon_crs.MOON:
        shown = f"{body or 'another body'} ({crs.authid() or crs.description()})"
        raise CrsError(
            f"The map shows {shown}, not the Moon",
            "Set the project CRS to the Moon's south polar CRS (IAU_2015:30135)",
        )


def _geographic(
    crs: QgsCoordinateReferenceSystem, context: QgsCoordinateTransformContext | None = None
) -> QgsCoordinateReferenceSystem:
    """Return a geographic CRS that another CRS can be transformed to.

    PROJ assumes that a CRS without a registered body belongs to another body, and QGIS then
    silently leaves coordinates unchanged. An unnamed CRS needs an unnamed sphere.
    """
    named = moon_crs.crs(moon_crs.GEOGRAPHIC)
    if context is None:
        context = QgsProject.instance().transformContext()
    if QgsCoordinateTransform(crs, named, context).isValid():
        return named
    return QgsCoordinateReferenceSystem.fromProj(_UNNAMED)


def _transformed(
    point: QgsPointXY, source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> QgsPointXY:
    transform = QgsCoordinateTransform(source, target, QgsProject.instance().transformContext())
    try:
        found = transform.transform(point) if transform.isValid() else _NOWHERE
    except QgsCsException:
        found = _NOWHERE
    if not (math.isfinite(found.x()) and math.isfinite(found.y())):
        raise CrsError(
            f"The point {point.x():g}, {point.y():g} is not on the Moon",
            "Choose a place in the scored area",
        )
    return found
