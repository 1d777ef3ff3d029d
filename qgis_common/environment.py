"""The environment a child process gets: the user's, without what belongs to QGIS.

QGIS starts with variables that point Python, PROJ, GDAL, Qt and the loader at its own libraries.
The engine brings its own, and one such variable is enough to mix the two. Standard library only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIXES = ("PYTHON", "PROJ_", "GDAL_", "OGR_", "QT_", "QGIS_", "O4W_", "GRASS_", "GIS", "DYLD_")
_NAMES = frozenset(
    {
        "CONDA_PREFIX",
        "CPL_ZIP_ENCODING",
        "GEOTIFF_CSV",
        "LD_AUDIT",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "OSGEO4W_ROOT",
        "VIRTUAL_ENV",
        "VSI_CACHE",
        "VSI_CACHE_SIZE",
        "__PYVENV_LAUNCHER__",
    }
)


def scrubbed(
    extra: Mapping[str, str] | None = None, *, of: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment for a child process.

    Parameters
    ----------
    extra : mapping, optional
        Variables to set on top.
    of : mapping, optional
        The environment to start from; that of this process where it is not given.
    """
    given = dict(os.environ if of is None else of)
    root = given.get("OSGEO4W_ROOT", "")
    kept = {name: value for name, value in given.items() if not _of_qgis(name.upper())}
    if root and "PATH" in kept:
        kept["PATH"] = _without(kept["PATH"], root)
    return {**kept, **(extra or {})}


def _of_qgis(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)


def _without(search_path: str, root: str) -> str:
    """Return a search path without the folders of an OSGeo4W installation and their libraries."""
    inside = Path(root)
    folders = [part for part in search_path.split(os.pathsep) if part]
    return os.pathsep.join(part for part in folders if not Path(part).is_relative_to(inside))
