"""Where the set-up keeps what it makes, below one folder. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PLUGIN_FOLDER = Path(__file__).resolve().parents[2]
REQUIREMENTS = PLUGIN_FOLDER / "requirements"
LAUNCHER = PLUGIN_FOLDER / "engine" / "launch.py"


@dataclass(frozen=True, slots=True)
class Place:
    """The engine's folder and the interpreter it will have, there or not.

    An environment is made beside the one in use and takes its place when it is whole: nobody meets
    half an engine, and an update that fails leaves the old one as it was.
    """

    home: Path
    python: Path

    @property
    def venv(self) -> Path:
        """The environment in use."""
        return self.home / "venv"

    @property
    def build(self) -> Path:
        """The environment in the making."""
        return self.home / "venv.new"

    @property
    def old(self) -> Path:
        """The environment that was just replaced."""
        return self.home / "venv.old"

    @property
    def build_python(self) -> Path:
        """The interpreter of the environment in the making."""
        return self.build / self.python.relative_to(self.venv)

    @property
    def uv(self) -> Path:
        """The folder that holds uv."""
        return self.home / "uv"

    @property
    def boot(self) -> Path:
        """A throw-away environment with pip, for interpreters that lack it."""
        return self.home / "boot"

    @property
    def log(self) -> Path:
        """What the set-up did, appended to each time."""
        return self.home / "setup.log"

    @property
    def lock(self) -> Path:
        """Held while one QGIS sets the engine up."""
        return self.home / "setup.lock"

    @property
    def certificates(self) -> Path:
        """Certificate authorities that QGIS trusts, for uv and pip."""
        return self.home / "certificates.pem"

    @property
    def marker(self) -> Path:
        """Says that the set-up made this folder and may remove what it put there."""
        return self.home / ".lunarsite-engine"
