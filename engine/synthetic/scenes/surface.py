"""Generated images of the lunar surface seen from the ground, with class masks.

A camera stands on generated terrain among generated rocks, under a low Sun. The contents of an
image are drawn at random, and so is which of two kinds of labelled images it resembles: renders
(grey and clean; the diameter of a rock decides its class) or photographs (with a colour cast, noise
and parts of a lander; its area in the image decides).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.synthetic.scenes import _scene_kernels, camera, masks
from lunarsite.engine.synthetic.scenes.ground import generate_ground
from lunarsite.engine.synthetic.scenes.light import Look, light
from lunarsite.engine.synthetic.scenes.rocks import RockField, scatter_rocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.synthetic.scenes.ground import Ground

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int32 = NDArray[np.int32]
    UInt8 = NDArray[np.uint8]

VERSION = 6
"""Incremented when the same seed gives another scene."""

SIZE_PX = (304, 448)
"""Rows and columns."""

RUGGED = 0.22
"""Fraction of terrains with crags and cliffs."""

DARK_ROCKS, BRIGHT_PATCHES, RUBBLE, DIM_SHADOWS = 0.25, 0.35, 0.2, 0.4
"""Fractions of scenes whose rocks are darker than the ground, whose ground has brighter patches,
whose rocks lie in heaps, and whose shadows are not black: a network that never saw them takes
bright slopes for rocks, and the rubble in a shadow for one rock."""

TRACKS = (0.06, 0.2)
"""Fractions of renders and of photographs with the tracks of a rover."""

VIEWS = 4
"""Number of consecutive scenes on the same terrain."""

MIN_AREA_PX = (14.0, 28.0)
"""Rocks of smaller area are labelled as ground, like pebbles in hand-made masks; rocks between the
two areas are ignored."""

LARGE_M = 1.0
"""Diameter from which a rock in a render is large, with the camera at `CAMERA_HEIGHT_M`."""

CAMERA_HEIGHT_M = 1.6
"""Usual height of the camera above the ground."""

LARGE_PX = 480.0
"""Area from which a rock in a photograph is large."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and its class mask.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    mask : ndarray of uint8, shape (rows, columns)
        `GROUND`, `SMALL`, `LARGE`, `SKY` or `IGNORE` of `masks`.
    """

    image: UInt8
    mask: UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Random parameters of a scene.

    Parameters
    ----------
    photograph : bool
        Whether the scene resembles a photograph or a render.
    eye_m, fov_deg, pitch_deg, roll_deg, azimuth_deg : float
        Height of the camera above the ground, its horizontal field of view and its orientation;
        the azimuth counts from east to north.
    sun_deg : float
        Elevation of the Sun, which is in the east.
    rocks : RockField
        Size and distribution of the rocks.
    look : Look
        Albedos, shadows, and what looks like rocks.
    """

    photograph: bool
    eye_m: float
    fov_deg: float
    pitch_deg: float
    roll_deg: float
    azimuth_deg: float
    sun_deg: float
    rocks: RockField
    look: Look


