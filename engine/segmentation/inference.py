"""Sliding-window inference over images of any size, at the training resolution of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from rasterio.windows import Window

from lunarsite.engine.errors import ParameterError
from lunarsite.engine.segmentation import onnx_runner, resampling, tiling, weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.images import Image
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.tiling import Tiling
    from lunarsite.engine.segmentation.weights import Checkpoint

    Bool = NDArray[np.bool_]
    Float32 = NDArray[np.float32]

UNUSUAL = 2.0
"""Mutual information from this multiple of the validation scenes' median on is unusual."""


class Strips(Protocol):
    """Receives predictions strip by strip, from the top of the window."""

    def __call__(self, row: int, answer: Float32, known: Bool) -> None:
        """Take the bands of `onnx_runner.BANDS` from ``row`` on, and where the image has data."""
        ...


def runner_of(
    values: dict[str, Any], device_kind: str, context: Context
) -> tuple[Runner, list[Checkpoint]]:
    """Return what answers for images, as a stage's parameters say, and its networks.

    Raises
    ------
    ParameterError
        Unless there are as many networks as the uncertainty needs.
    InputError, MissingDependencyError
        As `weights.load` and `weights.Checkpoint.runner`.
    """
    uncertainty = values["uncertainty"]
    paths = list(values["checkpoint"]) or [str(weights.BUNDLED[values["view"]])]
    _check_members(uncertainty, paths)
    loaded = [weights.load(path) for path in paths]
    members = [
        checkpoint.runner(
            device_kind,
            context.warn,
            uncertain=uncertainty == "mc-dropout",
            passes=values["passes"],
            seed=values["seed"],
        )
        for checkpoint in loaded
    ]
    sides = sorted({str(member.side_px) for member in members})
    if len(sides) > 1:
        raise ParameterError(
            f"The networks look at images of different sizes: side_px is {' and '.join(sides)}",
            "Give networks of one recipe",
        )
    look: Runner = members[0] if len(members) == 1 else onnx_runner.Ensemble(members)
    return onnx_runner.averaged(look, values["test_time"]), loaded


def predict(
    image: Image,
    window: Window,
    runner: Runner,
    take: Strips,
    context: Context,
    *,
    cut: Tiling,
    resample: bool,
) -> None:
    """Run a network over a window of an image, strip by strip.

    Parameters
    ----------
    image : Image
        Opened; read by this call alone.
    window : Window
        The part to predict. At the image's own resolution the network sees its surroundings too.
    runner : Runner
        The network.
    take : callable
        Receives the predictions in order of rows; row 0 is the window's first.
    context : Context
        Threads, memory, progress; may cancel.
    cut : Tiling
        How the image is cut into tiles.
    resample : bool
        Whether an image that is larger than the training resolution is reduced to it. Not from
        orbit, where a pixel's size on the ground is known.

    Raises
    ------
    InputError
        If the image is so long that its reduced form does not fit in memory.
    """
    if resample and resampling.is_reduced(image.frame, runner.side_px):
        _predict_reduced(image, window, runner, take, context, cut)
    else:
        _predict_native(image, window, runner, take, context, cut)


def _predict_native(
    image: Image, window: Window, runner: Runner, take: Strips, context: Context, cut: Tiling
) -> None:
    """Predict at the image's own resolution, with a margin around the window."""
    margin = tiling.BLIND_PX
    left = max(int(window.col_off) - margin, 0) // tiling.STEP * tiling.STEP
    top = max(int(window.row_off) - margin, 0) // tiling.STEP * tiling.STEP
    right = min(int(window.col_off + window.width) + margin, image.frame.width)
    bottom = min(int(window.row_off + window.height) + margin, image.frame.height)
    around = Window(left, top, right - left, bottom - top)
    inner_row, inner_column = int(window.row_off) - top, int(window.col_off) - left
    rows, columns = int(window.height), int(window.width)

    def crop(row: int, answer: Float32, known: Bool) -> None:
        first, last = max(row, inner_row), min(row + known.shape[0], inner_row + rows)
        if first < last:
            part = (slice(first - row, last - row), slice(inner_column, inner_column + columns))
            take(first - inner_row, answer[(slice(None), *part)], known[part])

    tiling.run(image, around, runner, crop, context, cut)


def _predict_reduced(
    image: Image, window: Window, runner: Runner, take: Strips, context: Context, cut: Tiling
) -> None:
    """Predict the whole image at the training resolution, and enlarge the window's part."""
    shape = (image.frame.height, image.frame.width)
    rows, columns = resampling.shape_of(shape, runner.side_px)
    small = resampling.Small(image, (rows, columns), context.part(0.0, 0.4))
    whole = np.zeros((onnx_runner.BANDS, rows, columns), np.float32)

    def keep(row: int, answer: Float32, known: Bool) -> None:
        whole[:, row : row + known.shape[0]] = answer

    tiling.run(small, Window(0, 0, columns, rows), runner, keep, context.part(0.4, 0.6), cut)
    for strip in resampling.strips(window):
        context.progress(0.6 + 0.4 * (strip.row_off - window.row_off) / window.height, "Writing")
        _, known = image.read(strip)
        row = int(strip.row_off - window.row_off)
        take(row, resampling.enlarged_answer(whole, shape, strip), known)


def verdict(mean: float, usual: Mapping[str, float]) -> str:
    """Return what an image's mean mutual information means.

    Parameters
    ----------
    mean : float
        Nats.
    usual : mapping
        ``median`` and ``percentile_95`` of the means of generated validation scenes; without the
        latter, `UNUSUAL` times the median stands for it.
    """
    unusual = UNUSUAL * usual["median"]
    if mean > max(usual.get("percentile_95", unusual), unusual):
        return "out of its depth"
    return "less sure than usual" if mean >= unusual else "as sure as usual"


def _check_members(uncertainty: str, paths: list[str]) -> None:
    """Raise unless there are as many networks as the uncertainty needs."""
    if uncertainty == "ensemble" and len(paths) < 2:
        raise ParameterError(
            "--uncertainty ensemble needs at least two networks, and one is given",
            "Give --checkpoint several times: train-segmenter --members 5 trains them",
        )
    if uncertainty != "ensemble" and len(paths) > 1:
        raise ParameterError(
            f"{len(paths)} networks are given, and --uncertainty is {uncertainty}",
            "Choose --uncertainty ensemble, or give one network",
        )
