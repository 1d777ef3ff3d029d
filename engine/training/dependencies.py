"""Whether what only training needs is here, asked before anything imports it."""

from __future__ import annotations

import importlib.util

from lunarsite.engine.errors import MissingDependencyError


def needs_torch(what: str) -> None:
    """Raise unless torch is installed.

    Raises
    ------
    MissingDependencyError
        With how to get it.
    """
    _needs("torch", what)


def needs_h5py(what: str) -> None:
    """Raise unless h5py is installed.

    Raises
    ------
    MissingDependencyError
        With how to get it.
    """
    _needs("h5py", what)


def _needs(name: str, what: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise MissingDependencyError(
            f"{what} needs {name}, which the engine has not got",
            "Install the engine with its ml group: make setup GROUPS=ml, or the set-up in QGIS",
        )
