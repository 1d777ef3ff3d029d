"""Images at the size at which a network knows them.

The pixels of a camera say nothing of how large the ground looks in its picture: the same view may
be 400 or 4,000 pixels wide, and a network knows the sizes, in pixels, of what it learned. So an
image from the ground is reduced before the network looks, and the answer is enlarged again. What
is reduced are means over areas, of what is known; what is enlarged are straight lines between the
middles of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window
from scipy import sparse

from lunarsite.engine.errors import InputError
from lunarsite.engine.io.images import mirrored
from lunarsite.engine.segmentation import classes
from lunarsite.engine.uncertainty import measures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.images import Frame, Image

    Bool = NDArray[np.bool_]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]
    Shape = tuple[int, int]

LEAST_SIDE_PX = 32
"""A network's coarsest pixel: smaller images cannot be looked at."""

_LEAST_KNOWN = 1e-6
"""Share of a reduced pixel that is known, above which it is."""

_STRIP_BYTES = 64 * 2**20
_PIXEL_BYTES = 64
"""Of a pixel that is worked on: its colours, and the bands of an answer more than once."""


def shape_of(shape: Shape, side_px: int | None) -> Shape:
    """Return rows and columns at which an image is looked at.

    Parameters
    ----------
    shape : tuple of int
        Its rows and columns.
    side_px : int or None
        Its shorter side is reduced to so many; never enlarged. None for as it is.
    """
    short = min(shape)
    if side_px is None or short <= side_px:
        return shape
    return (round(shape[0] * side_px / short), round(shape[1] * side_px / short))


def reduced(image: Float32, shape: Shape) -> Float32:
    """Return an image of float32 (rows, columns, bands) at fewer rows and columns."""
    if image.shape[:2] == shape:
        return image
    rows, columns = (_shares(many, few) for many, few in zip(image.shape[:2], shape, strict=True))
    return _reduced(image, rows, columns)


