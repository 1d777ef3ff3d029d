"""The book of a run: which steps are done, from what, and what they left.

``manifest.json`` holds no time and no path of the machine, so that the same run gives the same
bytes. What tells a changed file from an unchanged one in a moment (size and time of change) stands
in a hidden file beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import provenance
from lunarsite.engine.atomic import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = "manifest.json"
_KNOWN = ".lunarsite-known.json"
_LEFTOVER = re.compile(r"\.(.*\.partial-\d+|scratch-\d+)\b.*")


@dataclass
class Manifest:
    """The manifest of a run's folder, read when it is made and written by `save`."""

    folder: Path
    content: dict[str, Any] = field(default_factory=dict)
    _known: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Manifest:
        """Read a folder's manifest, or begin one; remove what a killed run left half-written."""
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
        """Return a file's SHA-256; a file whose size and time did not change is not read again."""
        file = Path(path).resolve()
        status = file.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        known = self._known.get(str(file))
        if known is not None and known[:2] == stamp:
            return str(known[2])
        found = provenance.sha256(file)
        self._known[str(file)] = [*stamp, found]
        return found

    def key(
        self, step: str, shaping: Mapping[str, Any], inputs: Mapping[str, Iterable[str | Path]]
    ) -> str:
        """Return what a step's result depends on, as one hash: which content plays which role."""
        described = {
            "step": step,
            "parameters": dict(shaping),
            "inputs": {
                role: [self.sha256(path) for path in paths] for role, paths in inputs.items()
            },
            "versions": provenance.versions(),
        }
        text = json.dumps(described, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def done(self, step: str, key: str) -> dict[str, Any] | None:
        """Return a step's entry if it was done with that key and its files are untouched."""
        entry: dict[str, Any] | None = self.content.get("steps", {}).get(step)
        if not isinstance(entry, dict) or entry.get("key") != key or not set(entry) >= _ENTRY:
            return None
        for name, sha in entry["outputs"].items():
            path = self.folder / name
            if not path.is_file() or self.sha256(path) != sha:
                return None
        return entry

    def begin(self) -> None:
        """Note that a step is about to change files: until the end, the run is not finished."""
        if self.content.get("finished"):
            self.content["finished"] = False
            self.save()

    def forget(self, step: str, outputs: Iterable[str]) -> None:
        """Remove a step that is no part of the run any more, and its files."""
        entry = self.content.get("steps", {}).pop(step, None)
        paths = [self.folder / name for name in outputs]
        there = [path for path in paths if path.is_file()]
        if entry is not None or there:
            self.content["finished"] = False
            self.save()
        for path in there:
            path.unlink()

    def record(
        self,
        step: str,
        key: str,
        outputs: Iterable[Path],
        result: Mapping[str, Any],
        warnings: list[str],
    ) -> None:
        """Enter a finished step and save."""
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
        """Write the manifest and what is known of files; unchanged files are left alone."""
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
