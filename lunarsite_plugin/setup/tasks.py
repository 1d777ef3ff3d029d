"""The tasks behind the dialog's buttons, to be run in a thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.lunarsite_plugin.setup import check, interpreters, plan, runner
from lunarsite.lunarsite_plugin.setup.install import torch_build
from lunarsite.lunarsite_plugin.setup.install.work import SetupError
from lunarsite.lunarsite_plugin.setup.interpreters import Interpreter, Unsuitable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.lunarsite_plugin.setup.install.work import Work
    from lunarsite.lunarsite_plugin.setup.paths import EnginePaths


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """The user's choices for an installation.

    ``base`` is empty for an automatic choice; ``torch`` is none, auto, cpu or gpu.
    """

    base: str = ""
    torch: str = "none"
    wheels: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def install(paths: EnginePaths, request: InstallRequest, work: Work) -> list[check.Row]:
    """Install an engine and check it."""
    work.progress(0.0, "Searching for a Python interpreter")
    if request.wheels is not None and not request.wheels.is_dir():
        raise SetupError(
            f"The folder {request.wheels} does not exist",
            "Choose a folder with wheels, or leave it empty to download them",
        )
    base = choose_base(paths, request.base, work)
    driver = torch_build.driver_version() if request.torch == "auto" else None
    build = torch_build.resolve(request.torch, driver=driver, wheels=request.wheels)
    work.line(f"Python {base.version_text} at {base.python}; torch: {build}; driver: {driver}")
    runner.install(paths, plan.Options(base, build, request.wheels, request.environment), work)
    return check.check(paths.python, work)


def search(work: Work) -> list[Interpreter]:
    """Return the suitable interpreters on this computer; log the unsuitable ones."""
    work.progress(0.1, "Searching for Python interpreters")
    found, unsuitable = interpreters.find()
    for each in found:
        work.line(f"{each.python}: Python {each.version_text}")
    for each in unsuitable:
        work.line(f"{each.python}: {each.reason}")
    work.progress(1.0, f"{len(found)} found")
    return found


def adopt(python: Path, work: Work) -> list[check.Row]:
    """Check an existing interpreter, and return the results.

    Raises
    ------
    SetupError
        If it cannot run the engine.
    """
    rows = check.check(python, work)
    failed = [row for row in rows if row.ok is False]
    if failed:
        raise SetupError(
            f"{python} cannot run the engine: {failed[0].what.lower()}: {failed[0].detail}",
            "Install what is missing, or use Install to create an environment",
        )
    return rows


def choose_base(paths: EnginePaths, wanted: str, work: Work) -> Interpreter:
    """Return the requested interpreter, the previous one, or the first suitable one.

    Raises
    ------
    SetupError
        If there is none.
    """
    if wanted:
        answer = interpreters.examine(Path(wanted))
        if isinstance(answer, Unsuitable):
            raise SetupError(
                f"{wanted} cannot run the engine: {answer.reason}",
                "Choose another interpreter, or Automatic",
            )
        return answer
    before = plan.state(paths).base
    if before:
        answer = interpreters.examine(Path(before))
        if isinstance(answer, Interpreter):
            return answer
    found = search(work)
    if not found:
        raise SetupError(
            "No suitable Python 3.11 or newer was found on this computer",
            "Install one, for example from python.org, or choose one under Install, Python",
        )
    return found[0]
