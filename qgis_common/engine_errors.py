"""Errors of the engine and of its process. Standard library only."""

from __future__ import annotations

import signal
from contextlib import suppress

from lunarsite.engine.errors import LunarSiteError

_LOG_LINES = 8


class EngineError(LunarSiteError):
    """An error that the engine reported; ``kind`` is the name of the exception in the engine."""

    def __init__(self, problem: str, remedy: str, kind: str = "EngineError") -> None:
        super().__init__(problem, remedy)
        self.kind = kind


class EngineDiedError(LunarSiteError):
    """The engine's process exited unexpectedly; ``lines`` are the last lines of its log."""

    def __init__(self, problem: str, remedy: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(problem, remedy)
        self.lines = lines


def exit_error(code: int, log: tuple[str, ...], *, greeted: bool) -> EngineDiedError:
    """Return the error for an unexpected exit, with the last lines of the log."""
    lines = log[-_LOG_LINES:]
    recent = " ".join(log[-40:])
    if not greeted and ("ModuleNotFoundError" in recent or "ImportError" in recent):
        return EngineDiedError(
            f"The engine's interpreter lacks a required library: {lines[-1] if lines else ''}",
            "Open LunarSite, Engine Setup, and reinstall the engine or choose another interpreter",
            lines,
        )
    if code in (-getattr(signal, "SIGKILL", 9), 137):
        return EngineDiedError(
            "The engine was killed by the system, probably because it ran out of memory",
            "Reduce the memory limit or the number of threads in the advanced parameters, use a "
            "smaller area, or close other programs",
            lines,
        )
    how = f"exit code {code}"
    if code < 0:
        with suppress(ValueError):
            how = signal.Signals(-code).name
    return EngineDiedError(
        f"The engine stopped unexpectedly ({how})",
        "Try again; if this happens again, report it with Engine Setup, Copy Diagnostics",
        lines,
    )
