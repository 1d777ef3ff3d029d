"""The folder of a finished screening: what it holds, and what it was made from.

Standard library only.
"""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MANIFEST = "manifest.json"
RANK_INTERVAL = "rank_interval.tif"

_KNOWN = ".lunarsite-known.json"
_TERRAIN = ("dem", "far_field")
_YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class Input:
    """A file that the run was made from.

    ``path`` is where it lies now, None where it is not found. ``size`` is its length in bytes, None
    where the run does not know it.
    """

    role: str
    name: str
    sha256: str
    size: int | None
    path: Path | None

    def is_like(self, path: Path) -> bool:
        """Say whether a file is this one, or by its name and length a copy of it."""
        if path == self.path:
            return True
        return path.name == self.name and is_file(path) and path.stat().st_size == self.size


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run.

    ``start`` and ``stop`` bound the light that was worked out, ``best`` is the place of the best
    cell (longitude and latitude, degrees). ``craters`` is the catalogue of craters that it was made
    with, None where there is none or it is not found. ``written_ns`` is when its manifest was
    written.
    """

    path: Path
    profile: str
    version: str
    mast_height_m: float
    start: dt.date
    stop: dt.date
    best: tuple[float, float] | None
    inputs: tuple[Input, ...]
    craters: Path | None
    written_ns: int

    @classmethod
    def open(cls, path: Path, located: Mapping[str, str] | None = None) -> RunFolder:
        """Read what a folder holds.

        Parameters
        ----------
        path : Path
            The folder.
        located : mapping, optional
            Where the user found inputs: paths by SHA-256.

        Raises
        ------
        InputError
            If it holds no run, one that is not finished, or a manifest of something else.
        """
        written_ns = _written_ns(path)  # before it is read: a later change is seen then
        content = _manifest(path)
        if not content.get("finished"):
            raise InputError(
                f"The run in {path} is not finished",
                "Run Screen a region again with the same output folder: it goes on where it "
                "was left off",
            )
        known = _read(path / _KNOWN)
        try:
            given, profile = content["parameters"], content["profile"]
            best = content["steps"]["score"]["result"].get("best")
            every = [_input(each, path, known, located or {}) for each in content["inputs"]]
            craters = next((each.path for each in every if each.role == "craters"), None)
            start = dt.date.fromisoformat(given["start"])
            year = start + dt.timedelta(days=_YEAR_DAYS)
            stop = dt.date.fromisoformat(given["stop"]) if given["stop"] else year
            return cls(
                path=path,
                profile=str(profile.get("title") or profile["name"]),
                version=str(content["lunarsite"]),
                mast_height_m=float(given["mast_height_m"]),
                start=start,
                stop=stop,
                best=(float(best["lon_deg"]), float(best["lat_deg"])) if best else None,
                inputs=tuple(each for each in every if each.role in _TERRAIN),
                craters=craters,
                written_ns=written_ns,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"The manifest of {path} is not one that this version of LunarSite writes "
                f"({type(error).__name__}: {error})",
                "Choose the output folder of Screen a region, or run it again",
            ) from error

    @property
    def title(self) -> str:
        """What it is called in lists: its folder's name, and the one around it."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def missing(self) -> tuple[Input, ...]:
        """The elevation models that are not found."""
        return tuple(each for each in self.inputs if each.path is None)

    def span(self, longest_days: int) -> tuple[str, str]:
        """Return the first and last day of its light, ``YYYY-MM-DD``; of too long a span a year."""
        stop = self.stop
        if (stop - self.start).days > longest_days:
            stop = self.start + dt.timedelta(days=_YEAR_DAYS)
        return self.start.isoformat(), stop.isoformat()

    def changed(self) -> bool:
        """Say whether it was screened anew, moved or removed since it was read."""
        return _written_ns(self.path) != self.written_ns

    def terrain(self) -> dict[str, Any]:
        """Return the parameters ``dem`` and ``far_field`` of a skyline.

        Raises
        ------
        InputError
            If an elevation model is not found.
        """
        if self.missing:
            absent = self.missing[0]
            raise InputError(
                f"The elevation model {absent.name} that the run was made from is not where it was",
                "Click Locate the elevation model, and choose the file",
            )
        paths = {
            role: [str(each.path) for each in self.inputs if each.role == role] for role in _TERRAIN
        }
        return {"dem": paths["dem"][0], "far_field": paths["far_field"]}

    def raster(self, name: str) -> Path:
        """Return the path of one of its rasters.

        Raises
        ------
        InputError
            If it is not there.
        """
        path = self.path / name
        if not path.is_file():
            raise InputError(
                f"{path} is not there, though the run is finished", "Run Screen a region again"
            )
        return path


