"""Execution context of a stage: progress, cancellation, threads, memory, cached state."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lunarsite.engine import input_versions
from lunarsite.engine.errors import CancelledError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GIB = 1024**3

log = logging.getLogger("lunarsite")


def no_progress(_fraction: float, _message: str) -> None:
    """Discard a progress report."""


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class Context:
    """Threads, memory, device, progress, cancellation and warnings of one computation.

    Parameters
    ----------
    threads : int
        Number of threads.
    memory_limit_bytes : int
        Limit for work arrays in memory, bytes; larger ones are memory-mapped files.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    report : callable
        Progress callback: receives a fraction from 0 to 1 and a message, in the thread that runs
        the stage.
    cancelled : threading.Event
        Set to cancel the computation.
    warm : dict
        Cache of `cached`. The worker keeps it between requests.
    warnings : list of str
        Warnings to be shown with the result.
    executor : concurrent.futures.Executor or None
        Processes tiles; a pool of ``threads`` threads by default.
    notes : dict
        What is added to the result of the stage, such as the estimate of its duration.
    announces : bool
        Whether the stage reports its estimate: not if it is a step of a longer run, which reports
        that of all steps.
    """

    threads: int = field(default_factory=available_cores)
    memory_limit_bytes: int = 4 * GIB
    device: str = "auto"
    report: Callable[[float, str], None] = no_progress
    cancelled: threading.Event = field(default_factory=threading.Event)
    warm: dict[Any, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    executor: Executor | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    announces: bool = True

    def __post_init__(self) -> None:
        """Raise `ParameterError` unless threads and memory are whole numbers in range."""
        for name, least in (("threads", 1), ("memory_limit_bytes", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ParameterError(
                    f"{name} is {value!r}", f"Give a whole number of at least {least}"
                )

    def progress(self, fraction: float, message: str) -> None:
        """Report progress, or raise `CancelledError` if the computation was cancelled."""
        self.check()
        self.report(min(max(fraction, 0.0), 1.0), message)

    def check(self) -> None:
        """Raise if the computation was cancelled.

        Raises
        ------
        CancelledError
            If ``cancelled`` is set.
        """
        if self.cancelled.is_set():
            raise CancelledError

    def warn(self, message: str) -> None:
        """Add a warning to the result and to the log, unless it was added before."""
        if message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)

    def ran_on(self, kind: str) -> None:
        """Note the device on which a network or a scorer has run, in ``notes``, for the result."""
        used = self.notes.setdefault("device", {"ran_on": []})["ran_on"]
        if kind not in used:
            used.append(kind)

    def devices(self) -> str:
        """Return what was run on, for the provenance: ``cpu``, ``cuda`` or ``cuda, then cpu``."""
        return ", then ".join(self.notes.get("device", {}).get("ran_on", [])) or "cpu"

    def cached(
        self,
        key: tuple[str, ...],
        version: object,
        compute: Callable[[], Any],
        *,
        at_most: int | None = None,
    ) -> Any:
        """Return a value from the cache, or compute and store it if its version has changed.

        Parameters
        ----------
        key : tuple of str
            Identifies the value. The first item is its category.
        version : object
            Compared with the version of the cached value: file sizes and times, parameters.
        compute : callable
            Returns the value.
        at_most : int, optional
            Maximum number of cached values in the category; the oldest are dropped.

        Returns
        -------
        object
            The value.
        """
        entry = self.warm.get(key)
        if entry is not None and entry[0] == version:
            return entry[1]
        value = compute()
        self.warm.pop(key, None)
        if at_most is not None:
            category = [k for k in self.warm if isinstance(k, tuple) and k[0] == key[0]]
            for oldest in category[: max(0, len(category) - at_most + 1)]:
                del self.warm[oldest]
        self.warm[key] = (version, value)
        return value

    def cached_for_file(self, what: str, path: str | Path, compute: Callable[[], Any]) -> Any:
        """Return a value that is derived from a file, computed again only if the file has changed.

        Parameters
        ----------
        what : str
            Identifies the value.
        path : path
            The file, compared by its version. A path that is not a regular file,
            such as GDAL's ``/vsi`` paths, is not cached.
        compute : callable
            Returns the value.

        Returns
        -------
        object
            The value.
        """
        version = input_versions.version(path)
        return compute() if version is None else self.cached((what, str(path)), version, compute)

    def pool(self) -> Executor:
        """Return the executor that processes tiles."""
        if self.executor is None:
            self.executor = ThreadPoolExecutor(self.threads, thread_name_prefix="lunarsite")
        return self.executor

    def part(self, start: float, stop: float, label: str = "") -> Context:
        """Return a context whose progress from 0 to 1 maps to ``start`` to ``stop`` of this one."""
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
            notes=self.notes,
            announces=self.announces,
        )


class QuietContext(Context):
    """A context without warnings, to read a file again that another step has warned of."""

    def warn(self, message: str) -> None:
        """Discard a warning."""


def require_context(value: Context | None) -> Context:
    """Return a context, a new one where none is given.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    if value is None:
        return Context()
    if not isinstance(value, Context):
        raise ParameterError(
            f"context is a {type(value).__name__}", "Give a Context, or leave it out"
        )
    return value
