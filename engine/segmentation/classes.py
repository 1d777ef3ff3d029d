"""The classes of a mask, their order and their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

NAMES = ("ground", "small rocks", "large rocks", "sky")
"""In the order of their numbers, 0 to 3."""

GROUND, SMALL, LARGE, SKY = range(4)

NODATA = 255
"""Of masks and class rasters."""

COLORS = ((0, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0))
"""Red, green and blue of each class in the Artificial Lunar Rocky Landscape Dataset.

Red is sky, green are small rocks, blue large ones; the original LunarSite had them permuted.
"""

_NEAR = 127
"""Colours are blurred at edges: above it a band is on."""


def named(share: Float32) -> UInt8:
    """Return the class of every pixel, by its probabilities.

    It is a rock where both classes of rocks together are the most probable, and then of the more
    probable size: a rock of which nobody knows the size is no ground for it.

    Parameters
    ----------
    share : ndarray of float32, shape (4, ...)
        Probabilities.

    Returns
    -------
    ndarray of uint8, shape (...)
        0 to 3.
    """
    rock = share[SMALL] + share[LARGE] > np.maximum(share[GROUND], share[SKY])
    size = np.where(share[LARGE] > share[SMALL], LARGE, SMALL)
    other = np.where(share[SKY] > share[GROUND], SKY, GROUND)
    return np.where(rock, size, other).astype(np.uint8)


def from_colors(image: UInt8, what: str) -> UInt8:
    """Return the classes that a coloured mask shows.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    what : str
        Name of the mask, for errors.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
        0 to 3.

    Raises
    ------
    InputError
        If more than a hundredth of the pixels show no class's colour.
    """
    on = image > _NEAR
    mask = np.full(image.shape[:2], NODATA, np.uint8)
    for number, color in enumerate(COLORS):
        mask[(on == (np.array(color) > _NEAR)).all(axis=2)] = number
    strange = float((mask == NODATA).mean())
    if strange > 0.01:
        raise InputError(
            f"The mask {what}: {100 * strange:.1f} % of its pixels have no class's colour",
            "Colours are black for ground, green for small rocks, blue for large rocks and red for "
            "sky; or give one band with the numbers 0 to 3, and 255 for nodata",
        )
    return mask


def from_numbers(values: NDArray[np.generic], what: str) -> UInt8:
    """Return the classes of a mask that holds numbers.

    Raises
    ------
    InputError
        If it holds others than 0 to 3 and 255.
    """
    found = np.unique(values)
    strange = found[~np.isin(found, [*range(len(NAMES)), NODATA])]
    if strange.size:
        raise InputError(
            f"The mask {what} holds {', '.join(str(v) for v in strange[:5])}, which is no class",
            "Numbers are 0 ground, 1 small rocks, 2 large rocks, 3 sky and 255 nodata",
        )
    return values.astype(np.uint8)
