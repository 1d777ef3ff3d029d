"""What the dialog's buttons do, for a thread to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.lunarsite_plugin.setup import check, interpreters, plan, runner, torch_build
from lunarsite.lunarsite_plugin.setup.interpreters import Interpreter, Refused
from lunarsite.lunarsite_plugin.setup.work import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.lunarsite_plugin.setup.place import Place
    from lunarsite.lunarsite_plugin.setup.work import Work


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user chose for an installation.

    ``base`` is empty for the first interpreter that fits; ``torch`` is none, auto, cpu or gpu.
    """

    base: str = ""
    torch: str = "none"
    wheels: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def install(place: Place, wish: Wish, work: Work) -> list[check.Row]:
    """Install an engine and check it."""
    work.progress(0.0, "Looking for a Python to build on")
    if wish.wheels is not None and not wish.wheels.is_dir():
        raise SetupError(
            f"There is no folder {wish.wheels}",
            "Choose the folder that holds the wheels, or leave it empty to use the network",
        )
    base = choose_base(place, wish.base, work)
    driver = torch_build.driver_version() if wish.torch == "auto" else None
    build = torch_build.resolve(wish.torch, driver=driver, wheels=wish.wheels)
    work.line(f"Python {base.version_text} at {base.python}; torch: {build}; driver: {driver}")
    runner.install(place, plan.Options(base, build, wish.wheels, wish.environment), work)
    return check.check(place.python, work)


def search(work: Work) -> list[Interpreter]:
    """Return the interpreters on this machine that fit; those that do not go to the log."""
    work.progress(0.1, "Looking for interpreters")
    found, refused = interpreters.find()
    for each in found:
        work.line(f"{each.python}: Python {each.version_text}")
    for each in refused:
        work.line(f"{each.python}: {each.reason}")
    work.progress(1.0, f"{len(found)} found")
    return found


def adopt(python: Path, work: Work) -> list[check.Row]:
    """Check an interpreter that the user brings; return the findings.

    Raises
    ------
    SetupError
        If it does not carry the engine.
    """
    rows = check.check(python, work)
    bad = [row for row in rows if row.ok is False]
    if bad:
        raise SetupError(
            f"{python} cannot carry the engine: {bad[0].what.lower()} {bad[0].told}",
            "Install into it what is missing, or let Install make an engine",
        )
    return rows


def choose_base(place: Place, wanted: str, work: Work) -> Interpreter:
    """Return the interpreter to build on: the one named, that of before, or the first that fits.

    Raises
    ------
    SetupError
        If there is none.
    """
    if wanted:
        answer = interpreters.examine(Path(wanted))
        if isinstance(answer, Refused):
            raise SetupError(
                f"The engine cannot be built on {wanted}: {answer.reason}",
                "Choose another Python, or Automatic",
            )
        return answer
    before = plan.state(place).base
    if before:
        answer = interpreters.examine(Path(before))
        if isinstance(answer, Interpreter):
            return answer
    found = search(work)
    if not found:
        raise SetupError(
            "There is no Python 3.11 or newer on this machine that an engine can be built on",
            "Install one, for example from python.org, or name one under Install, Python",
        )
    return found[0]
