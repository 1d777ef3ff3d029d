"""Starts and kills the process of the engine. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404  # the engine runs in a separate process, isolated from QGIS
from contextlib import suppress
from typing import Any

from lunarsite.qgis_common.engine_errors import EngineDiedError


def start_process(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the engine with pipes for its input, its output and its log.

    Raises
    ------
    EngineDiedError
        If it cannot be started.
    """
    options: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":
        options = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
    try:
        return subprocess.Popen(  # nosec B603  # no shell; the user's own interpreter
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            **options,
        )
    except OSError as error:
        raise EngineDiedError(
            f"The engine could not be started with {command[0]}: {error.strerror or error}",
            "Open LunarSite, Engine Setup, and reinstall it or choose another interpreter",
        ) from error


def kill_process(process: subprocess.Popen[bytes]) -> None:
    """Kill the engine and all processes that it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
