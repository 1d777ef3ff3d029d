"""Installs and removes the engine."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import OutputError
from lunarsite.lunarsite_plugin.setup import plan
from lunarsite.lunarsite_plugin.setup.install import uv_output, wheels
from lunarsite.lunarsite_plugin.setup.install.work import SetupError, Work
from lunarsite.lunarsite_plugin.setup.lock import exclusive_lock
from lunarsite.qgis_common.environment import child_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunarsite.lunarsite_plugin.setup.paths import EnginePaths

KEPT_LOG_BYTES = 512 * 1024
MARK = "This folder was created by LunarSite's engine setup, which may delete its contents.\n"


def install(paths: EnginePaths, options: plan.Options, work: Work) -> None:
    """Install an engine, or resume an interrupted installation, and replace the old engine.

    Raises
    ------
    SetupError
        If a step fails.
    OutputError
        If the folder cannot be written to, or there is too little disk space.
    BusyError
        If another QGIS is setting up the engine.
    CancelledError
            If the user cancelled. Completed steps are kept.
    """
    open_home(paths)
    with exclusive_lock(paths.lock):
        steps = plan.steps(paths, options, find_uv(paths, options, work))
        left = plan.pending(steps)
        _check_disk_space(paths, options, left)
        total = sum(step.share for step in steps)
        done = total - sum(step.share for step in left)
        for step in left:
            _StepRunner(paths, options, work, total).run(step, done, steps)
            done += step.share
        _activate(paths, work)
        work.progress(1.0, "The engine has been installed")


def remove(paths: EnginePaths, work: Work) -> None:
    """Remove the engine, and its folder if that contains nothing else.

    Raises
    ------
    OutputError
        If the folder was not created by the setup, or is in use.
    BusyError
        If another QGIS is setting up the engine.
    """
    if not paths.marker.is_file():
        raise OutputError(
            f"{paths.home} was not created by the engine setup, so nothing is removed",
            "Delete it yourself if you do not need it",
        )
    ours = (paths.venv, paths.build, paths.old, paths.uv, paths.boot)
    with exclusive_lock(paths.lock):
        for number, path in enumerate(ours):
            work.progress(number / len(ours), f"Removing {path.name}")
            delete(path)
        for path in (paths.certificates, paths.log, paths.marker):
            delete(path)
    with suppress(OSError):  # the user has other files in it
        paths.home.rmdir()
    work.progress(1.0, "The engine has been removed")


def open_home(paths: EnginePaths) -> None:
    """Create the engine's folder and mark it as ours.

    Raises
    ------
    OutputError
        If it cannot be written to, or contains other files.
    """
    try:
        paths.home.mkdir(parents=True, exist_ok=True)
        if not paths.marker.is_file():
            others = [path.name for path in paths.home.iterdir() if path != paths.log]
            if others:
                raise OutputError(
                    f"{paths.home} contains files that the setup did not create: {others[0]}",
                    "Move them elsewhere, then try again",
                )
            paths.marker.write_text(MARK, "utf-8")
        with tempfile.TemporaryFile(dir=paths.home):
            pass
    except OSError as error:
        raise OutputError(
            f"Cannot write to {paths.home}: {error.strerror or error}",
            "Check the permissions and the free disk space, then try again",
        ) from error


def delete(path: Path) -> None:
    """Delete a file or a folder if it exists; of a symbolic link, only the link.

    Raises
    ------
    OutputError
        If it is in use.
    """
    try:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    except OSError as error:
        raise OutputError(
            f"Cannot delete {path}: {error.strerror or error}",
            "Close other QGIS windows and programs that use the engine, then try again",
        ) from error


def find_uv(paths: EnginePaths, options: plan.Options, work: Work) -> Path | None:
    """Return an available uv: from an earlier setup, or the user's if it is new enough."""
    own = plan.own_uv(paths)
    if own.is_file() and plan.read_text(paths.uv / ".stamp") == plan.pinned_uv():
        return own
    on_path = shutil.which("uv", path=child_environment().get("PATH"))
    if on_path is None:
        return None
    output: list[str] = []
    with suppress(SetupError):
        work.run(
            [on_path, "--version"],
            environment=options.environment,
            on_line=output.append,
            within_s=30.0,
        )
    found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", output[0]) if output else None
    minimum = tuple(map(int, plan.pinned_uv().split(".")))
    return Path(on_path) if found and tuple(map(int, found.groups())) >= minimum else None


