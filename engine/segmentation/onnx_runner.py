"""A trained segmentation network, run without torch: as an ONNX graph in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import ndimage

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import _dropout_kernels as kernels
from lunarsite.engine.segmentation.architecture import CHANNELS, DEEPEST
from lunarsite.engine.training.onnx_graph import Graph
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.segmentation.architecture import Architecture
    from lunarsite.engine.training.onnx_graph import State

    Float32 = NDArray[np.float32]

BANDS = 5
"""Of an answer: the mean probability of each class, then the mean entropy of the passes, nats.

Averages of these stay what they say, over parts of an image that overlap and over networks; the
mutual information is the entropy of the mean less the mean of the entropies.
"""

UNTOUCHED = Temperatures()


class Runner(Protocol):
    """What answers for a part of an image.

    ``at_once`` says whether several threads may call it at a time, ``side_px`` to what shorter
    side an image is reduced before it looks (`working`), or None.
    """

    at_once: bool
    side_px: int | None

    def __call__(self, channels: Float32) -> Float32:
        """Return float32 (`BANDS`, rows, columns) for (3, rows, columns), sides multiples of 32."""
        ...


class OnnxRunner:
    """The light network on the processor; each call computes on one core.

    Parameters
    ----------
    state : mapping of str to ndarray
        The weights, named and shaped as `Architecture.shapes` says; of any float type.
    architecture : Architecture
        Of the light network.
    uncertain : bool
        MC Dropout before the head, in place of one pass without it.
    passes : int
        How many are drawn; 0 for the closed form, which stands for infinitely many.
    seed : int
        Of what is dropped. A pass drops the same channels everywhere: there are no seams.
    temperatures : Temperatures
        What logits are divided by: one number where a rock is called, another elsewhere.
    side_px : int, optional
        As of `Runner`.

    Raises
    ------
    InputError
        If MC Dropout is asked of a network that was trained without.
    """

    at_once = True

    def __init__(
        self,
        state: State,
        architecture: Architecture,
        *,
        uncertain: bool = False,
        passes: int = 0,
        seed: int = 0,
        temperatures: Temperatures = UNTOUCHED,
        side_px: int | None = None,
    ) -> None:
        self.side_px = side_px
        share = architecture.dropout
        if uncertain and not share:
            raise without_dropout()
        graph = Graph(state)
        answer = graph.unet(architecture.unet())
        self._session = graph.session(architecture.name, CHANNELS, answer)
        weight, bias = graph.weights("head")
        self._weight = (weight[:, :, 0, 0] / temperatures.common).astype(np.float32)
        self._bias = (bias / temperatures.common).astype(np.float32)
        self._on_rocks = temperatures.common / temperatures.rare
        self._odds = share / (1.0 - share) if uncertain else 0.0
        self._passes = None
        if uncertain and passes:
            rng = np.random.default_rng(seed)
            kept = rng.random((passes, 1, self._weight.shape[1])) >= share
            self._passes = (self._weight * kept / (1.0 - share)).astype(np.float32)

    def __call__(self, channels: Float32) -> Float32:
        """Return probabilities and mean entropy for a part of an image."""
        (found,) = self._session.run(None, {"channels": channels[None]})
        features: Float32 = found[0]
        answer: Float32
        if self._passes is not None:
            answer = kernels.passes(features, self._passes, self._bias, self._on_rocks)
        elif self._odds:
            answer = kernels.closed_form(
                features, self._weight, self._bias, self._odds, self._on_rocks
            )
        else:
            answer = kernels.softmax(features, self._weight, self._bias, self._on_rocks)
        return answer


class Ensemble:
    """Several networks, of which the mean is taken."""

    def __init__(self, members: list[Runner]) -> None:
        self._members = members
        self.at_once = all(member.at_once for member in members)
        self.side_px = members[0].side_px

    def __call__(self, channels: Float32) -> Float32:
        """Return mean probabilities and mean entropy for a part of an image."""
        total = self._members[0](channels).copy()
        for member in self._members[1:]:
            total += member(channels)
        total /= np.float32(len(self._members))
        return total


class Flipped:
    """A network that looks at an image and its mirror image, of which the mean is taken."""

    def __init__(self, inner: Runner) -> None:
        self._inner = inner
        self.at_once, self.side_px = inner.at_once, inner.side_px

    def __call__(self, channels: Float32) -> Float32:
        """Return mean probabilities and mean entropy for a part of an image."""
        mirrored = self._inner(np.ascontiguousarray(channels[:, :, ::-1]))[:, :, ::-1]
        mean: Float32 = (self._inner(channels) + mirrored) * np.float32(0.5)
        return mean


class Scaled:
    """A network that looks at an image at several scales and mirrored, of which the mean is taken.

    The original's multi-scale test-time augmentation.
    """

    SCALES = (0.75, 1.0, 1.25)

    def __init__(self, inner: Runner) -> None:
        self._inner = Flipped(inner)
        self.at_once, self.side_px = inner.at_once, inner.side_px

    def __call__(self, channels: Float32) -> Float32:
        """Return mean probabilities and mean entropy for a part of an image."""
        rows, columns = channels.shape[1:]
        total = np.zeros((BANDS, rows, columns), np.float32)
        for scale in self.SCALES:
            sides = [max(1, round(side * scale / DEEPEST)) * DEEPEST for side in (rows, columns)]
            seen = _resized(channels, sides[0], sides[1])
            total += _resized(self._inner(seen), rows, columns)
        total /= np.float32(len(self.SCALES))
        return total


def _resized(values: Float32, rows: int, columns: int) -> Float32:
    """Return bands at other sides, linearly."""
    if values.shape[1:] == (rows, columns):
        return values
    factors = (1.0, rows / values.shape[1], columns / values.shape[2])
    resized: Float32 = ndimage.zoom(values, factors, order=1, grid_mode=True, mode="nearest")
    return resized


def averaged(runner: Runner, test_time: str) -> Runner:
    """Return a network that looks as ``test_time`` says: ``none``, ``flip`` or ``scales``."""
    if test_time == "flip":
        return Flipped(runner)
    return Scaled(runner) if test_time == "scales" else runner


def without_dropout() -> InputError:
    """Return the error for a network that cannot be asked how unsure it is."""
    return InputError(
        "The network has no dropout, so that all passes of MC Dropout would be alike",
        "Take a checkpoint that was trained with dropout, or --uncertainty none",
    )
