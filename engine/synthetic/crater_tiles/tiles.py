"""Generated pieces of elevation model with their craters known: what networks are trained on.

Every tile is a world of its own: its pixel, roughness, crater density and wear are drawn, and so
are the faults of its survey, as elevation models from laser tracks have them (gaps filled by
interpolation, offsets between tracks, smoothing, noise).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.io.raster import Grid
from lunarsite.engine.synthetic import craters as population_room
from lunarsite.engine.synthetic import profiles
from lunarsite.engine.synthetic.crater_tiles import _tile_kernels as tile_kernels
from lunarsite.engine.synthetic.crater_tiles import ground

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Record = NDArray[np.void]

VERSION = 7
"""Changes whenever the same seed gives another tile; a cache of another version is not read."""

DATA = (
    "generated tiles; nothing is learned from a real elevation model or a catalogue. Two constants "
    "of the generator follow real ground: its long slopes those of LOLA's map of the ridge beside "
    "Shackleton, and the radius of worn craters that of Wu et al. 2022 there"
)
"""What cards say of networks that learned from nothing else."""

PIXEL_M = (15.0, 1_000.0)
"""Pixels are drawn between these, metres."""

LEAST_PX = 2.5
"""Craters of smaller radius are on the ground but not in the list."""

CERTAIN = (0.016, 0.7)
"""A crater is one if its rim stands this share of its diameter above its floor, on that share of
azimuths."""

DOUBTFUL = (0.008, 0.4)
"""Below these it is gone; between the two nobody is asked."""

LEFT = (0.6, 0.25)
"""As much of it must have survived those after it, for certain and at all."""

CLEAR = (0.4, 0.12)
"""So much of the relief about it must be its own (`tile_kernels.clarity`), likewise."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A piece of ground and its craters.

    Parameters
    ----------
    height_m : ndarray of float32, shape (side, side)
        Metres; NaN where the survey has nothing.
    pixel_m : float
        Side of a pixel.
    circles : ndarray of float64, shape (craters, 5)
        Column and row of the centre, radius, all in pixels; 1 where it is a crater and 0 where it
        is too far gone to tell; depth now, metres.
    """

    height_m: Float32
    pixel_m: float
    circles: Float


def make(seed: int, side_px: int = 320, *, pixel_m: float | None = None) -> Tile:
    """Return the tile of a seed.

    Parameters
    ----------
    seed : int
        The same seed gives the same bytes.
    side_px : int
        Rows and columns.
    pixel_m : float, optional
        Side of a pixel; drawn where not given.
    """
    rng = np.random.default_rng([VERSION, seed])
    low, high = np.log(PIXEL_M)
    drawn = float(np.exp(rng.uniform(low, high)))
    pixel = drawn if pixel_m is None else pixel_m
    half = 0.5 * side_px * pixel
    grid = Grid(-half, half, pixel, side_px, side_px)
    roll_over_px = float(rng.choice([30.0, 200.0, 1000.0]))
    height = ground.sloped(grid, rng, roll_over_px, rng.uniform(0.9, 1.5), (0.5, 6.0))
    height += ground.massifs(grid, rng)
    craters = _craters(grid, rng)
    population_room.stamp(height, grid, craters)
    ground.resurface(height, grid, rng)
    seen = ground.survey(height, pixel, rng)
    circles = _truth(height, seen, grid, craters)
    column, row = np.rint(circles[:, :2].T).astype(np.int64).clip(0, side_px - 1)
    return Tile(seen, pixel, circles[np.isfinite(seen[row, column])])


def load(seed: int, side_px: int, folder: Path | None) -> Tile:
    """Return the tile of a seed, from the cache folder where it is there, and kept there if not."""
    if folder is None:
        return make(seed, side_px)
    path = folder / f"tile-v{VERSION}-{side_px}-{seed}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Tile(kept["height_m"], float(kept["pixel_m"]), kept["circles"])
    from lunarsite.engine.atomic import whole_file  # noqa: PLC0415  only a cache writes

    tile = make(seed, side_px)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, height_m=tile.height_m, pixel_m=tile.pixel_m, circles=tile.circles)
    return tile


def _craters(grid: Grid, rng: np.random.Generator) -> Record:
    """Return the craters of a tile, oldest first: a population, more large ones, and chains."""
    pixel = grid.pixel_m
    craters = population_room.population(
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
        _some(
            rng,
            rng.uniform(-half, half, (count, 2)),
            2.0 * pixel * np.exp(rng.uniform(np.log(7.0), np.log(90.0), count)),
        )
    )
    extra += [_chain(rng, half, pixel) for _ in range(int(rng.poisson(1.2)))]
    craters = np.concatenate(extra)
    # Lunar craters are shallower than wear alone makes them: ejecta of others fill them.
    filled = rng.random(craters.size) < rng.uniform(0.2, 0.8)
    craters["fresh_depth_m"] *= np.where(filled, rng.uniform(0.3, 1.0, craters.size), 1.0)
    craters["wear"] = np.clip(
        craters["wear"] * rng.uniform(0.5, 1.5), profiles.WEAR_MIN, profiles.WEAR_MAX
    )
    left = profiles.depth_left(craters["diameter_m"], craters["wear"])
    craters["depth_m"] = craters["fresh_depth_m"] * left
    longest = profiles.WEAR_MAX * np.minimum(1.0, profiles.SIMPLE_M / craters["diameter_m"])
    # Fresh ones may have been hit early as well: age and wear go together only in the mean.
    age = craters["wear"] / longest + 0.15 * rng.standard_normal(craters.size)
    ordered: Record = craters[np.argsort(-age, kind="stable")]
    return ordered


def _some(rng: np.random.Generator, place: Float, diameter_m: Float) -> Record:
    count = diameter_m.size
    some = np.zeros(count, population_room.CRATER)
    some["x_m"], some["y_m"] = place[:, 0], place[:, 1]
    some["diameter_m"] = np.minimum(diameter_m, 390_000.0)
    longest = profiles.WEAR_MAX * np.minimum(1.0, profiles.SIMPLE_M / some["diameter_m"])
    some["wear"] = longest * rng.random(count)
    some["fresh_depth_m"] = profiles.fresh_depth_m(some["diameter_m"]) * np.exp(
        0.12 * rng.standard_normal(count)
    )
    strength = np.array([0.04, 0.03, 0.02, 0.015])
    some["lobe"] = strength * np.abs(rng.standard_normal((count, 4)))
    some["lobe_angle"] = 2.0 * np.pi * rng.random((count, 4))
    return some


def _chain(rng: np.random.Generator, half_m: float, pixel_m: float) -> Record:
    """Return a chain or cluster: alike in size and age, side by side or one over the other."""
    count = int(rng.integers(3, 12))
    diameter = 2.0 * pixel_m * np.exp(rng.uniform(np.log(3.0), np.log(25.0)))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = np.cumsum(diameter * rng.uniform(0.45, 1.6, count))
    across = 0.4 * diameter * rng.standard_normal(count)
    start = rng.uniform(-half_m, half_m, 2)
    place = start + np.column_stack(
        [
            along * np.cos(angle) - across * np.sin(angle),
            along * np.sin(angle) + across * np.cos(angle),
        ]
    )
    some = _some(rng, place, diameter * np.exp(0.2 * rng.standard_normal(count)))
    some["wear"] = some["wear"].mean()
    some["fresh_depth_m"] *= rng.uniform(0.4, 0.8)
    return some


def _truth(height: Float32, surveyed: Float32, grid: Grid, craters: Record) -> Float:
    """Return the circles that can be seen, or may be, with half of their rims in the tile.

    Their radius is that at which mappers would draw them. What the ground shows and the survey
    lost is one of those that may be.
    """
    scale = moon.map_scale(craters["x_m"], craters["y_m"])
    column = (craters["x_m"] - grid.x_min_m) / grid.pixel_m - 0.5
    row = (grid.y_max_m - craters["y_m"]) / grid.pixel_m - 0.5
    radius = 0.5 * craters["diameter_m"] * scale / grid.pixel_m
    radius = radius * profiles.seen_radius(craters["diameter_m"], craters["wear"])
    inside = np.minimum(np.minimum(column, grid.width - column), np.minimum(row, grid.height - row))
    kept = (inside > -radius) & (radius >= LEAST_PX)
    place = np.column_stack([column, row, radius])[kept]
    age = profiles.wear_row(craters["wear"]) / (profiles.WEARS - 1)
    fresh = np.column_stack([column, row, 0.5 * craters["diameter_m"] * scale / grid.pixel_m])
    left = tile_kernels.survival(fresh, 0.85 * np.sqrt(1.0 - age))[kept]
    there = (left >= LEFT[1]) & _shown(height, grid, place, scale[kept], DOUBTFUL)
    there &= tile_kernels.clarity(height, place) >= CLEAR[1]
    known = np.where(np.isfinite(surveyed), surveyed, height)
    certain = (left >= LEFT[0]) & there & _shown(known, grid, place, scale[kept], CERTAIN)
    certain &= tile_kernels.clarity(known, place) >= CLEAR[0]
    circles = np.column_stack([place, certain.astype(np.float64), craters["depth_m"][kept]])
    listed: Float = circles[there]
    return listed


def _shown(
    height: Float32, grid: Grid, place: Float, scale: Float, least: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return which circles stand out of the ground by at least so much."""
    seen = tile_kernels.evidence(height, place)
    ratio = seen[:, 0] * scale / (2.0 * place[:, 2] * grid.pixel_m)
    shown: NDArray[np.bool_] = (ratio >= least[0]) & (seen[:, 1] >= least[1])
    return shown
