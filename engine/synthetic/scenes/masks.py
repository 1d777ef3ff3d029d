"""Class masks of generated scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.synthetic.scenes import camera

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.synthetic.scenes.rocks import Rocks

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int32 = NDArray[np.int32]
    UInt8 = NDArray[np.uint8]

GROUND, SMALL, LARGE, SKY = range(4)
IGNORE = 255
"""Ignore index, for rocks that hand-made masks may or may not have: tiny or invisible ones."""

DARK = 16
"""Grey level; rocks that are nowhere brighter count as unlit."""

SILHOUETTE = (40, 0.25)
"""Grey level and fraction of the outline: unlit rocks are visible as silhouettes if the background
is brighter along so much of its outline. Other unlit rocks are ignored."""


def class_mask(
    rocks: Rocks,
    part: Int32,
    depth: Float32,
    large: NDArray[np.bool_],
    min_area_px: tuple[float, float],
    visible: NDArray[np.bool_] | None = None,
) -> UInt8:
    """Return the class mask of a rendered scene, at the resolution of the image.

    Parameters
    ----------
    rocks : Rocks
        Rocks of the scene.
    part : ndarray of int32, shape (rows, columns)
        Piece of rock that each rendered pixel shows, -1 for none.
    depth : ndarray of float32, shape (rows, columns)
        Distance along the rays, metres; infinite for the sky.
    large : ndarray of bool, shape (rocks,)
        Which rocks are large.
    min_area_px : tuple of float
        As `surface.MIN_AREA_PX`.
    visible : ndarray of bool, shape (rocks,), optional
        Which rocks can be recognised in the image; all others are ignored.

    Returns
    -------
    ndarray of uint8, shape (rows / FINE, columns / FINE)
        `GROUND`, `SMALL`, `LARGE`, `SKY` or `IGNORE`.
    """
    area = areas(rocks, part)
    kind = np.where(large, LARGE, SMALL)
    kind[area < min_area_px[1]] = IGNORE
    if visible is not None:
        kind[~visible] = IGNORE
    kind[area < min_area_px[0]] = GROUND
    rock_class = np.append(kind, GROUND)[np.where(part >= 0, np.append(rocks.rock, -1)[part], -1)]
    rendered = np.where(np.isfinite(depth), rock_class, SKY)
    fine = camera.FINE
    rows, columns = rendered.shape[0] // fine, rendered.shape[1] // fine
    cells = (
        rendered.reshape(rows, fine, columns, fine).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    )
    classes = np.array([SMALL, LARGE, IGNORE, GROUND, SKY], np.uint8)
    votes = np.stack([(cells == number).sum(axis=2) for number in classes])
    mask: UInt8 = classes[np.argmax(votes, axis=0)]
    return mask


def visible_rocks(rocks: Rocks, part: Int32, image: UInt8) -> NDArray[np.bool_]:
    """Return which rocks can be recognised in an image: lit ones, and silhouettes.

    Parameters
    ----------
    rocks, part : Rocks, ndarray of int32
        As for `class_mask`.
    image : ndarray of uint8, shape (rows / FINE, columns / FINE, 3)
        The image as developed by the camera.
    """
    lit: NDArray[np.bool_] = brightest(rocks, part, image) > DARK
    return lit | silhouettes(rocks, part, image)


def areas(rocks: Rocks, part: Int32) -> Float:
    """Return the area of each rock in image pixels."""
    which = rocks.rock[part[part >= 0]]
    pixels: Float = np.bincount(which, minlength=rocks.diameter_m.size) / camera.FINE**2
    return pixels


def brightest(rocks: Rocks, part: Int32, image: UInt8) -> NDArray[np.uint8]:
    """Return the brightest grey level of each rock in an image."""
    sampled = part[:: camera.FINE, :: camera.FINE]
    found = np.zeros(rocks.diameter_m.size, np.uint8)
    np.maximum.at(found, rocks.rock[sampled[sampled >= 0]], image.max(axis=2)[sampled >= 0])
    return found


def silhouettes(rocks: Rocks, part: Int32, image: UInt8) -> NDArray[np.bool_]:
    """Return which rocks stand against a bright background along enough of their outline."""
    sampled = part[:: camera.FINE, :: camera.FINE]
    which = np.where(sampled >= 0, np.append(rocks.rock, -1)[sampled], -1)
    bright = image.max(axis=2) > SILHOUETTE[0]
    outline, against_bright = np.zeros((2, rocks.diameter_m.size), np.int64)
    for ids, shown in ((which, bright), (which.T, bright.T)):
        for inside, outside, beyond in (
            (ids[:-1], ids[1:], shown[1:]),
            (ids[1:], ids[:-1], shown[:-1]),
        ):
            ends = (inside >= 0) & (inside != outside)
            np.add.at(outline, inside[ends], 1)
            np.add.at(against_bright, inside[ends], beyond[ends])
    found: NDArray[np.bool_] = against_bright > SILHOUETTE[1] * np.maximum(outline, 1)
    return found
