"""Generated views of the lunar surface, with a mask of what every pixel shows.

A camera stands on generated ground among generated rocks, under a low Sun. What an image holds is
drawn, and so are the ways in which the two kinds of images that people have differ: renders (grey,
clean, the size of a rock decides its class) and photographs (a cast, noise, a lander's parts, how
large a rock appears decides).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.synthetic.scenes import _scene_kernels as scene_kernels
from lunarsite.engine.synthetic.scenes import camera, masks
from lunarsite.engine.synthetic.scenes import ground as scene_ground
from lunarsite.engine.synthetic.scenes import rocks as scene_rocks
from lunarsite.engine.synthetic.scenes.light import light

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.synthetic.scenes.ground import Ground

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int32 = NDArray[np.int32]
    UInt8 = NDArray[np.uint8]

VERSION = 5
"""Changes whenever the same seed gives another scene."""

SIZE_PX = (304, 448)
"""Rows and columns."""

RUGGED = 0.22
"""Share of grounds that are crags and cliffs."""

VIEWS = 4
"""Scenes that share their ground."""

LEAST_PX = (14.0, 28.0)
"""Rocks that cover fewer pixels are ground, as pebbles are in people's masks; between the two
nobody is asked."""

LARGE_M = 1.0
"""From this diameter on a render's rock is large, with the camera at `USUAL_EYE_M`."""

USUAL_EYE_M = 1.6

