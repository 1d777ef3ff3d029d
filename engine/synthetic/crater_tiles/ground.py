"""Terrain of generated tiles apart from its craters, and the errors of its survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from lunarsite.engine.synthetic import terrain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid

    Float32 = NDArray[np.float32]


def fractal_with_slope(
    grid: Grid,
    rng: np.random.Generator,
    roll_over_px: float,
    hurst: float,
    slope_deg: tuple[float, float],
) -> Float32:
    """Return fractal terrain with a median slope, between pixels, drawn from a range in degrees."""
    ground = terrain.fractal(
        grid, rng, roll_over_m=roll_over_px * grid.pixel_m, hurst=hurst, slope_deg=1.0
    )
    drawn = np.radians(np.exp(rng.uniform(*np.log(slope_deg))))
    rise = np.median(np.hypot(*np.gradient(ground)))
    scaled: Float32 = ground * np.float32(np.tan(drawn) * grid.pixel_m / rise)
    return scaled


def massifs(grid: Grid, rng: np.random.Generator) -> Float32:
    """Return relief of long wavelength, so that craters lie on slopes.

    At the south pole the median slope is 11° over baselines from 25 m to more than a kilometre, as
    in the LOLA elevation model of the ridge beside Shackleton; the fractal terrain alone is level
    over many pixels.
    """
    roll_over_px = float(np.exp(rng.uniform(np.log(100.0), np.log(1500.0))))
    return fractal_with_slope(grid, rng, roll_over_px, 1.5, (1.0, 16.0))


def resurface(height: Float32, grid: Grid, rng: np.random.Generator) -> None:
    """Modify the terrain after cratering, in place: creep in patches, and younger relief.

    Ejecta blankets and mass wasting leave degraded rims with gaps and uneven floors; without them,
    all generated craters would be perfectly round.
    """
    if rng.random() < 0.5:
        patches = terrain.fractal(
            grid, rng, roll_over_m=60.0 * grid.pixel_m, hurst=1.0, slope_deg=1.0
        )
        share = np.clip(0.5 + patches / np.std(patches), 0.0, 1.0) * rng.uniform(0.3, 1.0)
        smooth = ndimage.gaussian_filter(height, rng.uniform(2.0, 8.0), mode="nearest")
        height += share.astype(np.float32) * (smooth - height)
    if rng.random() < 0.4:
        roll_over_px = float(rng.choice([30.0, 120.0]))
        height += fractal_with_slope(grid, rng, roll_over_px, rng.uniform(0.8, 1.4), (0.3, 2.0))


def survey(height: Float32, pixel_m: float, rng: np.random.Generator) -> Float32:
    """Return the terrain as surveyed: smoothed, interpolated, with offsets, noise and gaps."""
    surveyed = height
    if rng.random() < 0.5:
        surveyed = ndimage.gaussian_filter(surveyed, rng.uniform(0.3, 1.3), mode="nearest")
    if rng.random() < 0.25:
        surveyed = _interpolated(surveyed, rng)
    if rng.random() < 0.25:
        offset = rng.standard_normal((surveyed.shape[0], 1)) * rng.uniform(0.0, 0.02) * pixel_m
        offset *= rng.random((surveyed.shape[0], 1)) < rng.uniform(0.05, 0.5)
        surveyed = surveyed + offset.astype(np.float32)
    if rng.random() < 0.4:
        noise = rng.standard_normal(surveyed.shape, dtype=np.float32)
        surveyed = surveyed + noise * np.float32(rng.uniform(0.0, 0.015) * pixel_m)
    if rng.random() < 0.1:
        surveyed = _gaps(surveyed, rng)
    return np.ascontiguousarray(surveyed, dtype=np.float32)


def _interpolated(height: Float32, rng: np.random.Generator) -> Float32:
    """Return the terrain with rows between laser tracks interpolated from neighbouring tracks."""
    rows = height.shape[0]
    tracked = rng.random(rows) < rng.uniform(0.35, 0.9)
    known = np.union1d(np.flatnonzero(tracked), [0, rows - 1])
    at = np.interp(np.arange(rows), known, np.arange(known.size))
    low = np.minimum(at.astype(np.int64), known.size - 2)
    share = (at - low)[:, None].astype(np.float32)
    filled: Float32 = height[known[low]] * (1 - share) + height[known[low + 1]] * share
    return filled


def _gaps(height: Float32, rng: np.random.Generator) -> Float32:
    """Return the terrain with nodata along one edge and in a hole."""
    side = height.shape[0]
    out = height.copy()
    out[:, : int(rng.integers(0, side // 3))] = np.nan
    row, column = rng.integers(0, side, 2)
    out[row : row + int(rng.integers(2, 40)), column : column + int(rng.integers(2, 40))] = np.nan
    return out
