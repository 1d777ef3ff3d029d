"""A network as a torch module, built from its description.

Imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

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
    from lunarsite.engine.training.networks.unet import Description


class TorchNetwork(nn.Module):  # type: ignore[misc]
    """A network that runs the steps of its description.

    Maps (batch, channels, rows, columns) to the concatenated outputs of the heads. Rows and columns
    must be multiples of the coarsest level's stride.

    Parameters
    ----------
    description : Description
        Layers in their order; initial weights are drawn in that order from torch's seed.
    """

    def __init__(self, description: Description) -> None:
        super().__init__()
        self._steps = tuple(description.steps())
        for step in self._steps:
            if isinstance(step, Block):
                _add_child(self, step.name, _block(step))
            elif isinstance(step, Narrow):
                _add_child(self, step.name, nn.Conv2d(step.in_channels, step.out_channels, 1))
        self._upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.dropout = nn.Dropout2d(description.dropout)
        self._heads = tuple(name for name, _ in description.heads)
        for name, count in description.heads:
            _add_child(self, name, nn.Conv2d(description.widths[0], count, 1))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features before the heads."""
        image = x
        skips: list[torch.Tensor] = []
        held: list[torch.Tensor] = []
        for step in self._steps:
            if isinstance(step, Unshuffle):
                x = nn.functional.pixel_unshuffle(x, step.factor)
            elif isinstance(step, Keep):
                skips.append(x)
            elif isinstance(step, JoinSkip):
                x = torch.cat([self._upsample(x), skips.pop()], dim=1)
            elif isinstance(step, Input):
                x = image
            elif isinstance(step, Hold):
                held.append(x)
            elif isinstance(step, AddHeld):
                x = x + held.pop()
            else:
                x = self.get_submodule(step.name)(x)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs of the heads, concatenated along the channels."""
        features = self.dropout(self.features(x))
        outputs = [self.get_submodule(name)(features) for name in self._heads]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


def _block(step: Block) -> nn.Sequential:
    before, after = step.padding
    convolution = nn.Conv2d(
        step.in_channels,
        step.out_channels,
        step.kernel,
        step.stride,
        before if before == after else 0,
        groups=step.groups,
        bias=False,
    )
    parts = [convolution, nn.BatchNorm2d(step.out_channels)]
    if step.activation != "none":
        parts.append(
            nn.ReLU6(inplace=True) if step.activation == "relu6" else nn.ReLU(inplace=True)
        )
    block = nn.Sequential(*parts)
    if before != after:
        # Before the convolution, outside the numbering of the weights.
        block = _Padded(block, before, after)
    return block


class _Padded(nn.Sequential):  # type: ignore[misc]
    """A block whose input is padded first; its weights have the names of the block's."""

    def __init__(self, block: nn.Sequential, before: int, after: int) -> None:
        super().__init__(*block)
        self._padding = (before, after, before, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features of the padded input."""
        return super().forward(nn.functional.pad(x, self._padding))


def _add_child(module: nn.Module, name: str, child: nn.Module) -> None:
    """Add a child module under a dotted name."""
    *path, last = name.split(".")
    for part in path:
        if part not in module._modules:  # noqa: SLF001  torch's own registry of children
            module.add_module(part, nn.Module())
        module = module._modules[part]  # noqa: SLF001  as above
    module.add_module(last, child)
