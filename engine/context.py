"""What a running stage may ask for: progress, cancellation, threads, memory, warm state."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import CancelledError

if TYPE_CHECKING:
    from collections.abc import Callable

GIB = 1024**3

log = logging.getLogger("lunarsite")


def no_progress(_fraction: float, _message: str) -> None:
    """Report to nobody."""


def available_cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class Context:
    """The surroundings of one piece of work.

    Parameters
    ----------
    threads : int
        How many threads to work with.
    memory_limit_bytes : int
        What may be held in memory; beyond it, work arrays are files.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    report : callable
        Gets a fraction between 0 and 1 and a message. Called from the thread that runs the stage.
    cancelled : threading.Event
        Set by whoever wants the work to stop.
    warm : dict
        State that outlives a request, kept by the worker: opened runs, loaded rasters.
    warnings : list of str
        What the user must be told beside the result.
    executor : concurrent.futures.Executor or None
        Where tiles are worked on; a pool of ``threads`` threads where none is given.
    """

    threads: int = field(default_factory=available_cores)
    memory_limit_bytes: int = 4 * GIB
    device: str = "auto"
    report: Callable[[float, str], None] = no_progress
    cancelled: threading.Event = field(default_factory=threading.Event)
    warm: dict[Any, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    executor: Executor | None = None

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the work is, and stop here if the user asked for it."""
        self.check()
        self.report(min(max(fraction, 0.0), 1.0), message)

    def check(self) -> None:
        """Raise if the user asked for the work to stop.

        Raises
        ------
        CancelledError
            If so.
        """
        if self.cancelled.is_set():
            raise CancelledError

    def warn(self, message: str) -> None:
        """Tell the user something beside the result, once."""
        if message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)

    def of_file(self, what: str, path: str | Path, find: Callable[[], Any]) -> Any:
        """Return what is found in a file, at once where it did not change since it was found.

        Parameters
        ----------
        what : str
            Names what is found.
        path : path
            Of the file; its size and its time of change say whether it changed. What is no
            plain file is read each time.
        find : callable
            Reads it.
        """
        if not Path(path).is_file():
            return find()
        status = Path(path).stat()
        key = (what, str(path), status.st_size, status.st_mtime_ns)
        if key not in self.warm:
            self.warm[key] = find()
        return self.warm[key]

    def pool(self) -> Executor:
        """Return the executor for work over tiles."""
        if self.executor is None:
            self.executor = ThreadPoolExecutor(self.threads, thread_name_prefix="lunarsite")
        return self.executor

    def part(self, start: float, stop: float, label: str = "") -> Context:
        """Return a context whose progress from 0 to 1 is this one's from ``start`` to ``stop``."""
        outer = self.report
        prefix = f"{label}: " if label else ""

        def report(fraction: float, message: str) -> None:
            outer(start + (stop - start) * fraction, prefix + message)

        return Context(
            threads=self.threads,
            memory_limit_bytes=self.memory_limit_bytes,
            device=self.device,
            report=report,
            cancelled=self.cancelled,
            warm=self.warm,
            warnings=self.warnings,
            executor=self.pool(),
        )
