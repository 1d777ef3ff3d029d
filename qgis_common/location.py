"""Finds the Python interpreter of the engine."""

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
    """There is no interpreter for the engine."""


@dataclass(frozen=True, slots=True)
class EngineInterpreter:
    """A Python interpreter for the engine.

    ``origin`` describes how it was found: from an environment variable, from the settings, as
    installed by the engine setup, or in a development checkout.
    """

    python: Path
    origin: str

    @property
    def command(self) -> list[str]:
        """The command that starts the engine, without the subcommand."""
        return [str(self.python), "-I", "-X", "utf8", str(LAUNCHER)]


def engine_home(profile: Path | None = None) -> Path:
    """Return the installation folder of the engine in the user's QGIS profile."""
    base = Path(QgsApplication.qgisSettingsDirPath()) if profile is None else profile
    return base / "lunarsite" / "engine"


def managed_python(home: Path) -> Path:
    """Return the interpreter of the virtual environment in ``home``, which may not exist."""
    return _interpreter_of(home / "venv")


def find() -> EngineInterpreter:
    """Find the interpreter: from the environment, the settings, the setup, or the checkout.

    Raises
    ------
    EngineMissingError
        If there is none, or the configured one does not exist.
    """
    for named, origin in (
        (os.environ.get(VARIABLE, ""), f"the environment variable {VARIABLE}"),
        (user_python(), "selected in the engine setup"),
    ):
        if named:
            if not Path(named).is_file():
                raise EngineMissingError(
                    f"There is no Python interpreter at {named} ({origin})",
                    "Open LunarSite, Engine Setup, and install the engine or choose another "
                    "interpreter",
                )
            return EngineInterpreter(Path(named), origin)
    for python, origin in (
        (managed_python(engine_home()), "installed by the engine setup"),
        (_interpreter_of(PLUGIN_FOLDER / ".venv"), "the environment of the checkout"),
    ):
        if python.is_file():
            return EngineInterpreter(python, origin)
    raise EngineMissingError(
        "LunarSite's engine is not installed",
        "Open LunarSite, Engine Setup, and click Install; without a desktop, set the variable "
        f"{VARIABLE} to an interpreter that has the packages in requirements/core.txt",
    )


def user_python() -> str:
    """Return the interpreter that the user selected, or an empty string."""
    return str(QgsSettings().value(SETTING, "") or "")


def set_user_python(python: Path | None) -> None:
    """Select an interpreter, or with None return to the installed one."""
    settings = QgsSettings()
    if python is None:
        settings.remove(SETTING)
    else:
        settings.setValue(SETTING, str(python))


def _interpreter_of(environment: Path) -> Path:
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"
