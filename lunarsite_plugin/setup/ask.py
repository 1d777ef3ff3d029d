"""Asks other programs what they are. Standard library only."""

from __future__ import annotations

import subprocess  # nosec B404  # interpreters and drivers are asked by running them
from typing import TYPE_CHECKING

from lunarsite.qgis_common.environment import scrubbed

if TYPE_CHECKING:
    from collections.abc import Sequence


def ask(argv: Sequence[str], within_s: float) -> subprocess.CompletedProcess[str]:
    """Run a program that only answers, without QGIS's variables and without a window.

    Raises
    ------
    OSError
        If it cannot be started.
    subprocess.TimeoutExpired
        If it has not answered ``within_s``; it is killed then.
    """
    return subprocess.run(  # nosec B603  # no shell; the programs are the system's or are examined
        list(argv),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=within_s,
        stdin=subprocess.DEVNULL,
        env=scrubbed(),
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
