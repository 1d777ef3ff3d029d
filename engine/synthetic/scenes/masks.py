"""Masks of generated scenes: what every pixel shows, and what nobody is asked."""

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
UNASKED = 255
"""Rocks that masks of people have or have not: very small ones, and ones that nothing shows."""

DARK = 16
"""Grey level: rocks that are nowhere brighter show no light."""

OUTLINED = (40, 0.25)
"""Grey level, and share of the outline: a dark rock before so much that is brighter is seen as a
silhouette. Of other dark rocks nobody is asked."""


def mask_of(
    rocks: Rocks,
    part: Int32,
    depth: Float32,
    large: NDArray[np.bool_],
    least: tuple[float, float],
    known: NDArray[np.bool_] | None = None,
) -> UInt8:
    """Return the mask of a drawing, at the image's resolution.

    Parameters
    ----------
    rocks : Rocks
        As drawn.
    part : ndarray of int32, shape (rows, columns)
        Piece of a rock that is seen, -1 for none.
    depth : ndarray of float32, shape (rows, columns)
        Infinite where nothing is seen.
    large : ndarray of bool, shape (rocks,)
        Which rocks are large ones.
    least : tuple of float
        As `scenes.LEAST_PX`.
    known : ndarray of bool, shape (rocks,), optional
        Which rocks can be seen at all: of the others nobody is asked.
    """
    area = areas(rocks, part)
    kind = np.where(large, LARGE, SMALL)
    kind[area < least[1]] = UNASKED
    if known is not None:
        kind[~known] = UNASKED
    kind[area < least[0]] = GROUND
    named = np.append(kind, GROUND)[np.where(part >= 0, np.append(rocks.rock, -1)[part], -1)]
    drawn = np.where(np.isfinite(depth), named, SKY)
    fine = camera.FINE
    rows, columns = drawn.shape[0] // fine, drawn.shape[1] // fine
    cells = (
        drawn.reshape(rows, fine, columns, fine).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    )
    names = np.array([SMALL, LARGE, UNASKED, GROUND, SKY], np.uint8)
    votes = np.stack([(cells == name).sum(axis=2) for name in names])
    mask: UInt8 = names[np.argmax(votes, axis=0)]
    return mask


def known(rocks: Rocks, part: Int32, image: UInt8) -> NDArray[np.bool_]:
    """Return which rocks an image shows: by light on them, or by their outline.

    Parameters
    ----------
    rocks, part : Rocks, ndarray of int32
        As for `mask_of`.
    image : ndarray of uint8, shape (rows / FINE, columns / FINE, 3)
        What the camera made of it.
    """
    lit: NDArray[np.bool_] = brightest(rocks, part, image) > DARK
    return lit | outlined(rocks, part, image)


def areas(rocks: Rocks, part: Int32) -> Float:
    """Return how many pixels of the image show each rock."""
    which = rocks.rock[part[part >= 0]]
    shown: Float = np.bincount(which, minlength=rocks.diameter_m.size) / camera.FINE**2
    return shown


def brightest(rocks: Rocks, part: Int32, image: UInt8) -> NDArray[np.uint8]:
    """Return the brightest grey level that an image has of each rock."""
    some = part[:: camera.FINE, :: camera.FINE]
    found = np.zeros(rocks.diameter_m.size, np.uint8)
    np.maximum.at(found, rocks.rock[some[some >= 0]], image.max(axis=2)[some >= 0])
    return found


def outlined(rocks: Rocks, part: Int32, image: UInt8) -> NDArray[np.bool_]:
    """Return which rocks stand before something bright, for enough of their outline."""
    some = part[:: camera.FINE, :: camera.FINE]
    which = np.where(some >= 0, np.append(rocks.rock, -1)[some], -1)
    bright = image.max(axis=2) > OUTLINED[0]
    edge, before = np.zeros((2, rocks.diameter_m.size), np.int64)
    for ids, shown in ((which, bright), (which.T, bright.T)):
        for inside, outside, beyond in (
            (ids[:-1], ids[1:], shown[1:]),
            (ids[1:], ids[:-1], shown[:-1]),
        ):
            ends = (inside >= 0) & (inside != outside)
            np.add.at(edge, inside[ends], 1)
            np.add.at(before, inside[ends], beyond[ends])
    found: NDArray[np.bool_] = before > OUTLINED[1] * np.maximum(edge, 1)
    return found
