"""Wording of messages."""

from __future__ import annotations

import re
import shlex
import sys


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