LARGE_PX = 480.0
"""From this area on a photograph's rock is large."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and its mask.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    mask : ndarray of uint8, shape (rows, columns)
        `GROUND`, `SMALL`, `LARGE`, `SKY`, or `UNASKED` of `scene_masks`.
    """

    image: UInt8
    mask: UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is drawn of a scene before it is rendered.

    Parameters
    ----------
    photograph : bool
        A photograph's conventions and faults, or a render's.
    eye_m, fov_deg, pitch_deg, roll_deg, azimuth_deg : float
        The camera: its height over the ground, its width of view, and where it looks.
    sun_deg : float
        The Sun's elevation; it stands in the east.
    rocks : Field
        How rocks lie.
    """

    photograph: bool
    eye_m: float
    fov_deg: float
    pitch_deg: float
    roll_deg: float
    azimuth_deg: float
    sun_deg: float
    rocks: scene_rocks.Field


def make(seed: int) -> Scene:
    """Return the scene of a seed: the same seed gives the same bytes."""
    rng = np.random.default_rng([VERSION, seed])
    return render(rng, _ground(seed // VIEWS, rng), view(rng))


def view(rng: np.random.Generator) -> View:
    """Draw a view."""
    photograph = bool(rng.random() < 0.4)
    scale = float(np.exp(rng.uniform(np.log(3.0), np.log(15.0)))) if rng.random() < 0.12 else 1.0
    eye = scale * float(rng.uniform(1.0, 2.6))
    if photograph:
        pitch = float(rng.choice([rng.uniform(-32.0, -12.0), rng.uniform(-10.0, 2.0)]))
        fov = float(rng.uniform(18.0, 55.0))
        sun = float(rng.uniform(8.0, 55.0))
    else:
        pitch = float(rng.uniform(-22.0, 4.0))
        fov = float(rng.uniform(35.0, 75.0))
        sun = float(rng.uniform(3.0, 50.0))
    tilted = not photograph and rng.random() < 0.3
    exponent = float(rng.uniform(1.6, 3.2))
    fewest, most = (3e-4, 2.5e-2) if photograph else (1.5e-3, 5e-2)
    density = float(np.exp(rng.uniform(np.log(fewest), np.log(most))))
    # A rock that fills the view is what a camera is pointed at.
    near = int(rng.integers(1, 4)) if rng.random() < (0.45 if photograph else 0.2) else 0
    # People photograph with the Sun behind them more often than against it.
    behind = photograph or rng.random() < 0.3
    azimuth = float(rng.normal(180.0, 75.0) if behind else rng.uniform(0.0, 360.0))
    return View(
        photograph=photograph,
        eye_m=eye,
        fov_deg=fov,
        pitch_deg=pitch,
        roll_deg=float(rng.normal(0.0, 9.0 if tilted else 1.5)),
        azimuth_deg=azimuth,
        sun_deg=sun,
        rocks=scene_rocks.Field(
            per_m2=density / scale**2 * (eye / scale / USUAL_EYE_M) ** -2,
            exponent=exponent,
            sizes_m=(0.04 * scale, float(rng.uniform(1.0, 4.0)) * scale),
            buried=(-0.5, 0.2) if rng.random() < 0.5 else (-0.3, 0.75),
            roundness=float(rng.random()),
            flat=float(rng.uniform(0.0, 0.5)),
            piled=float(rng.uniform(0.1, 0.9)),
            near=near,
            eye_m=eye,
        ),
    )


def render(rng: np.random.Generator, ground: Ground, seen: View) -> Scene:
    """Return what a camera on some ground sees."""
    pixel = np.array(ground.pixel_m)
    levels = ground.height_m
    eye = np.array([*rng.uniform(-7.0, 7.0, 2), 0.0])
    eye[2] = scene_kernels.sample(levels, pixel, eye[0], eye[1]) + seen.eye_m
    # Few point a camera at ground that lies in the shadow of a hill.
    sun_deg, above = seen.sun_deg, _horizon_deg(levels, pixel, eye)
    if sun_deg < above + 0.5 and rng.random() < 0.9:
        sun_deg = min(above + float(rng.uniform(0.5, 20.0)), 80.0)
    rays = camera.rays(
        SIZE_PX[0] * camera.FINE,
        SIZE_PX[1] * camera.FINE,
        seen.fov_deg,
        azimuth_deg=seen.azimuth_deg,
        pitch_deg=seen.pitch_deg,
        roll_deg=seen.roll_deg,
    )
    depth = _ground_depth(levels, pixel, eye, rays)
    angle = np.radians(seen.fov_deg) / SIZE_PX[1]
    middle, half = np.radians(seen.azimuth_deg), np.radians(min(0.75 * seen.fov_deg, 80.0))
    rocks = scene_rocks.strew(rng, ground, seen.rocks, eye, (middle, half), 1.6 * angle)
    part = np.full(depth.shape, -1, np.int32)
    normal = np.zeros((*depth.shape, 3), np.float32)
    boxes = camera.boxes(rays, eye, rocks.place, rocks.radius)
    scene_kernels.hit_rocks(
        rays, eye, boxes, rocks.place, rocks.axes, rocks.faces, depth, part, normal
    )
    bright = light(
        rng,
        ground,
        eye,
        rays,
        depth,
        part,
        normal,
        rocks,
        sun_deg=sun_deg,
        angle=angle,
        unit_m=seen.rocks.sizes_m[0],
        black=0.3 if seen.photograph else 0.6,
    )
    area = masks.areas(rocks, part)
    usual = LARGE_M * seen.eye_m / USUAL_EYE_M
    large = area >= LARGE_PX if seen.photograph else rocks.diameter_m >= usual
    image = camera.develop(rng, bright, photograph=seen.photograph)
    known = masks.known(rocks, part, image)
    mask = masks.mask_of(rocks, part, depth, large, LEAST_PX, known)
    if seen.photograph and rng.random() < 0.3:
        image, mask = camera.lander(rng, image, mask)
    return Scene(image, mask)


def _ground(number: int, rng: np.random.Generator) -> Ground:
    """Return the ground of some scenes, turned anew for each."""
    own = np.random.default_rng([VERSION, number, 1])
    steepness = float(own.choice([own.uniform(0.0, 0.25), own.uniform(0.2, 1.0)]))
    whole = _kept_ground(number, own, steepness, rugged=bool(own.random() < RUGGED))
    return whole.turned(int(rng.integers(4)), mirrored=bool(rng.random() < 0.5))


_last: dict[int, Ground] = {}


def _kept_ground(
    number: int, rng: np.random.Generator, steepness: float, *, rugged: bool
) -> Ground:
    """Return ground; that of the last scene is kept, since the next one often shares it."""
    found = _last.get(number)
    if found is None:
        found = scene_ground.make(rng, steepness, rugged=rugged)
        _last.clear()
        _last[number] = found
    return found


def _horizon_deg(levels: Float32, pixel: Float, eye: Float) -> float:
    """Return how high the Sun, in the east, must stand to shine on the ground below a camera."""
    there = np.array([eye[0], eye[1], scene_kernels.sample(levels, pixel, eye[0], eye[1])])
    distance = np.geomspace(2.0, 0.48 * levels.shape[1] * pixel[-1], 300)
    _, highest = scene_kernels.profiles(levels, pixel, there, np.zeros(1), distance)
    return float(np.degrees(np.arctan(highest[0, -1])))


def _ground_depth(levels: Float32, pixel: Float, eye: Float, rays: Float32) -> Float32:
    """Return how far along the rays the ground is."""
    farthest = 0.48 * levels.shape[1] * pixel[-1]
    distance = np.geomspace(0.3, farthest, 1000)
    turn = np.arctan2(rays[..., 1], rays[..., 0])
    centre = np.arctan2(*rays.reshape(-1, 3).mean(axis=0)[1::-1])
    off = (turn - centre + np.pi) % (2.0 * np.pi) - np.pi
    first, last = float(off.min()), float(off.max())
    count = rays.shape[1] + rays.shape[1] // 2
    step = max(last - first, 1e-3) / (count - 1)
    azimuth = centre + first + step * np.arange(count)
    slope, highest = scene_kernels.profiles(levels, pixel, eye, azimuth, distance)
    return scene_kernels.hit_ground(rays, float(azimuth[0]), step, slope, highest, distance)
