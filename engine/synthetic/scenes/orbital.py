"""Generated images of the lunar surface seen from orbit, straight down, with class masks.

Lighting, rocks and mask conventions are those of `surface`; there is no sky.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.io.grid import Grid
from lunarsite.engine.synthetic import craters, terrain
from lunarsite.engine.synthetic.scenes import _scene_kernels, camera
from lunarsite.engine.synthetic.scenes.ground import Ground
from lunarsite.engine.synthetic.scenes.light import light
from lunarsite.engine.synthetic.scenes.masks import class_mask
from lunarsite.engine.synthetic.scenes.rocks import RockField, place_rocks
from lunarsite.engine.synthetic.scenes.surface import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

VERSION = 2
"""Incremented when the same seed gives another image."""

SIDE_PX = 320

PIXEL_M = (0.5, 2.0)
"""Range of pixel sizes, metres."""

LARGE_PX = 7.0
"""Diameter in pixels from which a rock is large."""

MIN_AREA_PX = (4.0, 8.0)
"""As `surface.MIN_AREA_PX`; in orbital images even rocks two pixels wide are labelled."""

_HEIGHT = 12.0
"""Height of the camera in image widths, enough for a nearly parallel projection."""


def make(seed: int) -> Scene:
    """Generate the image of a seed; the same seed gives byte-identical images."""
    rng = np.random.default_rng([VERSION, seed, 2])
    pixel = float(np.exp(rng.uniform(*np.log(PIXEL_M))))
    ground = _ground(rng, pixel)
    width = SIDE_PX * pixel
    eye = np.array([0.0, 0.0, _HEIGHT * width])
    fov = float(np.degrees(2.0 * np.arctan(0.5 / _HEIGHT)))
    side = SIDE_PX * camera.FINE
    rays = camera.rays(side, side, fov, azimuth_deg=90.0, pitch_deg=-90.0, roll_deg=0.0)
    sizes = np.array(ground.pixel_m)
    depth = _scene_kernels.drop_to_ground(ground.height_m, sizes, eye, rays)
    rocks = place_rocks(rng, ground, _rock_field(rng, pixel), _positions(rng, pixel, width))
    part = np.full(depth.shape, -1, np.int32)
    normal = np.zeros((*depth.shape, 3), np.float32)
    boxes = camera.boxes(rays, eye, rocks.centre, rocks.radius)
    _scene_kernels.hit_rocks(
        rays, eye, boxes, rocks.centre, rocks.axes, rocks.faces, depth, part, normal
    )
    sun_deg = float(rng.uniform(4.0, 60.0))
    brightness = light(
        rng,
        ground,
        eye,
        rays,
        depth,
        part,
        normal,
        rocks,
        sun_deg=sun_deg,
        angle=np.radians(fov) / SIDE_PX,
        unit_m=pixel,
    )
    image = camera.develop(rng, brightness, photograph=True)
    grey = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    mask = class_mask(rocks, part, depth, rocks.diameter_m >= LARGE_PX * pixel, MIN_AREA_PX)
    quarters, mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)
    return Scene(_rotated(grey, quarters, mirrored), _rotated(mask, quarters, mirrored))


def _rotated(values: NDArray[np.uint8], quarters: int, mirrored: bool) -> NDArray[np.uint8]:  # noqa: FBT001  private
    """Rotate by quarter turns and mirror, so that the Sun stands in any direction."""
    rotated = np.rot90(values, quarters)
    return np.ascontiguousarray(rotated[:, ::-1] if mirrored else rotated)


def _ground(rng: np.random.Generator, pixel_m: float) -> Ground:
    """Return terrain at twice the resolution of the image, slightly larger than the image."""
    side = (SIDE_PX + 40) * camera.FINE
    fine = pixel_m / camera.FINE
    grid = Grid(-0.5 * side * fine, 0.5 * side * fine, fine, side, side)
    height = np.zeros(grid.shape, np.float32)
    for roll_over, slope in ((10.0, rng.uniform(0.1, 1.5)), (400.0, rng.uniform(0.3, 14.0))):
        relief = terrain.fractal(
            grid, rng, roll_over_m=roll_over * pixel_m, hurst=rng.uniform(1.0, 1.7), slope_deg=1.0
        )
        rise = np.median(np.hypot(*np.gradient(relief))) / fine
        height += relief * np.float32(np.tan(np.radians(slope)) / rise)
    density = rng.uniform(0.0, 1.1)
    if density > 0.05:
        population = craters.population(
            grid,
            rng,
            min_diameter_m=6.0 * fine,
            max_diameter_m=0.5 * side * fine,
            density=density,
        )
        craters.stamp(height, grid, population)
    return Ground(height[None], (fine,))


def _rock_field(rng: np.random.Generator, pixel_m: float) -> RockField:
    return RockField(
        density_per_m2=0.0,
        exponent=float(rng.uniform(1.8, 3.5)),
        diameter_range_m=(1.2 * pixel_m, float(rng.uniform(6.0, 28.0)) * pixel_m),
        burial=(-0.4, 0.5),
        roundness=float(rng.random()),
    )


def _positions(rng: np.random.Generator, pixel_m: float, width_m: float) -> Float:
    """Draw the positions of rocks: uniform, and clustered around some craters or outcrops."""
    count = int(min(np.exp(rng.uniform(np.log(3.0), np.log(1200.0))), 1200))
    if rng.random() < 0.12:
        count = 0
    uniform = rng.uniform(-0.55, 0.55, (count, 2)) * width_m
    clusters = int(rng.integers(0, 4))
    clustered = rng.random(count) < rng.uniform(0.0, 0.8) if clusters else np.zeros(count, bool)
    centres = rng.uniform(-0.5, 0.5, (max(clusters, 1), 2)) * width_m
    chosen = rng.integers(0, max(clusters, 1), count)
    spread = rng.uniform(6.0, 60.0, max(clusters, 1))[chosen, None] * pixel_m
    around = centres[chosen] + spread * rng.standard_normal((count, 2))
    scattered: Float = np.where(clustered[:, None], around, uniform)
    return scattered
