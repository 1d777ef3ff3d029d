"""U-Net with the encoder of EfficientNet-Lite0, as a sequence of steps. Does not import torch.

The encoder is a small one for pictures, whose weights after training on ImageNet are published: a
decoder on top of them needs a tenth of the steps of a network that begins with random weights.

References
----------
Tan & Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
arXiv 1905.11946. The Lite variant has no squeeze-and-excitation, and ReLU6 in place of swish.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunarsite.engine.training.networks.unet import (
    AddHeld,
    Block,
    Hold,
    Input,
    JoinSkip,
    Keep,
    Narrow,
    shapes_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lunarsite.engine.training.networks.unet import Shapes, Step

ENCODER = "encoder"
"""First part of the names of the encoder's weights."""

PRETRAINED = "the ImageNet weights of Google's EfficientNet-Lite0 (Apache-2.0)"
"""How a card names the encoder's first weights (`imagenet`)."""

STEM_CHANNELS = 32

STAGES = (
    # blocks, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Stages of EfficientNet-Lite0. Those that end a resolution are kept for the skip connections."""

_KEPT = (0, 1, 2, 4)
"""Stages whose features the decoder joins, at strides 2, 4, 8 and 16."""


@dataclass(frozen=True, slots=True)
class EfficientUNet:
    """Description of a U-Net whose encoder is EfficientNet-Lite0.

    Parameters
    ----------
    channels : int
        Channels of the input.
    widths : tuple of int
        Feature channels of the decoder at strides 1, 2, 4, 8 and 16.
    heads : tuple of (str, int)
        Names and output channels of the 1 × 1 convolutions at the end; their outputs are
        concatenated.
    dropout : float
        Probability that a feature channel before the heads is dropped in training.
    """

    channels: int
    widths: tuple[int, ...]
    heads: tuple[tuple[str, int], ...]
    dropout: float = 0.0

    def steps(self) -> Iterator[Step]:
        """Yield the steps from the input to the features that the heads read."""
        # The encoder begins at stride 2: the finest skip connection has a block of its own.
        yield Block("finest", self.channels, self.widths[0])
        yield Keep()
        yield Input()
        yield from encoder(self.channels)
        skips = [self.widths[0], *(STAGES[number][-1] for number in _KEPT)]
        in_channels = STAGES[-1][-1]
        for number, level in enumerate(range(len(skips) - 1, -1, -1)):
            width = self.widths[level]
            yield Narrow(f"narrow.{number}", in_channels, width)
            yield JoinSkip()
            yield Block(f"up.{number}.0", width + skips[level], width)
            if level > 0:
                yield Block(f"up.{number}.1", width, width)
            in_channels = width

    def shapes(self) -> Shapes:
        """Return names and shapes of the weights, as in a torch state dict."""
        return shapes_of(self)


def encoder(channels: int) -> Iterator[Step]:
    """Yield the steps of the encoder, from the input to features at stride 32.

    Parameters
    ----------
    channels : int
        Channels of the input; rows and columns are multiples of 32.
    """
    yield Block(f"{ENCODER}.stem", channels, STEM_CHANNELS, 2, activation="relu6", late=True)
    in_channels = STEM_CHANNELS
    for stage, (count, kernel, first_stride, expansion, out_channels) in enumerate(STAGES):
        for number in range(count):
            stride = first_stride if number == 0 else 1
            name = f"{ENCODER}.{stage}.{number}"
            yield from _inverted_bottleneck(
                name, in_channels, out_channels, kernel, stride, expansion
            )
            in_channels = out_channels
        if stage in _KEPT:
            yield Keep()


def _inverted_bottleneck(
    name: str, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
) -> Iterator[Step]:
    """Yield a block: expand, filter each channel by itself, and project; add where shapes allow."""
    residual = stride == 1 and in_channels == out_channels
    if residual:
        yield Hold()
    wide = in_channels * expansion
    if expansion > 1:
        yield Block(f"{name}.expand", in_channels, wide, kernel=1, activation="relu6")
    yield Block(
        f"{name}.depthwise",
        wide,
        wide,
        stride,
        kernel=kernel,
        groups=wide,
        activation="relu6",
        late=stride > 1,
    )
    yield Block(f"{name}.project", wide, out_channels, kernel=1, activation="none")
    if residual:
        yield AddHeld()
