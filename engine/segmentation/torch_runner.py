"""Inference of a segmentation network with torch: on a GPU, or with dropout after every ReLU.

Imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.onnx_runner import BANDS, UNIT_TEMPERATURES
from lunarsite.engine.training.on_device import OnDevice
from lunarsite.engine.uncertainty import dropout

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.uncertainty.calibration import Temperatures

    Float32 = NDArray[np.float32]


class TorchRunner:
    """A network on its device; an `onnx_runner.Runner`.

    Parameters
    ----------
    model : torch.nn.Module
        Network with its weights.
    device, warn : str, callable
        As in `OnDevice`.
    passes : int
        Number of MC Dropout passes; 0 for a single pass without dropout.
    seed, temperatures, side_px : int, Temperatures, int or None
        As in `onnx_runner.OnnxRunner`.
    """

    thread_safe = False

    def __init__(
        self,
        model: torch.nn.Module,
        device: str,
        warn: Callable[[str], None],
        *,
        passes: int = 0,
        seed: int = 0,
        temperatures: Temperatures = UNIT_TEMPERATURES,
        side_px: int | None = None,
    ) -> None:
        self.side_px = side_px
        self._passes, self._seed, self._temperatures = passes, seed, temperatures
        self._on_device = OnDevice(model, device, warn, "a tile of the image")
        if passes:
            dropout.enable_mc_dropout(self._on_device.network)

    def __call__(self, channels: Float32) -> Float32:
        """Return the prediction for a tile, as `onnx_runner.Runner`."""

        def forward(model: torch.nn.Module, device: str) -> Float32:
            return self._predict(model, device, channels)

        return self._on_device.run(forward)

    def _predict(self, model: torch.nn.Module, device: str, channels: Float32) -> Float32:
        inputs = torch.from_numpy(channels[None]).to(device, memory_format=torch.channels_last)
        count = len(classes.NAMES)
        on_rocks = self._temperatures.common / self._temperatures.rare
        total = torch.zeros((BANDS, *channels.shape[1:]), device=device)
        for number in range(max(self._passes, 1)):
            # The dropout mask of a pass depends on its number alone, not on the tile or its size.
            torch.manual_seed(self._seed * 100_003 + number)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
                logits = model(inputs)[0].float() / self._temperatures.common
            predicted = logits.argmax(0)
            rock = (predicted == classes.SMALL) | (predicted == classes.LARGE)
            probability = torch.softmax(torch.where(rock, logits * on_rocks, logits), 0)
            total[:count] += probability
            total[count] -= (probability * torch.log(probability.clamp(min=1e-12))).sum(0)
        mean: Float32 = (total / max(self._passes, 1)).cpu().numpy()
        return mean
