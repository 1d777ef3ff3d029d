"""Which build of torch is installed, and what that asks of uv. Standard library only."""

from __future__ import annotations

import re
import shutil
import subprocess  # nosec B404  # for its TimeoutExpired
import sys
from typing import TYPE_CHECKING

from lunarsite.lunarsite_plugin.setup.ask import ask
from lunarsite.qgis_common.environment import scrubbed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CHOICES = ("none", "auto", "cpu", "gpu")
BUILDS = ("none", "cpu", "gpu")

OLDEST_DRIVER = 580
"""The first NVIDIA driver that runs CUDA 13, which the pinned torch is built with."""
ANSWER_WITHIN_S = 10.0

_OF_GPU = re.compile(r"(nvidia|cuda)-|triton\b")


def resolve(choice: str, *, driver: int | None, wheels: Path | None = None) -> str:
    """Return the build for a choice: none, cpu or gpu.

    Automatic takes the GPU build where a driver is new enough for it; from a folder of wheels it
    also has to lie there.
    """
    if choice != "auto":
        return choice
    if driver is None or driver < OLDEST_DRIVER:
        return "cpu"
    if wheels is not None and sys.platform == "linux" and not any(wheels.glob("nvidia_cublas*")):
        return "cpu"
    return "gpu"


def driver_version() -> int | None:
    """Return the major version of the NVIDIA driver, None where there is none that answers."""
    program = shutil.which("nvidia-smi", path=scrubbed().get("PATH"))
    if program is None:
        return None
    try:
        answer = ask(
            [program, "--query-gpu=driver_version", "--format=csv,noheader"], ANSWER_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    major = re.match(r"\s*(\d+)\.", answer.stdout)
    return int(major[1]) if major and answer.returncode == 0 else None


def requirements(lines: Iterable[str], build: str) -> list[str]:
    """Return the pinned requirements of a build: the one for processors leaves CUDA out."""
    pinned = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if build == "gpu":
        return pinned
    return [line for line in pinned if not _OF_GPU.match(line)]


def uv_options(build: str, *, offline: bool, platform: str = sys.platform) -> list[str]:
    """Return what uv has to be told for a build.

    The usual index has the GPU build for Linux and the processor build for Windows and macOS; uv
    knows where the other ones are.
    """
    if offline:
        return []
    if build == "cpu" and platform == "linux":
        return ["--torch-backend", "cpu"]
    if build == "gpu" and platform == "win32":
        return ["--torch-backend", "auto"]
    return []
