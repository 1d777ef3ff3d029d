"""Words of messages."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return a number of things in words: ``1 image``, ``2 images``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
