"""The steps and the state of an installation. Standard library only; runs nothing.

Each step leaves a stamp that identifies its inputs. An interrupted installation resumes at the
first step whose stamp is missing or different. Changed requirements are detected in the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup.install import torch_build
from lunarsite.lunarsite_plugin.setup.paths import LAUNCHER, REQUIREMENTS, EnginePaths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lunarsite.lunarsite_plugin.setup.interpreters import Interpreter

CHOICES_FILE = "choices.json"
GIB = 1024**3
_UNPACK = Path(__file__).parent / "install" / "unpack_uv.py"
_PIP_DEFAULTS = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
"""Overrides user settings that would prevent an installation into a folder."""
NEEDED_BYTES = {"none": int(1.5 * GIB), "cpu": int(3.0 * GIB), "gpu": int(8.5 * GIB)}
"""Disk space by torch build, including downloads; 1.2 GiB was measured without torch."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an installation.

    ``torch`` is a build: none, cpu or gpu. ``wheels`` is a folder to install from without a
    network connection. ``environment`` has additional variables for child processes: proxy,
    certificates, package index.
    """

    base: Interpreter
    torch: str = "none"
    wheels: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of an installation.

    ``stamp`` is written to ``stamp_file`` on success; ``share`` is the relative duration.
    ``fills`` is set if the step modifies the new environment, which is unusable until it finishes.
    """

    name: str
    title: str
    argv: tuple[str, ...]
    share: float
    stamp_file: Path | None = None
    stamp: str = ""
    fills: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether its stamp exists and is current."""
        return self.stamp_file is not None and read_text(self.stamp_file) == self.stamp


@dataclass(frozen=True, slots=True)
class State:
    """The state of an engine: ``kind`` is missing, incomplete, outdated or ready.

    ``torch``, ``base`` and ``wheels`` are the options it was installed with; ``why`` is one
    sentence.
    """

    kind: str
    why: str
    torch: str = "none"
    base: str = ""
    wheels: str = ""


def steps(paths: EnginePaths, options: Options, uv: Path | None) -> list[Step]:
    """Return the steps of an installation; ``uv`` is the path of uv if it is available."""
    fetch = [] if uv else _fetch_uv(paths, options)
    program = uv or own_uv(paths)
    stamps = _stamps(_choices(options))
    folder = stamp_folder(paths.build)
    common = {"environment": options.environment, "fills": True}
    make = (str(program), "venv", "--clear", "--relocatable", "--no-python-downloads")
    install = (str(program), "pip", "install", "--python", str(paths.build_python))
    install += ("--no-deps", "--no-build", "--no-python-downloads", *_source(options))
    verified = (*install, "--require-hashes")
    result = [
        *fetch,
        Step(
            "venv",
            "Creating the environment",
            (*make, "--python", str(options.base.python), str(paths.build)),
            0.02,
            folder / "venv",
            stamps["venv"],
            **common,
        ),
        Step(
            "core",
            "Installing the engine's libraries",
            (*verified, "-r", str(REQUIREMENTS / "core.txt")),
            0.5,
            folder / "core",
            stamps["core"],
            **common,
        ),
    ]
    if options.torch != "none":
        result += [
            Step(
                "ml",
                "Installing the libraries of the networks",
                (*verified, "-r", str(REQUIREMENTS / "ml.txt")),
                0.2,
                folder / "ml",
                stamps["ml"],
                **common,
            ),
            Step(
                "torch",
                f"Installing torch, the {options.torch.upper()} build",
                (*install, *_torch(options)),
                {"cpu": 0.5, "gpu": 2.8}[options.torch],
                folder / "torch",
                stamps["torch"],
                **common,
            ),
        ]
    return [*result, _smoke_test(paths)]


def pending(plan: Sequence[Step]) -> list[Step]:
    """Return the remaining steps: all from the first one that is not done."""
    for index, step in enumerate(plan):
        if not step.is_done:
            return list(plan[index:])
    return []


def state(paths: EnginePaths) -> State:
    """Return the state of the engine, judging by its files."""
    if not paths.python.exists():
        return _unfinished(paths)
    chosen = choices_of(paths.venv)
    made_with = _options_of(chosen)
    home = _base_folder(paths.venv)
    if home is not None and not home.exists():
        return State("incomplete", f"Its Python interpreter no longer exists: {home}", **made_with)
    wanted = _stamps(chosen)
    found = {name: read_text(stamp_folder(paths.venv) / name) for name in wanted}
    if None in found.values():
        return State("incomplete", "The installation was not finished", **made_with)
    if found != wanted:
        return State("outdated", "This version of LunarSite needs other libraries", **made_with)
    return State("ready", "It has the libraries that this version of LunarSite needs", **made_with)


def choices_text(options: Options) -> str:
    """Return the options as text, to be stored in the environment."""
    return json.dumps(_choices(options), indent=1)


def choices_of(environment: Path) -> dict[str, Any]:
    """Return the options that are stored in an environment, or an empty dictionary."""
    try:
        stored = json.loads(read_text(stamp_folder(environment) / CHOICES_FILE) or "")
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}


def stamp_folder(environment: Path) -> Path:
    """Return the folder for the stamps of an environment, which is inside it."""
    return environment / ".lunarsite"


def own_uv(paths: EnginePaths) -> Path:
    """Return the path of the uv that the setup installs, by pip or from a wheel."""
    return paths.uv / "bin" / ("uv.exe" if os.name == "nt" else "uv")


def pinned_uv() -> str:
    """Return the pinned version of uv."""
    return _text("uv.txt").partition("==")[2].split()[0]


def read_text(path: Path) -> str | None:
    """Return the text of a small file, or None if it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _fetch_uv(paths: EnginePaths, options: Options) -> list[Step]:
    """Return the steps that install uv: from its wheel, or with pip."""
    base = str(options.base.python)
    done = {
        "stamp_file": paths.uv / ".stamp",
        "stamp": pinned_uv(),
        "environment": {**options.environment, **_PIP_DEFAULTS},
    }
    if options.wheels is not None:
        unpack = (base, "-I", str(_UNPACK), str(options.wheels), str(REQUIREMENTS / "uv.txt"))
        unpack += (str(own_uv(paths)),)
        return [Step("uv", "Unpacking the installer uv", unpack, 0.02, **done)]
    pip = ("-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--upgrade")
    pip += ("--progress-bar", "off", "--root-user-action", "ignore")
    pip += ("--only-binary", ":all:", "--target", str(paths.uv))
    pip += ("--require-hashes", "-r", str(REQUIREMENTS / "uv.txt"))
    title = "Downloading the installer uv"
    if options.base.has_pip:
        return [Step("uv", title, (base, *pip), 0.05, **done)]
    if not options.base.has_ensurepip:
        raise LunarSiteError(
            f"{base} has neither pip nor ensurepip, so it cannot download uv",
            "Install pip for it (Debian and Ubuntu: the packages python3-pip or python3-venv), "
            "install uv itself, or choose another Python",
        )
    with_pip = paths.boot / paths.python.relative_to(paths.venv)
    make = (base, "-I", "-m", "venv", "--clear", str(paths.boot))
    boot = {**done, "stamp_file": paths.boot / ".stamp"}
    return [
        Step("boot", "Creating a temporary pip", make, 0.05, **boot),
        Step("uv", title, (str(with_pip), *pip), 0.05, **done),
    ]


