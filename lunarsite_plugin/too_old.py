"""What QGIS loads in place of the plugin where its Python is too old. Keeps to Python 3.9."""

import platform
from typing import Any

NEEDED = "3.11"


def sentence(version: str) -> str:
    """Return what is wrong with a Python of that version, and the remedy."""
    return (
        f"LunarSite needs Python {NEEDED} or newer, and this QGIS runs on Python {version}. "
        "Install a newer QGIS, for example the current long-term release."
    )


class TooOld:
    """A plugin that only says so: in the desktop's message bar, else as an error.

    Parameters
    ----------
    iface : QgisInterface or None
        The desktop; None where there is none, as in ``qgis_process``.
    """

    def __init__(self, iface: Any) -> None:
        self._iface = iface

    def initProcessing(self) -> None:
        """Say it where there is only a terminal.

        Raises
        ------
        RuntimeError
            Always.
        """
        raise RuntimeError(sentence(platform.python_version()))

    def initGui(self) -> None:
        """Say it in the message bar."""
        self._iface.messageBar().pushWarning("LunarSite", sentence(platform.python_version()))

    def unload(self) -> None:
        """Take nothing away: nothing was added."""
