"""Parsing of a command line's options, the same for all commands."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from lunarsite.engine.errors import ParameterError


class Parser(argparse.ArgumentParser):
    """Argument parser that raises `ParameterError` and accepts values such as -1e-3 or -3,4."""

    def __init__(self, *, prog: str, description: str, words: str = "") -> None:
        super().__init__(
            prog=prog,
            description=description,
            usage=" ".join(filter(None, (prog, words, "[options]"))),
            allow_abbrev=False,
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._negative_number_matcher = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?(,.*)?$")

    @property
    def option_names(self) -> list[str]:
        """All option strings."""
        return sorted(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Raise the error for invalid options."""
        raise ParameterError(message, f"{self.prog} --help lists the options")


def add_output_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of every command: help, JSON and silence."""
    group.add_argument("-h", "--help", action="help", help="Show this help and exit.")
    group.add_argument(
        "--json",
        action="store_true",
        help="Write the result, or the error, to stdout as one JSON document.",
    )
    group.add_argument(
        "--quiet",
        action="store_true",
        help="No progress, log or summary: results are in the files, and printed with --json.",
    )
