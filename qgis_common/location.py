"""Where the engine is: which interpreter holds its libraries, and who says so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from qgis.core import QgsApplication, QgsSettings

from lunarsite.engine.errors import LunarSiteError

VARIABLE = "LUNARSITE_ENGINE_PYTHON"
SETTING = "lunarsite/engine_python"

PLUGIN_FOLDER = Path(__file__).resolve().parents[1]
LAUNCHER = PLUGIN_FOLDER / "engine" / "launch.py"


class EngineMissingError(LunarSiteError):
    """There is no interpreter with the engine's libraries."""


@dataclass(frozen=True, slots=True)
class Located:
    """An interpreter for the engine.

    ``origin`` says in a few words who named it: the environment, the settings, the set-up dialog or
    the checkout.
    """

    python: Path
    origin: str

    @property
    def command(self) -> list[str]:
        """The words that start the engine; a verb of its command line follows."""
        return [str(self.python), "-I", "-X", "utf8", str(LAUNCHER)]


def engine_home(profile: Path | None = None) -> Path:
    """Return the folder that the set-up installs into, inside the user's QGIS profile."""
    base = Path(QgsApplication.qgisSettingsDirPath()) if profile is None else profile
    return base / "lunarsite" / "engine"


def managed_python(home: Path) -> Path:
    """Return the interpreter of the virtual environment below ``home``, there or not."""
    return _interpreter_of(home / "venv")


def find() -> Located:
    """Return the engine's interpreter: as the environment says, the settings, or the set-up made.

    Raises
    ------
    EngineMissingError
        If there is none, or the one that is named is not there.
    """
    for named, origin in (
        (os.environ.get(VARIABLE, ""), f"the environment variable {VARIABLE}"),
        (own(), "your own choice in the engine set-up"),
    ):
        if named:
            if not Path(named).is_file():
                raise EngineMissingError(
                    f"There is no interpreter at {named}, named by {origin}",
                    "Open LunarSite, Engine set-up, and choose another or install one",
                )
            return Located(Path(named), origin)
    for python, origin in (
        (managed_python(engine_home()), "installed by the engine set-up"),
        (_interpreter_of(PLUGIN_FOLDER / ".venv"), "the checkout's own environment"),
    ):
        if python.is_file():
            return Located(python, origin)
    raise EngineMissingError(
        "LunarSite's engine is not installed",
        "Open LunarSite, Engine set-up, and click Install; without a desktop, name an interpreter "
        f"that has the packages of requirements/core.txt in {VARIABLE}",
    )


def own() -> str:
    """Return the interpreter that the user brought, empty for none."""
    return str(QgsSettings().value(SETTING, "") or "")


def set_own(python: Path | None) -> None:
    """Take an interpreter of the user's, or with None go back to the installed one."""
    settings = QgsSettings()
    if python is None:
        settings.remove(SETTING)
    else:
        settings.setValue(SETTING, str(python))


def _interpreter_of(environment: Path) -> Path:
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"
