"""The folder of a finished screening run: its results and its inputs.

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
from lunarsite.engine.file_names import is_inside, local_file, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MANIFEST = "manifest.json"
RANK_INTERVAL = "rank_interval.tif"

_KNOWN = ".lunarsite-known.json"
_TERRAIN = ("dem", "far_field")
_YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class Input:
    """An input file of the run.

    ``path`` is where it is now, None if it cannot be found. ``size`` is its length in bytes, None
    if the run did not record it. ``opens`` is the name by which the engine opens it, which differs
    from the path for what lies in an archive.
    """

    role: str
    name: str
    sha256: str
    size: int | None
    path: Path | None
    opens: str = ""

    def is_like(self, path: Path) -> bool:
        """Return whether a file is this one or, judging by name and length, a copy of it."""
        if path == self.path:
            return True
        return path.name == self.name and is_file(path) and path.stat().st_size == self.size


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run.

    ``start`` and ``stop`` delimit the period of illumination, ``best`` is the best cell (longitude
    and latitude, degrees). ``craters`` is the crater catalogue used, None if there was none or it
    cannot be found. ``written_ns`` is the modification time of the manifest. ``part`` holds the
    parameters that say which part of the elevation model was screened, and whether the model that
    ships surrounds it; runs of earlier versions had neither.
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
    part: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path, located: Mapping[str, str] | None = None) -> RunFolder:
        """Read the manifest of a run.

        Parameters
        ----------
        path : Path
            The folder of the run.
        located : mapping, optional
            Inputs that the user has located: paths by SHA-256.

        Raises
        ------
        InputError
            If the folder has no run, an unfinished one, or another kind of manifest.
        """
        written_ns = _written_ns(path)  # first, so that a change while reading is noticed later
        content = _manifest(path)
        if not content.get("finished"):
            raise InputError(
                f"The run in {path} is not finished",
                "Run Screen a region again with the same output folder, and it resumes",
            )
        known = _read(path / _KNOWN)
        try:
            parameters, profile = content["parameters"], content["profile"]
            best = content["steps"]["score"]["result"].get("best")
            every = [_input(each, path, known, located or {}) for each in content["inputs"]]
            craters = next((each.path for each in every if each.role == "craters"), None)
            start = dt.date.fromisoformat(parameters["start"])
            year = start + dt.timedelta(days=_YEAR_DAYS)
            stop = dt.date.fromisoformat(parameters["stop"]) if parameters["stop"] else year
            return cls(
                path=path,
                profile=str(profile.get("title") or profile["name"]),
                version=str(content["lunarsite"]),
                mast_height_m=float(parameters["mast_height_m"]),
                start=start,
                stop=stop,
                best=(float(best["lon_deg"]), float(best["lat_deg"])) if best else None,
                inputs=tuple(each for each in every if each.role in _TERRAIN),
                craters=craters,
                written_ns=written_ns,
                part={
                    "aoi": parameters.get("aoi"),
                    "builtin_far_field": bool(parameters.get("builtin_far_field", False)),
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"The manifest of {path} is not in the format of this version of LunarSite "
                f"({type(error).__name__}: {error})",
                "Choose the output folder of Screen a region, or run it again",
            ) from error

    @property
    def title(self) -> str:
        """The name in lists: the folder and its parent."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def missing(self) -> tuple[Input, ...]:
        """The elevation models that cannot be found."""
        return tuple(each for each in self.inputs if each.path is None)

    def span(self, longest_days: int) -> tuple[str, str]:
        """Return the period of illumination, ``YYYY-MM-DD``; only the first year if it is long."""
        stop = self.stop
        if (stop - self.start).days > longest_days:
            stop = self.start + dt.timedelta(days=_YEAR_DAYS)
        return self.start.isoformat(), stop.isoformat()

    def changed(self) -> bool:
        """Return whether the run has been repeated, moved or deleted since it was read."""
        return _written_ns(self.path) != self.written_ns

    def terrain(self) -> dict[str, Any]:
        """Return the parameters of the elevation models for a skyline.

        Raises
        ------
        InputError
            If an elevation model cannot be found.
        """
        if self.missing:
            absent = self.missing[0]
            raise InputError(
                f"The run's elevation model {absent.name} has been moved or changed",
                "Click Locate Elevation Model and choose the file",
            )
        paths = {
            role: [each.opens for each in self.inputs if each.role == role] for role in _TERRAIN
        }
        models = {"dem": paths["dem"][0], "far_field": paths["far_field"]}
        return models | {key: value for key, value in self.part.items() if value is not None}

    def raster(self, name: str) -> Path:
        """Return the path of one of its rasters.

        Raises
        ------
        InputError
            If it does not exist.
        """
        path = self.path / name
        if not path.is_file():
            raise InputError(
                f"{path} is missing, although the run is finished", "Run Screen a region again"
            )
        return path


