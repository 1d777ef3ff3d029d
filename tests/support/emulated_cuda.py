"""An emulated GPU: torch's CPU under the name of CUDA, with as much memory as a test gives it.

Every branch of the engine that is taken on a GPU is taken; numbers are those of the CPU. What it
cannot show are the rounding of a GPU's own kernels, and tensors left on the wrong device: for those
there is `FakeTensorMode`, which knows devices and no values.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

import torch
import xgboost as xgb

from lunarsite.engine import device

NAME = "Emulated GPU"

ERRORS = (
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
)
"""How CUDA, cuDNN and cuBLAS say that memory is too small."""


@dataclass
class Gpu:
    """State of the emulated GPU.

    Parameters
    ----------
    most_px : float
        Pixels of the largest batch that fits, all its images together; larger ones raise ``error``.
    error : Exception
        What is raised where memory is too small.
    holds_networks : bool
        Whether weights fit.
    refused : int
        Number of batches that did not fit.
    tiles : list of tuple of int
        Shapes of the batches that were copied to it.
    settings : list of tuple of bool
        For each of them: whether TF32 was allowed, and whether algorithms were deterministic.
    """

    most_px: float = float("inf")
    error: Exception = ERRORS[0]
    holds_networks: bool = True
    refused: int = 0
    tiles: list = field(default_factory=list)
    settings: list = field(default_factory=list)

    def take(self, tensor):
        """Count a tensor that is copied to the GPU, or raise if it does not fit."""
        if isinstance(tensor, torch.nn.Parameter):
            if not self.holds_networks:
                raise self.error
        elif tensor.ndim == 4 and tensor.shape[2] >= 32:
            if tensor.shape[0] * tensor.shape[2] * tensor.shape[3] > self.most_px:
                self.refused += 1
                raise self.error
            self.tiles.append(tuple(tensor.shape))
            cudnn = torch.backends.cudnn
            self.settings.append((cudnn.allow_tf32, cudnn.deterministic))


@contextmanager
def emulated_cuda(**state):
    """Give the process an emulated GPU, and yield its `Gpu`."""
    gpu = Gpu(**state)
    to, autocast, ones = torch.Tensor.to, torch.autocast, torch.ones

    def moved(tensor, *args, **options):
        if any(_is_cuda(value) for value in (*args, options.get("device"))):
            gpu.take(tensor)
        options = {name: _as_cpu(value) for name, value in options.items()}
        return to(tensor, *map(_as_cpu, args), **options)

    def ones_there(*shape, **options):
        return ones(*shape, **{name: _as_cpu(value) for name, value in options.items()})

    def save_config(booster):
        settings = _SAVE_CONFIG(booster)
        on_gpu = getattr(booster, "emulated_device", "cpu") == "cuda"
        return settings.replace('"device":"cpu"', '"device":"cuda:0"') if on_gpu else settings

    def set_param(booster, params, value=None):
        booster.emulated_device = dict(params).get("device", "cpu")
        _SET_PARAM(booster, {**dict(params), "device": "cpu"}, value)

    device._choose.cache_clear()
    with (
        mock.patch.object(device, "has_gpu_driver", return_value=True),
        mock.patch.object(torch.Tensor, "to", moved),
        mock.patch.object(torch, "autocast", lambda kind, **more: autocast(_as_cpu(kind), **more)),
        mock.patch.object(torch, "ones", ones_there),
        mock.patch.object(torch.cuda, "get_device_name", return_value=NAME),
        mock.patch.object(xgb.Booster, "set_param", set_param),
        mock.patch.object(xgb.Booster, "save_config", save_config),
    ):
        yield gpu
    device._choose.cache_clear()


_SET_PARAM, _SAVE_CONFIG = xgb.Booster.set_param, xgb.Booster.save_config


def _is_cuda(value):
    return isinstance(value, str | torch.device) and str(value).startswith("cuda")


def _as_cpu(value):
    return "cpu" if _is_cuda(value) else value
