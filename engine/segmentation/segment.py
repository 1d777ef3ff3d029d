"""Terrain classes of an image in memory, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import device
from lunarsite.engine.context import Context, require_context
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.segmentation import classes, evaluation, inference, weights
from lunarsite.engine.uncertainty import measures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from lunarsite.engine.uncertainty.domain import Distance

    Float32 = NDArray[np.float32]

VIEWS = ("surface", "orbital")
UNCERTAINTIES = ("none", "mc-dropout")


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Result of `segment`.

    Parameters
    ----------
    classes : ndarray of uint8, shape (rows, columns)
        0 ground, 1 small rocks, 2 large rocks, 3 sky.
    probabilities : ndarray of float32, shape (4, rows, columns)
        Probabilities of the classes; they add up to 1.
    entropy : ndarray of float32, shape (rows, columns)
        Predictive entropy, nats.
    mutual_information : ndarray of float32, shape (rows, columns)
        Disagreement between the passes of MC Dropout, nats; zero for a single pass.
    distance : Distance or None
        How far the image is from those that the network was trained on; None if it is smaller than
        those, or the network does not know how they looked.
    """

    classes: NDArray[np.uint8]
    probabilities: Float32
    entropy: Float32
    mutual_information: Float32
    distance: Distance | None = None


def segment(
    image: ArrayLike,
    *,
    view: str = "surface",
    uncertainty: str = "mc-dropout",
    checkpoint: str | Path | None = None,
    context: Context | None = None,
) -> Segmentation:
    """Segment an image into ground, small rocks, large rocks and sky.

    Parameters
    ----------
    image : array_like, shape (rows, columns) or (rows, columns, 3)
        Brightness or red, green and blue, 0 to 255. Images of any size that fits in memory; files
        of any size are for the stage ``segment-terrain``.
    view : {"surface", "orbital"}, optional
        A camera on the ground, or one in orbit with pixels of 2 m or finer.
    uncertainty : {"mc-dropout", "none"}, optional
        MC Dropout before the last layer in closed form, or a single pass.
    checkpoint : path, optional
        Network trained with ``train-segmenter``, instead of the one that ships.
    context : Context, optional
        Receives warnings, of an image that is out of distribution too.

    Returns
    -------
    Segmentation
        Classes, probabilities, entropy, mutual information, and the distance from the training
        images.

    Raises
    ------
    InputError
        If the image is not an array of that shape and range, or the checkpoint cannot be used.
    ParameterError
        For an unknown view or uncertainty.

    References
    ----------
    MC Dropout: Gal & Ghahramani (2016), arXiv:1506.02142. Distance: Lee et al. (2018),
    arXiv:1807.03888.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((160, 160, 3), 110, np.uint8)
    >>> image[:60] = 0  # a black sky
    >>> found = segment(image)
    >>> found.classes.shape, found.probabilities.shape
    ((160, 160), (4, 160, 160))
    >>> bool((found.classes[:30] == 3).mean() > 0.5)
    True
    >>> found.distance.is_out_of_distribution  # no ground is so even
    True
    """
    for name, value, known in (
        ("view", view, VIEWS),
        ("uncertainty", uncertainty, UNCERTAINTIES),
    ):
        if value not in known:
            raise ParameterError(f"{name} is {value!r}", f"Choose one of: {', '.join(known)}")
    pixels = _pixels(image)
    surroundings = require_context(context)
    trained = weights.load(checkpoint or weights.BUNDLED[view])
    inference.check_view(trained, view, surroundings)
    where = device.for_networks(surroundings, trained.core_s(pixels[..., 0].size))
    runner = trained.runner(where.kind, surroundings, uncertain=uncertainty == "mc-dropout")
    prediction = evaluation.predict(runner, pixels)
    probe = inference.probe_of([trained])
    distance = None
    if probe is not None:
        distance = probe.compared(probe.windows(*evaluation.tile(pixels, trained.side_px)))
        if distance is None:
            surroundings.warn(probe.too_small)
    count = len(classes.NAMES)
    probabilities = prediction[:count]
    entropy = measures.entropy(probabilities)
    mutual_information = np.maximum(entropy - prediction[count], 0.0).astype(np.float32)
    predicted = classes.classify(probabilities).astype(np.uint8)
    mean = float(mutual_information.mean()) if uncertainty != "none" else 0.0
    usual = inference.usual(trained.card, "none", 0)
    unlike = inference.doubt(distance, mean, usual, predicted.size)
    if unlike is not None:
        surroundings.warn(unlike[0])
    return Segmentation(predicted, probabilities, entropy, mutual_information, distance)


def _pixels(image: ArrayLike) -> Float32:
    """Return an image as float32 (rows, columns, 3)."""
    try:
        array = np.asarray(image)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The image is not an array of numbers: {error}", "Give an array of grey levels"
        ) from error
    if array.dtype.kind not in "uif":
        raise InputError(
            f"The image is not an array of numbers, but of {array.dtype}",
            "Give an array of grey levels",
        )
    if np.ma.is_masked(image):
        raise InputError(
            "The image has masked pixels, which are not carried through",
            "Fill them, or write a file with nodata and run segment-terrain",
        )
    pixels = array.astype(np.float32)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape[:2]) < 32:
        raise InputError(
            f"The image has the shape {pixels.shape}",
            "Give rows × columns, or rows × columns × 3, of at least 32 × 32 pixels",
        )
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0.0 and high <= 255.0):
        raise InputError(
            f"The image ranges from {low:g} to {high:g}, not within 0 and 255",
            "Scale it to 0 to 255; NaN is not allowed",
        )
    if high <= 1.0:
        raise InputError(
            f"The image is black, or scaled to 0 to 1: its brightest pixel is {high:g}",
            "Multiply it by 255",
        )
    return pixels
