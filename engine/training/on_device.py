"""Inference on a GPU: in smaller tiles if its memory runs out, then on the CPU.

Imports torch.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float32 = NDArray[np.float32]
    Predict = Callable[[Float32], Float32]
    Forward = Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]

STRIDE = 32
"""Tiles are halved at multiples of it, the largest stride of the networks."""

_WORTH = 0.8
"""A tile is halved if its half, with the halo, is at most this share of it."""

_SIGNS = (
    "out of memory",
    "ALLOC_FAILED",
    "ALLOCATION_FAILED",
    "CUDNN_STATUS_NOT_INITIALIZED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "valid cuDNN algorithm",
    "find an engine to execute",
)
"""What messages of CUDA, cuDNN and cuBLAS hold if memory is too small, for their handles too."""

_TURN = threading.Lock()
"""One forward pass at a time: precision is a setting of the process, and memory is shared."""


class OnDevice:
    """A network in evaluation mode that predicts tiles.

    Several threads may call it at the same time; forward passes take turns.

    Parameters
    ----------
    network : torch.nn.Module
        Network with its weights.
    forward : callable
        Returns the prediction, shape (1, bands, rows, columns), of a network for a batch of one
        tile. Rows and columns may be those of the tile divided by a whole number.
    device : str
        ``cpu`` or ``cuda``.
    context : Context
        Takes a warning when GPU memory runs out, and what the network has run on; cancels.
    unit : str
        What a tile is, for the warning: "a tile of the image".
    halo_px : int or None
        How far from the edge of a tile the prediction depends on what is beyond, a multiple of
        `STRIDE`; None if it depends on the whole tile, which then cannot be cut in halves.
    on_cpu : callable, optional
        Returns the function that predicts a tile on the CPU; the torch network by default.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        forward: Forward,
        device: str,
        context: Context,
        *,
        unit: str,
        halo_px: int | None,
        on_cpu: Callable[[], Predict] | None = None,
    ) -> None:
        self._network, self._forward, self._device = network.eval(), forward, device
        self._context, self._unit, self._halo_px = context, unit, halo_px
        self._on_cpu = on_cpu
        self._cpu_predict: Predict | None = None
        self._most_px: int | None = None
        with _TURN:
            if not self._tried(self._move):
                self._fall_back_to_cpu()

    def __call__(self, channels: Float32) -> Float32:
        """Return the prediction for a tile, float32, shape (bands, rows, columns)."""
        self._context.check()
        with _TURN:
            found = self._predicted(channels) if self._device != "cpu" else None
        return self._predict_on_cpu(channels) if found is None else found

    def _predicted(self, channels: Float32) -> Float32 | None:
        """Return the prediction on the GPU, in halves if need be; None if it does not fit."""
        pixels = channels.shape[1] * channels.shape[2]
        if self._device == "cpu":
            return None
        if self._most_px is None or pixels <= self._most_px:
            found: list[Float32] = []
            if self._tried(lambda: found.append(self._run(channels))):
                self._context.ran_on(self._device)
                return found[0]
            self._most_px = pixels - 1
        axis = 1 + int(channels.shape[2] > channels.shape[1])
        parts = None if self._halo_px is None else halves(channels.shape[axis], self._halo_px)
        if parts is None:
            self._fall_back_to_cpu()
            return None
        joined = self._of_halves(channels, axis, parts)
        if joined is not None:
            self._context.warn(
                f"GPU memory is too small for {self._unit}: it is cut in halves, which takes "
                "longer and changes no result. Free GPU memory before the next run."
            )
        return joined

    def _of_halves(self, channels: Float32, axis: int, parts: Halves) -> Float32 | None:
        """Return the prediction for a tile, joined from those of its halves along an axis."""
        joined = []
        for tile, inner in parts:
            part = np.ascontiguousarray(_cut(channels, axis, tile))
            found = self._predicted(part)
            if found is None:
                return None
            shrink = part.shape[axis] // found.shape[axis]
            own = slice(inner.start // shrink, inner.stop // shrink)
            joined.append(_cut(found, axis, own))
        return np.concatenate(joined, axis)

    def _predict_on_cpu(self, channels: Float32) -> Float32:
        with _TURN:
            if self._on_cpu is None:
                found = self._run(channels)
                self._context.ran_on("cpu")
                return found
            if self._cpu_predict is None:
                self._cpu_predict = self._on_cpu()
        self._context.ran_on("cpu")
        return self._cpu_predict(channels)

    def _run(self, channels: Float32) -> Float32:
        with torch.inference_mode(), full_precision():
            inputs = torch.from_numpy(channels[None])
            inputs = inputs.to(self._device, memory_format=torch.channels_last)
            found: Float32 = self._forward(self._network, inputs)[0].float().cpu().numpy()
        return found

    def _move(self) -> None:
        self._network = self._network.to(self._device, memory_format=torch.channels_last)

    def _tried(self, work: Callable[[], None]) -> bool:
        """Do some work, and return False if it needs more GPU memory than there is."""
        try:
            work()
        except Exception as error:
            if self._device == "cpu" or not is_out_of_memory(error):
                raise
        else:
            return True
        # Outside the handler: the exception keeps the tensors of its frames alive.
        torch.cuda.empty_cache()
        return False

    def _fall_back_to_cpu(self) -> None:
        self._context.warn(
            f"GPU memory is too small for {self._unit}: continuing on the CPU, which is slower. "
            "Free GPU memory before the next run."
        )
        self._device = "cpu"
        self._network = self._network.to("cpu")
        torch.cuda.empty_cache()


def _cut(values: Float32, axis: int, part: slice) -> Float32:
    """Return a part of an array along an axis."""
    return values[(*[slice(None)] * axis, part)]


Halves = tuple[tuple[slice, slice], tuple[slice, slice]]


def halves(side: int, halo_px: int) -> Halves | None:
    """Return how a side is cut in two parts with a halo.

    Parameters
    ----------
    side : int
        Pixels, a multiple of `STRIDE`.
    halo_px : int
        Width of the halo; a multiple of `STRIDE`.

    Returns
    -------
    tuple of two pairs of slice, or None
        For each part its pixels with the halo, and which of these are its own; None if the parts
        would be hardly smaller than the whole.
    """
    middle = side // 2 // STRIDE * STRIDE
    start, end = middle - halo_px, middle + halo_px
    if max(end, side - start) > _WORTH * side:
        return None
    return (
        (slice(0, end), slice(0, middle)),
        (slice(start, side), slice(halo_px, side - start)),
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of CUDA, cuDNN or cuBLAS means that GPU memory is too small."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


@contextmanager
def needs_gpu_memory(what: str, remedy: str) -> Iterator[None]:
    """Turn a lack of GPU memory within the block into a `ParameterError`."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ParameterError(f"GPU memory is too small for {what}", remedy) from error


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute in float32 within the block: no TF32, and the same algorithms in every run."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=cudnn.enabled, deterministic=True, allow_tf32=False):
        yield
