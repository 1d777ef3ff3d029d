"""Command line: one command per stage, generated from its declaration, and a few others.

Exit codes: 0 success, 1 internal error, 2 user-correctable error, 130 cancelled, 141 if nobody
reads what is printed any more; `kaggle_command` has two more.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import textwrap
import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from lunarsite.engine import stages
from lunarsite.engine.contract import (
    COMMON,
    DRY_RUN,
    PATH_KINDS,
    Kind,
    Parameter,
    Values,
    unknown_name,
)
from lunarsite.engine.errors import CancelledError, LunarSiteError, ParameterError, sentences
from lunarsite.engine.frontends import streams, subcommands
from lunarsite.engine.frontends.arguments import Parser, add_output_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUCCESS, INTERNAL_ERROR, USER_ERROR, CANCELLED, NO_READER = 0, 1, 2, 130, 141

OTHER_COMMANDS = {
    "stages": "List the stages; with --json their full declarations.",
    "device": "Show the device on which networks run.",
    "worker": "Serve the stages as JSON lines on stdin and stdout, to a parent process.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    streams.open_missing()
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        return _dispatch(words, as_json=as_json)
    except CancelledError as error:
        return _fail(words, error.as_dict(), CANCELLED, as_json=as_json)
    except KeyboardInterrupt:
        interrupted = CancelledError("It was interrupted at once; run the same command again")
        return _fail(words, interrupted.as_dict(), CANCELLED, as_json=as_json)
    except LunarSiteError as error:
        return _fail(words, error.as_dict(), USER_ERROR, as_json=as_json)
    except BrokenPipeError:
        streams.discard_stdout()
        return NO_READER
    except Exception as error:  # noqa: BLE001  one line instead of a traceback
        from lunarsite.engine.frontends.execution import internal_error  # noqa: PLC0415  not needed for --help

        command = words[0] if words else "lunarsite"
        return _fail(words, internal_error(command, error), INTERNAL_ERROR, as_json=as_json)


def command_parser(command: str) -> Parser:
    """Return the argument parser of a command, generated from the stage's declaration.

    Values remain text: they are validated by the declaration, as in all front ends. Options that
    are not used are absent from the namespace, so that defaults are defined in the declaration
    only.

    Raises
    ------
    ParameterError
        If there is no such command.
    """
    known = [*stages.NAMES, *OTHER_COMMANDS, *subcommands.COMMANDS]
    if command not in known:
        raise unknown_name("command", command, known)
    if command in OTHER_COMMANDS:
        parser = Parser(prog=f"lunarsite {command}", description=OTHER_COMMANDS[command])
    else:
        stage = stages.load(command)
        loose = _positional(command)
        parser = Parser(
            prog=f"lunarsite {command}",
            words=loose.name.upper() + ("..." if loose.many else "") if loose else "",
            description="\n\n".join(
                textwrap.fill(text, 79) for text in (stage.summary, stage.help)
            ),
        )
        required = parser.add_argument_group("required")
        options = parser.add_argument_group("options")
        advanced = parser.add_argument_group("advanced")
        for parameter in (*stage.parameters, *COMMON):
            group = advanced if parameter.advanced else options
            _add(required if parameter.required else group, parameter)
    output = parser.add_argument_group("output")
    if command in stages.NAMES and stages.load(command).estimates:
        _add(output, DRY_RUN)
    add_output_options(output)
    return parser


def parse(words: Sequence[str]) -> Values:
    """Return the options of a command line.

    Parameters
    ----------
    words : sequence of str
        The command and its options.

    Returns
    -------
    dict
        Text values by parameter name, of the options in the command line only.

    Raises
    ------
    ParameterError
        For an unknown command or option, or an option without a value.
    """
    command, *rest = words
    parser = command_parser(command)
    known, unknown = parser.parse_known_args(rest)
    values = vars(known)
    loose = _positional(command)
    taken = [] if loose is None else [word for word in unknown if not word.startswith("-")]
    for word in [word for word in unknown if word not in taken]:
        if word.startswith("-"):
            options = [option for option in parser.option_names if len(option) > 2]
            raise unknown_name(f"option of {command}", word.split("=")[0], options)
        raise ParameterError(
            f"{word!r} is not the value of any option",
            "Write every value after its option, and patterns such as '*.png' in quotes; "
            f"lunarsite {command} --help lists the options",
        )
    if loose is not None and taken:
        _take(loose, taken, values)
    return values


def _positional(command: str) -> Parameter | None:
    """Return the parameter whose value may follow a command without its option, if there is one."""
    if command not in stages.NAMES:
        return None
    return next((each for each in stages.load(command).parameters if each.positional), None)


def _take(parameter: Parameter, words: list[str], values: Values) -> None:
    """Put words that follow the command into the values."""
    if parameter.many:
        values[parameter.name] = [*words, *values.get(parameter.name, [])]
        return
    if len(words) > 1 or parameter.name in values:
        also = [str(values[parameter.name])] if parameter.name in values else []
        raise ParameterError(
            f"{parameter.title} is given more than once: {', '.join([*words, *also])}",
            f"Give it once, as the first word or with {parameter.flag}",
        )
    values[parameter.name] = words[0]


def facts(parameter: Parameter) -> str:
    """Return unit, range and default of a parameter as one line of help."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    low, high = parameter.minimum, parameter.maximum
    parts = ["required"] if parameter.required else []
    if low is not None and high is not None:
        parts.append(f"{low:g} to {high:g}{unit}")
    elif low is not None:
        parts.append(f"at least {low:g}{unit}")
    elif high is not None:
        parts.append(f"at most {high:g}{unit}")
    elif unit:
        parts.append(f"in{unit}")
    if parameter.default is not None:
        default = parameter.default
        listed = default if isinstance(default, tuple | list) else (default,)
        words = [str(item).lower() if isinstance(item, bool) else str(item) for item in listed]
        parts.append(f"default {' '.join(words)}{unit}" if words else "default none")
    return "; ".join(parts)


