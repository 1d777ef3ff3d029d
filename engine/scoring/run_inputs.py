"""The inputs of a finished run: where they are now, verified by their checksums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import is_inside, local_file
from lunarsite.engine.provenance import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KNOWN = ".lunarsite-known.json"
"""Where a run keeps the paths of its inputs: not in the manifest, which names no path."""

_SHA = 2
"""Place of the checksum in what is kept of a file, after its size and its time."""


def find_inputs(
    folder: Path, content: Mapping[str, Any], beside: str | None = None
) -> dict[str, list[str]]:
    """Return the inputs of a run that are found unchanged, by role.

    They are looked for where they were, in another folder that is given, in the run's own folder
    and in the two above it. One whose content has changed is not taken.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    content : mapping
        Its manifest.
    beside : str, optional
        Another folder in which to look.

    Returns
    -------
    dict of str to list of str
        Paths by role; a role of which one file is not found is left out.

    Raises
    ------
    InputError
        If there is no such other folder.
    """
    if beside and not Path(beside).is_dir():
        raise InputError(
            f"The folder of the inputs, {beside}, is not there, or no folder", "Check the path"
        )
    known = _known(folder)
    found: dict[str, list[str]] = {}
    lost = set()
    for record in content.get("inputs", []):
        role, name, sha = (str(record[key]) for key in ("role", "name", "sha256"))
        path = next(_places(folder, beside, name, sha, known), None)
        if path is None:
            lost.add(role)
        else:
            found.setdefault(role, []).append(path)
    return {role: paths for role, paths in found.items() if role not in lost}


def required_dem(
    folder: Path, content: Mapping[str, Any], found: Mapping[str, list[str]], command: str
) -> str:
    """Return the elevation model of a run.

    Raises
    ------
    InputError
        If it is not found.
    """
    if "dem" in found:
        return found["dem"][0]
    name = next((str(e["name"]) for e in content.get("inputs", []) if e["role"] == "dem"), "DEM")
    raise InputError(
        f"The elevation model of {folder}, {name}, is not where it was, or has changed since",
        f"Name the folder that it is in now: {command} --inputs FOLDER",
    )


def _known(folder: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads((folder / _KNOWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    pairs = content.items() if isinstance(content, dict) else ()
    return {name: stamp for name, stamp in pairs if isinstance(stamp, list) and len(stamp) > _SHA}


def _places(
    folder: Path, beside: str | None, name: str, sha: str, known: Mapping[str, list[Any]]
) -> Iterator[str]:
    """Yield names under which a file with a checksum is found."""
    for path, stamp in known.items():
        file = local_file(path)
        if stamp[_SHA] != sha or file is None:
            continue
        status = file.stat()
        # An unchanged size and time spare reading a large file.
        if [status.st_size, status.st_mtime_ns] == stamp[:_SHA] or sha256(path) == sha:
            yield path
    if not is_inside(name):  # a manifest from elsewhere may name any file
        return
    folders = [Path(beside)] if beside else []
    for near in (*folders, folder, folder.parent, folder.parent.parent):
        if (near / name).is_file() and sha256(near / name) == sha:
            yield str(near / name)
