"""Checks an engine: its libraries, its device, and a short test run. Standard library only."""

from __future__ import annotations

import json
import re
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.lunarsite_plugin.setup.install.work import SetupError
from lunarsite.lunarsite_plugin.setup.paths import LAUNCHER, PLUGIN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lunarsite.lunarsite_plugin.setup.install.work import Work

ANSWER_WITHIN_S = 120.0
TEST_WITHIN_S = 600.0
"""The first run compiles the kernels, which takes a minute on a slow computer."""
SIDE_PX = 96

_REINSTALL = "Click Install, or choose another interpreter"
_QUERY = """
import importlib.metadata as metadata, json, platform, struct, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps({"python": platform.python_version(), "bits": struct.calcsize("P") * 8,
                  "libraries": found}))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One result. ``ok`` is None for a note that is neither good nor bad."""

    what: str
    ok: bool | None
    detail: str
    remedy: str = ""


def check(python: Path, work: Work) -> list[Row]:
    """Check the interpreter of an engine; stop at the first part that fails.

    Raises
    ------
    CancelledError
        If the user cancelled.
    """
    rows: list[Row] = []
    parts = [
        ("Checking the libraries", _libraries),
        ("Checking the device", _device),
        ("Running a test: an elevation model and its slopes", _test_run),
    ]
    for number, (title, part) in enumerate(parts):
        work.progress(number / len(parts), title)
        found = part(python, work)
        for row in found:
            work.line(f"{row.what}: {'NOT OK: ' if row.ok is False else ''}{row.detail}")
        rows += found
        if any(row.ok is False for row in found):
            break
    work.progress(1.0, "Checked")
    return rows


def sentence(rows: Sequence[Row]) -> str:
    """Return the result of a check in one sentence."""
    failed = [row for row in rows if row.ok is False]
    if failed:
        return f"The engine does not work: {failed[0].what.lower()}: {failed[0].detail}"
    device = next((row.detail.partition(" (")[0] for row in rows if row.what == "Device"), "")
    torch = next((row for row in rows if row.what == "Torch"), None)
    version = f"torch {torch.detail}" if torch and torch.ok else "no torch"
    return f"The engine works: {device}, {version}"


def bounds() -> dict[str, str]:
    """Return the minimum versions of the libraries that the engine needs."""
    project = tomllib.loads((PLUGIN_FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    return dict(requirement.split(">=") for requirement in project["dependencies"])


def is_older(version: str, bound: str) -> bool:
    """Return whether a version is lower than a bound, compared numerically."""
    return _numbers(version) < _numbers(bound)


def _libraries(python: Path, work: Work) -> list[Row]:
    minimum = bounds()
    try:
        answer = _query([str(python), "-I", "-c", _QUERY, *minimum], work)
    except SetupError as error:
        return [Row("Python", False, error.problem, error.remedy)]
    found: dict[str, str | None] = answer["libraries"]
    missing = [name for name, version in found.items() if version is None]
    older = [
        f"{name} {version} (needs {minimum[name]})"
        for name, version in found.items()
        if version is not None and is_older(version, minimum[name])
    ]
    rows = [_python(answer)]
    if missing:
        rows.append(Row("Libraries", False, f"missing: {', '.join(missing)}", _REINSTALL))
    if older:
        rows.append(Row("Libraries", False, f"too old: {', '.join(older)}", _REINSTALL))
    if not missing and not older:
        names = ", ".join(f"{name} {version}" for name, version in found.items())
        rows.append(Row("Libraries", True, f"all {len(found)}: {names}"))
    return rows


def _python(answer: Mapping[str, Any]) -> Row:
    version = str(answer["python"])
    fits = not is_older(version, "3.11") and answer["bits"] == 64
    text = f"{version}, {answer['bits']}-bit"
    return Row("Python", fits, text, "" if fits else "Choose a 64-bit Python 3.11 or newer")


def _device(python: Path, work: Work) -> list[Row]:
    try:
        answer = _query(_engine(python, "device", "--json"), work)
    except SetupError as error:
        return [Row("Device", False, error.problem, error.remedy)]
    kind = {"cuda": "GPU", "cpu": "CPU"}[answer["kind"]]
    text = f"{kind} {answer['name']}, {answer['cores']} cores"
    rows = [Row("Device", True, f"{text} ({answer['reason']})")]
    if answer["torch"] is None:
        note = "not installed: it is only needed to train networks and to use a GPU"
        remedy = "To do either, install the engine again with torch"
        rows.append(Row("Torch", None, note, remedy))
    elif answer.get("warning"):
        rows.append(Row("Torch", False, str(answer["warning"]), _REINSTALL))
    else:
        rows.append(Row("Torch", True, str(answer["torch"])))
    return rows


def _test_run(python: Path, work: Work) -> list[Row]:
    """Create a small elevation model and its terrain layers in a temporary folder."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lunarsite-check-") as folder:
        dem = Path(folder) / "dem.tif"
        layers = Path(folder) / "terrain"
        make = _engine(python, "synthesize", "--out", str(dem), "--size-px", str(SIDE_PX))
        derive = _engine(python, "terrain", "--dem", str(dem), "--out", str(layers))
        try:
            _query([*make, "--json", "--quiet"], work, TEST_WITHIN_S)
            made = _query([*derive, "--json", "--quiet"], work, TEST_WITHIN_S)
        except SetupError as error:
            return [Row("Test run", False, error.problem, error.remedy)]
        absent = [name for name, path in made["outputs"].items() if not Path(path).is_file()]
    if absent:
        return [Row("Test run", False, f"missing layers: {', '.join(absent)}", _REINSTALL)]
    took_s = time.monotonic() - start
    what = f"{len(made['outputs'])} terrain layers of {SIDE_PX} by {SIDE_PX} pixels"
    return [Row("Test run", True, f"{what} in {took_s:.1f} s")]


def _engine(python: Path, *arguments: str) -> list[str]:
    return [str(python), "-I", "-X", "utf8", str(LAUNCHER), *arguments]


def _query(argv: list[str], work: Work, within_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
    """Run a program that prints one JSON object, and return that.

    Raises
    ------
    SetupError
        If it fails, with its own problem and remedy if it reports them.
    """
    lines: list[str] = []
    code = work.run(argv, on_line=lines.append, within_s=within_s, logged=False)
    answer = _object(lines)
    if code == 0 and answer is not None:
        return answer
    for line in lines:
        work.line(line)
    error = (answer or {}).get("error", answer) or {}
    if "problem" in error:
        raise SetupError(error["problem"], error.get("remedy", _REINSTALL))
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    raise SetupError(f"exit code {code}: {last}", _REINSTALL)


def _object(lines: list[str]) -> dict[str, Any] | None:
    """Return the JSON object at the end of the output; log lines may come before it."""
    for start, line in enumerate(lines):
        if line.startswith("{"):
            try:
                found = json.loads("\n".join(lines[start:]))
            except ValueError:
                continue
            return found if isinstance(found, dict) else None
    return None


def _numbers(version: str) -> tuple[int, ...]:
    # Trailing zeros do not count: 2.0 and 2.0.0 are the same version.
    found = re.match(r"\d+(?:\.\d+)*", version)
    parts = [int(part) for part in found[0].split(".")] if found else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
