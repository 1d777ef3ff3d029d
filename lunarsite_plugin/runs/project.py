"""What a project remembers: the selected run, located inputs and saved places."""

from __future__ import annotations

import json
from pathlib import Path

from qgis.core import QgsMapLayer, QgsProject, QgsProviderRegistry

from lunarsite.lunarsite_plugin.runs.folder import MANIFEST, runs_of

SCOPE = "lunarsite"
_RUN, _RUN_ABSOLUTE, _LOCATED = "run", "run_absolute", "located"
_SAVED_PLACES = "kept"
"""The key in saved projects, which stays as it is."""


def found() -> list[Path]:
    """Return the run folders that contain the project's layers, most recent first."""
    folders = runs_of(
        path
        for layer in QgsProject.instance().mapLayers().values()
        if (path := source_path(layer)) is not None
    )
    return sorted(folders, key=_age, reverse=True)


def source_path(layer: QgsMapLayer) -> Path | None:
    """Return the file that a layer is read from, or None."""
    registry = QgsProviderRegistry.instance()
    path = registry.decodeUri(layer.providerType(), layer.source()).get("path") or ""
    return Path(path) if path else None


def chosen() -> Path | None:
    """Return the run that the project remembers, or None."""
    text, _ = QgsProject.instance().readEntry(SCOPE, _RUN, "")
    if not text:
        return None
    path = Path(QgsProject.instance().readPath(text))
    absolute, _ = QgsProject.instance().readEntry(SCOPE, _RUN_ABSOLUTE, "")
    # A project that was moved together with its run finds it by the relative path. One that was
    # saved to another folder finds it by the absolute path: QGIS only adapts the paths of layers.
    if absolute and not path.is_dir() and Path(absolute).is_dir():
        return Path(absolute)
    return path


def choose(folder: Path) -> None:
    """Remember a run in the project, as an absolute path and as the project stores paths."""
    _write(_RUN, QgsProject.instance().writePath(str(folder)))
    _write(_RUN_ABSOLUTE, str(folder))


def located() -> dict[str, str]:
    """Return the inputs of runs that the user has located: paths by SHA-256."""
    content = _read(_LOCATED)
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def locate(sha256: str, path: Path) -> None:
    """Remember the location of an input in the project."""
    _write(_LOCATED, json.dumps({**located(), sha256: str(path)}))


def saved_places() -> object:
    """Return the saved places as JSON, or None."""
    return _read(_SAVED_PLACES)


def set_saved_places(content: object) -> None:
    """Remember the saved places, as JSON, in the project."""
    _write(_SAVED_PLACES, json.dumps(content, ensure_ascii=False))


def _read(key: str) -> object:
    text, _ = QgsProject.instance().readEntry(SCOPE, key, "")
    try:
        return json.loads(text)
    except ValueError:
        return None


def _write(key: str, text: str) -> None:
    if QgsProject.instance().readEntry(SCOPE, key, "")[0] != text:
        QgsProject.instance().writeEntry(SCOPE, key, text)


def _age(folder: Path) -> float:
    try:
        return (folder / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0
