"""The runs that a project knows: those of its layers, and the one that was chosen."""

from __future__ import annotations

import json
from pathlib import Path

from qgis.core import QgsMapLayer, QgsProject, QgsProviderRegistry

from lunarsite.lunarsite_plugin.runs import folder as run_folder

SCOPE = "lunarsite"
_RUN, _RUN_ABSOLUTE, _LOCATED, _KEPT = "run", "run_absolute", "located", "kept"


def found() -> list[Path]:
    """Return the folders of runs that the project's layers lie in, the latest run first."""
    folders = run_folder.runs_of(
        path
        for layer in QgsProject.instance().mapLayers().values()
        if (path := source_path(layer)) is not None
    )
    return sorted(folders, key=_age, reverse=True)


def source_path(layer: QgsMapLayer) -> Path | None:
    """Return the file that a layer is read from, None where it is none."""
    registry = QgsProviderRegistry.instance()
    path = registry.decodeUri(layer.providerType(), layer.source()).get("path") or ""
    return Path(path) if path else None


def chosen() -> Path | None:
    """Return the run that the project remembers, None for none."""
    text, _ = QgsProject.instance().readEntry(SCOPE, _RUN, "")
    if not text:
        return None
    path = Path(QgsProject.instance().readPath(text))
    absolute, _ = QgsProject.instance().readEntry(SCOPE, _RUN_ABSOLUTE, "")
    # Moved together with its run, a project finds it by the relative path; saved under a name in
    # another folder, by the absolute one, for QGIS adapts the paths of layers only.
    if absolute and not path.is_dir() and Path(absolute).is_dir():
        return Path(absolute)
    return path


def choose(folder: Path) -> None:
    """Have the project remember a run, also relative to its file where it stores paths so."""
    _write(_RUN, QgsProject.instance().writePath(str(folder)))
    _write(_RUN_ABSOLUTE, str(folder))


def located() -> dict[str, str]:
    """Return where the user found inputs of runs: paths by SHA-256."""
    content = _read(_LOCATED)
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def locate(sha256: str, path: Path) -> None:
    """Have the project remember where an input lies."""
    _write(_LOCATED, json.dumps({**located(), sha256: str(path)}))


def kept() -> object:
    """Return the kept places as they were written, None for none."""
    return _read(_KEPT)


def keep(content: object) -> None:
    """Have the project remember the kept places."""
    _write(_KEPT, json.dumps(content, ensure_ascii=False))


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
        return (folder / run_folder.MANIFEST).stat().st_mtime
    except OSError:
        return 0.0
