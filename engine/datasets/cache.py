"""Where fetched files lie, and from where they come: two environment variables.

``LUNARSITE_DATA`` names the folder of fetched files, by default LunarSite's in the user's cache
folder. ``LUNARSITE_DATA_MIRROR`` is an address below which all files lie by their names, and which
takes the place of the publishers' servers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from lunarsite.engine.datasets.entries import RemoteFile

FOLDER = "LUNARSITE_DATA"
MIRROR = "LUNARSITE_DATA_MIRROR"

_SCHEMES = ("http://", "https://")


def folder() -> Path:
    """Return the folder of fetched files, whether or not it exists."""
    chosen = os.environ.get(FOLDER, "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("lunarsite"))


def path_of(file: RemoteFile) -> Path:
    """Return the path of a fetched file, whether or not it exists."""
    return folder() / file.name


def address_of(file: RemoteFile) -> str:
    """Return the address from which a file is fetched: the publisher's, or the mirror's.

    Raises
    ------
    ParameterError
        If the mirror is not an address.
    """
    mirror = os.environ.get(MIRROR, "").strip()
    if not mirror:
        return file.url
    if not mirror.startswith(_SCHEMES):
        raise ParameterError(
            f"{MIRROR} is {mirror!r}, not an address",
            "Set it to an address that starts with https://, or unset it",
        )
    return f"{mirror.rstrip('/')}/{file.name}"
