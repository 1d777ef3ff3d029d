"""Multi-resolution terrain: fine around the camera, coarse out to the hills on the horizon.

Three square levels are centred on the origin, each ten times finer and smaller than the coarser
one. A finer level is the interpolated coarser one plus relief and craters of its own, which fade
out towards its edge to avoid a visible seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from lunarsite.engine.io.grid import Grid
from lunarsite.engine.synthetic import craters, terrain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

SIDE_PX = 768
PIXELS_M = (0.06, 0.6, 6.0)
"""Pixel sizes of the levels, finest first: 46 m, 460 m and 4.6 km across."""

_FADE = 0.12
"""Fraction of a level's side over which its own relief fades out."""

_DENSITY = 0.35
"""Typical crater density as a fraction of saturation."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Terrain heights at three resolutions.

    Parameters
    ----------
    height_m : ndarray of float32, shape (levels, side, side)
        Metres, finest level first; rows go south, columns east.
    pixel_m : tuple of float
        Pixel sizes of the levels, metres. All levels are centred on the origin.
    """

    height_m: Float32
    pixel_m: tuple[float, ...]

    def rotated(self, quarters: int, *, mirrored: bool) -> Ground:
        """Return the terrain rotated by quarter turns and then mirrored east to west."""
        height = np.rot90(self.height_m, quarters, axes=(1, 2))
        if mirrored:
            height = height[:, :, ::-1]
        return Ground(np.ascontiguousarray(height), self.pixel_m)


def generate_ground(rng: np.random.Generator, steepness: float, *, rugged: bool = False) -> Ground:
    """Generate terrain around a camera.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    steepness : float
        From 0 for a plain to 1 for steep hills.
    rugged : bool
        Whether to add crags and cliffs, which are not labelled as rocks.

    Returns
    -------
    Ground
        Three levels of heights.
    """
    levels: list[Float32] = []
    for number, pixel in reversed(list(enumerate(PIXELS_M))):
        grid = Grid(-0.5 * SIDE_PX * pixel, 0.5 * SIDE_PX * pixel, pixel, SIDE_PX, SIDE_PX)
        own = _relief(grid, rng, number, steepness, rugged=rugged)
        if not levels:
            levels.append(own - own[SIDE_PX // 2, SIDE_PX // 2])
            continue
        coarse = _refined(levels[-1])
        fine = coarse + own * _window()
        _add_craters(fine, grid, rng)
        levels.append(coarse + (fine - coarse) * _window())
    return Ground(np.stack(levels[::-1]).astype(np.float32), PIXELS_M)


def _relief(
    grid: Grid, rng: np.random.Generator, number: int, steepness: float, *, rugged: bool
) -> Float32:
    """Return the relief that a level adds; the coarsest level adds the hills."""
    if number == len(PIXELS_M) - 1:
        slope = 1.0 + 14.0 * steepness * rng.uniform(0.5, 1.2) + (10.0 if rugged else 0.0)
        roll_over, hurst = float(rng.uniform(600.0, 3000.0)), float(rng.uniform(1.0, 1.6))
    elif rugged:
        slope = float(rng.uniform(6.0, 22.0))
        roll_over, hurst = PIXELS_M[number + 1] * rng.uniform(6.0, 20.0), rng.uniform(0.7, 1.0)
    else:
        # Relief missing in the coarser level: wavelengths up to a few of its pixels.
        slope = float(np.exp(rng.uniform(np.log(0.6), np.log(3.0 + 5.0 * steepness))))
        roll_over, hurst = PIXELS_M[number + 1] * rng.uniform(4.0, 12.0), rng.uniform(0.7, 1.3)
    ground = terrain.fractal(grid, rng, roll_over_m=roll_over, hurst=hurst, slope_deg=1.0)
    if rugged and number < len(PIXELS_M) - 1:
        # Folding gives sharp crests and flat hollows, or the reverse.
        ground = np.abs(ground - np.median(ground)) * rng.choice([-1.0, 1.0])
    rise = np.median(np.hypot(*np.gradient(ground))) / grid.pixel_m
    scaled: Float32 = ground * np.float32(np.tan(np.radians(slope)) / rise)
    return scaled


def _add_craters(height: Float32, grid: Grid, rng: np.random.Generator) -> None:
    """Stamp craters into a level, in place."""
    density = _DENSITY * rng.uniform(0.0, 1.6)
    if density < 0.1:
        return
    population = craters.population(
        grid,
        rng,
        min_diameter_m=5.0 * grid.pixel_m,
        max_diameter_m=0.3 * SIDE_PX * grid.pixel_m,
        density=density,
    )
    population["fresh_depth_m"] *= 0.8
    craters.stamp(height, grid, population)


def _refined(height: Float32) -> Float32:
    """Return the centre of a level interpolated to ten times its resolution."""
    # The centre of the first fine pixel lies 4.5 fine pixels before that of a coarse one.
    at = (np.arange(SIDE_PX) - 0.5 * (SIDE_PX - 1)) / 10.0 + 0.5 * (SIDE_PX - 1)
    first = int(at[0]) - 4
    part = height[first : int(at[-1]) + 6, first : int(at[-1]) + 6]
    rows, columns = np.meshgrid(at - first, at - first, indexing="ij")
    refined: Float32 = ndimage.map_coordinates(part, [rows, columns], order=3, mode="nearest")
    return refined


def _window() -> Float32:
    """Return weights that fall smoothly from 1 inside a level to 0 at its edge."""
    position = (np.arange(SIDE_PX) + 0.5) / SIDE_PX
    edge = np.clip(np.minimum(position, 1.0 - position) / _FADE, 0.0, 1.0)
    ramp = (edge * edge * (3.0 - 2.0 * edge)).astype(np.float32)
    window: Float32 = ramp[:, None] * ramp[None, :]
    return window
