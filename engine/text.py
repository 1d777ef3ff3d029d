"""Wording of messages."""

from __future__ import annotations

import re
import shlex
import sys

SCORE_TICKS = (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 0.9999)
"""Scores in the legends of maps, whose colours follow the log-odds; the ends bound the colours."""

LOWEST_TOP_SCORE = 0.01
"""Where the colours of a run end whose best score is still lower."""


def counted(number: int, noun: str) -> str:
    """Return a count with its noun in singular or plural: ``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quoted(text: str) -> str:
    """Return a text as one word of a command line, as it is pasted on this system.

    Examples
    --------
    >>> quoted("dem.tif")
    'dem.tif'
    """
    if sys.platform == "win32":
        return f'"{text}"' if re.search(r"[\s&()^;,=+]", text) else text
    return shlex.quote(text)
