"""Stands in for the plugin if QGIS's Python is too old. Compatible with Python 3.9."""

import platform
from typing import Any

NEEDED = "3.11"


def sentence(version: str) -> str:
    """Return the message for a version of Python."""
    return (
        f"LunarSite needs Python {NEEDED} or newer, but this QGIS uses Python {version}. "
        "Install a newer version of QGIS, for example the current long-term release."
    )


class TooOld:
    """A plugin that only reports the problem, in the message bar or as an error.

    Parameters
    ----------
    iface : QgisInterface or None
        The QGIS interface; None if there is none, as in ``qgis_process``.
    """

    def __init__(self, iface: Any) -> None:
        self._iface = iface

    def initProcessing(self) -> None:
        """Report the problem in the terminal.

        Raises
        ------
        RuntimeError
            Always.
        """
        raise RuntimeError(sentence(platform.python_version()))

    def initGui(self) -> None:
        """Report the problem in the message bar."""
        self._iface.messageBar().pushWarning("LunarSite", sentence(platform.python_version()))

    def unload(self) -> None:
        """Do nothing: nothing was added."""
