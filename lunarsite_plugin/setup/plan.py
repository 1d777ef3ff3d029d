"""The steps of an installation, and how far it is. Standard library only; runs nothing.

Each step leaves a stamp that says what it was done from. An installation that was broken off goes
on at the first step whose stamp is missing or says something else; a changed requirement is seen in
the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup import torch_build
from lunarsite.lunarsite_plugin.setup.place import LAUNCHER, REQUIREMENTS, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lunarsite.lunarsite_plugin.setup.interpreters import Interpreter

CHOICES_FILE = "choices.json"
GIB = 1024**3
_UNPACK = Path(__file__).with_name("unpack_uv.py")
_PIP_AS_GIVEN = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
"""Settings of the user's that are meant for other installations and forbid one into a folder."""
NEEDED_BYTES = {"none": int(1.5 * GIB), "cpu": int(3.0 * GIB), "gpu": int(8.5 * GIB)}
"""What an environment takes by torch's build, downloads included; 1.2 GiB without, measured."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose.

    ``torch`` is a build: none, cpu or gpu. ``wheels`` is a folder to install from without a
    network. ``environment`` is what the children get on top: proxy, certificates, index.
    """

    base: Interpreter
    torch: str = "none"
    wheels: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of an installation.

    ``stamp`` is written to ``stamp_file`` when it succeeded; ``share`` is its part of the time.
    ``fills`` says that it changes the environment in the making, which is not sound until it ends.
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
        """Whether its stamp stands and says the same."""
        return self.stamp_file is not None and read_text(self.stamp_file) == self.stamp


@dataclass(frozen=True, slots=True)
class State:
    """How far an engine is: ``kind`` is missing, incomplete, outdated or ready.

    ``torch`` and ``base`` are what it was made with; ``why`` is one sentence.
    """

    kind: str
    why: str
    torch: str = "none"
    base: str = ""
    wheels: str = ""


def steps(place: Place, options: Options, uv: Path | None) -> list[Step]:
    """Return the steps of an installation; ``uv`` is one that is there already, if any."""
    fetch = [] if uv else _fetch_uv(place, options)
    program = uv or own_uv(place)
    stamps = _stamps(_choices(options))
    folder = stamp_folder(place.build)
    common = {"environment": options.environment, "fills": True}
    make = (str(program), "venv", "--clear", "--relocatable", "--no-python-downloads")
    install = (str(program), "pip", "install", "--python", str(place.build_python))
    install += ("--no-deps", "--no-build", "--no-python-downloads", *_source(options))
    result = [
        *fetch,
        Step(
            "venv",
            "Making an environment",
            (*make, "--python", str(options.base.python), str(place.build)),
            0.02,
            folder / "venv",
            stamps["venv"],
            **common,
        ),
        Step(
            "core",
            "Installing the engine's libraries",
            (*install, "-r", str(REQUIREMENTS / "core.txt")),
            0.5,
            folder / "core",
            stamps["core"],
            **common,
        ),
    ]
    if options.torch != "none":
        backend = torch_build.uv_options(options.torch, offline=options.wheels is not None)
        result.append(
            Step(
                "ml",
                f"Installing torch, the {options.torch.upper()} build",
                (*install, *backend, *ml_requirements(options.torch)),
                {"cpu": 0.7, "gpu": 3.0}[options.torch],
                folder / "ml",
                stamps["ml"],
                **common,
            )
        )
    return [*result, _first_job(place)]


def pending(plan: Sequence[Step]) -> list[Step]:
    """Return the steps that are left: everything from the first one that is not done."""
    for index, step in enumerate(plan):
        if not step.is_done:
            return list(plan[index:])
    return []


def state(place: Place) -> State:
    """Return how far the engine of a place is, from what lies there."""
    if not place.python.exists():
        return _unfinished(place)
    chosen = choices_of(place.venv)
    told = _told(chosen)
    home = _base_folder(place.venv)
    if home is not None and not home.exists():
        return State("incomplete", f"The Python that it stands on is gone: {home}", **told)
    wanted = _stamps(chosen)
    found = {name: read_text(stamp_folder(place.venv) / name) for name in wanted}
    if None in found.values():
        return State("incomplete", "Its installation was not finished", **told)
    if found != wanted:
        return State("outdated", "This LunarSite needs other versions of its libraries", **told)
    return State("ready", "It holds the libraries that this LunarSite needs", **told)


def choices_text(options: Options) -> str:
    """Return what is noted inside an environment about the choices it was made with."""
    return json.dumps(_choices(options), indent=1)


