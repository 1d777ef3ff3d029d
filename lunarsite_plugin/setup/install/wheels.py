"""Finds missing wheels in a folder. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.lunarsite_plugin.setup.install.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence


def missing(argv: Sequence[str], work: Work) -> list[str]:
    """Return the requirements of an installation that are missing from its wheel folder.

    uv reports only the first missing one, so this does a dry run for each of them. uv knows which
    requirements apply to this system and this version of Python.
    """
    command, requirements = _split(argv)
    silent = Work(work.progress, _ignore)
    missing_ones = []
    for requirement in requirements:
        if work.cancelled:
            break
        if silent.run([*command, "--dry-run", "--quiet", requirement]) != 0:
            missing_ones.append(requirement.partition(" ;")[0])
    return missing_ones


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command into the command itself and its requirements, including those in files."""
    command: list[str] = []
    requirements: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "-r":
            text = Path(next(rest)).read_text("utf-8")
            lines = [line for line in text.splitlines() if "==" in line]
            requirements += [line.partition(" --hash")[0].rstrip(" \\") for line in lines]
        elif word == "--require-hashes":
            continue  # a wheel that is there and differs is not missing
        elif "==" in word:
            requirements.append(word)
        else:
            command.append(word)
    return command, requirements


def _ignore(_line: str) -> None:
    """Ignore a line of output."""
