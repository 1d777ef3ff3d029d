"""Progress in a terminal: a progress bar, and log lines that are written above it."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lunarsite.engine.context import no_progress
from lunarsite.engine.frontends import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger("lunarsite")

EVERY_S = 60.0
"""Seconds between progress lines if stderr is not a terminal."""

DELAY_S = 1.0
"""Seconds before the progress bar is shown."""


class Lines:
    """Progress callback that logs at most one line a minute, the first after a minute.

    Parameters
    ----------
    label : str
        Name of the stage.
    clock : callable, optional
        Returns the time in seconds.
    """

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._label, self._clock, self._last_s = label, clock, clock()

    def __call__(self, fraction: float, message: str) -> None:
        """Log a fraction from 0 to 1 and a message if the last line is a minute old."""
        now_s = self._clock()
        if now_s - self._last_s >= EVERY_S:
            self._last_s = now_s
            log.info("%s %.0f %%: %s", self._label, 100.0 * fraction, message)


@contextmanager
def terminal_bar(label: str, *, shown: bool) -> Iterator[Callable[[float, str], None]]:
    """Yield a progress callback that draws a progress bar on stderr.

    If stderr is not a terminal, it logs one line a minute.

    Parameters
    ----------
    label : str
        Name of the stage.
    shown : bool
        False for no progress at all.

    Yields
    ------
    callable
        Receives a fraction from 0 to 1 and a message.
    """
    if not shown:
        yield no_progress
        return
    if not sys.stderr.isatty():
        yield Lines(label)
        return
    from tqdm import tqdm  # noqa: PLC0415  needed in a terminal only

    with tqdm(
        total=100.0,
        desc=label,
        delay=DELAY_S,
        miniters=0,
        leave=False,
        file=sys.stderr,
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f} % {bar} {elapsed}<{remaining}",
    ) as bar:

        def report(fraction: float, message: str) -> None:
            bar.set_description_str(f"{label}: {message}" if message else label, refresh=False)
            bar.update(100.0 * fraction - bar.n)

        yield report


class LogHandler(logging.Handler):
    """Log handler that writes to stderr, above the progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record."""
        line = self.format(record)
        tqdm: Any = sys.modules.get("tqdm")
        if tqdm is not None and sys.stderr.isatty():
            tqdm.tqdm.write(line, file=sys.stderr)
        else:
            streams.write_err(line + "\n")


def log_to_stderr(*, quiet: bool) -> None:
    """Send the log of the engine to stderr, from level INFO, or ERROR if ``quiet``."""
    log = logging.getLogger("lunarsite")
    handler = LogHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(message)s", "%H:%M:%S"))
    log.handlers = [handler]
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    log.propagate = False
