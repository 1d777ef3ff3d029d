"""A lock against simultaneous setups, which does not outlive a crashed QGIS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QLockFile

from lunarsite.engine.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold a lock file for the duration of the block.

    Raises
    ------
    BusyError
        If another QGIS process holds it; the message contains the process id.
    """
    lock = QLockFile(str(path))
    lock.setStaleLockTime(0)  # by process id only: an installation may take hours
    if not lock.tryLock(0):
        raise BusyError(
            f"Another QGIS (process {_holder(lock)}) is setting up the engine",
            "Wait until it has finished, or cancel it there",
        )
    try:
        yield
    finally:
        lock.unlock()


def _holder(lock: QLockFile) -> str:
    # PyQt returns (known, pid, host, program), in some versions without the first item.
    numbers = [part for part in lock.getLockInfo() if type(part) is int]
    return str(numbers[0]) if numbers else "unknown"
