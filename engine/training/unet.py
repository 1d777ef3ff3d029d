"""The light U-Net, described once.

The description is a short program of steps. The torch module (`torch_unet`), the ONNX graph
(`onnx_graph`) and the table of weights are all read from it, so that the forward pass and the names
of the weights stand in one place. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Unshuffle:
    """Fold squares of pixels into channels: what was beside one another lies behind it."""

    factor: int


@dataclass(frozen=True, slots=True)
class Block:
    """A 3 × 3 convolution without bias, batch normalisation and ReLU."""

    name: str
    before: int
    after: int
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the features for the skip connection."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """A 1 × 1 convolution with bias."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class JoinSkip:
    """Double the sides, and put the features last kept behind them."""


Step = Unshuffle | Block | Keep | Narrow | JoinSkip


@dataclass(frozen=True, slots=True)
class UNet:
    """A U-Net of blocks with skip connections.

    Parameters
    ----------
    channels : int
        Channels of the input.
    widths : tuple of int
        Features by level, the finest first; each level after the first halves the sides.
    heads : tuple of (str, int)
        Names and channels of the 1 × 1 convolutions at the end; their outputs are concatenated.
    unshuffle : int
        Factor by which the sides are reduced before the first level.
    blocks_at_finest : int
        Blocks at the finest level, on either side; all other levels have two.
    dropout : float
        Share of the features before the heads that are dropped in training.
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
        before = self.channels * self.unshuffle**2
        deepest = len(self.widths) - 1
        for level, width in enumerate(self.widths):
            yield from self._blocks(f"down.{level}", level, before, width, 1 if level == 0 else 2)
            if level < deepest:
                yield Keep()
            before = width
        for number, level in enumerate(range(deepest - 1, -1, -1)):
            width = self.widths[level]
            yield Narrow(f"narrow.{number}", self.widths[level + 1], width)
            yield JoinSkip()
            yield from self._blocks(f"up.{number}", level, 2 * width, width, 1)

    def _blocks(
        self, name: str, level: int, before: int, width: int, stride: int
    ) -> Iterator[Block]:
        for number in range(self.blocks_at_finest if level == 0 else 2):
            yield Block(f"{name}.{number}", before, width, stride if number == 0 else 1)
            before = width

    def shapes(self) -> Shapes:
        """Return names and shapes of the weights, as a torch state dict has them."""
        found: Shapes = {}
        for step in self.steps():
            if isinstance(step, Block):
                found[f"{step.name}.0.weight"] = (step.after, step.before, 3, 3)
                for part in ("weight", "bias", "running_mean", "running_var"):
                    found[f"{step.name}.1.{part}"] = (step.after,)
            elif isinstance(step, Narrow):
                found[f"{step.name}.weight"] = (step.after, step.before, 1, 1)
                found[f"{step.name}.bias"] = (step.after,)
        for head, count in self.heads:
            found[f"{head}.weight"] = (count, self.widths[0], 1, 1)
            found[f"{head}.bias"] = (count,)
        return found
