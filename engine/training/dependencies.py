"""Checks for optional dependencies that only training needs, before anything imports them."""

from __future__ import annotations

import importlib.util

from lunarsite.engine.errors import MissingDependencyError


def needs_torch(what: str) -> None:
    """Raise unless PyTorch is installed.

    Parameters
    ----------
    what : str
        What needs it, as the subject of the error message.

    Raises
    ------
    MissingDependencyError
        Says how to install it.
    """
    _needs("torch", what)


def needs_h5py(what: str) -> None:
    """Raise unless h5py is installed; as `needs_torch`.

    Raises
    ------
    MissingDependencyError
        Says how to install it.
    """
    _needs("h5py", what)


def _needs(name: str, what: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise MissingDependencyError(
            f"{what} needs {name}, which is not installed in the engine's environment",
            "Install the engine with its ml group: make setup GROUPS=ml, or the set-up in QGIS",
        )