def _add(group: argparse._ArgumentGroup, parameter: Parameter) -> None:
    constraints = facts(parameter)
    text = f"{parameter.help} [{constraints}]" if constraints else parameter.help
    options: dict[str, Any] = {
        "dest": parameter.name,
        "default": argparse.SUPPRESS,
        "help": text.replace("%", "%%"),
    }
    if parameter.kind is Kind.BOOLEAN:
        group.add_argument(parameter.flag, action=_Switch, **options)
        return
    options["metavar"] = _metavar(parameter)
    if parameter.many:
        options |= {"nargs": "+", "action": "extend"}
    group.add_argument(parameter.flag, **options)


class _Switch(argparse.BooleanOptionalAction):
    """``--flag`` and ``--no-flag``, without the default that argparse adds to the help."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        text = options.pop("help")
        super().__init__(option_strings, dest, **options)
        self.help = text


def _metavar(parameter: Parameter) -> str:
    if parameter.kind is Kind.CHOICE:
        return "{" + ",".join(parameter.choices) + "}"
    if parameter.kind is Kind.DATE:
        return "YYYY-MM-DD"
    if parameter.kind in (Kind.NUMBER, Kind.INTEGER):
        return (parameter.unit or "N").replace("%", "PCT").upper()
    if parameter.kind in PATH_KINDS and parameter.kind is not Kind.FOLDER:
        return "FILE"
    return parameter.kind.value.upper()


def _dispatch(words: list[str], *, as_json: bool) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        streams.write_out(_overview())
        return SUCCESS if words else USER_ERROR
    if words[0] == "--version":
        streams.write_out(f"lunarsite {_version()}\n")
        return SUCCESS
    if words[0].startswith("-"):
        raise ParameterError(
            f"{words[0]} comes before the command", "Write lunarsite COMMAND OPTIONS"
        )
    if words[0] in subcommands.COMMANDS:
        with _cancelled_by_signals() as cancelled:
            return subcommands.run(words, cancelled=cancelled, run_stage=_run_words)
    try:
        arguments = parse(words)
    except SystemExit:  # argparse has shown the help
        streams.write_out("")
        return SUCCESS
    quiet = arguments.pop("quiet")
    del arguments["json"]
    if words[0] in OTHER_COMMANDS:
        return _OTHER[words[0]](as_json)
    return _run(words[0], arguments, as_json=as_json, quiet=quiet)


def _run_words(words: Sequence[str], *, as_json: bool, quiet: bool) -> int:
    """Run a stage by the words of its command line."""
    arguments = parse(words)
    return _run(
        words[0],
        {name: value for name, value in arguments.items() if name not in ("quiet", "json")},
        as_json=as_json,
        quiet=quiet,
    )


def _run(name: str, arguments: Values, *, as_json: bool, quiet: bool) -> int:
    from lunarsite.engine.frontends import execution, progress  # noqa: PLC0415  not needed for --help

    progress.log_to_stderr(quiet=quiet)
    stage = stages.load(name)
    with (
        _cancelled_by_signals() as cancelled,
        execution.stdout_to_stderr() if as_json else nullcontext(),
        progress.terminal_bar(name, shown=not (quiet or as_json)) as report,
    ):
        result = execution.run_stage(stage, arguments, cancelled=cancelled, report=report)
    if as_json:
        _write_json(result)
    elif not quiet:
        streams.write_out("".join(f"{line}\n" for line in _summary(result)))
    return SUCCESS


@contextmanager
def _cancelled_by_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set; a second signal interrupts the stage at once."""
    cancelled = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield cancelled
        return

    def cancel(_number: int, _frame: Any) -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt
        cancelled.set()

    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(result: Values) -> list[str]:
    """Return the lines that are printed: the summary of the stage, or else its outputs."""
    lines = result.get("summary")
    if lines:
        return [str(line) for line in lines]
    outputs = result.get("outputs") or {}
    if outputs:
        width = max(len(name) for name in outputs)
        return [f"{name:{width}}  {path}" for name, path in outputs.items()]
    return [
        f"{key}: {value}" for key, value in result.items() if not isinstance(value, list | dict)
    ]


