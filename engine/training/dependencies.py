"""Checks for optional dependencies that only training needs, before anything imports them."""

from __future__ import annotations

import importlib.util

from lunarsite.engine import device
from lunarsite.engine.errors import MissingDependencyError


def needs_torch(what: str) -> None:
    """Raise unless PyTorch is installed and can be imported.

    Parameters
    ----------
    what : str
        What needs it, as the subject of the error message.

    Raises
    ------
    MissingDependencyError
        Says how to install it.
    """
    problem = device.torch_problem()
    if problem is not None:
        raise MissingDependencyError(f"{what} needs torch: {problem}", device.TORCH_REMEDY)


def needs_h5py(what: str) -> None:
    """Raise unless h5py is installed; as `needs_torch`.

    Raises
    ------
    MissingDependencyError
        Says how to install it.
    """
    if importlib.util.find_spec("h5py") is None:
        raise MissingDependencyError(
            f"{what} needs h5py, which is not installed in the engine's environment",
            device.TORCH_REMEDY,
        )
