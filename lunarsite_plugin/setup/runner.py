"""Does an installation, and undoes it."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import OutputError
from lunarsite.lunarsite_plugin.setup import plan, uv_output, wheels
from lunarsite.lunarsite_plugin.setup.lock import alone
from lunarsite.lunarsite_plugin.setup.work import SetupError, Work
from lunarsite.qgis_common.environment import scrubbed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunarsite.lunarsite_plugin.setup.place import Place

KEPT_LOG_BYTES = 512 * 1024
MARK = "LunarSite's engine set-up made this folder and removes what it put here.\n"


def install(place: Place, options: plan.Options, work: Work) -> None:
    """Make an engine, or go on with one that was begun, and put it in the place of the old one.

    Raises
    ------
    SetupError
        If a step fails; the error says what to do.
    OutputError
        If the folder cannot be written to or the disk is too full.
    BusyError
        If another QGIS is at it.
    CancelledError
        If it was told to stop. What is done by then is kept for the next time.
    """
    open_home(place)
    with alone(place.lock):
        steps = plan.steps(place, options, find_uv(place, options, work))
        left = plan.pending(steps)
        _refuse_full_disk(place, options, left)
        total = sum(step.share for step in steps)
        done = total - sum(step.share for step in left)
        for step in left:
            _Doing(place, options, work, total).do(step, done, steps)
            done += step.share
        _take_over(place, work)
        work.progress(1.0, "The engine is installed")


def remove(place: Place, work: Work) -> None:
    """Remove what the set-up put into its folder, and the folder where nothing else is in it.

    Raises
    ------
    OutputError
        If the folder was not made by the set-up, or something in it is in use.
    BusyError
        If another QGIS is setting it up.
    """
    if not place.marker.is_file():
        raise OutputError(
            f"{place.home} was not made by the engine set-up, so nothing in it is removed",
            "Remove it yourself if it is not needed",
        )
    ours = (place.venv, place.build, place.old, place.uv, place.boot)
    with alone(place.lock):
        for number, path in enumerate(ours):
            work.progress(number / len(ours), f"Removing {path.name}")
            delete(path)
        for path in (place.certificates, place.log, place.marker):
            delete(path)
    with suppress(OSError):  # something of the user's is in it
        place.home.rmdir()
    work.progress(1.0, "The engine is removed")


def open_home(place: Place) -> None:
    """Make the engine's folder and mark it as ours.

    Raises
    ------
    OutputError
        If it cannot be written to, or holds files that are not ours.
    """
    try:
        place.home.mkdir(parents=True, exist_ok=True)
        if not place.marker.is_file():
            strangers = [path.name for path in place.home.iterdir() if path != place.log]
            if strangers:
                raise OutputError(
                    f"{place.home} holds files that the set-up did not make: {strangers[0]}",
                    "Move them elsewhere, then click Install again",
                )
            place.marker.write_text(MARK, "utf-8")
        with tempfile.TemporaryFile(dir=place.home):
            pass
    except OSError as error:
        raise OutputError(
            f"{place.home} cannot be written to: {error.strerror or error}",
            "Give yourself the right to write there, or free the disk, then click Install again",
        ) from error


def delete(path: Path) -> None:
    """Delete a file or a folder, there or not; a link goes, what it points to stays.

    Raises
    ------
    OutputError
        If something in it is in use.
    """
    try:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be removed: {error.strerror or error}",
            "Close other QGIS windows and programs that use the engine, then try again",
        ) from error


def find_uv(place: Place, options: plan.Options, work: Work) -> Path | None:
    """Return a uv that is there already: fetched before, or the user's if it is new enough."""
    own = plan.own_uv(place)
    if own.is_file() and plan.read_text(place.uv / ".stamp") == plan.pinned_uv():
        return own
    on_path = shutil.which("uv", path=scrubbed().get("PATH"))
    if on_path is None:
        return None
    said: list[str] = []
    with suppress(SetupError):
        work.run(
            [on_path, "--version"],
            environment=options.environment,
            on_line=said.append,
            within_s=30.0,
        )
    found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", said[0]) if said else None
    wanted = tuple(map(int, plan.pinned_uv().split(".")))
    return Path(on_path) if found and tuple(map(int, found.groups())) >= wanted else None