def _show_stages(as_json: bool) -> int:  # noqa: FBT001  called through _OTHER
    if as_json:
        declared = [stage.as_dict() for stage in stages.load_all()]
        _write_json({"stages": declared, "common": [parameter.as_dict() for parameter in COMMON]})
    else:
        streams.write_out(_listed({stage.name: stage.summary for stage in stages.load_all()}))
    return SUCCESS


def _serve(_as_json: bool) -> int:  # noqa: FBT001  called through _OTHER
    from lunarsite.engine.frontends.worker import serve  # noqa: PLC0415  not needed for --help

    return serve()


def _show_device(as_json: bool) -> int:  # noqa: FBT001  called through _OTHER
    from lunarsite.engine import device  # noqa: PLC0415  may import torch

    chosen = device.choose()
    if as_json:
        _write_json(chosen.as_dict())
    else:
        torch = f"torch {chosen.torch}" if chosen.torch else "no torch"
        streams.write_out(
            f"{chosen.kind}: {chosen.name}, {chosen.cores} cores, {torch} ({chosen.reason})\n"
        )
    return SUCCESS


_OTHER = {"stages": _show_stages, "device": _show_device, "worker": _serve}


def _overview() -> str:
    summaries = {stage.name: stage.summary for stage in stages.load_all()}
    return (
        "Usage: lunarsite COMMAND [options]; lunarsite COMMAND --help\n\n"
        "Landing-site screening at the Moon's south pole.\n\n"
        f"{_listed({**summaries, **subcommands.COMMANDS, **OTHER_COMMANDS})}\n"
        "Every command accepts --json (one JSON document on stdout) and --quiet. "
        "lunarsite --version prints the version.\n"
    )


def _listed(entries: dict[str, str]) -> str:
    width = max(len(name) for name in entries) + 4
    return "".join(
        textwrap.fill(
            text, 96, initial_indent=f"  {name}".ljust(width), subsequent_indent=" " * width
        )
        + "\n"
        for name, text in entries.items()
    )


def _version() -> str:
    from lunarsite.engine.provenance import version  # noqa: PLC0415  not needed for --help

    return version()


def _write_json(document: Any) -> None:
    streams.write_out(json.dumps(document, indent=2, allow_nan=False) + "\n")


def _fail(words: Sequence[str], error: dict[str, str], code: int, *, as_json: bool) -> int:
    command = " ".join(["lunarsite", *words[:1]])
    if as_json:
        with suppress(streams.LostOutputError, BrokenPipeError):
            _write_json({"error": error})
    streams.write_err(f"{command}: {sentences(error['problem'], error['remedy'])}\n")
    return code
