"""The command line: one verb per stage, derived from its declaration, and a few of its own.

Exit codes: 0 done, 1 a fault of LunarSite, 2 something the user can mend, 130 cancelled.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import textwrap
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

from lunarsite.engine import stages
from lunarsite.engine.contract import COMMON, PATH_KINDS, Kind, Parameter, Values, unknown_name
from lunarsite.engine.errors import CancelledError, LunarSiteError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DONE, FAULT, MENDABLE, CANCELLED = 0, 1, 2, 130

OWN_VERBS = {
    "stages": "List the stages; with --json their whole declarations.",
    "device": "Say what networks and kernels compute on.",
    "worker": "Serve the stages as JSON lines on stdin and stdout, for a program that holds it.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        return _dispatch(words, as_json=as_json)
    except CancelledError as error:
        return _fail(words, error.as_dict(), CANCELLED, as_json=as_json)
    except KeyboardInterrupt:
        broken = CancelledError("It was broken off at once; give the same command again")
        return _fail(words, broken.as_dict(), CANCELLED, as_json=as_json)
    except LunarSiteError as error:
        return _fail(words, error.as_dict(), MENDABLE, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the flush at exit complains once more
        return FAULT
    except Exception as error:  # noqa: BLE001  the last resort: one line instead of a traceback
        from lunarsite.engine.frontends.execution import internal_error  # noqa: PLC0415  kept off the fast path

        what = words[0] if words else "lunarsite"
        return _fail(words, internal_error(what, error), FAULT, as_json=as_json)


def verb_parser(verb: str) -> argparse.ArgumentParser:
    """Return the parser of a verb, derived from the stage's declaration.

    Values stay text here: the declaration checks them, for this face as for the others. What is
    not given is not in the namespace, so a default stands in the declaration alone.

    Raises
    ------
    ParameterError
        If there is no such verb.
    """
    known = [*stages.NAMES, *OWN_VERBS]
    if verb not in known:
        raise unknown_name("verb", verb, known)
    if verb in OWN_VERBS:
        parser = _Parser(prog=f"lunarsite {verb}", description=OWN_VERBS[verb])
    else:
        stage = stages.load(verb)
        parser = _Parser(
            prog=f"lunarsite {verb}",
            description="\n\n".join(
                textwrap.fill(text, 79) for text in (stage.summary, stage.help)
            ),
        )
        needed = parser.add_argument_group("required")
        usual = parser.add_argument_group("options")
        advanced = parser.add_argument_group("advanced")
        for parameter in (*stage.parameters, *COMMON):
            group = advanced if parameter.advanced else usual
            _add(needed if parameter.required else group, parameter)
    output = parser.add_argument_group("output")
    output.add_argument("-h", "--help", action="help", help="Show this and leave.")
    output.add_argument(
        "--json", action="store_true", help="Write one JSON document to stdout, errors included."
    )
    output.add_argument(
        "--quiet",
        action="store_true",
        help="No progress, no log, no summary: results are in the files, and with --json printed.",
    )
    return parser


def parse(words: Sequence[str]) -> Values:
    """Return the options of a command line whose first word is the verb.

    Raises
    ------
    ParameterError
        For an unknown verb or option, or an option without its value.
    """
    verb, *rest = words
    parser = verb_parser(verb)
    known, extra = parser.parse_known_args(rest)
    for word in extra:
        if word.startswith("-"):
            options = [option for option in parser.option_names if len(option) > 2]  # type: ignore[attr-defined]
            raise unknown_name(f"option of {verb}", word.split("=")[0], options)
        raise ParameterError(
            f"{word!r} belongs to no option",
            "Write every value after its option, and patterns such as '*.png' in quotes; "
            f"lunarsite {verb} --help lists the options",
        )
    return vars(known)


def facts(parameter: Parameter) -> str:
    """Return unit, range and default of a parameter in one line."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    low, high = parameter.minimum, parameter.maximum
    said = ["required"] if parameter.required else []
    if low is not None and high is not None:
        said.append(f"{low:g} to {high:g}{unit}")
    elif low is not None:
        said.append(f"at least {low:g}{unit}")
    elif high is not None:
        said.append(f"at most {high:g}{unit}")
    elif unit:
        said.append(f"in{unit}")
    if parameter.default is not None:
        default = parameter.default
        listed = default if isinstance(default, tuple | list) else (default,)
        words = [str(item).lower() if isinstance(item, bool) else str(item) for item in listed]
        said.append(f"default {' '.join(words)}{unit}" if words else "default none")
    return "; ".join(said)


