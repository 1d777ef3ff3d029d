"""Illumination of generated scenes: sunlight, shadows, micro-relief and albedo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from lunarsite.engine.synthetic.scenes import (
    _roughness_kernels,
    _scene_kernels,
    _shadow_kernels,
    camera,
    distractors,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.synthetic.scenes.ground import Ground
    from lunarsite.engine.synthetic.scenes.rocks import Rocks

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How ground and rocks look beside their relief.

    Parameters
    ----------
    rock_albedo : tuple of float
        Range of the mean albedo of rocks, relative to that of the ground.
    most_fill : float
        Largest brightness of shadows, relative to sunlit ground.
    black_probability : float
        Probability that unlit sides of rocks get no light from the ground.
    patches : bool
        Whether the ground has brighter patches.
    tracks_towards : float, optional
        Direction in which the tracks of a rover lie, radians from east to north; None for none.
    """

    rock_albedo: tuple[float, float] = (0.9, 1.8)
    most_fill: float = 0.04
    black_probability: float = 0.0
    patches: bool = False
    tracks_towards: float | None = None


PLAIN = Look()
"""Ground of one albedo, and rocks brighter than it."""


def light(
    rng: np.random.Generator,
    ground: Ground,
    eye: Float,
    rays: Float32,
    depth: Float32,
    part: Int32,
    normal: Float32,
    rocks: Rocks,
    *,
    sun_deg: float,
    angle: float,
    unit_m: float = 0.04,
    look: Look = PLAIN,
) -> Float32:
    """Return the brightness of every rendered pixel.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator, for photometry, micro-relief and albedo.
    ground, rocks : Ground, Rocks
        Terrain and rocks, which cast shadows.
    eye : ndarray of float64, shape (3,)
        Position of the camera, metres.
    rays, depth, part, normal : ndarray
        Rays of the pixels and their first intersections (`_scene_kernels.hit_rocks`).
    sun_deg : float
        Elevation of the Sun, which is in the east.
    angle : float
        Angular size of an image pixel, radians.
    unit_m : float
        Length scale of the micro-relief: about the diameter of the smallest rocks, metres.
    look : Look
        Albedos and shadows, and what looks like rocks.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        0 for the sky.
    """
    pixel = np.array(ground.pixel_m)
    elevation = np.radians(sun_deg)
    sun = np.array([np.cos(elevation), 0.0, np.sin(elevation)])
    hit = np.isfinite(depth)
    from_camera = (rays * depth[..., None])[hit]
    point = from_camera + eye.astype(np.float32)
    own = part[hit]
    bare = own < 0
    footprint = depth[hit] * np.float32(angle)
    facing = normal[hit]
    facing[bare] = _scene_kernels.ground_normals(
        ground.height_m, pixel, point[bare], footprint[bare]
    )
    scale = unit_m / 0.04
    facing += _micro_relief(rng, point, bare, footprint, scale)
    albedo = np.ones(own.size, np.float32)
    if look.patches:
        albedo[bare] = distractors.patches(rng, point[bare], scale)
    if look.tracks_towards is not None:
        tilt, factor = distractors.wheel_tracks(
            rng, point[bare], footprint[bare], eye, look.tracks_towards, scale
        )
        facing[bare] += tilt
        albedo[bare] *= factor
    crack_factor = _roughen_rocks(rng, facing, point, own, footprint, rocks)
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    shade = _shadow_kernels.shadow_height(ground.height_m, pixel, float(np.tan(elevation)))
    lit = _shadow_kernels.lit_by_ground(shade, pixel, point, float(np.tan(elevation)) + 0.05)
    cells = np.array([0.12, 0.6, 3.0, 15.0, 75.0]) * scale
    first, which = _shadow_kernels.shadow_bins(rocks.centre, rocks.radius, eye, sun, cells)
    hidden = _shadow_kernels.in_rock_shadow(
        from_camera,
        own,
        eye,
        sun,
        cells,
        first,
        which,
        rocks.centre,
        rocks.radius,
        rocks.axes,
        rocks.faces,
    )
    lit[hidden] = 0.0
    radiance = lit * camera.reflectance(rng, facing, rays[hit], sun)
    fill = 0.0 if rng.random() < 0.5 else float(rng.uniform(0.0, look.most_fill))
    # Unlit sides of rocks receive light reflected by the ground.
    bounce = float(rng.uniform(0.0, 0.35)) * float(np.median(radiance[bare])) if bare.any() else 0.0
    if look.black_probability > 0.0 and rng.random() < look.black_probability:
        bounce = 0.0
    radiance += np.where(bare, 0.0, bounce * (0.75 - 0.25 * facing[:, 2])).astype(np.float32)
    out = np.zeros(depth.shape, np.float32)
    albedo *= _albedo(rng, point, own, rocks, scale, look.rock_albedo)
    out[hit] = albedo * crack_factor * (radiance + fill)
    return out