def make(seed: int) -> Scene:
    """Generate the scene of a seed; the same seed gives byte-identical scenes."""
    rng = np.random.default_rng([VERSION, seed])
    return render(rng, _terrain(seed // VIEWS, rng), draw_view(rng))


def draw_view(rng: np.random.Generator) -> View:
    """Draw the parameters of a scene at random."""
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
    low, high = (3e-4, 2.5e-2) if photograph else (1.5e-3, 5e-2)
    density = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    # Cameras are often pointed at a rock, which then fills the view.
    foreground = int(rng.integers(1, 4)) if rng.random() < (0.45 if photograph else 0.2) else 0
    # Photographs are more often taken with the Sun behind the camera than against it.
    behind = photograph or rng.random() < 0.3
    azimuth = float(rng.normal(180.0, 75.0) if behind else rng.uniform(0.0, 360.0))
    darkest = float(rng.uniform(0.4, 0.8))
    look = Look(
        rock_albedo=(darkest, darkest + 0.3) if rng.random() < DARK_ROCKS else (0.9, 1.8),
        most_fill=0.18 if rng.random() < DIM_SHADOWS else 0.04,
        black_probability=0.3 if photograph else 0.6,
        patches=bool(rng.random() < BRIGHT_PATCHES),
        tracks_towards=float(np.radians(azimuth)) if rng.random() < TRACKS[photograph] else None,
    )
    return View(
        photograph=photograph,
        eye_m=eye,
        fov_deg=fov,
        pitch_deg=pitch,
        roll_deg=float(rng.normal(0.0, 9.0 if tilted else 1.5)),
        azimuth_deg=azimuth,
        sun_deg=sun,
        rocks=RockField(
            density_per_m2=density / scale**2 * (eye / scale / CAMERA_HEIGHT_M) ** -2,
            exponent=exponent,
            diameter_range_m=(0.04 * scale, float(rng.uniform(1.0, 4.0)) * scale),
            burial=(-0.5, 0.2) if rng.random() < 0.5 else (-0.3, 0.75),
            roundness=float(rng.random()),
            slab_share=float(rng.uniform(0.0, 0.5)),
            pile_probability=float(rng.uniform(0.1, 0.9)),
            foreground=foreground,
            camera_height_m=eye,
            cut_share=0.4,
            rubble=bool(rng.random() < RUBBLE),
        ),
        look=look,
    )


def render(rng: np.random.Generator, ground: Ground, view: View) -> Scene:
    """Render a scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    ground : Ground
        Terrain on which the camera stands.
    view : View
        Parameters of the scene.
    """
    pixel = np.array(ground.pixel_m)
    levels = ground.height_m
    eye = np.array([*rng.uniform(-7.0, 7.0, 2), 0.0])
    eye[2] = _scene_kernels.sample(levels, pixel, eye[0], eye[1]) + view.eye_m
    # A camera is rarely pointed at terrain in the shadow of a hill.
    sun_deg, horizon_deg = view.sun_deg, _horizon_deg(levels, pixel, eye)
    if sun_deg < horizon_deg + 0.5 and rng.random() < 0.9:
        sun_deg = min(horizon_deg + float(rng.uniform(0.5, 20.0)), 80.0)
    rays = camera.rays(
        SIZE_PX[0] * camera.FINE,
        SIZE_PX[1] * camera.FINE,
        view.fov_deg,
        azimuth_deg=view.azimuth_deg,
        pitch_deg=view.pitch_deg,
        roll_deg=view.roll_deg,
    )
    depth = _ground_depth(levels, pixel, eye, rays)
    angle = np.radians(view.fov_deg) / SIZE_PX[1]
    sector = np.radians(view.azimuth_deg), np.radians(min(0.75 * view.fov_deg, 80.0))
    rocks = scatter_rocks(rng, ground, view.rocks, eye, sector, 1.6 * angle)
    part = np.full(depth.shape, -1, np.int32)
    normal = np.zeros((*depth.shape, 3), np.float32)
    boxes = camera.boxes(rays, eye, rocks.centre, rocks.radius)
    _scene_kernels.hit_rocks(
        rays, eye, boxes, rocks.centre, rocks.axes, rocks.faces, depth, part, normal
    )
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
        angle=angle,
        unit_m=view.rocks.diameter_range_m[0],
        look=view.look,
    )
    area = masks.areas(rocks, part)
    large_m = LARGE_M * view.eye_m / CAMERA_HEIGHT_M
    large = area >= LARGE_PX if view.photograph else rocks.diameter_m >= large_m
    image = camera.develop(rng, brightness, photograph=view.photograph)
    visible = masks.visible_rocks(rocks, part, image)
    mask = masks.class_mask(rocks, part, depth, large, MIN_AREA_PX, visible)
    if view.photograph and rng.random() < 0.3:
        image, mask = camera.add_lander(rng, image, mask)
    return Scene(image, mask)


def _terrain(number: int, rng: np.random.Generator) -> Ground:
    """Return the terrain shared by consecutive scenes, rotated and mirrored at random."""
    own = np.random.default_rng([VERSION, number, 1])
    steepness = float(own.choice([own.uniform(0.0, 0.25), own.uniform(0.2, 1.0)]))
    terrain = _cached_terrain(number, own, steepness, rugged=bool(own.random() < RUGGED))
    return terrain.rotated(int(rng.integers(4)), mirrored=bool(rng.random() < 0.5))


_last: dict[int, Ground] = {}


def _cached_terrain(
    number: int, rng: np.random.Generator, steepness: float, *, rugged: bool
) -> Ground:
    """Return terrain; that of the last scene is cached, as the next one often shares it."""
    terrain = _last.get(number)
    if terrain is None:
        terrain = generate_ground(rng, steepness, rugged=rugged)
        _last.clear()
        _last[number] = terrain
    return terrain


def _horizon_deg(levels: Float32, pixel: Float, eye: Float) -> float:
    """Return the elevation of the eastern horizon from the ground below the camera."""
    base = np.array([eye[0], eye[1], _scene_kernels.sample(levels, pixel, eye[0], eye[1])])
    distance = np.geomspace(2.0, 0.48 * levels.shape[1] * pixel[-1], 300)
    _, highest = _scene_kernels.profiles(levels, pixel, base, np.zeros(1), distance)
    return float(np.degrees(np.arctan(highest[0, -1])))


def _ground_depth(levels: Float32, pixel: Float, eye: Float, rays: Float32) -> Float32:
    """Return the distance along the rays to the ground."""
    farthest = 0.48 * levels.shape[1] * pixel[-1]
    distance = np.geomspace(0.3, farthest, 1000)
    azimuths = np.arctan2(rays[..., 1], rays[..., 0])
    centre = np.arctan2(*rays.reshape(-1, 3).mean(axis=0)[1::-1])
    off = (azimuths - centre + np.pi) % (2.0 * np.pi) - np.pi
    first, last = float(off.min()), float(off.max())
    count = rays.shape[1] + rays.shape[1] // 2
    step = max(last - first, 1e-3) / (count - 1)
    azimuth = centre + first + step * np.arange(count)
    slope, highest = _scene_kernels.profiles(levels, pixel, eye, azimuth, distance)
    return _scene_kernels.hit_ground(rays, float(azimuth[0]), step, slope, highest, distance)
