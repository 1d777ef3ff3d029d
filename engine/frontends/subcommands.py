"""Commands that are not stages and have verbs: ``lunarsite kaggle``, ``models`` and ``train``.

Each is a module of this folder with `VERBS`, imported only when it is run. A command without verbs
has one of the name ``""``.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lunarsite.engine.contract import unknown_name
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.frontends import streams
from lunarsite.engine.frontends.arguments import Parser, add_output_options

if TYPE_CHECKING:
    import argparse
    import threading
    from collections.abc import Callable, Iterable, Sequence

COMMANDS = {
    "app": "Show a finished run in the browser: places, reasons, skylines, checks.",
    "train": "Train by name on this machine what else is trained on Kaggle.",
    "models": "List, show, verify, install and combine trained models, which stages take by name.",
    "kaggle": "Run trainings on Kaggle by name: list, push, status, wait, pull, run, dataset.",
}


class RunStage(Protocol):
    """Runs a stage by the words of its command line, and returns the exit code."""

    def __call__(self, words: Sequence[str], *, as_json: bool, quiet: bool) -> int:
        """Run it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """What a verb talks to.

    Parameters
    ----------
    as_json, quiet : bool
        The options of the same names.
    cancelled : threading.Event
        Set by Ctrl-C and SIGTERM.
    run_stage : callable
        Runs a stage.
    """

    as_json: bool
    quiet: bool
    cancelled: threading.Event
    run_stage: RunStage

    def say(self, line: str) -> None:
        """Write a line of progress to stderr, unless the command is quiet."""
        if not self.quiet:
            streams.write_err(f"{line}\n")

    def result(self, document: Any, lines: Iterable[str]) -> None:
        """Write the result to stdout: as JSON, or as lines for people."""
        if self.as_json:
            streams.write_out(json.dumps(document, indent=2, allow_nan=False) + "\n")
        elif not self.quiet:
            streams.write_out("".join(f"{line}\n" for line in lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """What a command does under a name.

    Parameters
    ----------
    summary : str
        One sentence.
    words : str
        What stands between the command and its options, as in its usage.
    options : callable
        Adds the options to a parser.
    run : callable
        Does it, and returns the exit code.
    """

    summary: str
    words: str
    options: Callable[[Parser], None]
    run: Callable[[argparse.Namespace, Terminal], int]


def run(words: Sequence[str], *, cancelled: threading.Event, run_stage: RunStage) -> int:
    """Run a command with verbs, and return its exit code.

    Raises
    ------
    ParameterError
        For an unknown verb or option.
    """
    command, *rest = words
    module = importlib.import_module(f"lunarsite.engine.frontends.{command}_command")
    verbs: dict[str, Verb] = module.VERBS
    if set(verbs) == {""}:
        verb, name = verbs[""], command
    else:
        if not rest or rest[0] in ("-h", "--help", "help"):
            streams.write_out(_overview(command, verbs))
            return 0 if rest else 2
        named = " ".join(rest[:2]) if " ".join(rest[:2]) in verbs else rest[0]
        if named not in verbs:
            raise unknown_name(f"command {command}", named, list(verbs))
        verb, name, rest = verbs[named], f"{command} {named}", rest[len(named.split()) :]
    parser = Parser(prog=f"lunarsite {name}", description=verb.summary, words=verb.words)
    verb.options(parser)
    add_output_options(parser.add_argument_group("output"))
    try:
        options, unknown = parser.parse_known_args(rest)
    except SystemExit:  # argparse has shown the help
        streams.write_out("")
        return 0
    for word in unknown:
        if word.startswith("-"):
            known = [option for option in parser.option_names if len(option) > 2]
            raise unknown_name(f"option of {name}", word.split("=")[0], known)
        raise ParameterError(
            f"{word!r} is not the value of any option", f"lunarsite {name} --help lists the options"
        )
    terminal = Terminal(
        as_json=options.json, quiet=options.quiet, cancelled=cancelled, run_stage=run_stage
    )
    return verb.run(options, terminal)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns; the first row holds the titles."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _overview(command: str, verbs: dict[str, Verb]) -> str:
    listed = table([(f"  {name}", verb.summary) for name, verb in verbs.items()])
    return (
        f"Usage: lunarsite {command} VERB [options]; lunarsite {command} VERB --help\n\n"
        + "".join(f"{line}\n" for line in [COMMANDS[command], "", *listed])
    )