def trim_log(path: Path) -> None:
    """Drop the oldest lines of a long log."""
    with suppress(OSError):
        if path.stat().st_size > 2 * KEPT_LOG_BYTES:
            kept = path.read_bytes()[-KEPT_LOG_BYTES:].partition(b"\n")[2]
            path.write_bytes(kept)


class _StepRunner:
    """Runs one step."""

    def __init__(
        self, paths: EnginePaths, options: plan.Options, work: Work, total_share: float
    ) -> None:
        self._place, self._options, self._work = paths, options, work
        self._total = total_share
        self._lines: list[str] = []
        self._read = uv_output.Progress()

    def run(self, step: plan.Step, done_share: float, steps: Sequence[plan.Step]) -> None:
        """Run a step and write its stamp; raise an error with its output if it fails."""
        start = time.monotonic()

        def on_line(line: str) -> None:
            self._lines.append(line)
            if step.fills:
                self._read.take(line)
                show_progress()

        def show_progress() -> None:
            detail = f": {self._read.detail}" if self._read.detail else ""
            fraction = (done_share + step.share * self._read.fraction) / self._total
            self._work.progress(min(fraction, 0.99), step.title + detail)

        show_progress()
        self._work.line(f"== {step.title}")
        self._work.line("$ " + _shown(step.argv))
        if step.fills:
            # If it is interrupted from here on, the environment is unusable and has to be created
            # again, but from uv's cache, without downloading anything twice.
            _unstamp(self._place)
        code = self._work.run(
            step.argv, environment=step.environment, folder=self._place.home, on_line=on_line
        )
        if code != 0:
            raise self._failure(step, code)
        _stamp(self._place, self._options, steps[: steps.index(step) + 1])
        self._work.line(f"== done in {time.monotonic() - start:.1f} s")

    def _failure(self, step: plan.Step, code: int) -> SetupError:
        offline = self._options.wheels is not None and step.name in {"uv", "core", "ml", "torch"}
        what = uv_output.error_of(self._lines) or f"exit code {code}"
        if offline and step.name != "uv":
            missing = wheels.missing(step.argv, self._work)
            if missing:
                what = f"{self._options.wheels} has no wheels for {', '.join(missing)}"
        own_server = "--torch-backend" in step.argv and self._options.torch == "cpu"
        advice = uv_output.remedy(self._lines, offline=offline, own_server=own_server)
        return SetupError(f"{step.title} failed: {what}", advice)


def _shown(argv: Sequence[str]) -> str:
    """Return a command for the log, with the number of packages instead of their names."""
    pins = [word for word in argv if "==" in word]
    arguments = [word for word in argv if "==" not in word]
    return " ".join([*arguments, f"({len(pins)} packages)"] if pins else arguments)


def _unstamp(paths: EnginePaths) -> None:
    (plan.stamp_folder(paths.build) / "venv").unlink(missing_ok=True)


def _stamp(paths: EnginePaths, options: plan.Options, done: Sequence[plan.Step]) -> None:
    for step in done:
        if step.stamp_file is not None:
            step.stamp_file.parent.mkdir(parents=True, exist_ok=True)
            step.stamp_file.write_text(step.stamp, "utf-8")
    if done[-1].fills:
        stored = plan.stamp_folder(paths.build) / plan.CHOICES_FILE
        stored.write_text(plan.choices_text(options), "utf-8")


def _check_disk_space(paths: EnginePaths, options: plan.Options, left: Sequence[plan.Step]) -> None:
    filling = {step.name for step in left if step.fills}
    if not filling:
        return
    needed = plan.NEEDED_BYTES[options.torch]
    free = shutil.disk_usage(paths.home).free
    if free < needed:
        raise OutputError(
            f"The engine needs {needed / plan.GIB:.1f} GiB in {paths.home}, "
            f"but only {free / plan.GIB:.1f} GiB are free",
            "Free some disk space or install without torch, then try again",
        )


def _activate(paths: EnginePaths, work: Work) -> None:
    """Replace the current environment by the new one."""
    delete(paths.old)
    try:
        if paths.venv.exists():
            paths.venv.rename(paths.old)
        paths.build.rename(paths.venv)
    except OSError as error:
        if paths.old.exists() and not paths.venv.exists():
            paths.old.rename(paths.venv)
        raise SetupError(
            f"The old engine cannot be replaced: {error.strerror or error}",
            "Close other QGIS windows that use the engine, then resume the installation",
        ) from error
    delete(paths.boot)
    try:
        delete(paths.old)
    except OutputError as error:
        work.line(f"{error} It will be removed next time.")
