"""Inference of described segmentation networks with ONNX Runtime, and wrappers of any network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import ndimage

from lunarsite.engine.segmentation import _dropout_kernels
from lunarsite.engine.segmentation.architecture import CHANNELS, DEEPEST
from lunarsite.engine.segmentation.head import Head, no_dropout_error
from lunarsite.engine.training.networks.onnx_graph import Graph
from lunarsite.engine.training.networks.unet import kept_channels
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.segmentation.architecture import Architecture
    from lunarsite.engine.training.networks.onnx_graph import State

    Float32 = NDArray[np.float32]

BANDS = 5
"""Bands of a prediction: mean probability of each class, then mean entropy of the passes, nats.

Both may be averaged over overlapping tiles and over networks. The mutual information is the entropy
of the mean probabilities minus the mean entropy.
"""

UNIT_TEMPERATURES = Temperatures()
"""Leave the probabilities as they are."""


class Runner(Protocol):
    """Predicts a tile of an image.

    ``thread_safe`` is True if several threads may call it at the same time. ``side_px`` is the
    training resolution: the shorter side that larger images are reduced to (`resampling`), or None
    for native resolution.
    """

    thread_safe: bool
    side_px: int | None

    def __call__(self, channels: Float32) -> Float32:
        """Return the prediction for a tile.

        Parameters
        ----------
        channels : ndarray of float32, shape (3, rows, columns)
            Input as `samples.channels` returns it; rows and columns are multiples of 32.

        Returns
        -------
        ndarray of float32, shape (`BANDS`, rows, columns)
            Probability of each class, then the mean entropy of the passes, nats.
        """
        ...


class OnnxRunner:
    """A described network (`Architecture.is_described`) on the CPU; each call runs on one core.

    Parameters
    ----------
    state : mapping of str to ndarray
        The weights, with the names and shapes of `Architecture.shapes`; any float type.
    architecture : Architecture
        Architecture of a single network.
    uncertain : bool
        Whether to run MC Dropout before the head, instead of a single pass without dropout.
    passes : int
        Number of MC Dropout passes; 0 for the closed form, the limit of infinitely many.
    seed : int
        Seed of the dropout masks. A pass drops the same channels in all tiles, so that no seams
        appear.
    temperatures : Temperatures
        Temperature scaling of the logits: one temperature for pixels predicted as rock, one for
        all others.
    information : float
        Factor on the mutual information of the closed form.
    side_px : int, optional
        As in `Runner`.

    Raises
    ------
    InputError
        If MC Dropout is requested for a network trained without dropout.
    """

    thread_safe = True

    def __init__(
        self,
        state: State,
        architecture: Architecture,
        *,
        uncertain: bool = False,
        passes: int = 0,
        seed: int = 0,
        temperatures: Temperatures = UNIT_TEMPERATURES,
        information: float = 1.0,
        side_px: int | None = None,
    ) -> None:
        self.side_px = side_px
        dropout = architecture.dropout
        if uncertain and not dropout:
            raise no_dropout_error()
        graph = Graph(state)
        features = graph.unet(architecture.unet())
        self._session = graph.session(architecture.name, CHANNELS, features)
        weight, bias = graph.weights("head")
        self._head = Head.of(
            weight,
            bias,
            temperatures,
            dropout=dropout if uncertain else 0.0,
            passes=passes,
            seed=seed,
            information=information,
        )

    def __call__(self, channels: Float32) -> Float32:
        """Return the prediction for a tile, as `Runner`."""
        (batch,) = self._session.run(None, {"channels": channels[None]})
        features: Float32 = batch[0]
        prediction: Float32
        head = self._head
        # The kernels are those of a head of one pixel.
        weight = np.ascontiguousarray(head.weight[:, :, 0, 0])
        if head.passes is not None:
            weights = np.ascontiguousarray(head.passes[..., 0, 0])
            prediction = _dropout_kernels.passes(features, weights, head.bias, head.on_rocks)
        elif head.odds:
            prediction = _dropout_kernels.closed_form(
                features, weight, head.bias, head.odds, head.on_rocks, head.information
            )
        else:
            prediction = _dropout_kernels.softmax(features, weight, head.bias, head.on_rocks)
        return prediction


class Encoder:
    """The first part of a described network on the CPU: features that tell how an image looks.

    Parameters
    ----------
    state, architecture
        As for `OnnxRunner`.
    """

    KEPT = (2, 3)
    """Skip connections whose features are returned: at strides 4 and 8."""

    @classmethod
    def statistics(cls, architecture: Architecture) -> int:
        """Return how many `domain.feature_statistics` the features of a network have."""
        channels = kept_channels(architecture.unet())
        return 2 * sum(channels[number] for number in cls.KEPT)

    def __init__(self, state: State, architecture: Architecture) -> None:
        graph = Graph(state)
        kept = graph.kept(architecture.unet(), self.KEPT[-1] + 1)
        outputs = [kept[number] for number in self.KEPT]
        self._session = graph.session(architecture.name, CHANNELS, *outputs)

    def __call__(self, channels: Float32) -> list[Float32]:
        """Return the features of a tile.

        Parameters
        ----------
        channels : ndarray of float32, shape (3, rows, columns)
            As for `Runner`.

        Returns
        -------
        list of ndarray of float32, shape (features, rows / stride, columns / stride)
            By rising stride.
        """
        return [features[0] for features in self._session.run(None, {"channels": channels[None]})]


class Ensemble:
    """Mean of several networks (deep ensemble).

    References
    ----------
    Lakshminarayanan et al. 2017, Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles, arXiv 1612.01474.
    """

    def __init__(self, members: list[Runner]) -> None:
        self._members = members
        self.thread_safe = all(member.thread_safe for member in members)
        self.side_px = members[0].side_px

    def __call__(self, channels: Float32) -> Float32:
        """Return the mean prediction for a tile, as `Runner`."""
        total = self._members[0](channels).copy()
        for member in self._members[1:]:
            total += member(channels)
        total /= np.float32(len(self._members))
        return total


class Flipped:
    """Mean of a network's predictions for an image and its mirror image."""

    def __init__(self, inner: Runner) -> None:
        self._inner = inner
        self.thread_safe, self.side_px = inner.thread_safe, inner.side_px

    def __call__(self, channels: Float32) -> Float32:
        """Return the mean prediction for a tile, as `Runner`."""
        mirrored = self._inner(np.ascontiguousarray(channels[:, :, ::-1]))[:, :, ::-1]
        mean: Float32 = (self._inner(channels) + mirrored) * np.float32(0.5)
        return mean


