"""Ground that is fine where a camera stands and reaches to the hills on its horizon.

Three square levels lie about the origin, each ten times finer and smaller than the one before it.
A finer level is the coarser one, interpolated, with relief and craters of its own, which fade out
towards its edge so that no seam is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from lunarsite.engine.io.raster import Grid
from lunarsite.engine.synthetic import craters, terrain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

SIDE_PX = 768
PIXELS_M = (0.06, 0.6, 6.0)
"""Of the levels, the finest first: 46 m, 460 m and 4.6 km across."""

_FADE = 0.12
"""Share of a level's side over which its own relief fades out."""

_DENSITY = 0.35
"""Share of saturation at which craters lie; some ground has more, some none."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Heights at three scales.

    Parameters
    ----------
    height_m : ndarray of float32, shape (levels, side, side)
        Metres, the finest level first; rows go south, columns east.
    pixel_m : tuple of float
        Sides of their pixels. The middle of every level is the origin.
    """

    height_m: Float32
    pixel_m: tuple[float, ...]

    def turned(self, quarters: int, *, mirrored: bool) -> Ground:
        """Return the ground turned by quarters and, after that, mirrored east to west."""
        height = np.rot90(self.height_m, quarters, axes=(1, 2))
        if mirrored:
            height = height[:, :, ::-1]
        return Ground(np.ascontiguousarray(height), self.pixel_m)


def make(rng: np.random.Generator, steepness: float, *, rugged: bool = False) -> Ground:
    """Return ground.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    steepness : float
        0 for a plain to 1 for steep hills.
    rugged : bool
        Whether it is broken into crags and cliffs, with no rock that could be told from them.
    """
    levels: list[Float32] = []
    for number, pixel in reversed(list(enumerate(PIXELS_M))):
        grid = Grid(-0.5 * SIDE_PX * pixel, 0.5 * SIDE_PX * pixel, pixel, SIDE_PX, SIDE_PX)
        own = _relief(grid, rng, number, steepness, rugged=rugged)
        if not levels:
            levels.append(own - own[SIDE_PX // 2, SIDE_PX // 2])
            continue
        before = _finer(levels[-1])
        after = before + own * _window()
        _crater(after, grid, rng)
        levels.append(before + (after - before) * _window())
    return Ground(np.stack(levels[::-1]).astype(np.float32), PIXELS_M)


def _relief(
    grid: Grid, rng: np.random.Generator, number: int, steepness: float, *, rugged: bool
) -> Float32:
    """Return the relief that a level adds; the coarsest has the hills."""
    if number == len(PIXELS_M) - 1:
        slope = 1.0 + 14.0 * steepness * rng.uniform(0.5, 1.2) + (10.0 if rugged else 0.0)
        roll_over, hurst = float(rng.uniform(600.0, 3000.0)), float(rng.uniform(1.0, 1.6))
    elif rugged:
        slope = float(rng.uniform(6.0, 22.0))
        roll_over, hurst = PIXELS_M[number + 1] * rng.uniform(6.0, 20.0), rng.uniform(0.7, 1.0)
    else:
        # Relief that the coarser level has not got: waves of up to a few of its pixels.
        slope = float(np.exp(rng.uniform(np.log(0.6), np.log(3.0 + 5.0 * steepness))))
        roll_over, hurst = PIXELS_M[number + 1] * rng.uniform(4.0, 12.0), rng.uniform(0.7, 1.3)
    ground = terrain.fractal(grid, rng, roll_over_m=roll_over, hurst=hurst, slope_deg=1.0)
    if rugged and number < len(PIXELS_M) - 1:
        # Folded: sharp crests and flat hollows, or the other way round.
        ground = np.abs(ground - np.median(ground)) * rng.choice([-1.0, 1.0])
    rise = np.median(np.hypot(*np.gradient(ground))) / grid.pixel_m
    scaled: Float32 = ground * np.float32(np.tan(np.radians(slope)) / rise)
    return scaled


def _crater(height: Float32, grid: Grid, rng: np.random.Generator) -> None:
    """Let craters change a level, in place."""
    density = _DENSITY * rng.uniform(0.0, 1.6)
    if density < 0.1:
        return
    some = craters.population(
        grid,
        rng,
        min_diameter_m=5.0 * grid.pixel_m,
        max_diameter_m=0.3 * SIDE_PX * grid.pixel_m,
        density=density,
    )
    some["fresh_depth_m"] *= 0.8
    craters.stamp(height, grid, some)


def _finer(height: Float32) -> Float32:
    """Return the middle of a level at ten times its resolution."""
    # Pixel centres: the finer level's first lies 4.5 of its own pixels before a coarse one's.
    at = (np.arange(SIDE_PX) - 0.5 * (SIDE_PX - 1)) / 10.0 + 0.5 * (SIDE_PX - 1)
    first = int(at[0]) - 4
    part = height[first : int(at[-1]) + 6, first : int(at[-1]) + 6]
    rows, columns = np.meshgrid(at - first, at - first, indexing="ij")
    finer: Float32 = ndimage.map_coordinates(part, [rows, columns], order=3, mode="nearest")
    return finer


def _window() -> Float32:
    """Return 1 inside a level and 0 at its edge, smoothly."""
    place = (np.arange(SIDE_PX) + 0.5) / SIDE_PX
    edge = np.clip(np.minimum(place, 1.0 - place) / _FADE, 0.0, 1.0)
    ramp = (edge * edge * (3.0 - 2.0 * edge)).astype(np.float32)
    window: Float32 = ramp[:, None] * ramp[None, :]
    return window
