"""Builds of torch, and how uv installs them. Standard library only."""

from __future__ import annotations

import re
import shutil
import subprocess  # nosec B404  # for its TimeoutExpired
import sys
from typing import TYPE_CHECKING

from lunarsite.lunarsite_plugin.setup.install.probe import probe
from lunarsite.qgis_common.environment import child_environment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


OLDEST_DRIVER = 580
"""The oldest NVIDIA driver for CUDA 13, which the pinned torch is built with."""
ANSWER_WITHIN_S = 10.0

_OF_GPU = re.compile(r"(nvidia|cuda)-|triton\b")


def resolve(choice: str, *, driver: int | None, wheels: Path | None = None) -> str:
    """Return the build for a choice: none, cpu or gpu.

    Automatic selects the GPU build if the driver is new enough and, if there is a wheel folder, it
    contains that build.
    """
    if choice != "auto":
        return choice
    if driver is None or driver < OLDEST_DRIVER:
        return "cpu"
    if wheels is not None and sys.platform == "linux" and not any(wheels.glob("nvidia_cublas*")):
        return "cpu"
    return "gpu"


def driver_version() -> int | None:
    """Return the major version of the NVIDIA driver, or None."""
    program = shutil.which("nvidia-smi", path=child_environment().get("PATH"))
    if program is None:
        return None
    try:
        answer = probe(
            [program, "--query-gpu=driver_version", "--format=csv,noheader"], ANSWER_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    major = re.match(r"\s*(\d+)\.", answer.stdout)
    return int(major[1]) if major and answer.returncode == 0 else None


def requirements(lines: Iterable[str], build: str) -> list[str]:
    """Return the pinned requirements of a build; the CPU build does not need CUDA."""
    pinned = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if build == "gpu":
        return pinned
    return [line for line in pinned if not _OF_GPU.match(line)]


def uv_options(build: str, *, offline: bool, platform: str = sys.platform) -> list[str]:
    """Return the options of uv for a build.

    The Python Package Index has the GPU build for Linux and the CPU build for Windows and macOS; uv
    knows where to get the others.
    """
    if offline:
        return []
    if build == "cpu" and platform == "linux":
        return ["--torch-backend", "cpu"]
    if build == "gpu" and platform == "win32":
        return ["--torch-backend", "auto"]
    return []