def _micro_relief(
    rng: np.random.Generator,
    point: Float32,
    ground: NDArray[np.bool_],
    footprint: Float32,
    scale: float,
) -> Float32:
    """Return the change of ground normals due to relief finer than the pixels of the terrain."""
    out = np.zeros_like(point)
    strength = float(np.exp(rng.uniform(np.log(0.008), np.log(0.15))))
    for pixel in np.array([0.008, 0.035, 0.15]) * scale:
        resolved = np.clip(2.0 * pixel / np.maximum(footprint, 1e-4), 0.0, 1.0)
        texture = _texture(rng, float(rng.uniform(-2.0, -0.6)))
        side = texture.shape[1]
        row = (point[:, 1] / pixel).astype(np.int64) % side
        column = (point[:, 0] / pixel).astype(np.int64) % side
        step = texture[:, row, column] * (strength * resolved * ground)
        out[:, 0] += step[0]
        out[:, 1] += step[1]
    return out


def _roughen_rocks(
    rng: np.random.Generator,
    facing: Float32,
    point: Float32,
    own: Int32,
    footprint: Float32,
    rocks: Rocks,
) -> Float32:
    """Roughen the normals of rocks, in place, and return the darkening factor of their cracks."""
    factor = np.ones(own.size, np.float32)
    rock = np.flatnonzero(own >= 0)
    # From smooth to strongly fractured.
    strength, depth = float(rng.uniform(0.05, 0.9)), float(rng.uniform(0.0, 0.45))
    waves, fall = float(rng.uniform(0.15, 0.6)), float(rng.uniform(0.6, 1.0))
    if rock.size:
        longest = (waves * rocks.diameter_m[rocks.rock[own[rock]]]).astype(np.float32)
        slopes, crack = _roughness_kernels.roughen(
            point[rock], longest, footprint[rock], fall, int(rng.integers(2**31))
        )
        facing[rock] -= np.float32(0.5 * strength) * slopes
        factor[rock] -= np.float32(depth) * crack
    return factor


def _texture(rng: np.random.Generator, exponent: float) -> Float32:
    """Return the slopes of periodic noise to the east and north, with unit standard deviation."""
    side = 512
    noise = fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    wave = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None, :])
    wave[0, 0] = 1.0
    relief = fft.irfft2(noise * wave ** (exponent), s=(side, side))
    # Pebbles stand out of the ground; the hollows between them are shallower.
    relief = np.where(relief > 0.0, relief, 0.5 * relief)
    slopes = np.stack([np.roll(relief, 1, 1) - relief, relief - np.roll(relief, 1, 0)])
    out: Float32 = (slopes / slopes.std()).astype(np.float32)
    return out


def _albedo(
    rng: np.random.Generator,
    point: Float32,
    own: Int32,
    rocks: Rocks,
    scale: float,
    of_rocks: tuple[float, float],
) -> Float32:
    """Return relative albedos around 1; most rocks are brighter than the ground."""
    mean = float(rng.uniform(*of_rocks))
    by_rock = mean * np.exp(0.12 * rng.standard_normal(max(rocks.diameter_m.size, 1)))
    out = np.ones(own.size, np.float32)
    rock = own >= 0
    out[rock] = by_rock[rocks.rock[own[rock]]]
    for wave in np.array([0.1, 0.7, 6.0]) * scale:
        first = rng.standard_normal(3) * (2.0 * np.pi / wave)
        second = rng.standard_normal(3) * (2.0 * np.pi / wave)
        mottle = np.sin(point @ first.astype(np.float32)) * np.sin(
            point @ second.astype(np.float32)
        )
        out *= 1.0 + np.float32(rng.uniform(0.0, 0.06)) * mottle
    return out
