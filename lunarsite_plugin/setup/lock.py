"""One set-up at a time: a lock that a crashed QGIS does not leave behind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QLockFile

from lunarsite.engine.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs.

    Raises
    ------
    BusyError
        If another QGIS holds it, with its process id.
    """
    lock = QLockFile(str(path))
    lock.setStaleLockTime(0)  # an installation may take hours; a dead process is seen by its id
    if not lock.tryLock(0):
        raise BusyError(
            f"Another QGIS (process {_holder(lock)}) is setting the engine up right now",
            "Wait until it is done, or cancel it there",
        )
    try:
        yield
    finally:
        lock.unlock()


def _holder(lock: QLockFile) -> str:
    # PyQt returns (known, pid, host, program) or, in some versions, without the first.
    numbers = [part for part in lock.getLockInfo() if type(part) is int]
    return str(numbers[0]) if numbers else "unknown"
