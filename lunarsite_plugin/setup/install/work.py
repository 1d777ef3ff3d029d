"""What a background task needs: child processes, log, progress, and cancellation.

Standard library only. Callbacks are called from the task's thread.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess  # nosec B404  # uv, pip and the engine do the work
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.qgis_common.environment import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

FORCE_AFTER_S = 1.0
"""How long a child process may take to terminate before it and its children are killed."""

_CREDENTIALS = re.compile(r"(\w+://)[^/\s@]+@")


class SetupError(LunarSiteError):
    """The engine could not be set up."""


class Work:
    """The child processes, the log and the progress of a background task.

    Parameters
    ----------
    progress : callable
        Called with a fraction from 0 to 1 and a message.
    line : callable
        Called with every line of the log, without credentials.
    """

    def __init__(self, progress: Callable[[float, str], None], line: Callable[[str], None]) -> None:
        self.progress = progress
        self._line = line
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = threading.Event()
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> bool:
        """Whether the task was cancelled."""
        return self._cancelled.is_set()

    def line(self, text: str) -> None:
        """Write a line to the log."""
        self._line(without_credentials(text))

    def cancel(self) -> None:
        """Cancel the task: its child process and all descendants end within two seconds."""
        with self._lock:
            self._cancelled.set()
            child = self._child
        if child is not None:
            _stop(child, by_force=False)
            timer = threading.Timer(FORCE_AFTER_S, self._force, (child,))
            timer.daemon = True
            timer.start()

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        within_s: float | None = None,
        logged: bool = True,
    ) -> int:
        """Run a program, log its output, and return its exit code.

        ``on_line`` is called with every line of output. Without ``logged``, nothing is logged.

        Raises
        ------
        SetupError
            If it cannot be started or does not finish ``within_s``.
        CancelledError
            If the task was cancelled.
        """
        child = self._start(argv, environment, folder)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._force(child)

        timer = threading.Timer(within_s or 0.0, give_up)
        if within_s is not None:
            timer.daemon = True
            timer.start()
        try:
            for raw in child.stdout or ():
                text = raw.decode("utf-8", "replace").rstrip()
                if logged:
                    self.line(text)
                if on_line is not None:
                    on_line(text)
            code = child.wait()
        finally:
            timer.cancel()
            with self._lock:
                self._child = None
            if child.stdout is not None:
                child.stdout.close()
        if self.cancelled:
            raise CancelledError
        if late.is_set():
            raise SetupError(
                f"{argv[0]} did not finish within {within_s:g} s",
                "Try again when the computer is less busy; the log shows how far it got",
            )
        return code

    def _force(self, child: subprocess.Popen[bytes]) -> None:
        """Kill the process group of a child, even if only its descendants are left."""
        with self._lock:
            still_read = self._child is child
        if still_read:
            _stop(child, by_force=True)

    def _start(
        self, argv: Sequence[str], environment: Mapping[str, str] | None, folder: Path | None
    ) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {"start_new_session": True}
        if os.name == "nt":
            options = {
                "creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)
                | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
            }
        with self._lock:
            if self.cancelled:
                raise CancelledError
            try:
                self._child = subprocess.Popen(  # nosec B603  # no shell; argv is ours
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=child_environment(environment),
                    **options,
                )
            except OSError as error:
                raise SetupError(
                    f"{argv[0]} cannot be started: {error.strerror or error}",
                    "Install the engine again, or choose another interpreter",
                ) from error
            return self._child


def without_credentials(text: str) -> str:
    """Remove user names and passwords from URLs in a text."""
    return _CREDENTIALS.sub(r"\1", text)


def _stop(child: subprocess.Popen[bytes], *, by_force: bool) -> None:
    if os.name == "nt":
        _stop_tree(child)
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL if by_force else signal.SIGTERM)


def _stop_tree(child: subprocess.Popen[bytes]) -> None:
    """Terminate a child and its descendants on Windows, which cannot kill process groups."""
    root = os.environ.get("SYSTEMROOT", r"C:\Windows")
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # nosec B603  # no shell; the system's own program
            [rf"{root}\System32\taskkill.exe", "/T", "/F", "/PID", str(child.pid)],
            capture_output=True,
            timeout=FORCE_AFTER_S,
            check=False,
        )
    child.kill()
