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

from lunarsite.engine import provenance
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
        known = {
            path: stamp
            for path, stamp in _read(folder / _KNOWN).items()
            if isinstance(stamp, list) and len(stamp) == 3
        }
        content = _read(folder / NAME)
        if not isinstance(content.get("steps", {}), dict):
            content = {}
        return cls(folder, content, known)

    def sha256(self, path: str | Path) -> str:
        """Return the SHA-256 of a file, from the cache if size and time are unchanged.

        The file of an archive or of a part of a file is the whole; see `file_names.sha256`.
        """
        local = local_file(path)
        if local is None:
            return sha256(path)
        file = local.resolve()
        status = file.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        part = part_of(path)
        name = str(path) if is_virtual(path) else str(file)
        name = part_name(file, *part[1]) if part and not is_virtual(part[0]) else name
        known = self._known.get(name)
        if known is not None and known[:2] == stamp:
            return str(known[2])
        digest = sha256(name)
        self._known[name] = [*stamp, digest]
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

    def done(self, step: str, key: str) -> dict[str, Any] | None:
        """Return the entry of a step if it has that key and its output files are unchanged."""
        entry: dict[str, Any] | None = self.content.get("steps", {}).get(step)
        if not isinstance(entry, dict) or entry.get("key") != key or not set(entry) >= _ENTRY:
            return None
        for name, sha in entry["outputs"].items():
            path = self.folder / name
            if not path.is_file() or self.sha256(path) != sha:
                return None
        return entry

    def begin(self) -> None:
        """Mark the run as unfinished, before a step changes files."""
        if self.content.get("finished"):
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


_ENTRY = {"key", "outputs", "result", "warnings"}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
