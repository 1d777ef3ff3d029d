"""The manifest of a run: its completed steps with their inputs and outputs.

``manifest.json`` contains no times and no absolute paths, so that the same run gives the same
bytes. Sizes and modification times, which identify unchanged files quickly, are in a hidden file
beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lunarsite.engine import file_names, input_versions, provenance
from lunarsite.engine.atomic import whole_file
from lunarsite.engine.file_names import is_virtual, local_file, part_name, part_of
from lunarsite.engine.provenance import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NAME = "manifest.json"
_KNOWN = ".lunarsite-known.json"
_LEFTOVER = re.compile(r"\.(.*\.partial-\d+|scratch-\d+)\b.*")


@dataclass
class Manifest:
    """The manifest of the folder of a run, read by `open` and written by `save`."""

    folder: Path
    content: dict[str, Any] = field(default_factory=dict)
    _known: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder, or create one; remove temporary files of a killed run."""
        for leftover in [*folder.glob(".*"), *folder.glob("layers/.*")]:
            if not _LEFTOVER.fullmatch(leftover.name):
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
        known = {path: stamp for path, stamp in _read(folder / _KNOWN).items() if _is_stamp(stamp)}
        content = _read(folder / NAME)
        if not _is_manifest(content):
            content = {}
        return cls(folder, content, known)

    def sha256(self, path: str | Path, *, again: bool = False) -> str:
        """Return the SHA-256 of a file, from the cache if its version is unchanged.

        The file of an archive or of a part of a file is the whole; see `file_names.sha256`.

        Parameters
        ----------
        path : path
            A file, or another name that GDAL opens.
        again : bool, optional
            Whether to read it even if it seems unchanged.

        Raises
        ------
        ChangedInputError
            If it changes while it is read.
        """
        local = local_file(path)
        if local is None:
            return sha256(path)
        file = local.resolve()
        part = part_of(path)
        name = str(path) if is_virtual(path) else str(file)
        name = part_name(file, *part[1]) if part and not is_virtual(part[0]) else name
        stamp = _stamp(file)
        known = self._known.get(name)
        if known is not None and _version(known) == stamp and not again:
            return str(known[_SHA])
        digest = sha256(path)
        if stamp is None or _stamp(file) != stamp:
            raise input_versions.ChangedInputError(str(path))
        size, modified, *others = stamp
        self._known[name] = [size, modified, digest, *others]
        return digest

    def key(
        self, step: str, shaping: Mapping[str, Any], inputs: Mapping[str, Iterable[str | Path]]
    ) -> str:
        """Return a hash of everything on which the result of a step depends.

        Input files are identified by role and content.
        """
        content = {
            "step": step,
            "parameters": dict(shaping),
            "inputs": {
                role: [self.sha256(path) for path in paths] for role, paths in inputs.items()
            },
            "versions": provenance.versions(),
        }
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def done(
        self,
        step: str,
        key: str,
        inputs: Mapping[str, Iterable[str | Path]] | None = None,
    ) -> dict[str, Any] | None:
        """Return the entry of a step if it has that key and its output files are unchanged.

        Layers that name other inputs in their own metadata than ``inputs`` are not taken.
        """
        entry: dict[str, Any] | None = self.content.get("steps", {}).get(step)
        if entry is None or entry["key"] != key:
            return None
        for name, sha in entry["outputs"].items():
            path = self.folder / name
            if not path.is_file() or self.sha256(path) != sha:
                return None
        if inputs is not None and self.foreign(entry["outputs"], inputs):
            return None
        return entry

    def foreign(
        self, outputs: Iterable[str], inputs: Mapping[str, Iterable[str | Path]]
    ) -> str | None:
        """Return the first layer that names other inputs in its metadata; None if none does."""
        known = {self.sha256(path) for paths in inputs.values() for path in paths}
        for name in outputs:
            if name.endswith(".tif") and not _inputs_of(self.folder / name) <= known:
                return name
        return None

    def begin(self) -> None:
        """Mark the run as unfinished, before a step changes files."""
        if self.content.get("finished"):
            self.content["finished"] = False
            self.save()

    def drop(self, steps: Iterable[str]) -> None:
        """Forget steps whose files cannot be trusted: the next run does them again."""
        for step in steps:
            self.content.get("steps", {}).pop(step, None)
        self.content["finished"] = False
        self.save()

    def forget(self, step: str, outputs: Iterable[str]) -> None:
        """Remove a step that is no longer part of the run, and its files."""
        entry = self.content.get("steps", {}).pop(step, None)
        paths = [self.folder / name for name in outputs]
        existing = [path for path in paths if path.is_file()]
        if entry is not None or existing:
            self.content["finished"] = False
            self.save()
        for path in existing:
            path.unlink()

    def record(
        self,
        step: str,
        key: str,
        outputs: Iterable[Path],
        result: Mapping[str, Any],
        warnings: list[str],
    ) -> None:
        """Record a finished step and save the manifest."""
        steps = self.content.setdefault("steps", {})
        steps[step] = {
            "key": key,
            "outputs": {
                path.relative_to(self.folder).as_posix(): self.sha256(path)
                for path in sorted(outputs)
            },
            "result": dict(result),
            "warnings": warnings,
        }
        self.content["finished"] = False
        self.save()

    def save(self) -> None:
        """Write the manifest and the hashes of files, if they have changed."""
        _write(self.folder / NAME, self.content)
        _write(self.folder / _KNOWN, self._known)


_ENTRY = {"key": str, "outputs": dict, "result": dict, "warnings": list}
_SHA = 2
_LENGTH = 5
"""Length of a stamp: size and modification time, then the SHA-256, which the plugin reads, then
the rest of the version."""


def _stamp(file: Path) -> tuple[int, ...] | None:
    return input_versions.version(file)


def _version(known: list[Any]) -> tuple[Any, ...]:
    return (*known[:_SHA], *known[_SHA + 1 :])


def _is_stamp(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == _LENGTH
        and isinstance(value[_SHA], str)
        and all(isinstance(number, int) for number in _version(value))
    )


def _is_manifest(content: dict[str, Any]) -> bool:
    """Return whether a manifest has the structure of one, with outputs inside its folder only."""
    steps = content.get("steps", {})
    return isinstance(steps, dict) and all(_is_entry(entry) for entry in steps.values())


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    if any(not isinstance(entry.get(name), kind) for name, kind in _ENTRY.items()):
        return False
    outputs, warnings = entry["outputs"], entry["warnings"]
    return (
        all(isinstance(sha, str) for sha in outputs.values())
        and all(file_names.is_inside(name) for name in outputs)
        and all(isinstance(warning, str) for warning in warnings)
    )


def _inputs_of(layer: Path) -> set[str]:
    """Return the checksums of the inputs that a layer names in its metadata."""
    from lunarsite.engine.io import gdal_open  # noqa: PLC0415  rasterio is not needed to read a manifest

    try:
        with gdal_open.open_raster(layer) as source:
            text = source.tags().get("LUNARSITE", "")
        return {str(each["sha256"]) for each in json.loads(text)["inputs"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {f"{layer.name} does not name its inputs"}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
