"""MC Dropout in a torch network (Gal & Ghahramani 2016, arXiv 1506.02142).

Torch is imported here: only what trains or runs a torch network imports this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from lunarsite.engine.errors import InputError
from lunarsite.engine.uncertainty.measures import Uncertain, of_passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

PASSES = 20

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def add_mc_dropout(network: nn.Module, share: float) -> int:
    """Put `Dropout2d` after every ReLU of a network, in place, and return how many there are.

    The names of its weights stay: a checkpoint of the network without dropout still fits. What
    carries a dropout already is left as it is.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    share : float
        Of the channels that are dropped in a pass, 0 to below 1.
    """
    count = 0
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU) and not isinstance(child, _Dropping):
                setattr(module, name, _Dropping(share))
                count += 1
    return count


def enable_mc_dropout(network: nn.Module) -> int:
    """Let only the dropouts of a network drop, and return how many there are.

    All else is as in use: batch norm keeps the statistics it learned.

    Raises
    ------
    InputError
        If the network has no dropout, or none that drops anything: all passes would be alike.
    """
    network.eval()
    found = [m for m in network.modules() if isinstance(m, _DROPOUTS) and m.p > 0.0]
    if not found:
        raise InputError(
            "The network has no dropout, so that all passes of MC Dropout would be alike",
            "Take a checkpoint that was trained with dropout, or --uncertainty none",
        )
    for module in found:
        module.train()
    return len(found)


def mc_predict(
    network: nn.Module, channels: Float32, *, passes: int = PASSES, seed: int = 0
) -> Uncertain:
    """Return what a network says of an image in several passes, each with other dropped channels.

    Parameters
    ----------
    network : torch.nn.Module
        With dropout; it gives logits of shape (batch, classes, rows, columns).
    channels : ndarray of float32, shape (channels, rows, columns)
        The image. It is seen whole: each pass drops the same channels everywhere.
    passes : int
        How many.
    seed : int
        Of what is dropped.

    Raises
    ------
    InputError
        As `enable_mc_dropout`.
    """
    enable_mc_dropout(network)
    device = next(network.parameters()).device
    seen = torch.from_numpy(channels[None]).to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        with torch.inference_mode():
            each = [torch.softmax(network(seen)[0].float(), 0).cpu().numpy() for _ in range(passes)]
    network.eval()
    return of_passes(np.stack(each))


class _Dropping(nn.ReLU):  # type: ignore[misc]
    """A ReLU whose channels are dropped after it."""

    def __init__(self, share: float) -> None:
        # Not in place: a residual's sum, which is read again, may lie in the same memory.
        super().__init__(inplace=False)
        self.dropout = nn.Dropout2d(share)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the rectified features without the dropped channels."""
        return self.dropout(super().forward(x))