def trim_log(path: Path) -> None:
    """Cut the oldest lines off a log that has grown long."""
    with suppress(OSError):
        if path.stat().st_size > 2 * KEPT_LOG_BYTES:
            kept = path.read_bytes()[-KEPT_LOG_BYTES:].partition(b"\n")[2]
            path.write_bytes(kept)


class _Doing:
    """One step at work."""

    def __init__(self, place: Place, options: plan.Options, work: Work, total_share: float) -> None:
        self._place, self._options, self._work = place, options, work
        self._total = total_share
        self._lines: list[str] = []
        self._read = uv_output.Progress()

    def do(self, step: plan.Step, done_share: float, steps: Sequence[plan.Step]) -> None:
        """Do a step and stamp it; raise with what it said where it fails."""
        begun = time.monotonic()

        def take(line: str) -> None:
            self._lines.append(line)
            if step.fills:
                self._read.take(line)
                tell()

        def tell() -> None:
            detail = f": {self._read.detail}" if self._read.detail else ""
            fraction = (done_share + step.share * self._read.fraction) / self._total
            self._work.progress(min(fraction, 0.99), step.title + detail)

        tell()
        self._work.line(f"== {step.title}")
        self._work.line("$ " + _shown(step.argv))
        if step.fills:
            # Broken off from here on, the environment is not sound and is made anew, from uv's
            # cache: what was fetched is not fetched again.
            _unstamp(self._place)
        code = self._work.run(
            step.argv, environment=step.environment, folder=self._place.home, on_line=take
        )
        if code != 0:
            raise self._failure(step, code)
        _stamp(self._place, self._options, steps[: steps.index(step) + 1])
        self._work.line(f"== done in {time.monotonic() - begun:.1f} s")

    def _failure(self, step: plan.Step, code: int) -> SetupError:
        offline = self._options.wheels is not None and step.name in {"uv", "core", "ml"}
        what = uv_output.error_of(self._lines) or f"exit code {code}"
        if offline and step.name != "uv":
            lacking = wheels.missing(step.argv, self._work)
            if lacking:
                what = f"{self._options.wheels} lacks wheels for {', '.join(lacking)}"
        own_server = "--torch-backend" in step.argv and self._options.torch == "cpu"
        advice = uv_output.remedy(self._lines, offline=offline, own_server=own_server)
        return SetupError(f"{step.title} failed: {what}", advice)


def _shown(argv: Sequence[str]) -> str:
    """Return a command as the log shows it; a long list of packages is counted."""
    pins = [word for word in argv if "==" in word]
    words = [word for word in argv if "==" not in word]
    return " ".join([*words, f"({len(pins)} packages)"] if pins else words)


def _unstamp(place: Place) -> None:
    (plan.stamp_folder(place.build) / "venv").unlink(missing_ok=True)


def _stamp(place: Place, options: plan.Options, done: Sequence[plan.Step]) -> None:
    for step in done:
        if step.stamp_file is not None:
            step.stamp_file.parent.mkdir(parents=True, exist_ok=True)
            step.stamp_file.write_text(step.stamp, "utf-8")
    if done[-1].fills:
        noted = plan.stamp_folder(place.build) / plan.CHOICES_FILE
        noted.write_text(plan.choices_text(options), "utf-8")


def _refuse_full_disk(place: Place, options: plan.Options, left: Sequence[plan.Step]) -> None:
    filling = {step.name for step in left if step.fills}
    if not filling:
        return
    needed = plan.NEEDED_BYTES[options.torch]
    free = shutil.disk_usage(place.home).free
    if free < needed:
        raise OutputError(
            f"The engine needs {needed / plan.GIB:.1f} GiB in {place.home}, "
            f"and {free / plan.GIB:.1f} GiB are free",
            "Free some disk space, or install without torch, then click Install again",
        )


def _take_over(place: Place, work: Work) -> None:
    """Put the environment that was made in the place of the one in use."""
    delete(place.old)
    try:
        if place.venv.exists():
            place.venv.rename(place.old)
        place.build.rename(place.venv)
    except OSError as error:
        if place.old.exists() and not place.venv.exists():
            place.old.rename(place.venv)
        raise SetupError(
            f"The old engine cannot be replaced: {error.strerror or error}",
            "Close other QGIS windows that use the engine, then click Install again: "
            "it goes on where it stopped",
        ) from error
    delete(place.boot)
    try:
        delete(place.old)
    except OutputError as error:
        work.line(f"{error} It is removed the next time.")
