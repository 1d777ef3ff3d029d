"""What the engine computes on, found by a real tensor operation and asked once."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from lunarsite.engine.context import available_cores
from lunarsite.engine.errors import MissingDependencyError, ParameterError

_CHOICES = ("auto", "cpu", "cuda")

_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so", "amdhip64.dll")
"""Libraries of NVIDIA's and AMD's drivers, on Linux and Windows."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and why it was taken.

    ``kind`` is ``cpu`` or ``cuda``; ``name`` the processor or the GPU; ``reason`` one sentence.
    """

    kind: str
    name: str
    reason: str
    cores: int
    torch: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def choose(wanted: str = "auto") -> Device:
    """Return the device for networks; ``LUNARSITE_DEVICE`` decides where ``wanted`` is auto.

    Raises
    ------
    ParameterError
        For an unknown choice.
    MissingDependencyError
        If CUDA is demanded and does not work.
    """
    asked = os.environ.get("LUNARSITE_DEVICE", "auto") if wanted == "auto" else wanted
    if asked not in _CHOICES:
        raise ParameterError(f"There is no device {asked!r}", "Choose auto, cpu or cuda")
    return _choose(asked)


@cache
def _choose(asked: str) -> Device:
    cores = available_cores()
    processor = _processor()
    if importlib.util.find_spec("torch") is None:
        reason = "torch is not installed; only training and GPUs need it"
        if asked == "cuda":
            raise MissingDependencyError(
                "CUDA was asked for and torch is not installed",
                "Install the engine with its ml group, or take --device cpu",
            )
        return Device("cpu", processor, reason, cores, None)
    if asked == "cpu":
        return Device("cpu", processor, "as asked", cores, _torch_version())
    if asked == "auto" and not has_gpu_driver():
        # Importing torch takes seconds, and could find nothing.
        return Device("cpu", processor, "no GPU: no driver of one", cores, _torch_version())
    torch = importlib.import_module("torch")
    version = str(torch.__version__)
    try:
        ones = torch.ones((8, 8), device="cuda")
        works = float((ones @ ones).sum().item()) == 512.0
        problem = "" if works else "a product came out wrong on the GPU"
    except (RuntimeError, AssertionError) as error:
        problem = str(error).split("\n")[0]
    if not problem:
        return Device("cuda", torch.cuda.get_device_name(0), "a tensor product ran", cores, version)
    if asked == "cuda":
        raise MissingDependencyError(
            f"CUDA was asked for and does not work: {problem}", "Take --device cpu or auto"
        )
    return Device("cpu", processor, f"no GPU: {problem}", cores, version)


def has_gpu_driver() -> bool:
    """Return whether the driver of a GPU that torch could use is installed on this machine."""
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
