"""Heights of a raster in any lunar coordinate system, looked up on the south polar map.

GDAL's warper fails at the pole and at the meridian where a cylindrical map is cut; here each point
of the map is looked up in the raster.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.io import remedies

if TYPE_CHECKING:
    import pyproj
    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_MARGIN_PX = 2
_STRIP_ROWS = 256


class Reader(Protocol):
    """Reads a window of a raster, averaged to a shape."""

    def __call__(self, window: Window | None, *, shape: tuple[int, int] | None) -> Float32:
        """Return float32 values, NaN for nodata."""
        ...


class PolarLookup:
    """Heights of a raster in any lunar coordinate system, at points of the south polar map.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The open raster.
    crs : pyproj.CRS
        Its coordinate system.
    grid : Grid
        Where it is looked up; only that part of the raster is read.
    ratio : float
        Pixel size of the grid, in pixels of the raster; finer rasters are averaged.
    read : callable
        Takes a window and a shape, and returns heights.
    """

    def __init__(
        self,
        source: rasterio.DatasetReader,
        crs: pyproj.CRS,
        grid: Grid,
        ratio: float,
        read: Reader,
    ) -> None:
        self._to_source = remedies.transformer(source, moon.south_polar_crs(), inverse=True)
        self._inverse = ~source.transform
        self._period_px = _period_px(crs, source)
        x, y = (values.ravel() for values in np.meshgrid(*_probes(grid)))
        columns, rows = self._pixels(x, y)
        first = max(0, math.floor(np.nanmin(rows)) - _MARGIN_PX)
        last = min(source.height, math.ceil(np.nanmax(rows)) + _MARGIN_PX)
        left, right = 0, source.width
        if not self._period_px:
            left = max(0, math.floor(np.nanmin(columns)) - _MARGIN_PX)
            right = min(source.width, math.ceil(np.nanmax(columns)) + _MARGIN_PX)
        # The columns of a cylindrical map converge towards the pole.
        narrow = 1.0
        if self._period_px:
            lat = moon.xy_to_lonlat(x, y)[1].max()
            narrow = max(math.cos(math.radians(min(float(lat), -45.0))), 0.02)
        shape = (
            max(2, math.ceil((last - first) / max(1.0, ratio))),
            max(2, math.ceil((right - left) / max(1.0, ratio / narrow))),
        )
        window = Window(left, first, right - left, last - first)
        self._heights = read(window, shape=shape)
        self._left, self._first = left, first
        self._across = (right - left) / shape[1]
        self._down = (last - first) / shape[0]
        self._round = self._period_px > 0 and abs(self._period_px - source.width) < 1.5

    def on(self, grid: Grid) -> Float32:
        """Return heights on a grid inside the one that was announced."""
        values = np.empty(grid.shape, np.float32)
        for row in range(0, grid.height, _STRIP_ROWS):
            x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m()[row : row + _STRIP_ROWS])
            values[row : row + _STRIP_ROWS] = self(x, y)
        return values

    def __call__(self, x_m: Float, y_m: Float) -> Float32:
        """Return heights, bilinear between the pixels that have one; NaN elsewhere."""
        columns, rows = self._pixels(x_m, y_m)
        count_down, count_across = self._heights.shape
        column = (columns - self._left) / self._across - 0.5
        row = (rows - self._first) / self._down - 0.5
        with np.errstate(invalid="ignore"):
            inside = (row >= -0.5) & (row <= count_down - 0.5)
            if not self._round:
                inside &= (column >= -0.5) & (column <= count_across - 0.5)
        row = np.clip(np.where(inside, row, 0.0), 0.0, count_down - 1.0)
        column = np.where(inside, column, 0.0)
        if not self._round:
            column = np.clip(column, 0.0, count_across - 1.0)
        top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
        total, weight = np.zeros(x_m.shape), np.zeros(x_m.shape)
        for down in (0, 1):
            for across in (0, 1):
                r = np.minimum(top + down, count_down - 1)
                c = left + across
                c = c % count_across if self._round else np.minimum(c, count_across - 1)
                value = self._heights[r, c]
                share = (1 - np.abs(row - top - down)) * (1 - np.abs(column - left - across))
                known = np.isfinite(value)
                total += np.where(known, share * value, 0.0)
                weight += np.where(known, share, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.where(inside & (weight > 0.25), total / weight, np.nan)
        return found.astype(np.float32)

    def _pixels(self, x_m: Float, y_m: Float) -> tuple[Float, Float]:
        """Return columns and rows of the raster, as fractions, for points of the map."""
        x, y = (np.asarray(value) for value in self._to_source.transform(x_m, y_m))
        with np.errstate(invalid="ignore"):
            x, y = np.where(np.isfinite(x), x, np.nan), np.where(np.isfinite(y), y, np.nan)
        back = self._inverse
        columns = back.a * x + back.b * y + back.c
        rows = back.d * x + back.e * y + back.f
        if self._period_px:
            columns = np.mod(columns, self._period_px)
        return columns, rows


def _probes(grid: Grid) -> tuple[Float, Float]:
    """Return x and y of points all over a grid, its edges and the pole among them if inside."""
    west, south, east, north = grid.bounds
    x, y = np.linspace(west, east, 257), np.linspace(south, north, 257)
    return (
        np.unique(np.append(x, np.clip(0.0, west, east))),
        np.unique(np.append(y, np.clip(0.0, south, north))),
    )


def _period_px(crs: pyproj.CRS, source: rasterio.DatasetReader) -> float:
    """Return the columns of 360° of longitude on a cylindrical map; 0 on other maps."""
    if crs.is_geographic:
        return 360.0 / abs(float(source.transform.a))
    proj = moon.proj_terms(crs)
    if proj.get("proj") not in {"eqc", "merc", "cea"}:
        return 0.0
    parallel = math.radians(float(proj.get("lat_ts", 0.0)))
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    around_m = 2.0 * math.pi * moon.RADIUS_M * math.cos(parallel) * float(proj.get("k", 1.0))
    return around_m / (unit or 1.0) / abs(float(source.transform.a))
