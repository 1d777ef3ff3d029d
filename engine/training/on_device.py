"""A trained network on its device, and on the processor where a GPU's memory does not hold it.

Torch is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    Answer = Callable[[torch.nn.Module, str], Float32]


class OnDevice:
    """A network that answers where it fits.

    Parameters
    ----------
    network : torch.nn.Module
        With its weights.
    device : str
        ``cpu`` or ``cuda``.
    warn : callable
        Is told if the GPU's memory does not hold what the network sees at once: the processor
        goes on then, with the same answers beyond rounding.
    seen : str
        What that is, in words.
    """

    def __init__(
        self, network: torch.nn.Module, device: str, warn: Callable[[str], None], seen: str
    ) -> None:
        self._device, self._warn, self._seen = device, warn, seen
        self._network = network.eval()
        try:
            self._network = network.to(device, memory_format=torch.channels_last)
        except torch.cuda.OutOfMemoryError:
            self._go_on_without_gpu()

    @property
    def network(self) -> torch.nn.Module:
        """The network, where it is now."""
        return self._network

    def run(self, answer: Answer) -> Float32:
        """Return what ``answer`` gives for the network and its device."""
        try:
            return self._run(answer)
        except torch.cuda.OutOfMemoryError:
            if self._device == "cpu":
                raise
        # Outside the handler: the error holds what had been computed.
        self._go_on_without_gpu()
        return self._run(answer)

    def _run(self, answer: Answer) -> Float32:
        with torch.inference_mode():
            return answer(self._network, self._device)

    def _go_on_without_gpu(self) -> None:
        self._warn(
            f"The GPU's memory does not hold {self._seen}: the processor goes on, slower. Free "
            "the GPU's memory for the next run."
        )
        self._device = "cpu"
        self._network = self._network.to("cpu")
        torch.cuda.empty_cache()
