"""The device for inference and training, tested once, when a network first needs it.

Importing torch takes seconds, so no command without a network does, nor one on the CPU.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import logging
import math
import os
import platform
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.context import available_cores
from lunarsite.engine.errors import MissingDependencyError, ParameterError

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

log = logging.getLogger("lunarsite")

_CHOICES = ("auto", "cpu", "cuda")

_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so", "amdhip64.dll")
"""Libraries that come with NVIDIA's driver and with AMD's runtime, on Linux and Windows."""

_KERNEL_INTERFACES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Devices of NVIDIA's and AMD's kernel drivers, and of GPUs in the Linux subsystem of Windows."""


GPU_START_S = 6.0
"""Seconds until a GPU is ready: importing torch, its first context and kernels. Work that takes the
CPU less is done there."""


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
    warning : str or None
        What the user must know of the choice.
    """

    kind: str
    name: str
    reason: str
    cores: int
    torch: str | None
    warning: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the device as JSON."""
        return asdict(self)


def for_networks(context: Context, cpu_s: float = math.inf) -> Device:
    """Return the device on which the networks of a computation run; log it, and warn.

    Parameters
    ----------
    context : Context
        With the requested device; takes the warning of a torch that cannot be imported.
    cpu_s : float
        Seconds that the networks would take on the CPU. If they are fewer than `GPU_START_S`,
        ``auto`` is the CPU.

    Returns
    -------
    Device
        As `choose`.

    Raises
    ------
    ParameterError, MissingDependencyError
        As `choose`.
    """
    requested = requested_kind(context.device)
    if requested == "auto" and cpu_s < GPU_START_S:
        chosen = _cpu(f"faster here: the networks take about {cpu_s:.1f} s")
    else:
        chosen = choose(requested)
    if chosen.warning:
        context.warn(chosen.warning)
    context.notes["device"] = {**chosen.as_dict(), "ran_on": []}
    log.info("networks run on %s, %s (%s)", chosen.kind, chosen.name, chosen.reason)
    return chosen


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
        The GPU if a matrix product and a convolution succeed on it, otherwise the CPU.

    Raises
    ------
    ParameterError
        For an unknown choice.
    MissingDependencyError
        If CUDA is requested and does not work.
    """
    return _choose(requested_kind(requested))


def untested(requested: str = "auto") -> Device:
    """Return the device as far as it is known without importing torch.

    Raises
    ------
    ParameterError
        For an unknown choice.
    """
    kind = requested_kind(requested)
    if kind == "cpu":
        return _choose("cpu")
    if _torch_version() is None or not has_gpu_driver():
        return _choose("auto")
    return _cpu("a GPU is tested when a network first runs")


def requested_kind(requested: str) -> str:
    """Return ``auto``, ``cpu`` or ``cuda``: what is requested here or by the environment.

    Raises
    ------
    ParameterError
        For an unknown choice.
    """
    if requested == "auto":
        requested = os.environ.get("LUNARSITE_DEVICE", "auto")
    if requested not in _CHOICES:
        raise ParameterError(f"There is no device {requested!r}", "Choose auto, cpu or cuda")
    return requested


@cache
def _choose(requested: str) -> Device:
    if requested == "cpu":
        return _cpu("as requested")
    if requested == "auto" and not has_gpu_driver():
        # Importing torch takes seconds, and without a driver it finds no GPU.
        return _cpu("no GPU: no driver is installed")
    no_torch = torch_problem()
    problem = no_torch or _gpu_problem()
    if problem is None:
        torch = importlib.import_module("torch")
        reason = "a matrix product and a convolution succeeded on it"
        name = str(torch.cuda.get_device_name(0))
        return Device("cuda", name, reason, available_cores(), str(torch.__version__))
    if requested == "cuda":
        raise MissingDependencyError(
            f"CUDA was requested, but does not work: {problem}",
            f"{TORCH_REMEDY}; or use --device cpu" if no_torch else "Use --device cpu or auto",
        )
    warning = None
    if no_torch and no_torch != _ABSENT:
        warning = f"Networks run without a GPU: {no_torch}. {TORCH_REMEDY}."
    return _cpu(f"no GPU: {problem}", warning)


TORCH_REMEDY = "Install the engine with its ml group: make setup GROUPS=ml, or the set-up in QGIS"

_ABSENT = "torch is not installed"


def torch_problem() -> str | None:
    """Import torch, and return why it cannot be used, or None if it can."""
    if importlib.util.find_spec("torch") is None:
        return _ABSENT
    try:
        importlib.import_module("torch")
    except Exception as error:  # noqa: BLE001  a broken installation raises anything
        first = (str(error).splitlines() or [""])[0]
        return f"torch cannot be imported ({type(error).__name__}: {first[:200]})"
    return None


def _gpu_problem() -> str | None:
    """Return why the GPU cannot be used, or None if it computes what it should."""
    torch = importlib.import_module("torch")
    try:
        ones = torch.ones((1, 8, 8, 8), device="cuda")
        if float((ones[0, 0] @ ones[0, 0]).sum().item()) != 512.0:
            return "a matrix product on the GPU is wrong"
        # cuDNN is another library than that of the product, with its own failures.
        kernels = torch.ones((8, 8, 3, 3), device="cuda")
        if float(torch.nn.functional.conv2d(ones, kernels).sum().item()) != 20_736.0:
            return "a convolution on the GPU is wrong"
    except Exception as error:  # noqa: BLE001  drivers and libraries fail in their own ways
        return (str(error).splitlines() or [type(error).__name__])[0]
    return None


def _cpu(reason: str, warning: str | None = None) -> Device:
    return Device("cpu", _processor(), reason, available_cores(), _torch_version(), warning)


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
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    return platform.processor() or platform.machine()
