"""Running a stage and converting its result to JSON, for the command line and the worker."""

from __future__ import annotations

import datetime as dt
import errno
import logging
import math
import os
import sys
import traceback
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import device
from lunarsite.engine.context import GIB, Context, available_cores, no_progress
from lunarsite.engine.contract import COMMON, DRY_RUN, Stage, Values
from lunarsite.engine.errors import LunarSiteError, MissingDependencyError, OutputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger("lunarsite")


class OutOfMemoryError(LunarSiteError):
    """A memory allocation failed."""


def run_stage(
    stage: Stage,
    arguments: Mapping[str, Any],
    *,
    cancelled: threading.Event,
    report: Callable[[float, str], None] = no_progress,
    warm: dict[Any, Any] | None = None,
) -> Values:
    """Run a stage with its parameters and the options of all stages.

    Parameters
    ----------
    stage : Stage
        The stage.
    arguments : mapping
        Values of the parameters of the stage and of `COMMON`; None for the default.
    cancelled : threading.Event
        Set to cancel the run.
    report : callable, optional
        Progress callback: receives a fraction from 0 to 1 and a message.
    warm : dict, optional
        Cache that is kept between runs, see `Context.cached`.

    Returns
    -------
    dict
        The JSON-serialisable result of the stage, with its ``warnings``.

    Raises
    ------
    LunarSiteError
        For an invalid parameter, or an error of the stage.
    """
    shared = {parameter.name: parameter.default for parameter in COMMON}
    for parameter in COMMON:
        value = arguments.get(parameter.name)
        if value is not None:
            shared[parameter.name] = parameter.parse(value)
    dry_run, others = _without_dry_run(stage, arguments)
    own = stage.resolve({name: others[name] for name in others if name not in shared})
    context = Context(
        threads=shared["threads"] or available_cores(),
        memory_limit_bytes=int(shared["memory_limit_gib"] * GIB),
        device=shared["device"],
        report=report,
        cancelled=cancelled,
        warm={} if warm is None else warm,
    )
    # A stage without networks imports no torch; `device.for_networks` logs where networks run.
    known = device.untested(context.device)
    log.info(
        "%s on %s, %s (%s), %d threads",
        stage.name,
        known.kind,
        known.name,
        known.reason,
        context.threads,
    )
    try:
        return _guarded(stage, own, context, dry_run=dry_run, allow_network=shared["allow_network"])
    finally:
        if context.executor is not None:
            context.executor.shutdown(wait=True, cancel_futures=True)


def run_in_context(stage: Stage, arguments: Mapping[str, Any], context: Context) -> Values:
    """Run a stage in a context of the caller's, which keeps its cache and its executor.

    Parameters
    ----------
    stage : Stage
        The stage to run.
    arguments : mapping
        Its parameters; None stands for a value that is not set.
    context : Context
        Threads, memory, progress, cancellation. Warnings of earlier runs stay out of this one.

    Returns
    -------
    dict
        As `run_stage`.

    Raises
    ------
    LunarSiteError
        As `run_stage`.
    """
    dry_run, others = _without_dry_run(stage, arguments)
    own = stage.resolve(others)
    run = replace(context, warnings=[], notes={})
    try:
        return _guarded(stage, own, run, dry_run=dry_run)
    finally:
        if run.executor is not None and run.executor is not context.executor:
            run.executor.shutdown(wait=True, cancel_futures=True)


def _without_dry_run(stage: Stage, arguments: Mapping[str, Any]) -> tuple[bool, Values]:
    """Return whether a dry run is wanted, and the other arguments."""
    others = dict(arguments)
    if not stage.estimates:
        return False, others
    value = others.pop(DRY_RUN.name, None)
    return (value is not None and bool(DRY_RUN.parse(value))), others


def _estimated(stage: Stage, values: Values, context: Context) -> Values:
    """Return the result of a dry run."""
    needed = stage.estimate(values, context)
    return {"outputs": {}, "estimate": needed.as_dict(), "summary": [needed.sentence()]}


def _guarded(
    stage: Stage,
    values: Values,
    context: Context,
    *,
    dry_run: bool,
    allow_network: bool = False,
) -> Values:
    """Run a stage; lack of memory and missing packages become errors with a remedy."""
    try:
        from lunarsite.engine.io.access import network  # noqa: PLC0415  not needed for --help

        named = (name for names in stage.inputs(values).values() for name in names)
        asked = allow_network or any(map(network.is_remote, named))
        context.check()
        with network.opened(asked=asked):
            result = (_estimated if dry_run else Stage.run)(stage, values, context)
    except MemoryError as error:
        raise OutOfMemoryError(
            f"{stage.name} needs more memory than is available: {error or 'allocation failed'}",
            "Lower --memory-limit-gib or --threads, or use a smaller area",
        ) from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        longest = max(Path(str(error.filename)).parts, key=len)
        raise OutputError(
            f"The name {longest[:40]}… is longer than the file system allows",
            "Give a shorter name",
        ) from error
    except ModuleNotFoundError as error:
        if (error.name or "lunarsite").startswith("lunarsite"):
            raise
        raise MissingDependencyError(
            f"The interpreter {sys.executable} lacks the package {error.name}, which "
            f"{stage.name} needs",
            "Open LunarSite, Engine Setup, and click Update or choose another interpreter; "
            "outside QGIS, install the packages of requirements/core.txt into it",
        ) from error
    reply: Values = jsonable({"warnings": context.warnings, **context.notes, **result})
    return reply


def jsonable(value: Any) -> Any:  # noqa: PLR0911  one return for each type
    """Return a value in JSON-serialisable types; NaN and infinities become None.

    Raises
    ------
    TypeError
        For a value of another type.
    """
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [jsonable(item) for item in items]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, without importing numpy
        return jsonable(value.tolist())
    raise TypeError(f"{type(value).__name__} is not JSON-serialisable")


def internal_error(what: str, error: BaseException, *, trace: bool = False) -> dict[str, str]:
    """Return an unexpected exception in the form of `LunarSiteError.as_dict`.

    Parameters
    ----------
    what : str
        The operation that failed.
    error : BaseException
        The exception.
    trace : bool, optional
        Whether its traceback is logged. It always is if ``LUNARSITE_DEBUG`` is set.

    Returns
    -------
    dict of str to str
        ``type``, ``problem`` and ``remedy``.
    """
    if trace or os.environ.get("LUNARSITE_DEBUG"):
        log.error("%s", "".join(traceback.format_exception(error)).rstrip())
    description = traceback.format_exception_only(error)[-1].strip()
    return {
        "type": "InternalError",
        "problem": f"{what} failed unexpectedly: {description}"[:2000],
        "remedy": "This is a bug in LunarSite: please report it with the command or settings and "
        "the traceback that LUNARSITE_DEBUG=1 writes to the log",
    }


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr inside the block, for C libraries as well."""
    sys.stdout.flush()
    stdout = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
