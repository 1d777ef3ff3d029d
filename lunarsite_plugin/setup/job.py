"""Runs a setup task in a thread, and reports to the main thread with signals."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QObject, pyqtSignal

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup.install.work import Work
from lunarsite.lunarsite_plugin.setup.runner import trim_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

END_WITHIN_S = 2.0


class Job(QObject):
    """A task in a thread.

    Parameters
    ----------
    task : callable
        Called in the thread with a `Work`; returns the result.
    log : Path, optional
        File to append the log to, once its folder exists.
    """

    progressed = pyqtSignal(float, str)
    logged = pyqtSignal(str)
    ended = pyqtSignal(object)
    """The result, or the LunarSiteError that explains why there is none."""

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
        self._thread = threading.Thread(target=self._run, daemon=True, name="LunarSite setup")

    def start(self) -> None:
        """Start the thread."""
        if self._log is not None:
            trim_log(self._log)
        self._thread.start()

    def cancel(self) -> None:
        """Cancel the task; ``ended`` is emitted within two seconds."""
        self._work.cancel()

    def wait(self, within_s: float = END_WITHIN_S) -> bool:
        """Wait for the thread, and return whether it has ended."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._write(f"-- {time.strftime('%Y-%m-%d %H:%M:%S')}")
        try:
            result = self._task(self._work)
        except LunarSiteError as error:
            self._write(f"!! {error}")
            result = error
        except Exception as error:  # noqa: BLE001  reported to the user
            result = LunarSiteError(
                f"Unexpected error in the engine setup: {type(error).__name__}: {error}",
                "Copy the diagnostics and report this bug",
            )
            self._write(f"!! {result}")
        with suppress(RuntimeError):  # the receiver has been deleted
            self.ended.emit(result)

    def _progress(self, fraction: float, text: str) -> None:
        with suppress(RuntimeError):  # the receiver has been deleted
            self.progressed.emit(fraction, text)

    def _write(self, line: str) -> None:
        with suppress(RuntimeError):  # the receiver has been deleted
            self.logged.emit(line)
        if self._log is not None and self._log.parent.is_dir():
            with suppress(OSError), self._log.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
