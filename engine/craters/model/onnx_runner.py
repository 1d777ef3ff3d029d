"""A trained heat-map network, run without torch: as an ONNX graph in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.training.onnx_graph import Graph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.craters.model.architecture import Architecture
    from lunarsite.engine.training.onnx_graph import State

    Float32 = NDArray[np.float32]


class Runner(Protocol):
    """What turns the channels of a block into the heads' values.

    ``at_once`` says whether several threads may call it at a time.
    """

    at_once: bool

    def __call__(self, channels: Float32) -> Float32:
        """Return float32 (heads, rows / 2, columns / 2) for (channels, rows, columns)."""
        ...


class OnnxRunner:
    """The heat-map network on the processor; each call computes on one core.

    Parameters
    ----------
    state : mapping of str to ndarray
        The weights, named and shaped as `Architecture.shapes` says; of any float type.
    architecture : Architecture
        Of the heat-map network.
    """

    at_once = True

    def __init__(self, state: State, architecture: Architecture) -> None:
        graph = Graph(state)
        description = architecture.unet()
        answer = graph.heads(description, graph.unet(description))
        self._session = graph.session(architecture.name, len(inputs.CHANNELS), answer)

    def __call__(self, channels: Float32) -> Float32:
        """Return the heads for one block's channels."""
        (found,) = self._session.run(None, {"channels": channels[None]})
        answer: Float32 = found[0]
        return answer
