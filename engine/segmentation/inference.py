"""Sliding-window inference over images of any size, at the training resolution of a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from lunarsite.engine import device
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.segmentation import evaluation, onnx_runner, resampling, tiling, weights
from lunarsite.engine.uncertainty.domain import OUT_OF_DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.images import Image
    from lunarsite.engine.segmentation.onnx_runner import Encoder, Runner
    from lunarsite.engine.segmentation.tiling import StripSink, Tiling, Watch
    from lunarsite.engine.segmentation.weights import Checkpoint
    from lunarsite.engine.uncertainty.domain import Distance, Domain

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

TILE_BYTES = 500.0
"""Memory that a network takes for a pixel of a tile, roughly."""

_WHOLE_SHARE = 0.25
"""Share of the memory limit that a single tile of an image at the training resolution may take."""

_OUT = "out of distribution"

COMPARED_PX = 256 * 256
"""Fewest valid pixels whose mean mutual information is compared with that of whole images."""

UNUSUAL = 2.0
"""Mutual information of at least this multiple of the validation median is unusual."""


def members_of(values: dict[str, Any]) -> list[Checkpoint]:
    """Return the networks that a stage's parameters name.

    Parameters
    ----------
    values : dict
        Parameters of the stage: ``view``, ``checkpoint`` and ``uncertainty``.

    Returns
    -------
    list of Checkpoint
        One network, or the members of an ensemble.

    Raises
    ------
    ParameterError
        Unless the number of checkpoints suits the uncertainty, and all have one resolution.
    InputError
        As `weights.load`.
    """
    paths = list(values["checkpoint"]) or [str(weights.BUNDLED[values["view"]])]
    loaded = [weights.load(path) for path in paths]
    check_members(values["uncertainty"], loaded)
    if len(loaded) > 1 and any(each.architecture.members for each in loaded):
        raise ParameterError(
            "One of several checkpoints is an ensemble itself, so that its networks would count "
            "for less than the others",
            "Give single networks, or put all of them into one file: lunarsite models combine",
        )
    sides = sorted({str(member.side_px) for member in loaded})
    if len(sides) > 1:
        raise ParameterError(
            f"The networks have different training resolutions: side_px is {' and '.join(sides)}",
            "Give networks trained with the same recipe",
        )
    return loaded


def check_view(checkpoint: Checkpoint, view: str, context: Context) -> None:
    """Warn of a network that was trained for another view than that of the images."""
    learned = checkpoint.view or view
    if learned != view:
        context.warn(
            f"The network {checkpoint.path.name} was trained on the {learned} view and is applied "
            f"to the {view} one: give --view {learned}, or another network."
        )


def core_s(loaded: list[Checkpoint], values: dict[str, Any], pixels: float) -> float:
    """Return about how many seconds of a core the networks take for the pixels that each sees."""
    times = {"flip": 2, "scales": 6}.get(values["test_time"], 1)
    passes = values["passes"] if values["uncertainty"] == "mc-dropout" else 0
    return sum(checkpoint.core_s(pixels * times, passes) for checkpoint in loaded)


def runner_of(
    loaded: list[Checkpoint], values: dict[str, Any], context: Context, *, cpu_s: float
) -> Runner:
    """Return the runner that a stage's parameters describe.

    Parameters
    ----------
    loaded : list of Checkpoint
        The networks.
    values : dict
        Parameters of the stage: ``uncertainty``, ``passes``, ``seed`` and ``test_time``.
    context : Context
        Chooses the device; takes warnings, and what the networks have run on.
    cpu_s : float
        Seconds that the networks would take on the CPU, as in `device.for_networks`.

    Returns
    -------
    Runner
        One network or an ensemble, with test-time augmentation.

    Raises
    ------
    InputError, MissingDependencyError
        As `weights.Checkpoint.runner`.
    """
    where = device.for_networks(context, cpu_s)
    members = [
        checkpoint.runner(
            where.kind,
            context,
            uncertain=values["uncertainty"] == "mc-dropout",
            passes=values["passes"],
            seed=values["seed"],
        )
        for checkpoint in loaded
    ]
    runner: Runner = members[0] if len(members) == 1 else onnx_runner.Ensemble(members)
    return onnx_runner.with_test_time_augmentation(runner, values["test_time"])


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Measures how far images are from those that a network was trained on.

    Parameters
    ----------
    domain : Domain
        Domain of the network.
    encoder : Encoder
        Its encoder.
    side_px : int or None
        Its training resolution.
    """

    domain: Domain
    encoder: Encoder
    side_px: int | None

    def windows(self, channels: Float32, known: Bool) -> list[Float]:
        """Return statistics of windows of a tile; several threads may share the probe.

        Parameters
        ----------
        channels, known
            As for `evaluation.window_statistics`, which says what is returned.
        """
        return evaluation.window_statistics(self.encoder, channels, known, self.domain.window_px)

    @property
    def too_small(self) -> str:
        """The warning about an image that has no distance."""
        side = self.domain.window_px
        return (
            "The image is too small to be compared with the images that the network was trained "
            f"on: its valid part must hold {side} × {side} pixels. Check the classes by eye."
        )

    def compared(self, windows: list[Float]) -> Distance | None:
        """Return the distance of an image from its windows; None if there are none."""
        if not windows:
            return None
        return self.domain.compared(self.domain.distance(np.array(windows)))

    def distance(self, image: UInt8 | Float32, known: Bool | None = None) -> float | None:
        """Return the distance of an image in memory; None if it is too small.

        Parameters
        ----------
        image, known
            As for `evaluation.tile`.
        """
        found = self.windows(*evaluation.tile(image, self.side_px, known))
        return self.domain.distance(np.array(found)) if found else None