def enlarged(answer: Float32, shape: Shape, part: Window) -> Float32:
    """Return a part of an answer at more rows and columns.

    Parameters
    ----------
    answer : ndarray of float32, shape (bands, rows, columns)
        At the size at which it was looked.
    shape : tuple of int
        Rows and columns of the whole image.
    part : Window
        Which of them.
    """
    rows = np.arange(int(part.row_off), int(part.row_off + part.height))
    columns = np.arange(int(part.col_off), int(part.col_off + part.width))
    if answer.shape[1:] == shape:
        return answer[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    low, high, share = _between(rows, shape[0], answer.shape[1])
    found = answer[:, low] * (1.0 - share[:, None]) + answer[:, high] * share[:, None]
    low, high, share = _between(columns, shape[1], answer.shape[2])
    part_of: Float32 = found[:, :, low] * (1.0 - share) + found[:, :, high] * share
    return part_of


def enlarged_answer(answer: Float32, shape: Shape, part: Window) -> Float32:
    """Return a part of a network's answer at more rows and columns, as `enlarged`.

    Mutual information is enlarged like the probabilities. The entropy of probabilities that are
    mixed is more than the mix of their entropies, so that the border of two classes, each of them
    certain, would else pass for something that the passes disagree about.

    Parameters
    ----------
    answer : ndarray of float32, shape (`runner.BANDS`, rows, columns)
        As of `runner.Runner`.
    shape, part : tuple of int, Window
        As of `enlarged`.
    """
    if answer.shape[1:] == shape:
        return enlarged(answer, shape, part)
    count = len(classes.NAMES)
    shared = np.maximum(measures.entropy(answer[:count]) - answer[count], 0.0)
    found = enlarged(np.concatenate([answer[:count], shared[None]]), shape, part)
    found[count] = measures.entropy(found[:count]) - found[count]
    return found


def is_reduced(frame: Frame, side_px: int | None) -> bool:
    """Return whether an image is reduced before a network looks at it."""
    shape = (frame.height, frame.width)
    return shape_of(shape, side_px) != shape


def strips(part: Window) -> Iterator[Window]:
    """Yield windows of a part of an image, as wide as it, that are worked on at a time."""
    rows = max(1, _STRIP_BYTES // (_PIXEL_BYTES * int(part.width)))
    first, last = int(part.row_off), int(part.row_off + part.height)
    for row in range(first, last, rows):
        yield Window(part.col_off, row, part.width, min(rows, last - row))


class Small:
    """An image at the size at which it is looked at, held in memory.

    Parameters
    ----------
    image : Image
        It is read once, strip by strip.
    shape : tuple of int
        Rows and columns.
    context : Context
        Is told the progress, and may cancel.

    Raises
    ------
    InputError
        If it is so long that even its reduced answer is more than the memory holds.
    """

    def __init__(self, image: Image, shape: Shape, context: Context) -> None:
        big = image.frame
        if shape[0] * shape[1] * _PIXEL_BYTES > context.memory_limit_bytes // 2:
            raise InputError(
                f"The image of {big.width} × {big.height} pixels is too long for its shorter side: "
                "reduced to the size at which the network looks, it does not fit in memory",
                "Cut it into pieces, or give more memory",
            )
        rows, columns = _shares(big.height, shape[0]), _shares(big.width, shape[1])
        seen: Float32 = np.zeros((*shape, 3), np.float32)
        weight: Float32 = np.zeros((*shape, 1), np.float32)
        for strip in strips(Window(0, 0, big.width, big.height)):
            context.progress(strip.row_off / big.height, "Reading the image")
            part, known = image.read(strip)
            first = int(strip.row_off)
            down = rows[:, first : first + known.shape[0]]
            there = known[:, :, None].astype(np.float32)
            seen += _reduced(part * there, down, columns)
            weight += _reduced(there, down, columns)
        self._known: Bool = weight[:, :, 0] > _LEAST_KNOWN
        np.divide(seen, np.maximum(weight, np.float32(_LEAST_KNOWN)), out=seen)
        self._seen = seen

    def read(self, window: Window, part: Window | None = None) -> tuple[Float32, Bool]:
        """Return a window of a part, as `Image.read`."""
        rows, columns = self._known.shape
        whole = Window(0, 0, columns, rows) if part is None else part
        at = np.ix_(
            mirrored(int(window.row_off), int(window.height), int(whole.height))
            + int(whole.row_off),
            mirrored(int(window.col_off), int(window.width), int(whole.width)) + int(whole.col_off),
        )
        return self._seen[at], self._known[at]


def _shares(many: int, few: int) -> sparse.csr_array:
    """Return what each of many pixels in a row gives to each of few, shape (few, many)."""
    edges = np.union1d(np.arange(many + 1.0), np.linspace(0.0, many, few + 1))
    middle = 0.5 * (edges[1:] + edges[:-1])
    share = (np.diff(edges) * (few / many)).astype(np.float32)
    row = np.minimum((middle * few / many).astype(np.int64), few - 1)
    found = sparse.coo_array((share, (row, middle.astype(np.int64))), shape=(few, many))
    shares: sparse.csr_array = found.tocsr()
    return shares


def _reduced(image: Float32, rows: sparse.csr_array, columns: sparse.csr_array) -> Float32:
    """Return an image (rows, columns, bands) by the shares of its rows and of its columns."""
    down, across, bands = image.shape
    narrow = columns @ image.swapaxes(0, 1).reshape(across, -1)
    narrow = narrow.reshape(-1, down, bands).swapaxes(0, 1).reshape(down, -1)
    found: Float32 = (rows @ narrow).reshape(rows.shape[0], -1, bands)
    return found


def _between(pixels: Int, many: int, few: int) -> tuple[Int, Int, Float32]:
    """Return, for pixels of many in a row, those of few on both sides, and the second's share."""
    at = np.clip((pixels + 0.5) * few / many - 0.5, 0.0, few - 1.0)
    low = at.astype(np.int64)
    return low, np.minimum(low + 1, few - 1), (at - low).astype(np.float32)
