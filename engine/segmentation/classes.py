"""Segmentation classes: their order, their colours, and masks that encode them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

NAMES = ("ground", "small rocks", "large rocks", "sky")
"""Names of the classes 0 to 3."""

GROUND, SMALL, LARGE, SKY = range(4)

NODATA = 255
"""Nodata value of masks and class rasters; the ignore index of the loss."""

COLORS = ((0, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0))
"""Red, green and blue of each class in the Artificial Lunar Rocky Landscape Dataset.

Red is sky, green small rocks, blue large rocks. The original LunarSite had them permuted.
"""

_NEAR = 127
"""Threshold above which a colour band is on; colours are blurred at edges."""


def classify(probability: Float32) -> UInt8:
    """Return the predicted class of each pixel.

    A pixel is a rock if both rock classes together are the most probable, and then of the more
    probable size: doubt about the size of a rock does not make it ground.

    Parameters
    ----------
    probability : ndarray of float32, shape (4, ...)
        Probabilities of the classes.

    Returns
    -------
    ndarray of uint8, shape (...)
        Classes, 0 to 3.
    """
    rock = probability[SMALL] + probability[LARGE] > np.maximum(
        probability[GROUND], probability[SKY]
    )
    size = np.where(probability[LARGE] > probability[SMALL], LARGE, SMALL)
    other = np.where(probability[SKY] > probability[GROUND], SKY, GROUND)
    return np.where(rock, size, other).astype(np.uint8)


def from_colors(image: UInt8, what: str) -> UInt8:
    """Return the classes of a coloured mask.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue, 0 to 255.
    what : str
        Name of the mask, for error messages.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
        Classes 0 to 3, and `NODATA` where a pixel has no class's colour.

    Raises
    ------
    InputError
        If more than 1 % of the pixels have no class's colour.
    """
    on = image > _NEAR
    mask = np.full(image.shape[:2], NODATA, np.uint8)
    for number, color in enumerate(COLORS):
        mask[(on == (np.array(color) > _NEAR)).all(axis=2)] = number
    unknown = float((mask == NODATA).mean())
    if unknown > 0.01:
        raise InputError(
            f"The mask {what}: {100 * unknown:.1f} % of its pixels have no class's colour",
            "Use black for ground, green for small rocks, blue for large rocks and red for sky; or "
            "give a single band with the numbers 0 to 3, and 255 for nodata",
        )
    return mask


def from_numbers(values: NDArray[np.generic], what: str) -> UInt8:
    """Return the classes of a mask of class numbers.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        Class numbers; 255 for nodata.
    what : str
        Name of the mask, for error messages.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
        The same numbers.

    Raises
    ------
    InputError
        If there are values other than 0 to 3 and 255.
    """
    present = np.unique(values)
    unknown = present[~np.isin(present, [*range(len(NAMES)), NODATA])]
    if unknown.size:
        raise InputError(
            f"The mask {what} holds {', '.join(str(v) for v in unknown[:5])}, which is not a class",
            "Classes are 0 ground, 1 small rocks, 2 large rocks and 3 sky; 255 is nodata",
        )
    return values.astype(np.uint8)