def probe_of(loaded: list[Checkpoint]) -> Probe | None:
    """Return a probe; None if no network has a domain.

    Of several networks it is that of the one whose distances separate shifted images best.
    """
    found = [
        (checkpoint, checkpoint.domain) for checkpoint in loaded if checkpoint.domain is not None
    ]
    if not found:
        return None
    best, domain = max(found, key=lambda each: each[0].auroc_of_shifts)
    return Probe(domain, best.encoder(domain), best.side_px)


def predict(
    image: Image,
    window: Window,
    runner: Runner,
    take: StripSink,
    context: Context,
    *,
    cut: Tiling,
    resample: bool,
    watch: Watch | None = None,
) -> None:
    """Run a network over a window of an image, strip by strip.

    Parameters
    ----------
    image : Image
        Open image; no other thread may read it during the call.
    window : Window
        The part to predict. At native resolution the network also sees its surroundings.
    runner : Runner
        The network.
    take : callable
        Receives the predictions in order of rows; row 0 is the first row of the window.
    context : Context
        Threads, memory limit, progress and cancellation.
    cut : Tiling
        Size and overlap of the tiles.
    resample : bool
        Whether an image that is larger than the training resolution is reduced to it. Not for
        orbital images, whose pixels have a known size on the ground.
    watch : callable, optional
        Receives the tiles, as in `tiling.run`.

    Raises
    ------
    InputError
        If the image is so elongated that its reduced form does not fit in memory.
    """
    if resample and resampling.is_reduced(image.frame, runner.side_px):
        _predict_reduced(image, window, runner, take, context, cut, watch)
    else:
        _predict_native(image, window, runner, take, context, cut, watch)


def _predict_native(
    image: Image,
    window: Window,
    runner: Runner,
    take: StripSink,
    context: Context,
    cut: Tiling,
    watch: Watch | None,
) -> None:
    """Predict at native resolution, with a margin around the window."""
    margin = tiling.BLIND_PX
    left = max(int(window.col_off) - margin, 0) // tiling.STEP * tiling.STEP
    top = max(int(window.row_off) - margin, 0) // tiling.STEP * tiling.STEP
    right = min(int(window.col_off + window.width) + margin, image.frame.width)
    bottom = min(int(window.row_off + window.height) + margin, image.frame.height)
    around = Window(left, top, right - left, bottom - top)
    inner_row, inner_column = int(window.row_off) - top, int(window.col_off) - left
    rows, columns = int(window.height), int(window.width)

    def crop(row: int, prediction: Float32, known: Bool) -> None:
        first, last = max(row, inner_row), min(row + known.shape[0], inner_row + rows)
        if first < last:
            part = (slice(first - row, last - row), slice(inner_column, inner_column + columns))
            take(first - inner_row, prediction[(slice(None), *part)], known[part])

    tiling.run(image, around, runner, crop, context, cut, watch)


def _predict_reduced(
    image: Image,
    window: Window,
    runner: Runner,
    take: StripSink,
    context: Context,
    cut: Tiling,
    watch: Watch | None,
) -> None:
    """Predict the whole image at the training resolution, and enlarge the window's part."""
    shape = (image.frame.height, image.frame.width)
    rows, columns = resampling.reduced_shape(shape, runner.side_px)
    small = resampling.ReducedImage(image, (rows, columns), context.part(0.0, 0.4))
    prediction = np.zeros((onnx_runner.BANDS, rows, columns), np.float32)

    def keep(row: int, strip: Float32, known: Bool) -> None:
        prediction[:, row : row + known.shape[0]] = strip

    whole = tiles_of_reduced(cut, (rows, columns), context)
    if max(rows, columns) > whole.side:
        context.warn(
            f"The image is so long that memory does not hold it in one piece, {columns} × {rows} "
            "pixels at the training resolution: it is predicted in tiles, and the network misses "
            "what lies beyond their margins. Raise --memory-limit-gib, or cut the image."
        )
    everything = Window(0, 0, columns, rows)
    tiling.run(small, everything, runner, keep, context.part(0.4, 0.6), whole, watch)
    for strip in resampling.strips(window):
        context.progress(0.6 + 0.4 * (strip.row_off - window.row_off) / window.height, "Writing")
        _, known = image.read(strip)
        row = int(strip.row_off - window.row_off)
        take(row, resampling.enlarged_prediction(prediction, shape, strip), known)


