"""``lunarsite kaggle``: trainings on Kaggle by name.

Exit codes besides those of every command: 3 if a kernel failed or could not be run, 4 if none did
and one was cancelled on Kaggle.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import output_paths
from lunarsite.engine.context import log
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.frontends import kaggle_datasets
from lunarsite.engine.frontends.subcommands import Terminal, Verb, table
from lunarsite.engine.training.kaggle import credentials, notebook, registry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lunarsite.engine.frontends.arguments import Parser
    from lunarsite.engine.training.kaggle.runs import Run, Runner
    from lunarsite.engine.training.kaggle.specs import KernelSpec

FAILED, CANCELLED_THERE = 3, 4
"""Exit codes."""

FOLDER = "trained"
"""Where outputs are pulled to."""


def _list(_options: argparse.Namespace, terminal: Terminal) -> int:
    rows = [("kernel", "recipe", "GPU", "")]
    rows += [
        (
            spec.name,
            spec.recipe or "-",
            "yes" if spec.gpu else "no",
            spec.summary,
        )
        for spec in registry.KERNELS.values()
    ]
    document = [
        {
            "name": spec.name,
            "title": spec.title,
            "slug": spec.slug,
            "recipe": spec.recipe,
            "summary": spec.summary,
            "gpu": spec.gpu,
            "accelerator": spec.accelerator,
            "datasets": list(spec.datasets),
            "kernels": list(spec.kernels),
            "outputs": list(spec.outputs),
            "output": spec.output,
        }
        for spec in registry.KERNELS.values()
    ]
    terminal.result({"kernels": document}, table(rows))
    return 0


def _push(options: argparse.Namespace, terminal: Terminal) -> int:
    specs = _chosen(options.names)
    if options.dry_run:
        return _write_out(specs, options, terminal)
    runner = _runner(options, terminal)
    versions = {spec.name: runner.push(spec) for spec in specs}
    rows = [("kernel", "version"), *((name, str(v or "-")) for name, v in versions.items())]
    terminal.result({"pushed": versions}, table(rows))
    return 0


def _write_out(specs: Sequence[KernelSpec], options: argparse.Namespace, terminal: Terminal) -> int:
    """Write the notebooks and their metadata; needs no account."""
    owner = options.owner or credentials.user() or "your-account"
    slugs = {name: spec.slug for name, spec in registry.KERNELS.items()}
    written = {
        spec.name: [
            str(path) for path in notebook.write(spec, Path(options.out) / spec.slug, owner, slugs)
        ]
        for spec in specs
    }
    terminal.result({"written": written}, [path for paths in written.values() for path in paths])
    return 0


def _status(options: argparse.Namespace, terminal: Terminal) -> int:
    specs = _chosen(options.names) if options.names else list(registry.KERNELS.values())
    return _told(_runner(options, terminal).states(specs), terminal, codes=False)


def _wait(options: argparse.Namespace, terminal: Terminal) -> int:
    specs = _chosen(options.names)
    return _told(_runner(options, terminal).run(specs, push=False, pull=False), terminal)


def _pull(options: argparse.Namespace, terminal: Terminal) -> int:
    specs = _chosen(options.names)
    runner = _runner(options, terminal)
    with _locked(specs, options.folder):
        return _told([runner.pull(spec) for spec in specs], terminal, options.folder)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    specs = _chosen(options.names)
    runner = _runner(options, terminal)
    with _locked(specs, options.folder):
        runs = runner.run(specs, push=True, pull=True, again=options.again)
    return _told(runs, terminal, options.folder)


def _told(
    runs: Sequence[Run], terminal: Terminal, folder: str = FOLDER, *, codes: bool = True
) -> int:
    """Write what became of kernels, and return the exit code."""
    from lunarsite.engine.training.kaggle.client import ENDED  # noqa: PLC0415  not needed for the list

    for run in runs:
        if run.log:
            terminal.say(f"{run.spec.name}: the last lines of its log")
            for line in run.log:
                terminal.say(f"    {line}")
    rows = [("kernel", "state", "minutes", "result")]
    rows += [
        (
            run.spec.name,
            run.state,
            f"{run.minutes:.0f}" if run.minutes else "-",
            _became(run, Path(folder), ended=run.state in ENDED),
        )
        for run in runs
    ]
    terminal.result({"kernels": [_as_dict(run) for run in runs]}, table(rows))
    if not codes:
        return 0
    if any(run.problem or run.state == "error" for run in runs):
        return FAILED
    return 0 if all(run.state == "complete" for run in runs) else CANCELLED_THERE


def _became(run: Run, folder: Path, *, ended: bool) -> str:
    """Return where the output of a kernel lies, or what to do about a kernel without one."""
    if run.problem or run.files:
        return run.problem or str(run.files)
    if run.state == "complete" or not ended:
        return "-"
    log = folder / f"{run.spec.output}.log"
    return (
        f"see {log}; " if log.is_file() else ""
    ) + f"lunarsite kaggle run {run.spec.name} --again"


def _as_dict(run: Run) -> dict[str, Any]:
    return {
        "name": run.spec.name,
        "state": run.state,
        "minutes": round(run.minutes, 1),
        "files": str(run.files) if run.files else None,
        "problem": run.problem or None,
        "log": run.log,
    }


def _chosen(names: Sequence[str]) -> list[KernelSpec]:
    return [registry.kernel(name) for name in dict.fromkeys(names)]


def _runner(options: argparse.Namespace, terminal: Terminal) -> Runner:
    from lunarsite.engine.frontends import progress  # noqa: PLC0415  not needed for the list
    from lunarsite.engine.training.kaggle.client import Client  # noqa: PLC0415  likewise
    from lunarsite.engine.training.kaggle.runs import INTERVAL_S, Runner  # noqa: PLC0415  likewise

    progress.log_to_stderr(quiet=terminal.quiet)
    interval_s = _interval(getattr(options, "interval_s", None), INTERVAL_S)
    return Runner(
        client=Client(terminal.cancelled, interval_s),
        folder=Path(getattr(options, "folder", FOLDER)),
        say=terminal.say,
        cancelled=terminal.cancelled,
        interval_s=interval_s,
    )


def _interval(text: str | None, default_s: float) -> float:
    if text is None:
        return default_s
    try:
        interval_s = float(text)
    except ValueError:
        interval_s = -1.0
    if not 0.0 < interval_s <= 3600.0:
        raise ParameterError(f"--interval-s: {text!r}", "Give seconds, above 0 and at most 3600")
    return interval_s


def _locked(specs: Sequence[KernelSpec], folder: str) -> Any:
    """Keep other runs out of the output folders: two would push the same kernels."""
    names = [spec.output for spec in specs]
    return output_paths.locked({folder: names}, (), log.warning)


def _names(parser: Parser, *, needed: bool = True) -> None:
    parser.add_argument(
        "names",
        nargs="+" if needed else "*",
        metavar="NAME",
        help="Kernels, as lunarsite kaggle list names them.",
    )


def _folder(parser: Parser) -> None:
    parser.add_argument(
        "--folder", default=FOLDER, help=f"Folder of all outputs; by default {FOLDER}."
    )


def _waits(parser: Parser) -> None:
    parser.add_argument(
        "--interval-s",
        metavar="S",
        help="Seconds between two looks at the states; by default 60.",
    )


def _push_options(parser: Parser) -> None:
    _names(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Write notebooks and metadata instead; needs neither an account nor the network.",
    )
    parser.add_argument(
        "--out", default="kernels", metavar="FOLDER", help="Where to; by default kernels."
    )
    parser.add_argument("--owner", help="Account in the metadata of a dry run.")


def _wait_options(parser: Parser) -> None:
    _names(parser)
    _waits(parser)


def _pull_options(parser: Parser) -> None:
    _names(parser)
    _folder(parser)


def _run_options(parser: Parser) -> None:
    _names(parser)
    _folder(parser)
    _waits(parser)
    parser.add_argument(
        "--again", action="store_true", help="Push kernels again that have ended on Kaggle."
    )


VERBS = {
    "list": Verb(summary="List the kernels.", words="", options=lambda _parser: None, run=_list),
    "push": Verb(
        summary="Push kernels, which starts them.",
        words="NAME...",
        options=_push_options,
        run=_push,
    ),
    "status": Verb(
        summary="Show the states of kernels; of all of them without a name.",
        words="[NAME...]",
        options=lambda parser: _names(parser, needed=False),
        run=_status,
    ),
    "wait": Verb(
        summary="Wait until kernels have ended.", words="NAME...", options=_wait_options, run=_wait
    ),
    "pull": Verb(
        summary="Pull the outputs of kernels that are complete.",
        words="NAME...",
        options=_pull_options,
        run=_pull,
    ),
    "run": Verb(
        summary="Push, wait and pull; started again, it goes on from Kaggle's states.",
        words="NAME...",
        options=_run_options,
        run=_run,
    ),
    **kaggle_datasets.VERBS,
}
