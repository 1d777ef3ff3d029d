"""Inference on a GPU, with a fallback to the CPU when GPU memory runs out.

Imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    Forward = Callable[[torch.nn.Module, str], Float32]


class OnDevice:
    """A network in evaluation mode on the GPU, or on the CPU if it does not fit there.

    Parameters
    ----------
    network : torch.nn.Module
        Network with its weights.
    device : str
        ``cpu`` or ``cuda``.
    warn : callable
        Takes a message when GPU memory runs out. From then on the network runs on the CPU, with
        the same results up to rounding.
    unit : str
        What one forward pass takes, for the message: "a tile of the image".
    """

    def __init__(
        self, network: torch.nn.Module, device: str, warn: Callable[[str], None], unit: str
    ) -> None:
        self._device, self._warn, self._unit = device, warn, unit
        self._network = network.eval()
        try:
            self._network = network.to(device, memory_format=torch.channels_last)
        except torch.cuda.OutOfMemoryError:
            self._fall_back_to_cpu()

    @property
    def network(self) -> torch.nn.Module:
        """The network, on its current device."""
        return self._network

    def run(self, forward: Forward) -> Float32:
        """Return the result of ``forward(network, device)``."""
        try:
            return self._run(forward)
        except torch.cuda.OutOfMemoryError:
            if self._device == "cpu":
                raise
        # Outside the handler: the exception keeps the tensors of its frames alive.
        self._fall_back_to_cpu()
        return self._run(forward)

    def _run(self, forward: Forward) -> Float32:
        with torch.inference_mode():
            return forward(self._network, self._device)

    def _fall_back_to_cpu(self) -> None:
        self._warn(
            f"GPU memory is too small for {self._unit}: continuing on the CPU, which is slower. "
            "Free GPU memory before the next run."
        )
        self._device = "cpu"
        self._network = self._network.to("cpu")
        torch.cuda.empty_cache()
