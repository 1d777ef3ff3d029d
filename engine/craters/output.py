"""Found craters as a table with depths, and as the layers of a GeoPackage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import shapely

from lunarsite.engine import moon
from lunarsite.engine.craters import morphometry
from lunarsite.engine.io import vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.craters.detection.pyramid import Level

    Float = NDArray[np.float64]

_SIDES = 72
"""Corners of a drawn circle."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Craters, the most likely first.

    Parameters
    ----------
    x_m, y_m, radius_m : ndarray of float64, shape (craters,)
        On the map.
    confidence : ndarray of float64, shape (craters,)
        Probability that it is one.
    """

    x_m: Float
    y_m: Float
    radius_m: Float
    confidence: Float

    @property
    def diameter_m(self) -> Float:
        """On the ground: the map is too large by its scale."""
        scaled: Float = 2.0 * self.radius_m / moon.map_scale(self.x_m, self.y_m)
        return scaled

    def kept(self, least_m: float, least_confidence: float) -> Found:
        """Return those of a diameter on the ground and a confidence, or more."""
        which = (self.confidence >= least_confidence) & (self.diameter_m >= least_m)
        return Found(self.x_m[which], self.y_m[which], self.radius_m[which], self.confidence[which])


def table(found: Found, levels: Sequence[Level]) -> gpd.GeoDataFrame:
    """Return craters with their depths as points on the map."""
    x, y = found.x_m, found.y_m
    lon, lat = moon.xy_to_lonlat(x, y)
    relief = morphometry.measure(levels, x, y, found.radius_m)
    frame = pd.DataFrame(
        {
            "lon_deg": lon,
            "lat_deg": lat,
            "x_m": x,
            "y_m": y,
            "diameter_m": found.diameter_m,
            "depth_m": relief.depth_m,
            "confidence": found.confidence,
            "rim_height_m": relief.rim_height_m,
        }
    )
    return gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(x, y), crs=moon.SOUTH_POLAR)


def write(path: Path, craters: gpd.GeoDataFrame, radius_m: Float, tags: Mapping[str, str]) -> None:
    """Write the layers ``craters`` (points) and ``circles`` (polygons on the map)."""
    circles = craters.set_geometry(
        shapely.buffer(craters.geometry.to_numpy(), radius_m, quad_segs=_SIDES // 4)
    )
    vector.write_geopackage(path, {"craters": craters, "circles": circles}, dict(tags))
