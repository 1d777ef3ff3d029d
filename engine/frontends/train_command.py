"""``lunarsite train NAME --here``: what a kernel of that name runs on Kaggle, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine import output_paths
from lunarsite.engine.context import log
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.frontends.kaggle_command import FOLDER
from lunarsite.engine.frontends.subcommands import Terminal, Verb
from lunarsite.engine.training.kaggle import here, outputs, registry

if TYPE_CHECKING:
    import argparse

    from lunarsite.engine.frontends.arguments import Parser

_PASSED_ON = ("--threads", "--memory-limit-gib", "--device")
"""Options of every stage that are handed to them."""


def _train(options: argparse.Namespace, terminal: Terminal) -> int:
    spec = registry.kernel(options.name)
    if not options.here:
        raise ParameterError(
            f"train {spec.name} needs to know where",
            f"Add --here for this machine, or train on Kaggle: lunarsite kaggle run {spec.name}",
        )
    folder = Path(options.folder)
    out = Path(options.out) if options.out else folder / spec.output
    inputs = Path(options.inputs) if options.inputs else None
    passed_on = [
        word
        for flag in _PASSED_ON
        for value in (getattr(options, flag[2:].replace("-", "_")),)
        if value is not None
        for word in (flag, value)
    ]
    quiet = terminal.quiet or terminal.as_json
    with output_paths.locked({str(out): list(spec.outputs)}, (), log.warning):
        for command in here.commands(spec, out, inputs, folder):
            terminal.say(f"lunarsite {' '.join(command)}")
            # The result is that of the whole: a stage's own JSON or summary would stand before it.
            code = terminal.run_stage([*command, *passed_on], as_json=False, quiet=quiet)
            if code:
                return code
    outputs.verify(spec, out)
    files = [str(out / name) for name in spec.outputs]
    terminal.result({"name": spec.name, "files": files}, files)
    return 0


def _options(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="As lunarsite kaggle list names it.")
    parser.add_argument("--here", action="store_true", help="On this machine.")
    parser.add_argument(
        "--folder",
        default=FOLDER,
        help=f"Folder of all outputs, in which it gets its own; by default {FOLDER}.",
    )
    parser.add_argument("--out", metavar="FOLDER", help="Its own folder, in place of that one.")
    parser.add_argument(
        "--inputs",
        metavar="FOLDER",
        help="Folder with a folder for each dataset that the kernel attaches.",
    )
    for flag in _PASSED_ON:
        parser.add_argument(flag, help="As for every stage.")


VERBS = {
    "": Verb(
        summary="Train by name on this machine what else is trained on Kaggle: the same commands, "
        "seeds and files.",
        words="NAME --here",
        options=_options,
        run=_train,
    )
}
