"""The device for inference and training, detected once by a tensor operation on it."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lunarsite.engine.context import available_cores
from lunarsite.engine.errors import MissingDependencyError, ParameterError

_CHOICES = ("auto", "cpu", "cuda")

_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so", "amdhip64.dll")
"""Libraries that come with NVIDIA's driver and with AMD's runtime, on Linux and Windows."""

_KERNEL_INTERFACES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Devices of NVIDIA's and AMD's kernel drivers, and of GPUs in the Linux subsystem of Windows."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the reason for choosing it.

    Parameters
    ----------
    kind : str
        ``cpu`` or ``cuda``.
    name : str
        Name of the processor or the GPU.
    reason : str
        Why it was chosen, one phrase.
    cores : int
        Number of CPU cores available.
    torch : str or None
        Version of PyTorch; None if it is not installed.
    """

    kind: str
    name: str
    reason: str
    cores: int
    torch: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the device as JSON."""
        return asdict(self)


def choose(requested: str = "auto") -> Device:
    """Return the device on which networks run.

    Parameters
    ----------
    requested : str
        ``auto``, ``cpu`` or ``cuda``. The environment variable ``LUNARSITE_DEVICE`` overrides
        ``auto``.

    Returns
    -------
    Device
        The GPU if a tensor operation succeeds on it, otherwise the CPU.

    Raises
    ------
    ParameterError
        For an unknown choice.
    MissingDependencyError
        If CUDA is requested and does not work.
    """
    if requested == "auto":
        requested = os.environ.get("LUNARSITE_DEVICE", "auto")
    if requested not in _CHOICES:
        raise ParameterError(f"There is no device {requested!r}", "Choose auto, cpu or cuda")
    return _choose(requested)


@cache
def _choose(requested: str) -> Device:
    cores = available_cores()
    processor = _processor()
    if importlib.util.find_spec("torch") is None:
        reason = "torch is not installed; only training and GPUs need it"
        if requested == "cuda":
            raise MissingDependencyError(
                "CUDA was requested, but torch is not installed",
                "Install the engine with its ml group, or use --device cpu",
            )
        return Device("cpu", processor, reason, cores, None)
    if requested == "cpu":
        return Device("cpu", processor, "as requested", cores, _torch_version())
    if requested == "auto" and not has_gpu_driver():
        # Importing torch takes seconds, and without a driver it finds no GPU.
        return Device("cpu", processor, "no GPU: no driver is installed", cores, _torch_version())
    torch = importlib.import_module("torch")
    version = str(torch.__version__)
    try:
        ones = torch.ones((8, 8), device="cuda")
        works = float((ones @ ones).sum().item()) == 512.0
        problem = "" if works else "a matrix product on the GPU is wrong"
    except (RuntimeError, AssertionError) as error:
        problem = str(error).split("\n")[0]
    if not problem:
        return Device(
            "cuda",
            torch.cuda.get_device_name(0),
            "a matrix product succeeded on it",
            cores,
            version,
        )
    if requested == "cuda":
        raise MissingDependencyError(
            f"CUDA was requested, but does not work: {problem}", "Use --device cpu or auto"
        )
    return Device("cpu", processor, f"no GPU: {problem}", cores, version)


def has_gpu_driver() -> bool:
    """Return whether the driver of a GPU that torch could use is installed on this machine."""
    if any(Path(file).exists() for file in _KERNEL_INTERFACES):
        return True
    for library in _DRIVERS:
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        return True
    return False


def _torch_version() -> str | None:
    """Return torch's version without importing it."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    return platform.processor() or platform.machine()
