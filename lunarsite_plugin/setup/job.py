"""Runs a piece of work in a thread and tells of it by signals, in the thread of who listens."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QObject, pyqtSignal

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup.runner import trim_log
from lunarsite.lunarsite_plugin.setup.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

END_WITHIN_S = 2.0


class Job(QObject):
    """One piece of work.

    Parameters
    ----------
    task : callable
        Gets a `Work` and returns the result; called in the thread.
    log : Path, optional
        A file that the log is appended to once its folder is there.
    """

    progressed = pyqtSignal(float, str)
    logged = pyqtSignal(str)
    ended = pyqtSignal(object)
    """The result, or the LunarSiteError that says why there is none."""

    def __init__(
        self,
        task: Callable[[Work], Any],
        log: Path | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._task = task
        self._log = log
        self._work = Work(self._progress, self._write)
        self._thread = threading.Thread(target=self._run, daemon=True, name="LunarSite set-up")

    def start(self) -> None:
        """Begin."""
        if self._log is not None:
            trim_log(self._log)
        self._thread.start()

    def cancel(self) -> None:
        """Stop; ``ended`` comes within two seconds."""
        self._work.cancel()

    def wait(self, within_s: float = END_WITHIN_S) -> bool:
        """Wait for the thread and return whether it has ended."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._write(f"-- {time.strftime('%Y-%m-%d %H:%M:%S')}")
        try:
            result = self._task(self._work)
        except LunarSiteError as error:
            self._write(f"!! {error}")
            result = error
        except Exception as error:  # noqa: BLE001  a fault here must reach the user, not a thread's end
            result = LunarSiteError(
                f"The set-up met a fault of its own: {type(error).__name__}: {error}",
                "Copy the diagnostics and report it",
            )
            self._write(f"!! {result}")
        with suppress(RuntimeError):  # who listened is gone
            self.ended.emit(result)

    def _progress(self, fraction: float, text: str) -> None:
        with suppress(RuntimeError):  # who listened is gone
            self.progressed.emit(fraction, text)

    def _write(self, line: str) -> None:
        with suppress(RuntimeError):  # who listened is gone
            self.logged.emit(line)
        if self._log is not None and self._log.parent.is_dir():
            with suppress(OSError), self._log.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