def _smoke_test(paths: EnginePaths) -> Step:
    """Return the step that tests the new environment before it replaces the old one.

    Creating a small elevation model loads the compiled libraries, which fails if the system lacks
    something that they need.
    """
    python = (str(paths.build_python), "-I", "-X", "utf8", str(LAUNCHER))
    out = stamp_folder(paths.build) / "first.tif"
    test = ("synthesize", "--size-px", "16", "--out", str(out), "--quiet")
    return Step("start", "Testing the engine", (*python, *test), 0.1)


def _torch(options: Options) -> tuple[str, ...]:
    """Return the arguments of uv that install torch; its own index has no pinned hashes."""
    offline = options.wheels is not None
    if torch_build.is_verified(options.torch, offline=offline):
        return ("--require-hashes", "-r", str(REQUIREMENTS / "torch.txt"))
    backend = torch_build.uv_options(options.torch, offline=offline)
    return (*backend, *torch_build.pins(_text("torch.txt").splitlines()))


def _text(name: str) -> str:
    """Return the text of a file of requirements."""
    return (REQUIREMENTS / name).read_text("utf-8")


def _source(options: Options) -> tuple[str, ...]:
    if options.wheels is None:
        return ()
    return ("--offline", "--no-index", "--find-links", str(options.wheels))


def _choices(options: Options) -> dict[str, str]:
    return {
        "torch": options.torch,
        "wheels": str(options.wheels or ""),
        "base": str(options.base.python),
        "version": options.base.version_text,
    }


def _stamps(choices: Mapping[str, Any]) -> dict[str, str]:
    """Return the stamps for some options and the current requirements."""
    torch = str(choices.get("torch", ""))
    venv = _digest(str(choices.get("base", "")), str(choices.get("version", "")))
    stamps = {
        "venv": venv,
        "core": _digest(venv, _text("core.txt")),
    }
    if torch in {"cpu", "gpu"}:
        stamps["ml"] = _digest(venv, _text("ml.txt"))
        stamps["torch"] = _digest(venv, torch, _text("torch.txt"))
    return stamps


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _unfinished(paths: EnginePaths) -> State:
    if not paths.build.exists():
        return State("missing", "The engine is not installed")
    why = "An installation was interrupted and can be resumed"
    return State("incomplete", why, **_options_of(choices_of(paths.build)))


def _options_of(choices: Mapping[str, Any]) -> dict[str, str]:
    return {
        "torch": str(choices.get("torch") or "none"),
        "base": str(choices.get("base", "")),
        "wheels": str(choices.get("wheels", "")),
    }


def _base_folder(environment: Path) -> Path | None:
    """Return the folder of the base interpreter of an environment."""
    for line in (read_text(environment / "pyvenv.cfg") or "").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home":
            return Path(value.strip())
    return None
