"""What the command line and the worker share: running a stage, and values that JSON can carry."""

from __future__ import annotations

import datetime as dt
import logging
import math
import os
import sys
import traceback
from contextlib import contextmanager, redirect_stdout
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import device
from lunarsite.engine.context import GIB, Context, available_cores, no_progress
from lunarsite.engine.contract import COMMON, Stage, Values
from lunarsite.engine.errors import LunarSiteError, MissingDependencyError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger("lunarsite")


class OutOfMemoryError(LunarSiteError):
    """The machine has less memory than the work asked for."""


def run_stage(
    stage: Stage,
    given: Mapping[str, Any],
    *,
    cancelled: threading.Event,
    report: Callable[[float, str], None] = no_progress,
    warm: dict[Any, Any] | None = None,
) -> Values:
    """Run a stage with its own parameters and the options that all stages take.

    Parameters
    ----------
    stage : Stage
        What to run.
    given : mapping
        Parameters of the stage and of `COMMON`; None means "not given".
    cancelled : threading.Event
        Set by whoever wants the work to stop.
    report : callable
        Gets a fraction between 0 and 1 and a message.
    warm : dict, optional
        State that outlives this call.

    Returns
    -------
    dict
        The stage's result, as JSON can carry it, with the ``warnings`` of the work.

    Raises
    ------
    LunarSiteError
        What the stage or the check of its parameters says.
    """
    shared = {parameter.name: parameter.default for parameter in COMMON}
    for parameter in COMMON:
        value = given.get(parameter.name)
        if value is not None:
            shared[parameter.name] = parameter.parse(value)
    own = stage.resolve({name: given[name] for name in given if name not in shared})
    context = Context(
        threads=shared["threads"] or available_cores(),
        memory_limit_bytes=int(shared["memory_limit_gib"] * GIB),
        device=shared["device"],
        report=report,
        cancelled=cancelled,
        warm={} if warm is None else warm,
    )
    chosen = device.choose(context.device)
    log.info(
        "%s on %s, %s (%s), %d threads",
        stage.name,
        chosen.kind,
        chosen.name,
        chosen.reason,
        context.threads,
    )
    try:
        context.check()
        result = stage.run(own, context)
    except MemoryError as error:
        raise OutOfMemoryError(
            f"{stage.name} asked for more memory than there is: {error or 'allocation failed'}",
            "Lower --memory-limit-gib or --threads, or give a smaller piece",
        ) from error
    except ModuleNotFoundError as error:
        if (error.name or "lunarsite").startswith("lunarsite"):
            raise
        raise MissingDependencyError(
            f"The interpreter {sys.executable} lacks the package {error.name}, which "
            f"{stage.name} needs",
            "Open LunarSite, Engine set-up, and click Update or choose another interpreter; "
            "outside QGIS install the packages of requirements/core.txt into it",
        ) from error
    finally:
        if context.executor is not None:
            context.executor.shutdown(wait=True, cancel_futures=True)
    listed: Values = jsonable({"warnings": context.warnings, **result})
    return listed


def jsonable(value: Any) -> Any:  # noqa: PLR0911  one return a kind
    """Return a value as strict JSON can carry it: NaN and infinities become None.

    Raises
    ------
    TypeError
        For a value that has no JSON form.
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
    raise TypeError(f"{type(value).__name__} has no JSON form")


def internal_error(what: str, error: BaseException, *, trace: bool = False) -> dict[str, str]:
    """Return an error nobody foresaw, in the form of `LunarSiteError.as_dict`.

    Its traceback goes to the log with ``trace``, or if ``LUNARSITE_DEBUG`` is set.
    """
    if trace or os.environ.get("LUNARSITE_DEBUG"):
        log.error("%s", "".join(traceback.format_exception(error)).rstrip())
    said = traceback.format_exception_only(error)[-1].strip()
    return {
        "type": "InternalError",
        "problem": f"{what} failed in a way that was not foreseen: {said}"[:2000],
        "remedy": "This is a fault of LunarSite: report what was asked and the traceback that "
        "LUNARSITE_DEBUG=1 writes to the log",
    }


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what anything prints, C libraries included, to stderr while the block runs."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
