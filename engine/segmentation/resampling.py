"""Resampling of images to the training resolution of a network, and of predictions back.

The number of a camera's pixels does not tell how large rocks appear in an image: the same view may
be 400 or 4,000 pixels wide, whereas a network has learned rocks of certain sizes in pixels. A
surface image is therefore reduced to the training resolution before inference, and the prediction
is enlarged to the size of the image. Reduction averages over areas, valid pixels only; enlargement
is bilinear.
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
"""Coarsest stride of a network: training resolutions are at least this."""

_LEAST_KNOWN = 1e-6
"""A reduced pixel is valid if more than this share of its area is."""

_STRIP_BYTES = 64 * 2**20
_PIXEL_BYTES = 64
"""Memory per pixel: its colours, and several copies of the bands of a prediction."""


def reduced_shape(shape: Shape, side_px: int | None) -> Shape:
    """Return rows and columns of an image at the training resolution.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    side_px : int or None
        Pixels that the shorter side is reduced to; it is never enlarged. None for native
        resolution.
    """
    short = min(shape)
    if side_px is None or short <= side_px:
        return shape
    return (round(shape[0] * side_px / short), round(shape[1] * side_px / short))


def reduced(image: Float32, shape: Shape) -> Float32:
    """Return an image of float32 (rows, columns, bands) reduced to fewer rows and columns."""
    if image.shape[:2] == shape:
        return image
    rows, columns = (_weights(many, few) for many, few in zip(image.shape[:2], shape, strict=True))
    return _reduced(image, rows, columns)


def enlarged(bands: Float32, shape: Shape, part: Window) -> Float32:
    """Return a window of bands that are enlarged bilinearly to the size of an image.

    Parameters
    ----------
    bands : ndarray of float32, shape (bands, rows, columns)
        Bands at the training resolution.
    shape : tuple of int
        Rows and columns of the image.
    part : Window
        Window of the image to return.
    """
    rows = np.arange(int(part.row_off), int(part.row_off + part.height))
    columns = np.arange(int(part.col_off), int(part.col_off + part.width))
    if bands.shape[1:] == shape:
        return bands[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    low, high, share = _neighbours(rows, shape[0], bands.shape[1])
    by_row = bands[:, low] * (1.0 - share[:, None]) + bands[:, high] * share[:, None]
    low, high, share = _neighbours(columns, shape[1], bands.shape[2])
    window: Float32 = by_row[:, :, low] * (1.0 - share) + by_row[:, :, high] * share
    return window


def enlarged_prediction(prediction: Float32, shape: Shape, part: Window) -> Float32:
    """Return a window of a prediction that is enlarged to the size of an image.

    The mutual information is interpolated instead of the mean entropy. Entropy is concave: that of
    interpolated probabilities exceeds the interpolated entropy, so the border between two certain
    classes would otherwise appear as disagreement between the passes.

    Parameters
    ----------
    prediction : ndarray of float32, shape (`onnx_runner.BANDS`, rows, columns)
        Prediction at the training resolution.
    shape, part : tuple of int, Window
        As in `enlarged`.
    """
    if prediction.shape[1:] == shape:
        return enlarged(prediction, shape, part)
    count = len(classes.NAMES)
    mutual_information = np.maximum(measures.entropy(prediction[:count]) - prediction[count], 0.0)
    result = enlarged(np.concatenate([prediction[:count], mutual_information[None]]), shape, part)
    result[count] = measures.entropy(result[:count]) - result[count]
    return result


def is_reduced(frame: Frame, side_px: int | None) -> bool:
    """Return whether an image is larger than the training resolution."""
    shape = (frame.height, frame.width)
    return reduced_shape(shape, side_px) != shape


def strips(part: Window) -> Iterator[Window]:
    """Yield the strips of a window, as wide as it, that are processed one at a time."""
    rows = max(1, _STRIP_BYTES // (_PIXEL_BYTES * int(part.width)))
    first, last = int(part.row_off), int(part.row_off + part.height)
    for row in range(first, last, rows):
        yield Window(part.col_off, row, part.width, min(rows, last - row))


class ReducedImage:
    """An image at the training resolution, in memory.

    Parameters
    ----------
    image : Image
        Image at native resolution; read once, strip by strip.
    shape : tuple of int
        Rows and columns at the training resolution.
    context : Context
        Memory limit, progress and cancellation.

    Raises
    ------
    InputError
        If the image is so elongated that even its reduced prediction does not fit in memory.
    """

    def __init__(self, image: Image, shape: Shape, context: Context) -> None:
        frame = image.frame
        if shape[0] * shape[1] * _PIXEL_BYTES > context.memory_limit_bytes // 2:
            raise InputError(
                f"The image of {frame.width} × {frame.height} pixels is too elongated: reduced to "
                "the training resolution of the network, it does not fit in memory",
                "Split the image, or raise the memory limit",
            )
        rows, columns = _weights(frame.height, shape[0]), _weights(frame.width, shape[1])
        pixels: Float32 = np.zeros((*shape, 3), np.float32)
        weight: Float32 = np.zeros((*shape, 1), np.float32)
        for strip in strips(Window(0, 0, frame.width, frame.height)):
            context.progress(strip.row_off / frame.height, "Reading the image")
            part, known = image.read(strip)
            first = int(strip.row_off)
            down = rows[:, first : first + known.shape[0]]
            valid = known[:, :, None].astype(np.float32)
            pixels += _reduced(part * valid, down, columns)
            weight += _reduced(valid, down, columns)
        self._known: Bool = weight[:, :, 0] > _LEAST_KNOWN
        np.divide(pixels, np.maximum(weight, np.float32(_LEAST_KNOWN)), out=pixels)
        self._pixels = pixels

    def read(self, window: Window, part: Window | None = None) -> tuple[Float32, Bool]:
        """Return a window, mirrored at the edges of ``part``, and its valid pixels."""
        rows, columns = self._known.shape
        whole = Window(0, 0, columns, rows) if part is None else part
        at = np.ix_(
            mirrored(int(window.row_off), int(window.height), int(whole.height))
            + int(whole.row_off),
            mirrored(int(window.col_off), int(window.width), int(whole.width)) + int(whole.col_off),
        )
        return self._pixels[at], self._known[at]


def _weights(many: int, few: int) -> sparse.csr_array:
    """Return the area weights that average ``many`` pixels in a row to ``few``, (few, many)."""
    edges = np.union1d(np.arange(many + 1.0), np.linspace(0.0, many, few + 1))
    middle = 0.5 * (edges[1:] + edges[:-1])
    share = (np.diff(edges) * (few / many)).astype(np.float32)
    row = np.minimum((middle * few / many).astype(np.int64), few - 1)
    entries = sparse.coo_array((share, (row, middle.astype(np.int64))), shape=(few, many))
    weights: sparse.csr_array = entries.tocsr()
    return weights


def _reduced(image: Float32, rows: sparse.csr_array, columns: sparse.csr_array) -> Float32:
    """Return an image (rows, columns, bands) averaged with the weights of its rows and columns."""
    down, across, bands = image.shape
    narrow = columns @ image.swapaxes(0, 1).reshape(across, -1)
    narrow = narrow.reshape(-1, down, bands).swapaxes(0, 1).reshape(down, -1)
    small: Float32 = (rows @ narrow).reshape(rows.shape[0], -1, bands)
    return small


def _neighbours(pixels: Int, many: int, few: int) -> tuple[Int, Int, Float32]:
    """Return the coarse pixels on both sides of fine ones, and the weight of the second."""
    at = np.clip((pixels + 0.5) * few / many - 0.5, 0.0, few - 1.0)
    low = at.astype(np.int64)
    return low, np.minimum(low + 1, few - 1), (at - low).astype(np.float32)
