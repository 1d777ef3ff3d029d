"""Inference of the heat-map network with ONNX Runtime, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.training.networks.onnx_graph import Graph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.craters.model.architecture import Architecture
    from lunarsite.engine.training.networks.onnx_graph import State

    Float32 = NDArray[np.float32]


class Runner(Protocol):
    """Predicts a block of an elevation model.

    ``thread_safe`` is True if several threads may call it at the same time.
    """

    thread_safe: bool

    def __call__(self, channels: Float32) -> Float32:
        """Return the output of the network.

        Parameters
        ----------
        channels : ndarray of float32, shape (channels, rows, columns)
            Input as `inputs.channels` returns it.

        Returns
        -------
        ndarray of float32, shape (`architecture.HEADS`, rows / 2, columns / 2)
            Logits and shapes, as in `Architecture.unet`.
        """
        ...


class OnnxRunner:
    """The heat-map network on the CPU; each call runs on one core.

    Parameters
    ----------
    state : mapping of str to ndarray
        The weights, with the names and shapes of `Architecture.shapes`; any float type.
    architecture : Architecture
        Architecture of the heat-map network.
    """

    thread_safe = True

    def __init__(self, state: State, architecture: Architecture) -> None:
        graph = Graph(state)
        description = architecture.unet()
        heads = graph.heads(description, graph.unet(description))
        self._session = graph.session(architecture.name, len(inputs.CHANNELS), heads)

    def __call__(self, channels: Float32) -> Float32:
        """Return the output for a block, as `Runner`."""
        (batch,) = self._session.run(None, {"channels": channels[None]})
        heads: Float32 = batch[0]
        return heads
