"""The clickable map of the app: scores over shaded slopes, as an image of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.report.maps import read_overview

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.finished_run import Run

    UInt8 = NDArray[np.uint8]

_LONGEST_PX = 700
_STEEP_DEG = 35.0
_ALPHA = 0.62
_PERCENTILES = (2.0, 99.9)
_RING_PX = (6.0, 9.0)


@dataclass(frozen=True, slots=True, eq=False)
class CellMap:
    """An image of the cells of a run.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns, 3)
        The image.
    grid : Grid
        Grid of the cells.
    """

    pixels: UInt8
    grid: Grid

    def place(
        self, x_px: float, y_px: float, width_px: float, height_px: float
    ) -> tuple[float, float]:
        """Return longitude and latitude of a click, given the size at which the image is shown."""
        west, south, east, north = self.grid.bounds
        x = west + (x_px + 0.5) / width_px * (east - west)
        y = north - (y_px + 0.5) / height_px * (north - south)
        lon, lat = moon.xy_to_lonlat(x, y)
        return float(lon), float(lat)

    def marked(self, lon_deg: float, lat_deg: float) -> UInt8:
        """Return the image with a ring around a place."""
        x, y = moon.lonlat_to_xy(lon_deg, lat_deg)
        west, south, east, north = self.grid.bounds
        rows, columns = self.pixels.shape[:2]
        column = (float(x) - west) / (east - west) * columns - 0.5
        row = (north - float(y)) / (north - south) * rows - 0.5
        distance = np.hypot(np.arange(rows)[:, None] - row, np.arange(columns)[None, :] - column)
        drawn = self.pixels.copy()
        drawn[np.abs(distance - _RING_PX[0]) < 1.0] = 255
        drawn[np.abs(distance - _RING_PX[1]) < 1.0] = 0
        return drawn


def cell_map(folder: Path, run: Run) -> CellMap:
    """Return the image of the scores of a run, over its slopes where it has them."""
    grid = run.grid
    factor = max(1, _LONGEST_PX // max(grid.shape))
    odds = np.full(grid.shape, np.nan)
    odds[run.features["row"], run.features["column"]] = run.scores["log_odds"]
    known = np.isfinite(odds)
    low, high = np.percentile(odds[known], _PERCENTILES) if known.any() else (0.0, 1.0)
    colours = mpl.colormaps["viridis"](np.clip((odds - low) / max(high - low, 1e-9), 0.0, 1.0))
    tint = np.repeat(np.repeat(colours[..., :3], factor, 0), factor, 1)
    scored = np.repeat(np.repeat(known, factor, 0), factor, 1)
    grey = _shade(folder, tint.shape[:2])[..., None]
    mixed = np.where(scored[..., None], _ALPHA * tint + (1.0 - _ALPHA) * grey, grey)
    return CellMap(np.round(255.0 * mixed).astype(np.uint8), grid)


def _shade(folder: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the brightness of the ground: flat is bright, steep is dark."""
    path = folder / "layers" / "slope_deg.tif"
    if not path.is_file():
        return np.full(shape, 0.8)
    slope, _ = read_overview(path, "The slope", max(shape))
    row = np.minimum(np.arange(shape[0]) * slope.shape[0] // shape[0], slope.shape[0] - 1)
    column = np.minimum(np.arange(shape[1]) * slope.shape[1] // shape[1], slope.shape[1] - 1)
    bright = 1.0 - 0.8 * np.clip(slope[np.ix_(row, column)] / _STEEP_DEG, 0.0, 1.0)
    return np.asarray(np.nan_to_num(bright, nan=0.85), np.float64)