def tiles_of_reduced(cut: Tiling, shape: tuple[int, int], context: Context) -> Tiling:
    """Return the tiles of an image at the training resolution: a single one, if memory allows.

    Networks with a large receptive field see more of the image than the margins of tiles hold.

    Parameters
    ----------
    cut : Tiling
        Tiles that are used otherwise.
    shape : tuple of int
        Rows and columns of the reduced image.
    context : Context
        With the memory limit.
    """
    longer = -(-max(shape) // tiling.STEP) * tiling.STEP
    needed = TILE_BYTES * longer * min(longer, -(-min(shape) // tiling.STEP) * tiling.STEP)
    if longer <= cut.side or needed > _WHOLE_SHARE * context.memory_limit_bytes:
        return cut
    return replace(cut, side=longer)


def usual(card: Mapping[str, Any], test_time: str, passes: int) -> dict[str, float]:
    """Return the validation images' mean mutual information for a way of being uncertain.

    Parameters
    ----------
    card : mapping
        Card of the network.
    test_time : str
        Test-time augmentation, whose copies of the image differ too.
    passes : int
        Number of passes drawn, 0 for the closed form. Of n passes the mutual information is
        (n - 1)/n of that of many, on average.

    Returns
    -------
    dict of str to float
        As for `verdict`; empty where the card has none.
    """
    in_domain = card.get("in_domain", {})
    own = in_domain.get("test_time", {}).get(test_time, in_domain)
    share = (passes - 1) / passes if passes > 1 else 1.0
    found = own.get("mutual_information", {})
    return {name: share * float(value) for name, value in found.items()}


def doubt(
    distance: Distance | None, mean: float, usual: Mapping[str, float], pixels: int
) -> tuple[str, float] | None:
    """Return why an image is out of distribution, by its distance or by its mutual information.

    Parameters
    ----------
    distance : Distance or None
        Distance from the training images, if it was measured.
    mean : float
        Mean mutual information of the image, nats; 0 if it was not computed.
    usual : mapping
        As for `verdict`; may be empty.
    pixels : int
        Valid pixels of the image: means over less than `COMPARED_PX` scatter too much.

    Returns
    -------
    tuple of str and float or None
        The warning, and distance or mutual information in units of the usual median; None if the
        image is not out of distribution.
    """
    if distance is not None and distance.is_out_of_distribution:
        return OUT_OF_DISTRIBUTION, distance.times_median
    if pixels < COMPARED_PX or not usual.get("median") or verdict(mean, usual) != _OUT:
        return None
    times = mean / usual["median"]
    warning = (
        f"The image is out of distribution: its mean mutual information is {times:.1f} times that "
        "of the images that the network was validated on, and its classes and their probabilities "
        "may be wrong. Check them by eye."
    )
    return warning, times


def verdict(mean: float, usual: Mapping[str, float]) -> str:
    """Return how an image's mean mutual information compares with the validation images.

    Parameters
    ----------
    mean : float
        Mean mutual information of the image, nats.
    usual : mapping
        ``median`` and ``percentile_95`` of the means of the validation images; without the latter,
        `UNUSUAL` times the median takes its place.

    Returns
    -------
    str
        ``out of distribution``, ``less certain than usual`` or ``as certain as usual``.
    """
    unusual = UNUSUAL * usual["median"]
    if mean > max(usual.get("percentile_95", unusual), unusual):
        return _OUT
    return "less certain than usual" if mean >= unusual else "as certain as usual"


def check_members(uncertainty: str, loaded: list[Checkpoint]) -> None:
    """Raise unless the number of networks suits the uncertainty."""
    if uncertainty == "ensemble" and sum(len(each.members) for each in loaded) < 2:
        raise ParameterError(
            "--uncertainty ensemble needs at least two networks, and only one is given",
            "Give --checkpoint several times: train-segmenter --members 5 trains them",
        )
    if uncertainty != "ensemble" and len(loaded) > 1:
        raise ParameterError(
            f"{len(loaded)} networks are given, but --uncertainty is {uncertainty}",
            "Choose --uncertainty ensemble, or give one network",
        )
