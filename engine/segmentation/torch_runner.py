"""A trained segmentation network, run by torch: on a GPU, or where its dropout is everywhere.

Torch is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes, network
from lunarsite.engine.segmentation.runner import BANDS, UNTOUCHED, without_dropout
from lunarsite.engine.segmentation.weights import COMMAND
from lunarsite.engine.training import checkpoints
from lunarsite.engine.uncertainty import dropout

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.segmentation.weights import Checkpoint
    from lunarsite.engine.uncertainty.calibration import Temperatures

    Float32 = NDArray[np.float32]


class TorchRunner:
    """A network on its device, as `runner.Runner` says.

    Parameters
    ----------
    model : torch.nn.Module
        With its weights.
    device : str
        ``cpu`` or ``cuda``.
    warn : callable
        Is told if the GPU's memory does not hold a tile: the processor goes on then.
    passes : int
        Of MC Dropout; 0 for one pass without.
    seed, temperatures : int, Temperatures
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
    ) -> None:
        self._device, self._warn = device, warn
        self._passes, self._seed, self._temperatures = passes, seed, temperatures
        self._model = model.eval()
        try:
            self._model = model.to(device, memory_format=torch.channels_last)
        except torch.cuda.OutOfMemoryError:
            self._go_on_without_gpu()
        if passes:
            dropout.enable_mc_dropout(self._model)

    def __call__(self, channels: Float32) -> Float32:
        """Return probabilities and mean entropy for a part of an image."""
        try:
            return self._answer(channels)
        except torch.cuda.OutOfMemoryError:
            if self._device == "cpu":
                raise
        # Outside the handler: the error holds what had been computed.
        self._go_on_without_gpu()
        return self._answer(channels)

    def _answer(self, channels: Float32) -> Float32:
        seen = torch.from_numpy(channels[None]).to(self._device, memory_format=torch.channels_last)
        count = len(classes.NAMES)
        on_rocks = self._temperatures.common / self._temperatures.rare
        total = torch.zeros((BANDS, *channels.shape[1:]), device=self._device)
        with torch.inference_mode():
            for number in range(max(self._passes, 1)):
                # What a pass drops depends on its number alone, not on the tile nor its size.
                torch.manual_seed(self._seed * 100_003 + number)
                with torch.autocast(
                    self._device, dtype=torch.bfloat16, enabled=self._device == "cuda"
                ):
                    logits = self._model(seen)[0].float() / self._temperatures.common
                named = logits.argmax(0)
                rock = (named == classes.SMALL) | (named == classes.LARGE)
                logits = torch.where(rock, logits * on_rocks, logits)
                share = torch.softmax(logits, 0)
                total[:count] += share
                total[count] -= (share * torch.log(share.clamp(min=1e-12))).sum(0)
        answer: Float32 = (total / max(self._passes, 1)).cpu().numpy()
        return answer

    def _go_on_without_gpu(self) -> None:
        self._warn(
            "The GPU's memory does not hold a tile of the image: the processor goes on, slower. "
            "Free the GPU's memory for the next run."
        )
        self._device = "cpu"
        self._model = self._model.to("cpu")
        torch.cuda.empty_cache()


def make(
    checkpoint: Checkpoint,
    device: str,
    warn: Callable[[str], None],
    *,
    uncertain: bool,
    passes: int,
    seed: int,
    temperatures: Temperatures,
) -> TorchRunner:
    """Return a checkpoint's network, as `weights.Checkpoint.runner` says.

    Raises
    ------
    InputError
        If the weights do not fit, or it has no dropout and uncertainty is asked for.
    """
    architecture = checkpoint.architecture
    if uncertain and not (architecture.dropout or architecture.everywhere):
        raise without_dropout()
    model = network.build(architecture)
    try:
        model.load_state_dict({n: torch.from_numpy(v) for n, v in checkpoint.state.items()})
    except RuntimeError as error:
        raise InputError(
            f"The checkpoint {checkpoint.path.name} is of another architecture than its card "
            f"says: {str(error).splitlines()[0]}",
            checkpoints.REMEDY + COMMAND,
        ) from error
    count = (passes or dropout.PASSES) if uncertain else 0
    return TorchRunner(model, device, warn, passes=count, seed=seed, temperatures=temperatures)
