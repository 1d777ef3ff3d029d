"""Whether an engine works: its libraries, its device, and a small job. Standard library only."""

from __future__ import annotations

import json
import re
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.lunarsite_plugin.setup.place import LAUNCHER, PLUGIN_FOLDER
from lunarsite.lunarsite_plugin.setup.work import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lunarsite.lunarsite_plugin.setup.work import Work

ANSWER_WITHIN_S = 120.0
JOB_WITHIN_S = 600.0
"""The first job on a machine compiles the kernels, which takes a minute on a slow one."""
SIDE_PX = 96

_REINSTALL = "Click Install, or choose another interpreter"
_QUESTION = """
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
    """One finding. ``ok`` is None for a remark that is neither good nor bad."""

    what: str
    ok: bool | None
    told: str
    remedy: str = ""


def check(python: Path, work: Work) -> list[Row]:
    """Return what an engine's interpreter is found to be; stops at what makes the rest pointless.

    Raises
    ------
    CancelledError
        If it was told to stop.
    """
    rows: list[Row] = []
    parts = [
        ("Asking for the versions", _libraries),
        ("Asking for the device", _device),
        ("Doing a small job: an elevation model and its slopes", _job),
    ]
    for number, (title, part) in enumerate(parts):
        work.progress(number / len(parts), title)
        found = part(python, work)
        for row in found:
            work.line(f"{row.what}: {'NOT OK: ' if row.ok is False else ''}{row.told}")
        rows += found
        if any(row.ok is False for row in found):
            break
    work.progress(1.0, "Checked")
    return rows


def sentence(rows: Sequence[Row]) -> str:
    """Return the findings in one sentence."""
    bad = [row for row in rows if row.ok is False]
    if bad:
        return f"The engine does not work: {bad[0].what.lower()}: {bad[0].told}"
    device = next((row.told.partition(" (")[0] for row in rows if row.what == "Device"), "")
    torch = next((row for row in rows if row.what == "Torch"), None)
    return (
        f"The engine works: {device}, {f'torch {torch.told}' if torch and torch.ok else 'no torch'}"
    )


def bounds() -> dict[str, str]:
    """Return the libraries that the engine needs and the oldest version of each that serves."""
    project = tomllib.loads((PLUGIN_FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    return dict(requirement.split(">=") for requirement in project["dependencies"])


def is_older(version: str, bound: str) -> bool:
    """Whether a version lies below a bound, by their numbers."""
    return _numbers(version) < _numbers(bound)


def _libraries(python: Path, work: Work) -> list[Row]:
    wanted = bounds()
    try:
        told = _ask([str(python), "-I", "-c", _QUESTION, *wanted], work)
    except SetupError as error:
        return [Row("Python", False, error.problem, error.remedy)]
    found: dict[str, str | None] = told["libraries"]
    lacking = [name for name, version in found.items() if version is None]
    older = [
        f"{name} {version} (needs {wanted[name]})"
        for name, version in found.items()
        if version is not None and is_older(version, wanted[name])
    ]
    rows = [_python(told)]
    if lacking:
        rows.append(Row("Libraries", False, f"missing: {', '.join(lacking)}", _REINSTALL))
    if older:
        rows.append(Row("Libraries", False, f"too old: {', '.join(older)}", _REINSTALL))
    if not lacking and not older:
        names = ", ".join(f"{name} {version}" for name, version in found.items())
        rows.append(Row("Libraries", True, f"all {len(found)}: {names}"))
    return rows


def _python(told: Mapping[str, Any]) -> Row:
    version = str(told["python"])
    fits = not is_older(version, "3.11") and told["bits"] == 64
    text = f"{version}, {told['bits']} bits"
    return Row("Python", fits, text, "" if fits else "Choose a 64-bit Python 3.11 or newer")


def _device(python: Path, work: Work) -> list[Row]:
    try:
        told = _ask(_engine(python, "device", "--json"), work)
    except SetupError as error:
        return [Row("Device", False, error.problem, error.remedy)]
    kind = {"cuda": "GPU", "cpu": "CPU"}[told["kind"]]
    text = f"{kind} {told['name']}, {told['cores']} cores"
    rows = [Row("Device", True, f"{text} ({told['reason']})")]
    if told["torch"] is None:
        missing = "not installed: all but the training of networks does without it"
        remedy = "Install again with torch to train them, or to use a GPU"
        rows.append(Row("Torch", None, missing, remedy))
    else:
        rows.append(Row("Torch", True, str(told["torch"])))
    return rows


def _job(python: Path, work: Work) -> list[Row]:
    """Make a small elevation model and its terrain layers in a folder of their own."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lunarsite-check-") as folder:
        dem = Path(folder) / "dem.tif"
        layers = Path(folder) / "terrain"
        make = _engine(python, "synthesize", "--out", str(dem), "--size-px", str(SIDE_PX))
        derive = _engine(python, "terrain", "--dem", str(dem), "--out", str(layers))
        try:
            _ask([*make, "--json", "--quiet"], work, JOB_WITHIN_S)
            made = _ask([*derive, "--json", "--quiet"], work, JOB_WITHIN_S)
        except SetupError as error:
            return [Row("Small job", False, error.problem, error.remedy)]
        absent = [name for name, path in made["outputs"].items() if not Path(path).is_file()]
    if absent:
        return [Row("Small job", False, f"these layers were not written: {absent}", _REINSTALL)]
    took_s = time.monotonic() - begun
    what = f"{len(made['outputs'])} terrain layers of {SIDE_PX} by {SIDE_PX} pixels"
    return [Row("Small job", True, f"{what} in {took_s:.1f} s")]


def _engine(python: Path, *words: str) -> list[str]:
    return [str(python), "-I", "-X", "utf8", str(LAUNCHER), *words]


def _ask(argv: list[str], work: Work, within_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
    """Run a program that answers with one JSON object, and return it.

    Raises
    ------
    SetupError
        If it fails, with its own problem and remedy where it names them.
    """
    lines: list[str] = []
    code = work.run(argv, on_line=lines.append, within_s=within_s, logged=False)
    answer = _object(lines)
    if code == 0 and answer is not None:
        return answer
    for line in lines:
        work.line(line)
    told = (answer or {}).get("error", answer) or {}
    if "problem" in told:
        raise SetupError(told["problem"], told.get("remedy", _REINSTALL))
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    raise SetupError(f"exit code {code}: {last}", _REINSTALL)


def _object(lines: list[str]) -> dict[str, Any] | None:
    """Return the JSON object that the lines end with; a log may stand before it."""
    for start, line in enumerate(lines):
        if line.startswith("{"):
            try:
                found = json.loads("\n".join(lines[start:]))
            except ValueError:
                continue
            return found if isinstance(found, dict) else None
    return None


def _numbers(version: str) -> tuple[int, ...]:
    # Trailing zeros say nothing: 2.0 and 2.0.0 are the same version.
    found = re.match(r"\d+(?:\.\d+)*", version)
    parts = [int(part) for part in found[0].split(".")] if found else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
