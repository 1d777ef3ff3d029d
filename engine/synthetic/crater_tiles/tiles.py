"""Generated tiles of elevation model with known craters, to train networks on.

For every tile, pixel size, roughness, crater density and degradation are drawn at random, and so
are the survey errors typical of elevation models from laser tracks (interpolated gaps, offsets
between tracks, smoothing, noise).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.synthetic import profiles
from lunarsite.engine.synthetic.crater_tiles import _tile_kernels, ground
from lunarsite.engine.synthetic.craters import CRATER, population, stamp

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Record = NDArray[np.void]

VERSION = 7
"""Incremented when the same seed gives another tile; caches of other versions are not read."""

DATA = (
    "generated tiles; nothing is learned from a real elevation model or a catalogue. Two constants "
    "of the generator follow real ground: its long slopes those of LOLA's map of the ridge beside "
    "Shackleton, and the radius of worn craters that of Wu et al. 2022 there"
)
"""Description of the training data in the cards of networks trained on generated tiles alone."""

PIXEL_M = (15.0, 1_000.0)
"""Range of pixel sizes, metres."""

MIN_RADIUS_PX = 2.5
"""Craters of smaller radius are in the terrain but not listed."""

CERTAIN = (0.016, 0.7)
"""Minimum depth-to-diameter ratio of certain craters, and fraction of azimuths with a rim."""

DOUBTFUL = (0.008, 0.4)
"""Below these a crater counts as erased; in between it is doubtful and ignored in training."""

MIN_SURVIVAL = (0.6, 0.25)
"""Minimum fraction left by younger craters, of certain and of doubtful craters."""

MIN_CLARITY = (0.4, 0.12)
"""Minimum fraction of the local relief due to the crater (`_tile_kernels.clarity`), likewise."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A tile of elevation model and its craters.

    Parameters
    ----------
    height_m : ndarray of float32, shape (side, side)
        Heights in metres; NaN for nodata.
    pixel_m : float
        Pixel size, metres.
    circles : ndarray of float64, shape (craters, 5)
        Column and row of the centre and radius in pixels; 1 for certain and 0 for doubtful
        craters; present depth in metres.
    """

    height_m: Float32
    pixel_m: float
    circles: Float


def make(seed: int, side_px: int = 320, *, pixel_m: float | None = None) -> Tile:
    """Generate the tile of a seed.

    Parameters
    ----------
    seed : int
        The same seed gives byte-identical tiles.
    side_px : int
        Number of rows and columns.
    pixel_m : float, optional
        Pixel size in metres. By default drawn from `PIXEL_M`.

    Returns
    -------
    Tile
        Heights and the circles of visible craters.
    """
    rng = np.random.default_rng([VERSION, seed])
    low, high = np.log(PIXEL_M)
    drawn = float(np.exp(rng.uniform(low, high)))
    pixel = drawn if pixel_m is None else pixel_m
    half = 0.5 * side_px * pixel
    grid = Grid(-half, half, pixel, side_px, side_px)
    roll_over_px = float(rng.choice([30.0, 200.0, 1000.0]))
    height = ground.fractal_with_slope(grid, rng, roll_over_px, rng.uniform(0.9, 1.5), (0.5, 6.0))
    height += ground.massifs(grid, rng)
    craters = _craters(grid, rng)
    stamp(height, grid, craters)
    ground.resurface(height, grid, rng)
    surveyed = ground.survey(height, pixel, rng)
    circles = _visible_circles(height, surveyed, grid, craters)
    column, row = np.rint(circles[:, :2].T).astype(np.int64).clip(0, side_px - 1)
    return Tile(surveyed, pixel, circles[np.isfinite(surveyed[row, column])])


def load(seed: int, side_px: int, folder: Path | None) -> Tile:
    """Return the tile of a seed, read from a cache folder if it is there and added to it if not."""
    if folder is None:
        return make(seed, side_px)
    path = folder / f"tile-v{VERSION}-{side_px}-{seed}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as cached:
            return Tile(cached["height_m"], float(cached["pixel_m"]), cached["circles"])
    from lunarsite.engine.atomic import whole_file  # noqa: PLC0415  only a cache writes

    tile = make(seed, side_px)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, height_m=tile.height_m, pixel_m=tile.pixel_m, circles=tile.circles)
    return tile


def _craters(grid: Grid, rng: np.random.Generator) -> Record:
    """Draw the craters of a tile, oldest first: a population, additional large ones, and chains."""
    pixel = grid.pixel_m
    craters = population(
        grid,
        rng,
        min_diameter_m=3.0 * pixel,
        max_diameter_m=float(min(600.0 * pixel, 300_000.0)),
        density=float(rng.uniform(0.15, 1.2)),
    )
    extra = [craters]
    half = 0.5 * grid.width * pixel
    count = int(rng.poisson(7.0))
    extra.append(
        _at_positions(
            rng,
            rng.uniform(-half, half, (count, 2)),
            2.0 * pixel * np.exp(rng.uniform(np.log(7.0), np.log(90.0), count)),
        )
    )
    extra += [_chain(rng, half, pixel) for _ in range(int(rng.poisson(1.2)))]
    craters = np.concatenate(extra)
    # Lunar craters are shallower than diffusion alone makes them: ejecta of others fill them.
    filled = rng.random(craters.size) < rng.uniform(0.2, 0.8)
    craters["fresh_depth_m"] *= np.where(filled, rng.uniform(0.3, 1.0, craters.size), 1.0)
    craters["wear"] = np.clip(
        craters["wear"] * rng.uniform(0.5, 1.5), profiles.WEAR_MIN, profiles.WEAR_MAX
    )
    ratio = profiles.depth_ratio(craters["diameter_m"], craters["wear"])
    craters["depth_m"] = craters["fresh_depth_m"] * ratio
    wear_limit = profiles.WEAR_MAX * np.minimum(1.0, profiles.SIMPLE_M / craters["diameter_m"])
    # Fresh craters may be old as well: age and wear are correlated only on average.
    age = craters["wear"] / wear_limit + 0.15 * rng.standard_normal(craters.size)
    ordered: Record = craters[np.argsort(-age, kind="stable")]
    return ordered


def _at_positions(rng: np.random.Generator, position: Float, diameter_m: Float) -> Record:
    """Draw craters of given positions and diameters."""
    count = diameter_m.size
    craters = np.zeros(count, CRATER)
    craters["x_m"], craters["y_m"] = position[:, 0], position[:, 1]
    craters["diameter_m"] = np.minimum(diameter_m, 390_000.0)
    wear_limit = profiles.WEAR_MAX * np.minimum(1.0, profiles.SIMPLE_M / craters["diameter_m"])
    craters["wear"] = wear_limit * rng.random(count)
    craters["fresh_depth_m"] = profiles.fresh_depth_m(craters["diameter_m"]) * np.exp(
        0.12 * rng.standard_normal(count)
    )
    strength = np.array([0.04, 0.03, 0.02, 0.015])
    craters["lobe"] = strength * np.abs(rng.standard_normal((count, 4)))
    craters["lobe_angle"] = 2.0 * np.pi * rng.random((count, 4))
    return craters


def _chain(rng: np.random.Generator, half_m: float, pixel_m: float) -> Record:
    """Draw a chain or cluster of craters of similar size and age, side by side or overlapping."""
    count = int(rng.integers(3, 12))
    diameter = 2.0 * pixel_m * np.exp(rng.uniform(np.log(3.0), np.log(25.0)))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = np.cumsum(diameter * rng.uniform(0.45, 1.6, count))
    across = 0.4 * diameter * rng.standard_normal(count)
    start = rng.uniform(-half_m, half_m, 2)
    position = start + np.column_stack(
        [
            along * np.cos(angle) - across * np.sin(angle),
            along * np.sin(angle) + across * np.cos(angle),
        ]
    )
    craters = _at_positions(rng, position, diameter * np.exp(0.2 * rng.standard_normal(count)))
    craters["wear"] = craters["wear"].mean()
    craters["fresh_depth_m"] *= rng.uniform(0.4, 0.8)
    return craters


def _visible_circles(height: Float32, surveyed: Float32, grid: Grid, craters: Record) -> Float:
    """Return the circles of certain and doubtful craters with half of their rims in the tile.

    Their radius is that at which they would be mapped. Craters that the terrain shows but the
    survey does not are doubtful.
    """
    scale = moon.map_scale(craters["x_m"], craters["y_m"])
    column = (craters["x_m"] - grid.x_min_m) / grid.pixel_m - 0.5
    row = (grid.y_max_m - craters["y_m"]) / grid.pixel_m - 0.5
    radius = 0.5 * craters["diameter_m"] * scale / grid.pixel_m
    radius = radius * profiles.mapped_radius(craters["diameter_m"], craters["wear"])
    inside = np.minimum(np.minimum(column, grid.width - column), np.minimum(row, grid.height - row))
    kept = (inside > -radius) & (radius >= MIN_RADIUS_PX)
    circle = np.column_stack([column, row, radius])[kept]
    age = profiles.wear_column(craters["wear"]) / (profiles.WEARS - 1)
    fresh = np.column_stack([column, row, 0.5 * craters["diameter_m"] * scale / grid.pixel_m])
    survival = _tile_kernels.survival(fresh, 0.85 * np.sqrt(1.0 - age))[kept]
    listed = survival >= MIN_SURVIVAL[1]
    listed &= _stands_out(height, grid, circle, scale[kept], DOUBTFUL)
    listed &= _tile_kernels.clarity(height, circle) >= MIN_CLARITY[1]
    known = np.where(np.isfinite(surveyed), surveyed, height)
    certain = listed & (survival >= MIN_SURVIVAL[0])
    certain &= _stands_out(known, grid, circle, scale[kept], CERTAIN)
    certain &= _tile_kernels.clarity(known, circle) >= MIN_CLARITY[0]
    circles = np.column_stack([circle, certain.astype(np.float64), craters["depth_m"][kept]])
    visible: Float = circles[listed]
    return visible


def _stands_out(
    height: Float32, grid: Grid, circle: Float, scale: Float, minimum: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return which circles have at least a minimum depth ratio and fraction of rim."""
    depth_m, rim = _tile_kernels.rim_evidence(height, circle).T
    ratio = depth_m * scale / (2.0 * circle[:, 2] * grid.pixel_m)
    stands_out: NDArray[np.bool_] = (ratio >= minimum[0]) & (rim >= minimum[1])
    return stands_out
