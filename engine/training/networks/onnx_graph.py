"""Export of a convolutional network to an ONNX graph, from its description and its weights.

Batch norms are folded into the convolutions before them. ONNX Runtime runs the graph on one core
twice as fast as torch, and takes a hundredth of the disk space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from lunarsite.engine.training.networks.unet import (
    AddHeld,
    Block,
    Hold,
    Input,
    JoinSkip,
    Keep,
    Narrow,
    Unshuffle,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.training.networks.unet import Description, Step

    Array = NDArray[np.generic]
    State = Mapping[str, Array]

_NORM_FLOOR = 1e-5
"""Epsilon that torch's batch norm adds to the variance."""

_OPSET = 18
_FORMAT = 9


class Graph:
    """Builder of an ONNX graph.

    Methods that add nodes return the name of their output.

    Parameters
    ----------
    state : mapping of str to ndarray
        The weights, named as in the torch state dict.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def unet(self, description: Description, x: str = "channels") -> str:
        """Add a U-Net, from its input to the features before the heads."""
        features, _ = self._steps(description.steps(), x)
        return features

    def kept(self, description: Description, count: int, x: str = "channels") -> list[str]:
        """Add the part of a U-Net that computes its first features kept for skip connections.

        Parameters
        ----------
        description : Description
            The network.
        count : int
            Number of features; the n-th are at stride 2 to the n, counted from 0.
        x : str
            The input.
        """
        steps = list(description.steps())
        ends = [number for number, step in enumerate(steps) if isinstance(step, Keep)]
        _, skips = self._steps(steps[: ends[count - 1] + 1], x)
        return skips

    def _steps(self, steps: Iterable[Step], x: str) -> tuple[str, list[str]]:
        """Add steps; return their output, and the features kept that no step has joined."""
        image = x
        skips: list[str] = []
        held: list[str] = []
        folded = 1
        for step in steps:
            if isinstance(step, Unshuffle):
                x, folded = self.node("SpaceToDepth", x, blocksize=step.factor), step.factor
            elif isinstance(step, Keep):
                skips.append(x)
            elif isinstance(step, JoinSkip):
                x = self.node("Concat", self.upsample(x), skips.pop(), axis=1)
            elif isinstance(step, Narrow):
                x = self.layer(x, step.name)
            elif isinstance(step, Input):
                x = image
            elif isinstance(step, Hold):
                held.append(x)
            elif isinstance(step, AddHeld):
                x = self.node("Add", x, held.pop())
            else:
                weight = self.state[f"{step.name}.0.weight"].astype(np.float64)
                if folded > 1:
                    weight, folded = _as_space_to_depth(weight, folded), 1
                x = self.block(x, step, weight=weight)
        return x, skips

    def heads(self, description: Description, x: str) -> str:
        """Add the heads as a single convolution."""
        pairs = [self.weights(name) for name, _ in description.heads]
        return self.convolution(
            x, np.concatenate([w for w, _ in pairs]), np.concatenate([b for _, b in pairs])
        )

    def block(self, x: str, step: Block, *, weight: NDArray[np.float64] | None = None) -> str:
        """Add a convolution, with its batch norm folded into it, and its activation.

        ``weight`` replaces that of the convolution if its inputs come in another order.
        """
        kernel, gain, bias, mean, variance = (
            self.state[f"{step.name}.{part}"].astype(np.float64)
            for part in ("0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var")
        )
        scale = gain / np.sqrt(variance + _NORM_FLOOR)
        folded = (kernel if weight is None else weight) * scale[:, None, None, None]
        x = self.convolution(
            x, folded, bias - mean * scale, step.stride, padding=step.padding, groups=step.groups
        )
        if step.activation == "relu6":
            limits = (self.constant(np.array(limit, np.float32)) for limit in (0.0, 6.0))
            return self.node("Clip", x, *limits)
        return x if step.activation == "none" else self.node("Relu", x)

    def layer(self, x: str, name: str) -> str:
        """Add a convolution with its bias."""
        return self.convolution(x, *self.weights(name))

    def weights(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weight and bias of a layer as float32."""
        weight, bias = (self.state[f"{name}.{part}"] for part in ("weight", "bias"))
        return weight.astype(np.float32), bias.astype(np.float32)

    def convolution(
        self,
        x: str,
        weight: Array,
        bias: Array,
        stride: int = 1,
        *,
        padding: tuple[int, int] | None = None,
        groups: int = 1,
    ) -> str:
        """Add a convolution, padded so that stride 1 keeps rows and columns."""
        kernel = weight.shape[2]
        before, after = padding or (kernel // 2, kernel // 2)
        return self.node(
            "Conv",
            x,
            self.constant(weight.astype(np.float32)),
            self.constant(bias.astype(np.float32)),
            kernel_shape=[kernel, kernel],
            pads=[before, before, after, after],
            strides=[stride, stride],
            group=groups,
        )

    def upsample(self, x: str) -> str:
        """Add a nearest-neighbour upsampling by a factor of 2."""
        return self.node(
            "Resize",
            x,
            "",
            self.constant(np.array([1.0, 1.0, 2.0, 2.0], np.float32)),
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def constant(self, values: Array) -> str:
        """Add a constant array."""
        name = f"constant {len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator."""
        name = f"value {len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def session(self, name: str, channels: int, *outputs: str) -> onnxruntime.InferenceSession:
        """Return a single-threaded session that computes ``outputs`` from the input ``channels``.

        Parameters
        ----------
        name : str
            Name of the graph.
        channels : int
            Channels of the input, of shape (1, channels, rows, columns).
        *outputs : str
            Names of the outputs.
        """
        float32 = onnx.TensorProto.FLOAT
        shape: list[str | int | None] = [1, channels, "rows", "columns"]
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info("channels", float32, shape)],
            [helper.make_tensor_value_info(output, float32, None) for output in outputs],
            self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_FORMAT
        )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(
            model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
        )


def _as_space_to_depth(weight: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Return a convolution's weights with their input channels in the order of SpaceToDepth.

    ONNX orders them by position in the square, then by channel; torch's pixel unshuffle by channel,
    then by position.
    """
    out_channels, in_channels, side, _ = weight.shape
    split = weight.reshape(out_channels, in_channels // factor**2, factor**2, side, side)
    return split.transpose(0, 2, 1, 3, 4).reshape(weight.shape)