def check_located(wanted: Input, path: Path) -> None:
    """Check that a file that the user located can be an input of the run.

    Raises
    ------
    InputError
        If its length differs.
    """
    size = path.stat().st_size if is_file(path) else None
    if size is None or (wanted.size is not None and size != wanted.size):
        raise InputError(
            f"{path} is not the run's {wanted.name}: its length is {size or 0:,} bytes, not "
            f"{wanted.size or 0:,}",
            "Choose the original file, or run Screen a region again with this one",
        )


def runs_of(sources: Iterable[Path]) -> list[Path]:
    """Return the run folders that contain the files, in order and without duplicates."""
    found: dict[Path, None] = {}
    for source in sources:
        for folder in (source.parent, source.parent.parent):
            if is_file(folder / MANIFEST):
                found.setdefault(folder)
                break
    return list(found)


def _written_ns(path: Path) -> int:
    """Return the modification time of a run's manifest, 0 if there is none."""
    try:
        return (path / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


def _manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        with suppress(FileNotFoundError, NotADirectoryError):  # reported below
            file.stat()
    except OSError as error:
        raise InputError(
            f"Cannot access the folder {path}: {error.strerror or error}",
            "Check its permissions and that its drive is connected, or choose another run",
        ) from error
    if not path.is_dir():
        raise InputError(
            f"The folder {path} does not exist: it has been moved, renamed or deleted",
            "Choose the current folder of the run",
        )
    if not file.is_file():
        raise InputError(
            f"{path} contains no run: there is no {MANIFEST}",
            "Choose the output folder of Screen a region",
        )
    content = _read(file)
    if not isinstance(content.get("steps"), dict):
        raise InputError(
            f"{file} was not written by LunarSite", "Choose the output folder of Screen a region"
        )
    return content


def _input(
    record: Mapping[str, Any], folder: Path, known: Mapping[str, Any], located: Mapping[str, str]
) -> Input:
    """Find an input: where the user located it, where it was, or next to the run."""
    name, sha = str(record["name"]), str(record["sha256"])
    names = {
        _file(path): path
        for path, stamp in known.items()
        if isinstance(stamp, list) and len(stamp) >= 3 and stamp[2] == sha
    }
    stamps = {file: known[path] for file, path in names.items()}
    size = next((int(stamp[0]) for stamp in stamps.values()), None)
    places = [Path(located[sha])] if sha in located else []
    places += stamps
    if is_inside(name):  # a manifest from elsewhere may name any file
        places += [near / name for near in (folder, folder.parent, folder.parent.parent)]
    found = next((path for path in places if _is_it(path, size, stamps.get(path))), None)
    opens = "" if found is None else str(found)
    if found in names and part_of(names[found]) is None:
        opens = names[found]
    return Input(str(record["role"]), name, sha, size, found, opens)


def _file(name: str) -> Path:
    """Return the file of a name; of what lies in an archive that is the archive."""
    part = part_of(name)
    return local_file(part[0] if part else name) or Path(name)


def _is_it(path: Path, size: int | None, stamp: list[Any] | None) -> bool:
    """Return whether a file is the run's: by length and time at its old path, else by length."""
    if not is_file(path):
        return False
    status = path.stat()
    if stamp is not None:
        return [status.st_size, status.st_mtime_ns] == stamp[:2]
    return size is not None and status.st_size == size


def is_file(path: Path) -> bool:
    """Return whether a file exists; False if its folder is not accessible."""
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
