"""Rocks of generated scenes: where they lie, how large they are, and their faces.

A rock is one to five convex pieces, each the part of an ellipsoid's inside that some planes leave.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.synthetic.scenes import _scene_kernels as scene_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.synthetic.scenes.ground import Ground

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

FACES = 26
"""Planes of a piece."""

MOST = 1600
"""Rocks of one scene."""


@dataclass(frozen=True, slots=True, eq=False)
class Rocks:
    """Convex pieces of rocks.

    Parameters
    ----------
    place : ndarray of float64, shape (pieces, 3)
        Middles, metres: east, north, up.
    radius : ndarray of float64, shape (pieces,)
        Of the sphere about a piece, metres.
    axes : ndarray of float64, shape (pieces, 3, 3)
        From metres about the middle to the piece's own units.
    faces : ndarray of float64, shape (pieces, FACES, 4)
        Planes n · p = h in those units.
    rock : ndarray of int64, shape (pieces,)
        Which rock a piece belongs to.
    diameter_m : ndarray of float64, shape (rocks,)
        Mean of length and breadth.
    """

    place: Float
    radius: Float
    axes: Float
    faces: Float
    rock: Int
    diameter_m: Float


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """How rocks lie on the ground.

    Parameters
    ----------
    per_m2 : float
        Rocks of 1 m and more on a square metre.
    exponent : float
        N(≥ D) ∝ D^-exponent (Golombek & Rapp 1997, JGR 102, 4117, and boulder counts about lunar
        craters give 2 to 5 for boulders; the small ones of a surface view are flatter).
    sizes_m : tuple of float
        Least and greatest diameter.
    buried : tuple of float
        Range of how far middles lie below the ground, in half heights; negative above it.
    roundness : float
        0 for angular to 1 for rounded.
    flat : float
        Share of rocks that are slabs.
    piled : float
        Chance that a rock has a second piece; the third, fourth and fifth come half as often each.
    near : int
        Rocks that take up much of the view.
    eye_m : float
        Height of the camera over the ground, by which they stand away from it.
    """

    per_m2: float
    exponent: float
    sizes_m: tuple[float, float]
    buried: tuple[float, float]
    roundness: float
    flat: float = 0.0
    piled: float = 0.35
    near: int = 0
    eye_m: float = 1.6


def strew(
    rng: np.random.Generator,
    ground: Ground,
    field: Field,
    eye: Float,
    azimuths: tuple[float, float],
    least_angle: float,
) -> Rocks:
    """Lay rocks on the ground where a camera may see them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    ground : Ground
        What they lie on.
    field : Field
        How.
    eye : ndarray of float64, shape (3,)
        The camera, metres.
    azimuths : tuple of float
        Middle and half width of what it sees, radians from east to north.
    least_angle : float
        Rocks that look smaller than this, radians, are left out.
    """
    diameter, near, turn = _seen(rng, field, azimuths, least_angle)
    diameter, near, turn = _clustered(rng, field, diameter, near, turn)
    diameter, near, turn = _in_front(rng, field, azimuths, (diameter, near, turn))
    place = np.column_stack([eye[0] + near * np.cos(turn), eye[1] + near * np.sin(turn)])
    return _standing(rng, ground, field, diameter, place)


def lay(rng: np.random.Generator, ground: Ground, field: Field, place: Float) -> Rocks:
    """Lay rocks on the ground at places, metres east and north, shape (rocks, 2)."""
    a, b = (size**-field.exponent for size in field.sizes_m)
    diameter = (a + (b - a) * rng.random(len(place))) ** (-1.0 / field.exponent)
    return _standing(rng, ground, field, diameter, place)


def _standing(
    rng: np.random.Generator, ground: Ground, field: Field, diameter: Float, place: Float
) -> Rocks:
    x, y = place.T
    pixel = np.array(ground.pixel_m)
    z = np.array(
        [
            scene_kernels.sample(ground.height_m, pixel, float(a), float(b))
            for a, b in zip(x, y, strict=True)
        ]
    )
    there = np.isfinite(z)
    return _pieces(rng, field, diameter[there], np.column_stack([x, y, z])[there])


def _seen(
    rng: np.random.Generator, field: Field, azimuths: tuple[float, float], least_angle: float
) -> tuple[Float, Float, Float]:
    """Return diameter, distance and azimuth of the rocks that are not too small to be seen."""
    middle, half = azimuths
    edges = np.geomspace(*field.sizes_m, 12)
    parts = []
    for low, high in itertools.pairwise(edges):
        farthest = min(high / least_angle, 2200.0)
        count = field.per_m2 * (low**-field.exponent - high**-field.exponent) * half * farthest**2
        number = int(rng.poisson(min(count, MOST)))
        a, b = low**-field.exponent, high**-field.exponent
        size = (a + (b - a) * rng.random(number)) ** (-1.0 / field.exponent)
        near = farthest * np.sqrt(rng.random(number))
        turn = middle + half * rng.uniform(-1.0, 1.0, number)
        # Nothing stands in the camera's way.
        kept = (size / near >= least_angle) & (near > 0.8 + 1.2 * size)
        parts.append(np.column_stack([size, near, turn])[kept])
    found = np.concatenate(parts)
    found = found[rng.permutation(len(found))[:MOST]]
    return found[:, 0], found[:, 1], found[:, 2]


def _clustered(
    rng: np.random.Generator, field: Field, diameter: Float, near: Float, turn: Float
) -> tuple[Float, Float, Float]:
    """Gather some rocks about others, as what fell apart lies."""
    if diameter.size < 8 or rng.random() < 0.5:
        return diameter, near, turn
    moved = rng.random(diameter.size) < rng.uniform(0.1, 0.6)
    about = rng.integers(0, diameter.size, diameter.size)
    off = diameter[about] * rng.exponential(1.5, diameter.size) + diameter
    way = rng.uniform(0.0, 2.0 * np.pi, diameter.size)
    x = near[about] * np.cos(turn[about]) + off * np.cos(way)
    y = near[about] * np.sin(turn[about]) + off * np.sin(way)
    place = np.hypot(x, y)
    moved &= place > 0.8 + 1.2 * diameter
    return (
        np.minimum(diameter, field.sizes_m[1]),
        np.where(moved, place, near),
        np.where(moved, np.arctan2(y, x), turn),
    )


def _in_front(
    rng: np.random.Generator,
    field: Field,
    azimuths: tuple[float, float],
    others: tuple[Float, Float, Float],
) -> tuple[Float, Float, Float]:
    """Add the rocks that take up much of the view; what stood where they are is gone."""
    diameter, near, turn = others
    middle, half = azimuths
    for _ in range(field.near):
        # In parts of the view's width, and of the camera's height over the ground.
        wide = float(np.exp(rng.uniform(np.log(0.12), np.log(0.8)))) * half / 0.75
        away = field.eye_m * float(np.exp(rng.uniform(np.log(1.5), np.log(5.0))))
        size = 2.0 * away * np.tan(0.5 * min(wide, 1.5))
        way = middle + half * rng.uniform(-0.6, 0.6)
        apart = np.hypot(
            near * np.cos(turn) - away * np.cos(way), near * np.sin(turn) - away * np.sin(way)
        )
        kept = apart > 0.6 * (diameter + size)
        diameter = np.append(diameter[kept], size)
        near, turn = np.append(near[kept], away), np.append(turn[kept], way)
    return diameter, near, turn


def _pieces(rng: np.random.Generator, field: Field, diameter: Float, place: Float) -> Rocks:
    """Return the convex pieces of rocks that stand at places on the ground."""
    count = diameter.size
    more = rng.random((count, 4)) < field.piled * np.array([1.0, 0.5, 0.25, 0.125])
    rock = np.concatenate([np.arange(count), *(np.flatnonzero(m) for m in more.T)])
    first = np.arange(rock.size) < count
    n = rock.size
    # Half axes: length, breadth, height.
    size = 0.5 * diameter[rock] * np.where(first, 1.0, rng.uniform(0.4, 0.8, n))
    shape = np.column_stack([rng.uniform(0.8, 1.4, n), np.ones(n), rng.uniform(0.45, 1.1, n)])
    shape[:, 1] = 2.0 - np.minimum(shape[:, 0], 1.4)
    slab = (rng.random(count) < field.flat)[rock]
    shape[:, 2] *= np.where(slab, rng.uniform(0.3, 0.7, n), 1.0)
    half = size[:, None] * shape
    sunk = rng.uniform(*field.buried, count)[rock]
    middle = place[rock].copy()
    middle[:, 2] -= sunk * half[:, 2]
    away = rng.uniform(0.3, 0.9, n) * 0.5 * diameter[rock] * ~first
    way = rng.uniform(0.0, 2.0 * np.pi, n)
    middle[:, 0] += away * np.cos(way)
    middle[:, 1] += away * np.sin(way)
    middle[:, 2] += np.where(first, 0.0, rng.uniform(-0.2, 0.5, n) * half[:, 2])
    turned = _rotations(rng, n)
    axes = turned / half[:, :, None]
    return Rocks(
        middle,
        half.max(axis=1) * 1.05,
        axes,
        _faces(rng, n, field.roundness),
        rock,
        diameter,
    )


def _rotations(rng: np.random.Generator, count: int) -> Float:
    """Return rotations: any turn about the vertical, and some tilt."""
    yaw = rng.uniform(0.0, 2.0 * np.pi, count)
    tilt, roll = rng.normal(0.0, 0.3, (2, count))
    cosine, sine = np.cos(yaw), np.sin(yaw)
    zero, one = np.zeros(count), np.ones(count)
    about_z = np.stack([[cosine, sine, zero], [-sine, cosine, zero], [zero, zero, one]])
    cosine, sine = np.cos(tilt), np.sin(tilt)
    about_x = np.stack([[one, zero, zero], [zero, cosine, sine], [zero, -sine, cosine]])
    cosine, sine = np.cos(roll), np.sin(roll)
    about_y = np.stack([[cosine, zero, -sine], [zero, one, zero], [sine, zero, cosine]])
    turned: Float = np.einsum("abn,bcn,cdn->nad", about_x, about_y, about_z)
    return turned


def _faces(rng: np.random.Generator, count: int, roundness: float) -> Float:
    """Return planes that leave a convex piece of the unit ball."""
    normal = rng.standard_normal((count, FACES, 3))
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    # A few deep cuts make large faces; the others only round the corners.
    deep = rng.uniform(0.45, 0.85, (count, FACES))
    shallow = rng.uniform(0.85, 1.0, (count, FACES))
    cuts = rng.integers(3, 11, (count, 1)) * (1.0 - 0.6 * roundness)
    height = np.where(np.arange(FACES) < cuts, deep, shallow)
    # The six of a box keep a piece closed, whatever chance gave.
    box = np.concatenate([np.eye(3), -np.eye(3)])
    normal[:, -6:] = box
    height[:, -6:] = 1.0
    return np.concatenate([normal, height[:, :, None]], axis=2)
