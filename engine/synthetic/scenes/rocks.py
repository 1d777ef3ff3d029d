"""Rocks of generated scenes: positions, sizes and shapes.

A rock consists of one to five convex pieces, each an ellipsoid cut by planes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.synthetic.scenes import _scene_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.synthetic.scenes.ground import Ground

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

FACES = 26
"""Number of planes of a piece."""

MAX_ROCKS = 1600
"""Maximum number of rocks in a scene."""


@dataclass(frozen=True, slots=True, eq=False)
class Rocks:
    """Rocks as convex pieces.

    Parameters
    ----------
    centre : ndarray of float64, shape (pieces, 3)
        Metres: east, north, up.
    radius : ndarray of float64, shape (pieces,)
        Radius of the bounding sphere, metres.
    axes : ndarray of float64, shape (pieces, 3, 3)
        Matrices from metres about the centre to units of the piece.
    faces : ndarray of float64, shape (pieces, FACES, 4)
        Planes n · p = h in units of the piece: n and h.
    rock : ndarray of int64, shape (pieces,)
        Index of the rock that the piece belongs to.
    diameter_m : ndarray of float64, shape (rocks,)
        Mean of length and breadth.
    """

    centre: Float
    radius: Float
    axes: Float
    faces: Float
    rock: Int
    diameter_m: Float


@dataclass(frozen=True, slots=True, kw_only=True)
class RockField:
    """Size, shape and spatial distribution of rocks.

    Parameters
    ----------
    density_per_m2 : float
        Number of rocks of 1 m and larger per square metre.
    exponent : float
        N(≥ D) ∝ D^-exponent (Golombek & Rapp 1997, JGR 102, 4117, and boulder counts about lunar
        craters give 2 to 5 for boulders; the small ones of a surface view are flatter).
    diameter_range_m : tuple of float
        Smallest and largest diameter.
    burial : tuple of float
        Range of the depth of rock centres below the ground in half heights; negative above it.
    roundness : float
        From 0 for angular to 1 for rounded.
    slab_share : float
        Fraction of rocks that are slabs.
    pile_probability : float
        Probability that a rock has a second piece; halved for each of the third to the fifth.
    foreground : int
        Number of rocks that fill much of the view.
    camera_height_m : float
        Height of the camera above the ground, which sets the distance of foreground rocks.
    cut_share : float
        Share of the foreground rocks that an edge of the image cuts.
    rubble : bool
        Whether most rocks lie close to others, as below a slope or around a crater.
    """

    density_per_m2: float
    exponent: float
    diameter_range_m: tuple[float, float]
    burial: tuple[float, float]
    roundness: float
    slab_share: float = 0.0
    pile_probability: float = 0.35
    foreground: int = 0
    camera_height_m: float = 1.6
    cut_share: float = 0.0
    rubble: bool = False


def scatter_rocks(
    rng: np.random.Generator,
    ground: Ground,
    field: RockField,
    eye: Float,
    azimuths: tuple[float, float],
    min_angle: float,
) -> Rocks:
    """Scatter rocks on the ground in the field of view of a camera.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    ground : Ground
        Terrain on which they lie.
    field : RockField
        Size, shape and distribution.
    eye : ndarray of float64, shape (3,)
        Position of the camera, metres.
    azimuths : tuple of float
        Centre and half width of the visible sector, radians from east to north.
    min_angle : float
        Rocks of smaller angular size, radians, are left out.

    Returns
    -------
    Rocks
        At most about `MAX_ROCKS`.
    """
    diameter, distance, azimuth = _draw_visible(rng, field, azimuths, min_angle)
    diameter, distance, azimuth = _cluster(rng, field, diameter, distance, azimuth)
    visible = (diameter, distance, azimuth)
    diameter, distance, azimuth = _add_foreground(rng, field, azimuths, visible)
    position = np.column_stack(
        [eye[0] + distance * np.cos(azimuth), eye[1] + distance * np.sin(azimuth)]
    )
    return _on_ground(rng, ground, field, diameter, position)


def place_rocks(
    rng: np.random.Generator, ground: Ground, field: RockField, position: Float
) -> Rocks:
    """Place rocks on the ground at given positions.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    ground : Ground
        Terrain on which they lie.
    field : RockField
        Size and shape.
    position : ndarray of float64, shape (rocks, 2)
        Metres east and north.

    Returns
    -------
    Rocks
        Those that lie on the terrain.
    """
    a, b = (size**-field.exponent for size in field.diameter_range_m)
    diameter = (a + (b - a) * rng.random(len(position))) ** (-1.0 / field.exponent)
    return _on_ground(rng, ground, field, diameter, position)


def _on_ground(
    rng: np.random.Generator, ground: Ground, field: RockField, diameter: Float, position: Float
) -> Rocks:
    """Return rocks that stand on the ground at the given positions, east and north."""
    x, y = position.T
    pixel = np.array(ground.pixel_m)
    z = np.array(
        [
            _scene_kernels.sample(ground.height_m, pixel, float(a), float(b))
            for a, b in zip(x, y, strict=True)
        ]
    )
    valid = np.isfinite(z)
    return _pieces(rng, field, diameter[valid], np.column_stack([x, y, z])[valid])


def _draw_visible(
    rng: np.random.Generator, field: RockField, azimuths: tuple[float, float], min_angle: float
) -> tuple[Float, Float, Float]:
    """Draw diameter, distance and azimuth of rocks of at least the minimum angular size."""
    middle, half = azimuths
    edges = np.geomspace(*field.diameter_range_m, 12)
    parts = []
    for low, high in itertools.pairwise(edges):
        farthest = min(high / min_angle, 2200.0)
        count = (
            field.density_per_m2
            * (low**-field.exponent - high**-field.exponent)
            * half
            * farthest**2
        )
        number = int(rng.poisson(min(count, MAX_ROCKS)))
        a, b = low**-field.exponent, high**-field.exponent
        size = (a + (b - a) * rng.random(number)) ** (-1.0 / field.exponent)
        distance = farthest * np.sqrt(rng.random(number))
        azimuth = middle + half * rng.uniform(-1.0, 1.0, number)
        # No rock is closer to the camera than its own size.
        kept = (size / distance >= min_angle) & (distance > 0.8 + 1.2 * size)
        parts.append(np.column_stack([size, distance, azimuth])[kept])
    found = np.concatenate(parts)
    found = found[rng.permutation(len(found))[:MAX_ROCKS]]
    return found[:, 0], found[:, 1], found[:, 2]


def _cluster(
    rng: np.random.Generator, field: RockField, diameter: Float, distance: Float, azimuth: Float
) -> tuple[Float, Float, Float]:
    """Move some rocks next to others, like the fragments of a broken rock."""
    if diameter.size < 8 or (not field.rubble and rng.random() < 0.5):
        return diameter, distance, azimuth
    share = rng.uniform(0.6, 0.95) if field.rubble else rng.uniform(0.1, 0.6)
    moved = rng.random(diameter.size) < share
    parent = rng.integers(0, diameter.size, diameter.size)
    offset = diameter[parent] * rng.exponential(1.5, diameter.size) + diameter
    direction = rng.uniform(0.0, 2.0 * np.pi, diameter.size)
    x = distance[parent] * np.cos(azimuth[parent]) + offset * np.cos(direction)
    y = distance[parent] * np.sin(azimuth[parent]) + offset * np.sin(direction)
    new_distance = np.hypot(x, y)
    moved &= new_distance > 0.8 + 1.2 * diameter
    return (
        np.minimum(diameter, field.diameter_range_m[1]),
        np.where(moved, new_distance, distance),
        np.where(moved, np.arctan2(y, x), azimuth),
    )


def _add_foreground(
    rng: np.random.Generator,
    field: RockField,
    azimuths: tuple[float, float],
    others: tuple[Float, Float, Float],
) -> tuple[Float, Float, Float]:
    """Add rocks that fill much of the view, and remove those that they overlap."""
    diameter, distance, azimuth = others
    middle, half = azimuths
    for _ in range(field.foreground):
        # Width as a fraction of the view, distance in heights of the camera.
        width = float(np.exp(rng.uniform(np.log(0.12), np.log(0.8)))) * half / 0.75
        near = field.camera_height_m * float(np.exp(rng.uniform(np.log(1.5), np.log(5.0))))
        size = 2.0 * near * np.tan(0.5 * min(width, 1.5))
        direction = middle + half * rng.uniform(-0.6, 0.6)
        if field.cut_share and rng.random() < field.cut_share:
            direction = middle + half * rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 0.75)
            near *= float(rng.uniform(0.6, 1.0))
        separation = np.hypot(
            distance * np.cos(azimuth) - near * np.cos(direction),
            distance * np.sin(azimuth) - near * np.sin(direction),
        )
        kept = separation > 0.6 * (diameter + size)
        diameter = np.append(diameter[kept], size)
        distance = np.append(distance[kept], near)
        azimuth = np.append(azimuth[kept], direction)
    return diameter, distance, azimuth


def _pieces(rng: np.random.Generator, field: RockField, diameter: Float, foot: Float) -> Rocks:
    """Draw the convex pieces of rocks that stand at points on the ground."""
    count = diameter.size
    extra = rng.random((count, 4)) < field.pile_probability * np.array([1.0, 0.5, 0.25, 0.125])
    rock = np.concatenate([np.arange(count), *(np.flatnonzero(m) for m in extra.T)])
    first = np.arange(rock.size) < count
    n = rock.size
    # Half axes: length, breadth, height.
    size = 0.5 * diameter[rock] * np.where(first, 1.0, rng.uniform(0.4, 0.8, n))
    shape = np.column_stack([rng.uniform(0.8, 1.4, n), np.ones(n), rng.uniform(0.45, 1.1, n)])
    shape[:, 1] = 2.0 - np.minimum(shape[:, 0], 1.4)
    slab = (rng.random(count) < field.slab_share)[rock]
    shape[:, 2] *= np.where(slab, rng.uniform(0.3, 0.7, n), 1.0)
    half = size[:, None] * shape
    burial = rng.uniform(*field.burial, count)[rock]
    centre = foot[rock].copy()
    centre[:, 2] -= burial * half[:, 2]
    offset = rng.uniform(0.3, 0.9, n) * 0.5 * diameter[rock] * ~first
    direction = rng.uniform(0.0, 2.0 * np.pi, n)
    centre[:, 0] += offset * np.cos(direction)
    centre[:, 1] += offset * np.sin(direction)
    centre[:, 2] += np.where(first, 0.0, rng.uniform(-0.2, 0.5, n) * half[:, 2])
    axes = _rotations(rng, n) / half[:, :, None]
    return Rocks(
        centre,
        half.max(axis=1) * 1.05,
        axes,
        _faces(rng, n, field.roundness),
        rock,
        diameter,
    )


def _rotations(rng: np.random.Generator, count: int) -> Float:
    """Draw rotations: any angle about the vertical, and some tilt."""
    yaw = rng.uniform(0.0, 2.0 * np.pi, count)
    tilt, roll = rng.normal(0.0, 0.3, (2, count))
    cosine, sine = np.cos(yaw), np.sin(yaw)
    zero, one = np.zeros(count), np.ones(count)
    about_z = np.stack([[cosine, sine, zero], [-sine, cosine, zero], [zero, zero, one]])
    cosine, sine = np.cos(tilt), np.sin(tilt)
    about_x = np.stack([[one, zero, zero], [zero, cosine, sine], [zero, -sine, cosine]])
    cosine, sine = np.cos(roll), np.sin(roll)
    about_y = np.stack([[cosine, zero, -sine], [zero, one, zero], [sine, zero, cosine]])
    rotation: Float = np.einsum("abn,bcn,cdn->nad", about_x, about_y, about_z)
    return rotation


def _faces(rng: np.random.Generator, count: int, roundness: float) -> Float:
    """Draw planes that cut a convex piece out of the unit ball."""
    normal = rng.standard_normal((count, FACES, 3))
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    # A few deep cuts make large faces; the others only round off corners.
    deep = rng.uniform(0.45, 0.85, (count, FACES))
    shallow = rng.uniform(0.85, 1.0, (count, FACES))
    cuts = rng.integers(3, 11, (count, 1)) * (1.0 - 0.6 * roundness)
    height = np.where(np.arange(FACES) < cuts, deep, shallow)
    # The six planes of a box make sure that every piece is closed.
    box = np.concatenate([np.eye(3), -np.eye(3)])
    normal[:, -6:] = box
    height[:, -6:] = 1.0
    return np.concatenate([normal, height[:, :, None]], axis=2)
