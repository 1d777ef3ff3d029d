"""The ground around a site: heights, layers of the run, profiles, craters nearby."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window
from scipy import ndimage

from lunarsite.engine import moon
from lunarsite.engine.context import QuietContext
from lunarsite.engine.craters.catalogue import read_catalogue
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.coarse import whole_pixels
from lunarsite.engine.io.elevation.source import open_elevation

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_LEAST_HALF_M, _MOST_HALF_M = 2_000.0, 50_000.0
_HALF_RADII, _HALF_PX = 12.0, 15.0
"""Half the width of the maps in landing radii, and in pixels, at least."""

_PROFILE_POINTS = 401
_NEAREST = 25
"""Craters that are listed."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The elevation model around a site.

    Parameters
    ----------
    grid : Grid
        Grid of the part.
    height_m : ndarray of float32, shape of the grid
        Heights, NaN for nodata.
    x_m, y_m : float
        The site on the map.
    lon_deg : float
        Its longitude, which says where north is.
    radius_m : float or None
        Radius of its landing disc, metres of ground; None where whole cells are evaluated.
    half_m : float
        Half the width of the maps, map metres.
    cell_m : float
        Side of its cell, map metres.
    """

    grid: Grid
    height_m: Float32
    x_m: float
    y_m: float
    lon_deg: float
    radius_m: float | None
    half_m: float
    cell_m: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """West, east, south and north edge of the maps, map metres."""
        half = self.half_m
        return self.x_m - half, self.x_m + half, self.y_m - half, self.y_m + half


def read_ground(dem: str, site: dict[str, Any], cell_m: float) -> Ground:
    """Read the elevation model around a site.

    Parameters
    ----------
    dem : str
        The elevation model of the run.
    site : dict
        A row of its table of sites.
    cell_m : float
        Side of its cells, map metres.

    Returns
    -------
    Ground
        A square around the site, as far as the model reaches.
    """
    x, y = float(site["x_m"]), float(site["y_m"])
    radius = float(site["landing_radius_m"])
    known = radius if np.isfinite(radius) else None
    with open_elevation(dem, "The DEM") as model:
        whole = raster.grid_of(model.source, "The DEM")
        half = max(_LEAST_HALF_M, _HALF_RADII * (known or 0.0), _HALF_PX * whole.pixel_m, cell_m)
        half = min(half, _MOST_HALF_M)
        west, south, east, north = whole.bounds
        box = (max(x - half, west), max(y - half, south), min(x + half, east), min(y + half, north))
        window = whole_pixels(box, whole)
        return Ground(
            whole.part(window),
            model.read(window),
            x,
            y,
            float(site["lon_deg"]),
            known,
            half,
            cell_m,
        )


def layer_around(path: str, ground: Ground, what: str) -> Float32:
    """Return a layer on the grid of the ground around a site; NaN for nodata."""
    with raster.open_layer(path, ground.grid, what=what) as layer:
        return layer.read(Window(0, 0, ground.grid.width, ground.grid.height))


def profiles(ground: Ground) -> dict[str, tuple[Float, Float]]:
    """Return the height profiles through a site, from south to north and from west to east.

    Returns
    -------
    dict
        ``south_north`` and ``west_east``: distances on the ground from the site, metres, and
        heights, metres, NaN for nodata.
    """
    lon = np.radians(ground.lon_deg)
    towards = {
        "south_north": (np.sin(lon), np.cos(lon)),
        "west_east": (np.cos(lon), -np.sin(lon)),
    }
    along = np.linspace(-ground.half_m, ground.half_m, _PROFILE_POINTS)
    scale = float(moon.map_scale(ground.x_m, ground.y_m))
    found = {}
    for name, (right, up) in towards.items():
        x, y = ground.x_m + along * right, ground.y_m + along * up
        column = (x - ground.grid.x_min_m) / ground.grid.pixel_m - 0.5
        row = (ground.grid.y_max_m - y) / ground.grid.pixel_m - 0.5
        heights = ndimage.map_coordinates(
            ground.height_m.astype(np.float64), [row, column], order=1, cval=np.nan
        )
        found[name] = (along / scale, heights)
    return found


def craters_near(path: str | None, ground: Ground) -> pd.DataFrame | None:
    """Return the catalogued craters that reach into the maps, the nearest rims first.

    Parameters
    ----------
    path : str or None
        The catalogue of the run, if it has one.
    ground : Ground
        The ground around the site.

    Returns
    -------
    DataFrame or None
        ``x_m``, ``y_m``, ``lon_deg``, ``lat_deg``, ``diameter_m``, ``depth_m``, ``distance_m`` of
        the centre and ``rim_distance_m`` of the rim, negative inside, on the ground; None without a
        catalogue.
    """
    if path is None:
        return None
    listed = read_catalogue(path, context=QuietContext())
    x, y = (listed[name].to_numpy(np.float64) for name in ("x_m", "y_m"))
    diameter = listed["diameter_m"].to_numpy(np.float64)
    scale = float(moon.map_scale(ground.x_m, ground.y_m))
    distance = np.hypot(x - ground.x_m, y - ground.y_m) / scale
    near = listed.assign(distance_m=distance, rim_distance_m=distance - diameter / 2.0)
    near = near[near["rim_distance_m"] <= ground.half_m / scale]
    if "depth_m" not in near:
        near = near.assign(depth_m=np.nan)
    names = ["x_m", "y_m", "lon_deg", "lat_deg", "diameter_m", "depth_m"]
    near = near[[*names, "distance_m", "rim_distance_m"]]
    return near.sort_values(["rim_distance_m", "diameter_m"], kind="stable").head(_NEAREST)