def check_located(wanted: Input, path: Path) -> None:
    """Raise if a file that the user chose cannot be an input of the run.

    Raises
    ------
    InputError
        If its length differs, which the file's own content cannot.
    """
    size = path.stat().st_size if is_file(path) else None
    if size is None or (wanted.size is not None and size != wanted.size):
        raise InputError(
            f"{path} is not the file {wanted.name} that the run was made from: its length is "
            f"{size or 0:,} bytes, not {wanted.size or 0:,}",
            "Choose the same file, or run Screen a region again with this one",
        )


def runs_of(sources: Iterable[Path]) -> list[Path]:
    """Return the folders of runs that files lie in, in their order, each once."""
    found: dict[Path, None] = {}
    for source in sources:
        for folder in (source.parent, source.parent.parent):
            if is_file(folder / MANIFEST):
                found.setdefault(folder)
                break
    return list(found)


def _written_ns(path: Path) -> int:
    """Return when a run's manifest was written, 0 where there is none."""
    try:
        return (path / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


def _manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        with suppress(FileNotFoundError, NotADirectoryError):  # which are told next
            file.stat()
    except OSError as error:
        raise InputError(
            f"The folder {path} cannot be looked into: {error.strerror or error}",
            "See that you may read it and that its drive is there, or choose another run",
        ) from error
    if not path.is_dir():
        raise InputError(
            f"There is no folder {path}: it was moved, renamed or removed",
            "Choose where the run is now",
        )
    if not file.is_file():
        raise InputError(
            f"{path} holds no run: there is no {MANIFEST}",
            "Choose the output folder of Screen a region",
        )
    content = _read(file)
    if not isinstance(content.get("steps"), dict):
        raise InputError(
            f"{file} is not LunarSite's", "Choose the output folder of Screen a region"
        )
    return content


def _input(
    given: Mapping[str, Any], folder: Path, known: Mapping[str, Any], located: Mapping[str, str]
) -> Input:
    """Find an input: where the user says, where it was, or beside the run."""
    name, sha = str(given["name"]), str(given["sha256"])
    stamps = {
        Path(path): stamp
        for path, stamp in known.items()
        if isinstance(stamp, list) and len(stamp) == 3 and stamp[2] == sha
    }
    size = next((int(stamp[0]) for stamp in stamps.values()), None)
    places = [Path(located[sha])] if sha in located else []
    places += stamps
    places += [near / name for near in (folder, folder.parent, folder.parent.parent)]
    found = next((path for path in places if _is_it(path, size, stamps.get(path))), None)
    return Input(str(given["role"]), name, sha, size, found)


def _is_it(path: Path, size: int | None, stamp: list[Any] | None) -> bool:
    """Say whether a file is the one the run read: by its time where it read it, else its length."""
    if not is_file(path):
        return False
    status = path.stat()
    if stamp is not None:
        return [status.st_size, status.st_mtime_ns] == stamp[:2]
    return size is not None and status.st_size == size


def is_file(path: Path) -> bool:
    """Say whether there is a file; in a folder that is closed to the user there is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
