"""Runs interpreters and drivers to query their versions. Standard library only."""

from __future__ import annotations

import subprocess  # nosec B404  # interpreters and drivers are queried by running them
from typing import TYPE_CHECKING

from lunarsite.qgis_common.environment import child_environment

if TYPE_CHECKING:
    from collections.abc import Sequence


def probe(argv: Sequence[str], within_s: float) -> subprocess.CompletedProcess[str]:
    """Run a short query, without QGIS's environment variables and without a console window.

    Raises
    ------
    OSError
        If the program cannot be started.
    subprocess.TimeoutExpired
        If it does not finish ``within_s``, in which case it is killed.
    """
    return subprocess.run(  # nosec B603  # no shell; the system's programs, or those to examine
        list(argv),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=within_s,
        stdin=subprocess.DEVNULL,
        env=child_environment(),
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
