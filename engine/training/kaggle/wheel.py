"""The engine's sources as a wheel, put together from the package that runs; deterministic.

Nothing is built, since all of it is Python: neither a build tool nor a checkout is needed.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import MissingDependencyError
from lunarsite.engine.provenance import version

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]

_FOLDERS = ("engine", "models", "resources/moon")
_FILES = ("__init__.py", "LICENSE", "py.typed")
_LEFT_OUT = ("__pycache__", ".model3")
_KINDS = {"METADATA": ("METADATA", "PKG-INFO"), "entry_points.txt": ("entry_points.txt",)}
"""What describes a wheel, and its names in an environment and beside sources."""

_WHEEL = """\
Wheel-Version: 1.0
Generator: lunarsite
Root-Is-Purelib: true
Tag: py3-none-any
"""
_DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a zip file can state: the same sources give the same bytes."""


def write(folder: Path) -> Path:
    """Write the wheel into a folder.

    Returns
    -------
    Path
        The wheel, named as pip expects.

    Raises
    ------
    MissingDependencyError
        If the engine runs from a folder without being installed: its requirements are not known.
    """
    path = folder / f"lunarsite-{version()}-py3-none-any.whl"
    info = f"lunarsite-{version()}.dist-info"
    content = {f"lunarsite/{name}": file.read_bytes() for name, file in sources()}
    content |= {f"{info}/{name}": text for name, text in _described().items()}
    content[f"{info}/WHEEL"] = _WHEEL.encode()
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return path


def sources() -> Iterator[tuple[str, Path]]:
    """Yield the files of the package that the engine needs, by their names in it, sorted."""
    files = [ROOT / name for name in _FILES]
    for folder in _FOLDERS:
        files += (ROOT / folder).rglob("*")
    named = {file.relative_to(ROOT).as_posix(): file for file in files if file.is_file()}
    for name in sorted(named):
        if not any(part in name for part in _LEFT_OUT):
            yield name, named[name]


def _described() -> dict[str, bytes]:
    """Return what pip needs to know: the requirements, and the command."""
    found: dict[str, bytes] = {}
    for distribution in metadata.distributions(name="lunarsite"):
        for kind, names in _KINDS.items():
            text = next(filter(None, map(distribution.read_text, names)), None)
            if text and kind not in found:
                found[kind] = text.encode()
    if len(found) < len(_KINDS):
        raise MissingDependencyError(
            "The engine runs from a folder and is not installed, so its requirements are not known",
            "Install it in a checkout: make setup, and run .venv/bin/lunarsite",
        )
    return found


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