class _Parser(argparse.ArgumentParser):
    """Argparse with errors of our family, no abbreviations, and values like -1e-3 or -3,4."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            usage=f"{prog} [options]",
            allow_abbrev=False,
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._negative_number_matcher = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?(,.*)?$")

    @property
    def option_names(self) -> list[str]:
        """All spellings of all options."""
        return sorted(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        raise ParameterError(message, f"{self.prog} --help lists the options")


def _add(group: argparse._ArgumentGroup, parameter: Parameter) -> None:
    told = facts(parameter)
    text = f"{parameter.help} [{told}]" if told else parameter.help
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
    """``--flag`` and ``--no-flag``, without the note on the default that argparse adds."""

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
        sys.stdout.write(_overview())
        return DONE if words else MENDABLE
    if words[0] == "--version":
        sys.stdout.write(f"lunarsite {_version()}\n")
        return DONE
    if words[0].startswith("-"):
        raise ParameterError(f"{words[0]} stands before the verb", "Write lunarsite VERB OPTIONS")
    try:
        given = parse(words)
    except SystemExit:  # argparse has shown the help
        return DONE
    quiet = given.pop("quiet")
    del given["json"]
    if words[0] in OWN_VERBS:
        return _OWN[words[0]](as_json)
    return _run(words[0], given, as_json=as_json, quiet=quiet)


def _run(verb: str, given: Values, *, as_json: bool, quiet: bool) -> int:
    from lunarsite.engine.frontends import execution, progress  # noqa: PLC0415  kept off the fast path

    progress.log_to_stderr(quiet=quiet)
    stage = stages.load(verb)
    with (
        _stopped_by_signals() as cancelled,
        execution.stdout_to_stderr() if as_json else nullcontext(),
        progress.terminal_bar(verb, shown=not (quiet or as_json)) as report,
    ):
        result = execution.run_stage(stage, given, cancelled=cancelled, report=report)
    if as_json:
        _write_json(result)
    elif not quiet:
        sys.stdout.write("".join(f"{line}\n" for line in _summary(result)))
    return DONE


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set; a second Ctrl-C does not wait for the stage."""
    cancelled = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield cancelled
        return

    def stop(_number: int, _frame: Any) -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt
        cancelled.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(result: Values) -> list[str]:
    """Return what a person wants to read of a result: the stage's own lines, or its outputs."""
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


def _show_stages(as_json: bool) -> int:  # noqa: FBT001  called through the table
    if as_json:
        declared = [stage.as_dict() for stage in stages.load_all()]
        _write_json({"stages": declared, "common": [parameter.as_dict() for parameter in COMMON]})
    else:
        sys.stdout.write(_listed({stage.name: stage.summary for stage in stages.load_all()}))
    return DONE


def _serve(_as_json: bool) -> int:  # noqa: FBT001  called through the table
    from lunarsite.engine.frontends.worker import serve  # noqa: PLC0415  kept off the fast path

    return serve()


def _show_device(as_json: bool) -> int:  # noqa: FBT001  called through the table
    from lunarsite.engine import device  # noqa: PLC0415  may import torch

    found = device.choose()
    if as_json:
        _write_json(found.as_dict())
    else:
        torch = f"torch {found.torch}" if found.torch else "no torch"
        sys.stdout.write(
            f"{found.kind}: {found.name}, {found.cores} cores, {torch} ({found.reason})\n"
        )
    return DONE


_OWN = {"stages": _show_stages, "device": _show_device, "worker": _serve}


def _overview() -> str:
    said = {stage.name: stage.summary for stage in stages.load_all()}
    return (
        "Usage: lunarsite VERB [options]; lunarsite VERB --help\n\n"
        "Landing-site screening at the Moon's south pole.\n\n"
        f"{_listed({**said, **OWN_VERBS})}\n"
        "Every verb takes --json (one JSON document on stdout) and --quiet. "
        "lunarsite --version says the version.\n"
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
    from lunarsite.engine.provenance import version  # noqa: PLC0415  kept off the fast path

    return version()


def _write_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def _fail(words: Sequence[str], error: dict[str, str], code: int, *, as_json: bool) -> int:
    who = " ".join(["lunarsite", *words[:1]])
    if as_json:
        _write_json({"error": error})
    sys.stderr.write(f"{who}: {error['problem']}. {error['remedy']}.\n")
    return code
