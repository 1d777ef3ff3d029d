"""Progress in a terminal: a bar for work that lasts, and a log that does not break it."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lunarsite.engine.context import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger("lunarsite")

EVERY_S = 60.0
"""Time between lines where there is no terminal to draw a bar in."""

DELAY_S = 1.0
"""Work shorter than this shows no bar."""


class Lines:
    """Logs how far work is, a line a minute at most, and none in the first.

    Parameters
    ----------
    label : str
        What is worked on.
    clock : callable
        Returns seconds; those of the machine where not given.
    """

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._label, self._clock, self._last_s = label, clock, clock()

    def __call__(self, fraction: float, message: str) -> None:
        """Take a fraction and a message, and write them if it is time."""
        now_s = self._clock()
        if now_s - self._last_s >= EVERY_S:
            self._last_s = now_s
            log.info("%s %.0f %%: %s", self._label, 100.0 * fraction, message)


@contextmanager
def terminal_bar(label: str, *, shown: bool) -> Iterator[Callable[[float, str], None]]:
    """Yield a function that draws a fraction and a message on stderr.

    Nothing is drawn where ``shown`` is false. Where stderr is not a terminal, long work writes a
    line a minute.
    """
    if not shown:
        yield no_progress
        return
    if not sys.stderr.isatty():
        yield Lines(label)
        return
    from tqdm import tqdm  # noqa: PLC0415  only a terminal needs it

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
    """Writes log lines to stderr, above a bar where one is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        line = self.format(record)
        tqdm: Any = sys.modules.get("tqdm")
        if tqdm is not None and sys.stderr.isatty():
            tqdm.tqdm.write(line, file=sys.stderr)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def log_to_stderr(*, quiet: bool) -> None:
    """Send the engine's log to stderr: everything of note, or with ``quiet`` only errors."""
    log = logging.getLogger("lunarsite")
    handler = LogHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(message)s", "%H:%M:%S"))
    log.handlers = [handler]
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    log.propagate = False
