"""The environment of child processes: that of QGIS, without the variables that QGIS sets.

QGIS sets variables that make Python, PROJ, GDAL, Qt and the dynamic loader use its own libraries.
The engine has its own, and a single such variable would mix the two. Standard library only.
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


def child_environment(
    extra: Mapping[str, str] | None = None, *, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment for a child process.

    Parameters
    ----------
    extra : mapping, optional
        Additional variables.
    base : mapping, optional
            The environment to start from; by default that of this process.
    """
    variables = dict(os.environ if base is None else base)
    root = variables.get("OSGEO4W_ROOT", "")
    clean = {name: value for name, value in variables.items() if not _is_qgis(name.upper())}
    if root and "PATH" in clean:
        clean["PATH"] = _without(clean["PATH"], root)
    return {**clean, **(extra or {})}


def _is_qgis(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)


def _without(search_path: str, root: str) -> str:
    """Return a search path without the folders of an OSGeo4W installation."""
    inside = Path(root)
    folders = [part for part in search_path.split(os.pathsep) if part]
    return os.pathsep.join(part for part in folders if not Path(part).is_relative_to(inside))
