"""The light U-Net as a sequence of steps (Ronneberger et al. 2015, arXiv 1505.04597).

The torch module (`torch_network`), the ONNX graph (`onnx_graph`) and the table of weights are all
built from such a description, so that the forward pass and the names of the weights are defined in
one place. Does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Unshuffle:
    """Rearrange squares of pixels into channels (pixel unshuffle, space to depth)."""

    factor: int


@dataclass(frozen=True, slots=True)
class Block:
    """A convolution without bias, batch normalisation and an activation.

    Parameters
    ----------
    name : str
        First part of the names of its weights.
    in_channels, out_channels, stride, kernel : int
        Of the convolution, which is padded to keep rows and columns but for the stride.
    groups : int
        Groups of channels that are convolved by themselves.
    activation : str
        ``relu``, ``relu6`` or ``none``.
    late : bool
        Whether a stride pads the end of rows and columns more than their beginning, as networks
        from TensorFlow do.
    """

    name: str
    in_channels: int
    out_channels: int
    stride: int = 1
    kernel: int = 3
    groups: int = 1
    activation: str = "relu"
    late: bool = False

    @property
    def padding(self) -> tuple[int, int]:
        """Pixels of padding before and after each row and column."""
        if not self.late:
            return self.kernel // 2, self.kernel // 2
        total = self.kernel - self.stride
        return total // 2, total - total // 2


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the features for the skip connection."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """A 1 × 1 convolution with bias."""

    name: str
    in_channels: int
    out_channels: int


@dataclass(frozen=True, slots=True)
class JoinSkip:
    """Upsample by a factor of 2, and concatenate the features last kept."""


@dataclass(frozen=True, slots=True)
class Input:
    """Go on with the input of the network."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold the features for a residual connection."""


@dataclass(frozen=True, slots=True)
class AddHeld:
    """Add the features last held."""


Step = Unshuffle | Block | Keep | Narrow | JoinSkip | Input | Hold | AddHeld


class Description(Protocol):
    """A network of steps, followed by heads that read their features."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature channels by level, the finest first: the heads read those of the finest."""
        ...

    @property
    def heads(self) -> tuple[tuple[str, int], ...]:
        """Names and output channels of the 1 × 1 convolutions at the end."""
        ...

    @property
    def dropout(self) -> float:
        """Probability that a feature channel before the heads is dropped in training."""
        ...

    def steps(self) -> Iterator[Step]:
        """Yield the steps from the input to the features that the heads read."""
        ...


def shapes_of(description: Description) -> Shapes:
    """Return names and shapes of the weights of a network, as in a torch state dict."""
    shapes: Shapes = {}
    for step in description.steps():
        if isinstance(step, Block):
            inputs, side = step.in_channels // step.groups, step.kernel
            shapes[f"{step.name}.0.weight"] = (step.out_channels, inputs, side, side)
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{step.name}.1.{part}"] = (step.out_channels,)
        elif isinstance(step, Narrow):
            shapes[f"{step.name}.weight"] = (step.out_channels, step.in_channels, 1, 1)
            shapes[f"{step.name}.bias"] = (step.out_channels,)
    for head, count in description.heads:
        shapes[f"{head}.weight"] = (count, description.widths[0], 1, 1)
        shapes[f"{head}.bias"] = (count,)
    return shapes


def kept_channels(description: Description) -> list[int]:
    """Return the channels of the features kept for skip connections: the n-th at stride 2^n."""
    found = []
    channels = 0
    for step in description.steps():
        if isinstance(step, Block | Narrow):
            channels = step.out_channels
        elif isinstance(step, Keep):
            found.append(channels)
    return found


@dataclass(frozen=True, slots=True)
class UNet:
    """Description of a U-Net with skip connections.

    Parameters
    ----------
    channels : int
        Channels of the input.
    widths : tuple of int
        Feature channels by level, the finest first; each further level halves the resolution.
    heads : tuple of (str, int)
        Names and output channels of the 1 × 1 convolutions at the end; their outputs are
        concatenated.
    unshuffle : int
        Factor of the pixel unshuffle before the first level; 1 for none.
    blocks_at_finest : int
        Blocks at the finest level of encoder and decoder; all other levels have two.
    dropout : float
        Probability that a feature channel before the heads is dropped in training.
    """

    channels: int
    widths: tuple[int, ...]
    heads: tuple[tuple[str, int], ...]
    unshuffle: int = 1
    blocks_at_finest: int = 2
    dropout: float = 0.0

    def steps(self) -> Iterator[Step]:
        """Yield the steps from the input to the features that the heads read."""
        if self.unshuffle > 1:
            yield Unshuffle(self.unshuffle)
        in_channels = self.channels * self.unshuffle**2
        deepest = len(self.widths) - 1
        for level, width in enumerate(self.widths):
            yield from self._blocks(
                f"down.{level}", level, in_channels, width, 1 if level == 0 else 2
            )
            if level < deepest:
                yield Keep()
            in_channels = width
        for number, level in enumerate(range(deepest - 1, -1, -1)):
            width = self.widths[level]
            yield Narrow(f"narrow.{number}", self.widths[level + 1], width)
            yield JoinSkip()
            yield from self._blocks(f"up.{number}", level, 2 * width, width, 1)

    def _blocks(
        self, name: str, level: int, in_channels: int, width: int, stride: int
    ) -> Iterator[Block]:
        for number in range(self.blocks_at_finest if level == 0 else 2):
            yield Block(f"{name}.{number}", in_channels, width, stride if number == 0 else 1)
            in_channels = width

    def shapes(self) -> Shapes:
        """Return names and shapes of the weights, as in a torch state dict."""
        return shapes_of(self)
