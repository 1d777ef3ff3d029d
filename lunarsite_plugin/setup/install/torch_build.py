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


def pins(lines: Iterable[str]) -> list[str]:
    """Return the pins of torch itself, without hashes: its own index has other builds of them."""
    named = (line.split(" ")[0] for line in lines if line.startswith(("torch==", "torchvision==")))
    return list(named)


def is_verified(build: str, *, offline: bool, platform: str = sys.platform) -> bool:
    """Return whether a build is that of the Python Package Index, whose hashes are pinned.

    A folder of wheels may hold the CPU build for Linux, which is from torch's own index.
    """
    own_index = bool(uv_options(build, offline=False, platform=platform))
    return not own_index or (offline and build == "gpu" and platform == "linux")


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