def choices_of(environment: Path) -> dict[str, Any]:
    """Return the choices that an environment was made with, empty where nothing is noted."""
    try:
        noted = json.loads(read_text(stamp_folder(environment) / CHOICES_FILE) or "")
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) else {}


def stamp_folder(environment: Path) -> Path:
    """Return the folder of an environment's stamps: inside, so that they go with it."""
    return environment / ".lunarsite"


def own_uv(place: Place) -> Path:
    """Return where the set-up puts uv; pip and the unpacking use the same layout."""
    return place.uv / "bin" / ("uv.exe" if os.name == "nt" else "uv")


def pinned_uv() -> str:
    """Return the version of uv that is pinned."""
    return (REQUIREMENTS / "uv.txt").read_text("utf-8").strip().partition("==")[2]


def ml_requirements(build: str) -> list[str]:
    """Return the pinned requirements of torch's build."""
    return torch_build.requirements(
        (REQUIREMENTS / "ml.txt").read_text("utf-8").splitlines(), build
    )


def read_text(path: Path) -> str | None:
    """Return a small file's text, None where it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _fetch_uv(place: Place, options: Options) -> list[Step]:
    """Return the steps that bring uv: out of its wheel, or by a pip that is there or made."""
    base = str(options.base.python)
    done = {
        "stamp_file": place.uv / ".stamp",
        "stamp": pinned_uv(),
        "environment": {**options.environment, **_PIP_AS_GIVEN},
    }
    if options.wheels is not None:
        unpack = (base, "-I", str(_UNPACK), str(options.wheels), pinned_uv(), str(own_uv(place)))
        return [Step("uv", "Unpacking uv, which installs the rest", unpack, 0.02, **done)]
    pip = ("-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--upgrade")
    pip += ("--progress-bar", "off", "--root-user-action", "ignore")
    pip += ("--only-binary", ":all:", "--target", str(place.uv))
    pip += ("-r", str(REQUIREMENTS / "uv.txt"))
    title = "Fetching uv, which installs the rest"
    if options.base.has_pip:
        return [Step("uv", title, (base, *pip), 0.05, **done)]
    if not options.base.has_ensurepip:
        raise LunarSiteError(
            f"{base} has neither pip nor ensurepip, so uv cannot be fetched with it",
            "Install pip for it (Debian and Ubuntu: the packages python3-pip or python3-venv), "
            "install uv itself, or choose another Python",
        )
    with_pip = place.boot / place.python.relative_to(place.venv)
    make = (base, "-I", "-m", "venv", "--clear", str(place.boot))
    boot = {**done, "stamp_file": place.boot / ".stamp"}
    return [
        Step("boot", "Making a pip", make, 0.05, **boot),
        Step("uv", title, (str(with_pip), *pip), 0.05, **done),
    ]


def _first_job(place: Place) -> Step:
    """Return the step that proves the new environment before it takes the old one's place.

    A small elevation model loads the compiled libraries, which is where a system that lacks
    something shows it.
    """
    python = (str(place.build_python), "-I", "-X", "utf8", str(LAUNCHER))
    out = stamp_folder(place.build) / "first.tif"
    job = ("synthesize", "--size-px", "16", "--out", str(out), "--quiet")
    return Step("start", "Starting the engine once", (*python, *job), 0.1)


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
    """Return what the stamps say for some choices and the requirements as they are now."""
    torch = str(choices.get("torch", ""))
    venv = _digest(str(choices.get("base", "")), str(choices.get("version", "")))
    stamps = {
        "venv": venv,
        "core": _digest(venv, (REQUIREMENTS / "core.txt").read_text("utf-8")),
    }
    if torch in {"cpu", "gpu"}:
        stamps["ml"] = _digest(venv, torch, *ml_requirements(torch))
    return stamps


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _unfinished(place: Place) -> State:
    if not place.build.exists():
        return State("missing", "There is no engine yet")
    why = "An installation was broken off; it goes on where it stopped"
    return State("incomplete", why, **_told(choices_of(place.build)))


def _told(choices: Mapping[str, Any]) -> dict[str, str]:
    return {
        "torch": str(choices.get("torch") or "none"),
        "base": str(choices.get("base", "")),
        "wheels": str(choices.get("wheels", "")),
    }


def _base_folder(environment: Path) -> Path | None:
    """Return the folder of the interpreter that an environment stands on."""
    for line in (read_text(environment / "pyvenv.cfg") or "").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home":
            return Path(value.strip())
    return None
