"""A trained segmentation network, run by torch: on a GPU, or where its dropout is everywhere.

Torch is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.onnx_runner import BANDS, UNTOUCHED
from lunarsite.engine.training.on_device import OnDevice
from lunarsite.engine.uncertainty import dropout

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.uncertainty.calibration import Temperatures

    Float32 = NDArray[np.float32]


class TorchRunner:
    """A network on its device, as `runner.Runner` says.

    Parameters
    ----------
    model, device, warn
        As of `OnDevice`; a tile is what is seen at once.
    passes : int
        Of MC Dropout; 0 for one pass without.
    seed, temperatures, side_px : int, Temperatures, int or None
        As of `runner.OnnxRunner`.
    """

    at_once = False

    def __init__(
        self,
        model: torch.nn.Module,
        device: str,
        warn: Callable[[str], None],
        *,
        passes: int = 0,
        seed: int = 0,
        temperatures: Temperatures = UNTOUCHED,
        side_px: int | None = None,
    ) -> None:
        self.side_px = side_px
        self._passes, self._seed, self._temperatures = passes, seed, temperatures
        self._placed = OnDevice(model, device, warn, "a tile of the image")
        if passes:
            dropout.enable_mc_dropout(self._placed.network)

    def __call__(self, channels: Float32) -> Float32:
        """Return probabilities and mean entropy for a part of an image."""

        def answer(model: torch.nn.Module, device: str) -> Float32:
            return self._answer(model, device, channels)

        return self._placed.run(answer)

    def _answer(self, model: torch.nn.Module, device: str, channels: Float32) -> Float32:
        seen = torch.from_numpy(channels[None]).to(device, memory_format=torch.channels_last)
        count = len(classes.NAMES)
        on_rocks = self._temperatures.common / self._temperatures.rare
        total = torch.zeros((BANDS, *channels.shape[1:]), device=device)
        for number in range(max(self._passes, 1)):
            # What a pass drops depends on its number alone, not on the tile nor its size.
            torch.manual_seed(self._seed * 100_003 + number)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
                logits = model(seen)[0].float() / self._temperatures.common
            named = logits.argmax(0)
            rock = (named == classes.SMALL) | (named == classes.LARGE)
            share = torch.softmax(torch.where(rock, logits * on_rocks, logits), 0)
            total[:count] += share
            total[count] -= (share * torch.log(share.clamp(min=1e-12))).sum(0)
        found: Float32 = (total / max(self._passes, 1)).cpu().numpy()
        return found
