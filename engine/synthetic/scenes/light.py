"""How bright generated scenes are: sunlight, shadows, unevenness and mottling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from lunarsite.engine.synthetic.scenes import _scene_kernels as scene_kernels
from lunarsite.engine.synthetic.scenes import camera, roughness, shadows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.synthetic.scenes.ground import Ground
    from lunarsite.engine.synthetic.scenes.rocks import Rocks

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int32 = NDArray[np.int32]


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
    black: float = 0.0,
) -> Float32:
    """Return the brightness of every pixel of a drawing; 0 for the sky.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance: how the surface scatters, its unevenness and its mottling.
    ground, rocks : Ground, Rocks
        What casts shadows. The Sun stands in the east.
    eye : ndarray of float64, shape (3,)
        The camera, metres.
    rays, depth, part, normal : ndarray
        What its pixels meet, as `scene_kernels.hit_rocks` leaves it.
    sun_deg : float
        Elevation of the Sun.
    angle : float
        Of a pixel of the image, radians.
    unit_m : float
        About the size of the smallest rocks, metres.
    black : float
        Chance that nothing lights the sides of rocks that the Sun does not reach.
    """
    pixel = np.array(ground.pixel_m)
    height = np.radians(sun_deg)
    sun = np.array([np.cos(height), 0.0, np.sin(height)])
    hit = np.isfinite(depth)
    point = (rays * depth[..., None])[hit]
    place = point + eye.astype(np.float32)
    own = part[hit]
    bare = own < 0
    footprint = depth[hit] * np.float32(angle)
    facing = normal[hit]
    facing[bare] = scene_kernels.ground_normals(
        ground.height_m, pixel, place[bare], footprint[bare]
    )
    facing += _bumps(rng, place, bare, footprint, unit_m / 0.04)
    cracked = _break(rng, facing, place, own, footprint, rocks)
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    shade = shadows.shadow(ground.height_m, pixel, float(np.tan(height)))
    lit = shadows.lit_by_ground(shade, pixel, place, float(np.tan(height)) + 0.05)
    cells = np.array([0.12, 0.6, 3.0, 15.0, 75.0]) * unit_m / 0.04
    first, which = shadows.shadow_bins(rocks.place, rocks.radius, eye, sun, cells)
    hidden = shadows.in_rock_shadow(
        point,
        own,
        eye,
        sun,
        cells,
        first,
        which,
        rocks.place,
        rocks.radius,
        rocks.axes,
        rocks.faces,
    )
    lit[hidden] = 0.0
    light = lit * camera.reflectance(rng, facing, rays[hit], sun)
    fill = 0.0 if rng.random() < 0.5 else float(rng.uniform(0.0, 0.04))
    # Sides of rocks that the Sun does not reach are lit by the ground before them.
    bounce = float(rng.uniform(0.0, 0.35)) * float(np.median(light[bare])) if bare.any() else 0.0
    if black > 0.0 and rng.random() < black:
        bounce = 0.0
    light += np.where(bare, 0.0, bounce * (0.75 - 0.25 * facing[:, 2])).astype(np.float32)
    out = np.zeros(depth.shape, np.float32)
    out[hit] = _albedo(rng, place, own, rocks, unit_m / 0.04) * cracked * (light + fill)
    return out


def _bumps(
    rng: np.random.Generator,
    place: Float32,
    ground: NDArray[np.bool_],
    footprint: Float32,
    scale: float,
) -> Float32:
    """Return what unevenness finer than the ground's pixels adds to its normals."""
    out = np.zeros_like(place)
    strength = float(np.exp(rng.uniform(np.log(0.008), np.log(0.15))))
    for pixel in np.array([0.008, 0.035, 0.15]) * scale:
        seen = np.clip(2.0 * pixel / np.maximum(footprint, 1e-4), 0.0, 1.0)
        texture = _texture(rng, float(rng.uniform(-2.0, -0.6)))
        side = texture.shape[1]
        row = (place[:, 1] / pixel).astype(np.int64) % side
        column = (place[:, 0] / pixel).astype(np.int64) % side
        step = texture[:, row, column] * (strength * seen * ground)
        out[:, 0] += step[0]
        out[:, 1] += step[1]
    return out


def _break(
    rng: np.random.Generator,
    facing: Float32,
    place: Float32,
    own: Int32,
    footprint: Float32,
    rocks: Rocks,
) -> Float32:
    """Turn the normals of rocks, in place, and return how much light their cracks leave."""
    left = np.ones(own.size, np.float32)
    rock = np.flatnonzero(own >= 0)
    # As many rocks are smooth as are broken all over.
    strength, depth = float(rng.uniform(0.05, 0.9)), float(rng.uniform(0.0, 0.45))
    waves, fall = float(rng.uniform(0.15, 0.6)), float(rng.uniform(0.6, 1.0))
    if rock.size:
        longest = (waves * rocks.diameter_m[rocks.rock[own[rock]]]).astype(np.float32)
        slopes, crack = roughness.roughen(
            place[rock], longest, footprint[rock], fall, int(rng.integers(2**31))
        )
        facing[rock] -= np.float32(0.5 * strength) * slopes
        left[rock] -= np.float32(depth) * crack
    return left


def _texture(rng: np.random.Generator, exponent: float) -> Float32:
    """Return slopes of noise that repeats, east and north; of mean square one."""
    side = 512
    noise = fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    wave = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None, :])
    wave[0, 0] = 1.0
    relief = fft.irfft2(noise * wave ** (exponent), s=(side, side))
    # Pebbles stand out of the ground; holes between them are shallower.
    relief = np.where(relief > 0.0, relief, 0.5 * relief)
    slopes = np.stack([np.roll(relief, 1, 1) - relief, relief - np.roll(relief, 1, 0)])
    out: Float32 = (slopes / slopes.std()).astype(np.float32)
    return out


def _albedo(
    rng: np.random.Generator, place: Float32, own: Int32, rocks: Rocks, scale: float
) -> Float32:
    """Return how bright what is hit is, about 1: rocks are as bright as the ground or brighter."""
    usual = float(rng.uniform(0.9, 1.8))
    each = usual * np.exp(0.12 * rng.standard_normal(max(rocks.diameter_m.size, 1)))
    out = np.ones(own.size, np.float32)
    rock = own >= 0
    out[rock] = each[rocks.rock[own[rock]]]
    for wave in np.array([0.1, 0.7, 6.0]) * scale:
        way = rng.standard_normal(3) * (2.0 * np.pi / wave)
        other = rng.standard_normal(3) * (2.0 * np.pi / wave)
        mottle = np.sin(place @ way.astype(np.float32)) * np.sin(place @ other.astype(np.float32))
        out *= 1.0 + np.float32(rng.uniform(0.0, 0.06)) * mottle
    return out
