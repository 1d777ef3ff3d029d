"""A piece of work in the background: its children, its log, its progress, its end.

Standard library only. The functions that are given are called from the thread that works.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess  # nosec B404  # the set-up is done by other programs
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.qgis_common.environment import scrubbed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

FORCE_AFTER_S = 1.0
"""How long a child that was told to end may take; then it is killed with all that it started."""

_CREDENTIALS = re.compile(r"(\w+://)[^/\s@]+@")


class SetupError(LunarSiteError):
    """The engine could not be set up."""


class Work:
    """What a piece of work says and runs, and the way to stop it.

    Parameters
    ----------
    progress : callable
        Gets a fraction from 0 to 1 and a sentence.
    line : callable
        Gets every line of the log, without credentials.
    """

    def __init__(self, progress: Callable[[float, str], None], line: Callable[[str], None]) -> None:
        self.progress = progress
        self._line = line
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = threading.Event()
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> bool:
        """Whether it was told to stop."""
        return self._cancelled.is_set()

    def line(self, text: str) -> None:
        """Write a line to the log."""
        self._line(without_credentials(text))

    def cancel(self) -> None:
        """Stop: the child and all that it started are gone within two seconds."""
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
        """Run a program to its end and return its exit code; what it says goes to the log.

        ``on_line`` gets every line too, and alone where it is not to be ``logged``.

        Raises
        ------
        SetupError
            If it cannot be started or is not done ``within_s``.
        CancelledError
            If the work was told to stop.
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
                f"{argv[0]} was not done within {within_s:g} s",
                "Run it again when the computer is less busy; the log says how far it came",
            )
        return code

    def _force(self, child: subprocess.Popen[bytes]) -> None:
        """Kill a child's whole group, also where only what the child started is left of it."""
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
                    env=scrubbed(environment),
                    **options,
                )
            except OSError as error:
                raise SetupError(
                    f"{argv[0]} cannot be started: {error.strerror or error}",
                    "Install the engine again, or choose another interpreter",
                ) from error
            return self._child


def without_credentials(text: str) -> str:
    """Return a text in which no address names a user or a password."""
    return _CREDENTIALS.sub(r"\1", text)


def _stop(child: subprocess.Popen[bytes], *, by_force: bool) -> None:
    if os.name == "nt":
        _stop_tree(child)
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL if by_force else signal.SIGTERM)


def _stop_tree(child: subprocess.Popen[bytes]) -> None:
    """End a child and its children on Windows, where a group cannot be killed."""
    root = os.environ.get("SYSTEMROOT", r"C:\Windows")
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # nosec B603  # no shell; the system's own program
            [rf"{root}\System32\taskkill.exe", "/T", "/F", "/PID", str(child.pid)],
            capture_output=True,
            timeout=FORCE_AFTER_S,
            check=False,
        )
    child.kill()
