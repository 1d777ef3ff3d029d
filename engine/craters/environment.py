"""Whether torch is here, asked before anything imports it."""

from __future__ import annotations

import importlib.util

from lunarsite.engine.errors import MissingDependencyError

_NEEDED = ("torch",)


def needs_torch(what: str) -> None:
    """Raise unless torch is installed.

    Raises
    ------
    MissingDependencyError
        With how to get them.
    """
    absent = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingDependencyError(
            f"{what} needs {' and '.join(absent)}, which the engine has not got",
            "Install the engine with its ml group: make setup GROUPS=ml, or the set-up in QGIS",
        )
