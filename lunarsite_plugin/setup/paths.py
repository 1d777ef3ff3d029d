"""The files of an installed engine. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PLUGIN_FOLDER = Path(__file__).resolve().parents[2]
REQUIREMENTS = PLUGIN_FOLDER / "requirements"
LAUNCHER = PLUGIN_FOLDER / "engine" / "launch.py"


@dataclass(frozen=True, slots=True)
class EnginePaths:
    """The engine's folder and its interpreter, whether they exist or not.

    A new environment is built next to the current one and replaces it when it is complete, so that
    an engine is never half installed, and a failed update leaves the old one untouched.
    """

    home: Path
    python: Path

    @property
    def venv(self) -> Path:
        """The environment in use."""
        return self.home / "venv"

    @property
    def build(self) -> Path:
        """The environment that is being built."""
        return self.home / "venv.new"

    @property
    def old(self) -> Path:
        """The environment that was just replaced."""
        return self.home / "venv.old"

    @property
    def build_python(self) -> Path:
        """The interpreter of the environment that is being built."""
        return self.build / self.python.relative_to(self.venv)

    @property
    def uv(self) -> Path:
        """The folder that holds uv."""
        return self.home / "uv"

    @property
    def boot(self) -> Path:
        """A temporary environment with pip, for interpreters that have none."""
        return self.home / "boot"

    @property
    def log(self) -> Path:
        """The setup log, which is appended to."""
        return self.home / "setup.log"

    @property
    def lock(self) -> Path:
        """The lock against simultaneous setups."""
        return self.home / "setup.lock"

    @property
    def certificates(self) -> Path:
        """Certificate authorities that QGIS trusts, for uv and pip."""
        return self.home / "certificates.pem"

    @property
    def marker(self) -> Path:
        """Marks the folder as created by the setup, which may delete its contents."""
        return self.home / ".lunarsite-engine"
