"""What can come of the engine in place of an answer. Standard library only."""

from __future__ import annotations

import signal
from contextlib import suppress

from lunarsite.engine.errors import LunarSiteError

_TOLD_LINES = 8


class EngineError(LunarSiteError):
    """What the engine answered: its own problem and remedy; ``kind`` is the type's name there."""

    def __init__(self, problem: str, remedy: str, kind: str = "EngineError") -> None:
        super().__init__(problem, remedy)
        self.kind = kind


class EngineDiedError(LunarSiteError):
    """The engine's process ended while it was needed; ``lines`` are the last ones of its log."""

    def __init__(self, problem: str, remedy: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(problem, remedy)
        self.lines = lines


def how_it_ended(code: int, log: tuple[str, ...], *, greeted: bool) -> EngineDiedError:
    """Return the error that says how the engine's process ended, with the last lines of its log."""
    lines = log[-_TOLD_LINES:]
    said = " ".join(log[-40:])
    if not greeted and ("ModuleNotFoundError" in said or "ImportError" in said):
        return EngineDiedError(
            f"The engine's interpreter lacks what the engine needs: {lines[-1] if lines else ''}",
            "Open LunarSite, Engine set-up, and install the engine again or choose another "
            "interpreter",
            lines,
        )
    if code in (-getattr(signal, "SIGKILL", 9), 137):
        return EngineDiedError(
            "The engine was killed by the system, which happens when memory runs out",
            "Lower the memory limit or the number of threads among the advanced parameters, "
            "take a smaller area, or close other programs",
            lines,
        )
    how = f"exit code {code}"
    if code < 0:
        with suppress(ValueError):
            how = signal.Signals(-code).name
    return EngineDiedError(
        f"The engine ended without an answer ({how})",
        "Run it again; if it happens again, report it with Engine set-up, Copy diagnostics",
        lines,
    )
