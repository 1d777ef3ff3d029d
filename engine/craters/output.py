"""Detected craters as a table with depths, and as layers of a GeoPackage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from lunarsite.engine import moon
from lunarsite.engine.craters import edges, morphometry
from lunarsite.engine.io.vectors import vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.craters.circles import Circles
    from lunarsite.engine.craters.error_curves import ErrorCurves
    from lunarsite.engine.craters.pyramid import Level

    Float = NDArray[np.float64]

_SIDES = 72
"""Vertices of a circle as polygon."""


def table(
    found: Circles, levels: Sequence[Level], errors: ErrorCurves | None = None
) -> gpd.GeoDataFrame:
    """Return detections with their depths, as points on the map.

    Parameters
    ----------
    found : Circles
        The detections.
    levels : sequence of Level
        The elevation model at all scales, for the depths.
    errors : ErrorCurves, optional
        Errors of diameters and depths; without them they are unknown.
    """
    x, y = found.x_m, found.y_m
    lon, lat = moon.xy_to_lonlat(x, y)
    relief = morphometry.measure(levels, x, y, found.radius_m)
    diameter, pixel_m = found.diameter_m, levels[0].grid.pixel_m
    diameter_error, depth_error = np.full((2, len(found)), np.nan)
    if errors is not None:
        size = found.radius_m / pixel_m
        diameter_error = diameter * errors.diameter_share(found.confidence, size)
        depth_error = errors.depth_m(found.confidence, size, relief.depth_m, diameter)
    frame = pd.DataFrame(
        {
            "lon_deg": lon,
            "lat_deg": lat,
            "x_m": x,
            "y_m": y,
            "diameter_m": diameter,
            "depth_m": relief.depth_m,
            "confidence": found.confidence,
            "rim_height_m": relief.rim_height_m,
            "diameter_error_m": diameter_error,
            "depth_error_m": depth_error,
            "cut_by_edge": edges.cut(levels[0], x, y, found.radius_m),
        }
    )
    return gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(x, y), crs=moon.SOUTH_POLAR)


def write(path: Path, craters: gpd.GeoDataFrame, radius_m: Float, tags: Mapping[str, str]) -> None:
    """Write a GeoPackage with the layers ``craters`` (points) and ``circles`` (polygons)."""
    circles = craters.set_geometry(
        shapely.buffer(craters.geometry.to_numpy(), radius_m, quad_segs=_SIDES // 4)
    )
    vector.write_geopackage(path, {"craters": craters, "circles": circles}, dict(tags))
