"""Wording of messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a count with its noun in singular or plural: ``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
