"""Python interpreters that can run the engine. Standard library only.

``sys.executable`` is never one of them, because it is QGIS itself on Windows and macOS.
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

from lunarsite.lunarsite_plugin.setup.install.probe import probe
from lunarsite.qgis_common.environment import child_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OLDEST = (3, 11)
NEWEST_PINNED = (3, 13)
"""The newest Python that the pinned requirements were tested with."""
ANSWER_WITHIN_S = 15.0

_MACOS_STUB = Path("/usr/bin/python3") if sys.platform == "darwin" else None
"""Running it offers to install Apple's developer tools, and it is too old anyway."""
_NAMES = ("python3", "python3.13", "python3.12", "python3.11", "python")
_QUERY = """
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
    """A Python interpreter that can run the engine.

    ``has_pip`` and ``has_ensurepip`` tell how uv can be downloaded with it.
    """

    python: Path
    version: tuple[int, int, int]
    has_pip: bool
    has_ensurepip: bool

    @property
    def version_text(self) -> str:
        """The version as text."""
        return ".".join(map(str, self.version))

    @property
    def is_pinned_for(self) -> bool:
        """Whether the pinned requirements were tested with this version."""
        return self.version[:2] <= NEWEST_PINNED


@dataclass(frozen=True, slots=True)
class Unsuitable:
    """A program that cannot run the engine, and why."""

    python: Path
    reason: str


def find(paths: Iterable[Path] | None = None) -> tuple[list[Interpreter], list[Unsuitable]]:
    """Return the suitable interpreters, best first, and the unsuitable ones.

    Versions that the requirements were tested with come before newer ones, otherwise in search
    order. This runs every candidate, which may take several seconds.
    """
    found: list[Interpreter] = []
    unsuitable: list[Unsuitable] = []
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
            unsuitable.append(answer)
    return sorted(found, key=lambda each: not each.is_pinned_for), unsuitable


def candidates() -> list[Path]:
    """Return the paths of possible interpreters, without running them."""
    search_path = child_environment().get("PATH")
    named = (shutil.which(name, path=search_path) for name in _NAMES)
    places = [Path(path) for path in named if path]
    places += [*_system_places(), *_bundled_with_qgis()]
    if os.name == "nt":
        places += _known_to_launcher(shutil.which("py", path=search_path))
    present = (path for path in places if path.is_file() and path != _MACOS_STUB)
    return list(dict.fromkeys(present))


def examine(python: Path) -> Interpreter | Unsuitable:
    """Run a candidate in isolated mode, and return what it is."""
    try:
        answer = probe([str(python), "-I", "-c", _QUERY], ANSWER_WITHIN_S)
    except subprocess.TimeoutExpired:
        return Unsuitable(python, f"it did not answer within {ANSWER_WITHIN_S:g} s")
    except OSError as error:
        return Unsuitable(python, f"it cannot be started: {error.strerror or error}")
    try:
        facts = json.loads(answer.stdout)
    except ValueError:
        output = (answer.stderr or answer.stdout).strip().splitlines()
        return Unsuitable(python, f"it is not Python 3: {output[0] if output else 'no output'}")
    if not isinstance(facts, dict) or "free_threaded" not in facts:
        return Unsuitable(python, "it is not Python 3: unexpected output")
    version = tuple(facts["version"])
    reason = _unfit(version, facts)
    if reason:
        return Unsuitable(python, reason)
    return Interpreter(Path(facts["python"]), version, facts["pip"], facts["ensurepip"])


def _unfit(version: tuple[int, ...], facts: dict[str, object]) -> str:
    if version[:2] < OLDEST:
        return f"it is Python {'.'.join(map(str, version))}; the engine needs 3.11 or newer"
    if facts["bits"] != 64:
        return f"it is a {facts['bits']}-bit Python; the engine needs 64 bits"
    if facts["implementation"] != "CPython":
        return f"it is {facts['implementation']}; the engine needs CPython"
    if facts["free_threaded"]:
        return "it is a free-threaded build, which most libraries do not support yet"
    return ""


def _bundled_with_qgis() -> list[Path]:
    """Return the locations of the Python that comes with QGIS."""
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
    """Yield locations that are often missing from the PATH of desktop programs."""
    if sys.platform != "darwin":
        return
    for minor in range(NEWEST_PINNED[1], OLDEST[1] - 1, -1):
        for folder in ("/opt/homebrew/bin", "/usr/local/bin"):
            yield Path(folder) / f"python3.{minor}"
        yield Path(f"/Library/Frameworks/Python.framework/Versions/3.{minor}/bin/python3")


def _known_to_launcher(launcher: str | None) -> list[Path]:
    """Return the interpreters that the Windows launcher ``py`` lists."""
    if launcher is None:
        return []
    try:
        listed = probe([launcher, "--list-paths"], ANSWER_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return listed_by_launcher(listed.stdout)


def listed_by_launcher(text: str) -> list[Path]:
    r"""Parse the launcher's list, with lines like `` -V:3.12 * C:\…\python.exe``."""
    return [Path(found) for found in re.findall(r"[A-Za-z]:\\[^\r\n]*\.exe", text)]