class Scaled:
    """Mean of a network's predictions at several scales, each also mirrored.

    The multi-scale test-time augmentation of the original LunarSite.
    """

    SCALES = (0.75, 1.0, 1.25)

    def __init__(self, inner: Runner) -> None:
        self._inner = Flipped(inner)
        self.thread_safe, self.side_px = inner.thread_safe, inner.side_px

    def __call__(self, channels: Float32) -> Float32:
        """Return the mean prediction for a tile, as `Runner`."""
        rows, columns = channels.shape[1:]
        total = np.zeros((BANDS, rows, columns), np.float32)
        for scale in self.SCALES:
            sides = [max(1, round(side * scale / DEEPEST)) * DEEPEST for side in (rows, columns)]
            scaled = _resized(channels, sides[0], sides[1])
            total += _resized(self._inner(scaled), rows, columns)
        total /= np.float32(len(self.SCALES))
        return total


def _resized(values: Float32, rows: int, columns: int) -> Float32:
    """Return bands resampled to other rows and columns, bilinearly."""
    if values.shape[1:] == (rows, columns):
        return values
    factors = (1.0, rows / values.shape[1], columns / values.shape[2])
    resized: Float32 = ndimage.zoom(values, factors, order=1, grid_mode=True, mode="nearest")
    return resized


def with_test_time_augmentation(runner: Runner, test_time: str) -> Runner:
    """Return a runner with test-time augmentation: ``none``, ``flip`` or ``scales``."""
    if test_time == "flip":
        return Flipped(runner)
    return Scaled(runner) if test_time == "scales" else runner
