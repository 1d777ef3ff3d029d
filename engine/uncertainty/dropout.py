"""MC Dropout in a torch network (Gal & Ghahramani 2016, arXiv 1506.02142).

This module imports torch: import it only where a torch network is trained or run.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.uncertainty.ensembles import EnsemblePrediction, combine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

PASSES = 20
"""Default number of stochastic forward passes."""

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def add_mc_dropout(network: nn.Module, share: float) -> int:
    """Insert `Dropout2d` after every ReLU and ReLU6 of a network, in place.

    The names of the weights stay the same, so that a checkpoint of the network without dropout
    still loads. A ReLU that has its dropout already is left as it is.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    share : float
        Dropout rate: fraction of the channels dropped in a pass, 0 to below 1.

    Returns
    -------
    int
        Number of layers inserted.
    """
    count = 0
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, _ReluDropout | _Relu6Dropout):
                continue
            if isinstance(child, nn.ReLU | nn.ReLU6):
                kind = _ReluDropout if isinstance(child, nn.ReLU) else _Relu6Dropout
                setattr(module, name, kind(share))
                count += 1
    return count


class DropoutMasks:
    """The dropout of a network in evaluation mode, with masks drawn by numpy.

    The masks of a pass follow from seed and number alone: they are the same on every device, and
    channel dropout drops the same channels in tiles of any size. Batch normalisation keeps its
    running statistics.

    Parameters
    ----------
    network : torch.nn.Module
        Set to evaluation mode, in place.
    seed : int
        Seed of the masks.

    Raises
    ------
    InputError
        If the network has no dropout layer with a rate above zero: all passes would be the same.
    """

    def __init__(self, network: nn.Module, seed: int) -> None:
        network.eval()
        self._seed = seed
        self.layers = [m for m in network.modules() if isinstance(m, _DROPOUTS) and m.p > 0.0]
        if not self.layers:
            raise InputError(
                "The network has no dropout, so all passes of MC Dropout would be the same",
                "Use a checkpoint trained with dropout, or --uncertainty none",
            )

    @contextmanager
    def drawn(self, number: int) -> Iterator[None]:
        """Apply the masks of a pass to every forward pass within the block."""
        rng = np.random.default_rng([self._seed, number])

        def drop(layer: nn.Module, _inputs: object, x: torch.Tensor) -> torch.Tensor:
            # Only `nn.Dropout` drops single values; the others drop channels.
            single = isinstance(layer, nn.Dropout)
            shape = tuple(x.shape) if single else (*x.shape[:2], *[1] * (x.ndim - 2))
            kept = (rng.random(shape) >= layer.p) / (1.0 - layer.p)
            return x * torch.from_numpy(kept.astype(np.float32)).to(x.device)

        hooks = [layer.register_forward_hook(drop) for layer in self.layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def mc_predict(
    network: nn.Module, channels: Float32, *, passes: int = PASSES, seed: int = 0
) -> EnsemblePrediction:
    """Return the prediction of MC Dropout for an image; see `prediction.mc_predict`.

    Raises
    ------
    InputError
        As `DropoutMasks`.
    ParameterError
        If an argument is of the wrong type or shape.
    """
    if not isinstance(network, nn.Module):
        raise ParameterError(
            f"network is a {type(network).__name__}, not a torch module", "Give a torch.nn.Module"
        )
    if not isinstance(passes, int) or passes < 1:
        raise ParameterError(f"passes is {passes!r}", "Give a whole number of at least 1")
    if not isinstance(channels, np.ndarray) or channels.ndim != 3:
        raise ParameterError(
            f"channels has the shape {np.shape(channels)}", "Give channels × rows × columns"
        )
    masks = DropoutMasks(network, seed)
    batch = torch.from_numpy(channels[None]).to(next(network.parameters()).device)
    each = []
    with torch.inference_mode():
        for number in range(passes):
            with masks.drawn(number):
                each.append(torch.softmax(network(batch)[0].float(), 0).cpu().numpy())
    return combine(np.stack(each))


class _ReluDropout(nn.ReLU):  # type: ignore[misc]
    """A ReLU followed by channel dropout."""

    def __init__(self, share: float) -> None:
        # Not in place: a residual sum that is read again may share its memory.
        super().__init__(inplace=False)
        self.dropout = nn.Dropout2d(share)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the rectified features with channels dropped."""
        return self.dropout(super().forward(x))


class _Relu6Dropout(nn.ReLU6):  # type: ignore[misc]
    """A ReLU6 followed by channel dropout."""

    def __init__(self, share: float) -> None:
        # Not in place: a residual sum that is read again may share its memory.
        super().__init__(inplace=False)
        self.dropout = nn.Dropout2d(share)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the rectified features with channels dropped."""
        return self.dropout(super().forward(x))
