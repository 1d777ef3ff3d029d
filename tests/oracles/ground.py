"""Rasters, distances on the sphere and terrain layers, pixel by pixel from their definitions.

Plain numpy: of LunarSite's own code nothing is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Float = NDArray[np.float64]

RADIUS_M = 1_737_400.0


def scale(x_m, y_m):
    """Return map metres per metre on the ground, 1/cos² of half the colatitude."""
    return np.cos(np.arctan(np.hypot(x_m, y_m) / (2.0 * RADIUS_M))) ** -2.0


def lonlat(x_m, y_m):
    colatitude = 2.0 * np.arctan(np.hypot(x_m, y_m) / (2.0 * RADIUS_M))
    return np.degrees(np.arctan2(x_m, y_m)), np.degrees(colatitude) - 90.0


def direction(x_m, y_m):
    """Return unit vectors from the centre of the Moon, in the last axis."""
    lon, lat = np.radians(lonlat(x_m, y_m))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def distance_m(x0_m, y0_m, x_m, y_m):
    """Return the distance along the sphere of a place from others, metres."""
    chord = np.linalg.norm(direction(x0_m, y0_m) - direction(x_m, y_m), axis=-1)
    return 2.0 * RADIUS_M * np.arcsin(np.minimum(chord / 2.0, 1.0))


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels, NaN for nodata, and the map coordinates of their centres."""

    pixels: Float
    x_m: Float
    y_m: Float
    pixel_m: float

    @classmethod
    def read(cls, path: Path) -> Raster:
        with rasterio.open(path) as source:
            values = source.read(1).astype(np.float64)
            if source.nodata is not None and np.isfinite(source.nodata):
                values[values == source.nodata] = np.nan
            pixel_m, _, west, _, _, north = source.transform[:6]
        rows, columns = values.shape
        x = west + (np.arange(columns) + 0.5) * pixel_m
        return cls(values, x, north - (np.arange(rows) + 0.5) * pixel_m, pixel_m)

    def at(self, x_m: float, y_m: float) -> float:
        """Return the pixel in which a place lies."""
        row = int(np.argmin(np.abs(self.y_m - y_m)))
        return float(self.pixels[row, int(np.argmin(np.abs(self.x_m - x_m)))])

    def around(self, row: int, column: int, half: int) -> tuple[Float, Float, Float]:
        """Return column and row offsets and values of a square window, as far as it is inside."""
        top, left = max(row - half, 0), max(column - half, 0)
        part = self.pixels[top : row + half + 1, left : column + half + 1]
        down, across = np.indices(part.shape)
        return (across + left - column).ravel(), (down + top - row).ravel(), part.ravel()

    def disc(self, row: int, column: int, radius_m: float) -> Float:
        """Return the pixels whose centres lie within a radius of that of a pixel."""
        across, down, values = self.around(row, column, int(radius_m // self.pixel_m) + 1)
        return values[np.hypot(across, down) * self.pixel_m <= radius_m * (1.0 + 1e-9)]

    def block(self, row: int, column: int, side: int) -> Float:
        """Return the pixels of a cell, as far as it is inside."""
        return self.pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]


def terrain(dem: Raster, row: int, column: int) -> dict[str, float]:
    """Return the terrain layers of one pixel, with the default windows."""
    out = _derivatives(dem, row, column)
    for name, side in (("fine", 3), ("medium", 9), ("coarse", 27)):
        out[f"roughness_{name}_m"] = _about_plane(dem, row, column, side)
    _, _, values = dem.around(row, column, 4)
    known = values[np.isfinite(values)]
    own = dem.pixels[row, column]
    enough = np.isfinite(own) and 2 * known.size >= 81
    out["relief_m"] = known.max() - known.min() if enough else np.nan
    _, _, values = dem.around(row, column, 13)
    enough = np.isfinite(own) and 2 * np.isfinite(values).sum() >= 27 * 27
    out["position_index_m"] = own - np.nanmean(values) if enough else np.nan
    return out


def _about_plane(dem: Raster, row: int, column: int, side: int) -> float:
    """Return the standard deviation about the plane of least squares, n - 3 degrees of freedom."""
    across, down, values = dem.around(row, column, side // 2)
    known = np.isfinite(values)
    if not np.isfinite(dem.pixels[row, column]) or 2 * known.sum() < side * side:
        return np.nan
    design = np.column_stack([np.ones(known.sum()), across[known], down[known]])
    fitted = design @ np.linalg.lstsq(design, values[known], rcond=None)[0]
    return float(np.sqrt(((values[known] - fitted) ** 2).sum() / (known.sum() - 3)))


def _derivatives(dem: Raster, row: int, column: int) -> dict[str, float]:
    names = ("slope_deg", "aspect_deg", "profile_curvature_per_km", "plan_curvature_per_km")
    across, down, z = dem.around(row, column, 1)
    if z.size < 9 or np.isnan(z).any():
        return dict.fromkeys(names, np.nan)
    x, y = dem.x_m[column], dem.y_m[row]
    step = dem.pixel_m / scale(x, y)
    # Horn: neighbours in the row and the column count twice.
    p = (across * (2 - np.abs(down)) * z).sum() / (8.0 * step)
    q = -(down * (2 - np.abs(across)) * z).sum() / (8.0 * step)
    north = np.array([x, y]) / np.hypot(x, y)
    east = np.array([y, -x]) / np.hypot(x, y)
    downhill = np.array([-p, -q])
    aspect = np.degrees(np.arctan2(downhill @ east, downhill @ north)) % 360.0
    # Evans: the quadratic of least squares through the nine heights.
    u, v = across * step, -down * step
    design = np.column_stack([np.ones(9), u, v, u * u, v * v, u * v])
    _, zx, zy, half_xx, half_yy, zxy = np.linalg.lstsq(design, z, rcond=None)[0]
    hessian = np.array([[2.0 * half_xx, zxy], [zxy, 2.0 * half_yy]])
    steep = np.hypot(zx, zy)
    along, across_slope = np.array([zx, zy]) / steep, np.array([-zy, zx]) / steep
    root = np.hypot(1.0, steep)
    profile = -1000.0 * (along @ hessian @ along) / root**3
    plan = -1000.0 * (across_slope @ hessian @ across_slope) / root
    slope = np.degrees(np.arctan(np.hypot(p, q)))
    return dict(zip(names, (slope, aspect, profile, plan), strict=True))
