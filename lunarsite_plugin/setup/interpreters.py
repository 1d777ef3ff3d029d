"""Python interpreters that an engine can be built on. Standard library only.

``sys.executable`` is never one of them: on Windows and macOS it is QGIS itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess  # nosec B404  # for its TimeoutExpired
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.lunarsite_plugin.setup.ask import ask
from lunarsite.qgis_common.environment import scrubbed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OLDEST = (3, 11)
NEWEST_PINNED = (3, 13)
"""The newest Python that the pinned requirements were tried with."""
ANSWER_WITHIN_S = 15.0

_MACOS_STUB = Path("/usr/bin/python3") if sys.platform == "darwin" else None
"""Offers to install Apple's developer tools when it is run, and is too old besides."""
_NAMES = ("python3", "python3.13", "python3.12", "python3.11", "python")
_QUESTION = """
import json, platform, struct, sys, sysconfig
from importlib.util import find_spec
print(json.dumps({
    "python": sys.executable,
    "version": sys.version_info[:3],
    "implementation": platform.python_implementation(),
    "bits": struct.calcsize("P") * 8,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "pip": find_spec("pip") is not None,
    "ensurepip": find_spec("ensurepip") is not None,
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that was run and can carry the engine.

    ``has_pip`` and ``has_ensurepip`` say what it can fetch uv with.
    """

    python: Path
    version: tuple[int, int, int]
    has_pip: bool
    has_ensurepip: bool

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))

    @property
    def is_pinned_for(self) -> bool:
        """Whether the pinned requirements were tried with this version."""
        return self.version[:2] <= NEWEST_PINNED


@dataclass(frozen=True, slots=True)
class Refused:
    """A Python that cannot carry the engine, and why."""

    python: Path
    reason: str


def find(paths: Iterable[Path] | None = None) -> tuple[list[Interpreter], list[Refused]]:
    """Return the interpreters that fit, the best first, and those that do not.

    Those that the requirements were tried with come before newer ones; among these the order in
    which they were found is kept. Runs every candidate, so it may take seconds.
    """
    found: list[Interpreter] = []
    refused: list[Refused] = []
    seen: set[str] = set()
    for path in candidates() if paths is None else paths:
        answer = examine(path)
        real = os.path.realpath(answer.python)
        if real in seen:
            continue
        seen.add(real)
        if isinstance(answer, Interpreter):
            found.append(answer)
        else:
            refused.append(answer)
    return sorted(found, key=lambda each: not each.is_pinned_for), refused


def candidates() -> list[Path]:
    """Return the paths where interpreters may be, without running any."""
    search_path = scrubbed().get("PATH")
    named = (shutil.which(name, path=search_path) for name in _NAMES)
    places = [Path(path) for path in named if path]
    places += [*_system_places(), *_bundled_with_qgis()]
    if os.name == "nt":
        places += _known_to_launcher(shutil.which("py", path=search_path))
    present = (path for path in places if path.is_file() and path != _MACOS_STUB)
    return list(dict.fromkeys(present))


def examine(python: Path) -> Interpreter | Refused:
    """Run a candidate, by itself and without QGIS's variables, and return what it is."""
    try:
        answer = ask([str(python), "-I", "-c", _QUESTION], ANSWER_WITHIN_S)
    except subprocess.TimeoutExpired:
        return Refused(python, f"it did not answer within {ANSWER_WITHIN_S:g} s")
    except OSError as error:
        return Refused(python, f"it cannot be started: {error.strerror or error}")
    try:
        told = json.loads(answer.stdout)
    except ValueError:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        return Refused(python, f"it is no Python 3: {said[0] if said else 'it said nothing'}")
    if not isinstance(told, dict) or "free_threaded" not in told:
        return Refused(python, "it is no Python 3: it answered something else")
    version = tuple(told["version"])
    reason = _unfit(version, told)
    if reason:
        return Refused(python, reason)
    return Interpreter(Path(told["python"]), version, told["pip"], told["ensurepip"])


def _unfit(version: tuple[int, ...], told: dict[str, object]) -> str:
    if version[:2] < OLDEST:
        return f"it is Python {'.'.join(map(str, version))}; the engine needs 3.11 or newer"
    if told["bits"] != 64:
        return f"it is a {told['bits']}-bit Python; the engine needs 64 bits"
    if told["implementation"] != "CPython":
        return f"it is {told['implementation']}; the engine needs CPython"
    if told["free_threaded"]:
        return "it is a free-threaded build, which most libraries do not serve yet"
    return ""


def _bundled_with_qgis() -> list[Path]:
    """Return where QGIS's installers put the Python that they bring along."""
    prefix = Path(sys.base_prefix)
    if os.name == "nt":
        return [prefix / "python.exe"]
    if sys.platform == "darwin":
        return [
            prefix / "bin" / "python3",
            *(parent / "MacOS" / "bin" / "python3" for parent in prefix.parents),
        ]
    return [prefix / "bin" / "python3"]


def _system_places() -> Iterator[Path]:
    """Yield places that the PATH of a desktop program often leaves out."""
    if sys.platform != "darwin":
        return
    for minor in range(NEWEST_PINNED[1], OLDEST[1] - 1, -1):
        for folder in ("/opt/homebrew/bin", "/usr/local/bin"):
            yield Path(folder) / f"python3.{minor}"
        yield Path(f"/Library/Frameworks/Python.framework/Versions/3.{minor}/bin/python3")


def _known_to_launcher(launcher: str | None) -> list[Path]:
    """Return the interpreters that Windows' ``py`` launcher lists."""
    if launcher is None:
        return []
    try:
        listed = ask([launcher, "--list-paths"], ANSWER_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return listed_by_launcher(listed.stdout)


def listed_by_launcher(text: str) -> list[Path]:
    r"""Return the paths in the launcher's list, whose lines read `` -V:3.12 * C:\…\python.exe``."""
    return [Path(found) for found in re.findall(r"[A-Za-z]:\\[^\r\n]*\.exe", text)]
