"""Which wheels a folder lacks. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.lunarsite_plugin.setup.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence


def missing(argv: Sequence[str], work: Work) -> list[str]:
    """Return the requirements of an installation that its folder of wheels cannot serve.

    uv names only the first that is missing, so it is asked about each, without installing: it
    knows which of them this system and this Python need.
    """
    words, requirements = _taken_apart(argv)
    asking = Work(work.progress, _unheard)
    lacking = []
    for requirement in requirements:
        if work.cancelled:
            break
        if asking.run([*words, "--dry-run", "--quiet", requirement]) != 0:
            lacking.append(requirement.partition(" ;")[0])
    return lacking


def _taken_apart(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command without its requirements, and these, those of a file included."""
    words: list[str] = []
    requirements: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "-r":
            text = Path(next(rest)).read_text("utf-8")
            requirements += [line for line in text.splitlines() if "==" in line]
        elif "==" in word:
            requirements.append(word)
        else:
            words.append(word)
    return words, requirements


def _unheard(_line: str) -> None:
    """Take a line that is not for the log."""
