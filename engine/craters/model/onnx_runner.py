"""A trained heat-map network, run without torch: as an ONNX graph in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.training.targets import STRIDE
from lunarsite.engine.training.onnx_graph import Graph

if TYPE_CHECKING:
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
        answer = _heads(graph, architecture)
        self._session = graph.session(architecture.name, len(inputs.CHANNELS), answer)

    def __call__(self, channels: Float32) -> Float32:
        """Return the heads for one block's channels."""
        (found,) = self._session.run(None, {"channels": channels[None]})
        answer: Float32 = found[0]
        return answer


def _heads(graph: Graph, architecture: Architecture) -> str:
    """Add the network to a graph, and return its answer: see `network.HeatMaps.forward`."""
    x = graph.node("SpaceToDepth", "channels", blocksize=STRIDE)
    beside = []
    for level in range(len(architecture.widths)):
        first = f"down.{level}.0"
        weight = graph.state[f"{first}.0.weight"].astype(np.float64)
        if level == 0:
            weight = _as_space_to_depth(weight)
        x = graph.block(x, first, stride=1 if level == 0 else 2, weight=weight)
        x = graph.block(x, f"down.{level}.1")
        beside.append(x)
    for level, before in enumerate(beside[-2::-1]):
        x = graph.twice(graph.layer(x, f"narrow.{level}"))
        x = graph.node("Concat", x, before, axis=1)
        x = graph.block(x, f"up.{level}.0")
        x = graph.block(x, f"up.{level}.1")
    heads = [graph.weights(head) for head in ("centers", "shapes")]
    return graph.convolution(
        x, np.concatenate([w for w, _ in heads]), np.concatenate([b for _, b in heads])
    )


def _as_space_to_depth(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first weights with their inputs in ONNX's order: by place, then by channel.

    Torch's pixel unshuffle has them by channel, then by place.
    """
    after, before, side, _ = weight.shape
    channels = before // STRIDE**2
    split = weight.reshape(after, channels, STRIDE**2, side, side)
    return split.transpose(0, 2, 1, 3, 4).reshape(weight.shape)
