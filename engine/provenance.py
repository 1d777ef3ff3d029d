"""Provenance of a result: inputs by content, parameters, versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name, is_virtual, local_file, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_STRIP_ROWS = 512
_LEAST_PX = 512
"""Side of the overview that identifies a raster that is not read whole."""

_LIBRARIES = (
    "numpy",
    "numba",
    "scipy",
    "rasterio",
    "pyerfa",
    "geopandas",
    "onnxruntime",
    "pyarrow",
    "xgboost",
    "woodelf-explainer",
)


def sha256(name: str | Path) -> str:
    """Return the SHA-256 that identifies the content of a name, in hexadecimal.

    For a file it is that of its bytes, for what lies in a file or an archive that of the whole
    file. Rasters on servers are not fetched, nor are those read whole of which a part is asked for:
    theirs is that of type, place, the numbers of the part and an overview of the rest.
    """
    part = part_of(name)
    file = None if part else local_file(name)
    if file is not None:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    if not is_virtual(name):
        raise FileNotFoundError(f"there is no file {name}")
    import rasterio  # noqa: PLC0415  needed for rasters on servers and for parts only

    whole = part[0] if part else str(name)
    digest = hashlib.sha256()
    with rasterio.open(whole) as source:
        shrink = max(1, -(-max(source.shape) // _LEAST_PX))
        shape = (source.count, *(max(1, side // shrink) for side in source.shape))
        digest.update(f"{display_name(whole)} {source.profile}".encode())
        digest.update(source.read(out_shape=shape).tobytes())
        if part is not None:
            left, top, width, height = part[1]
            digest.update(str(part[1]).encode())
            for row in range(top, top + height, _STRIP_ROWS):
                rows = min(_STRIP_ROWS, top + height - row)
                digest.update(source.read(window=((row, row + rows), (left, left + width))))
    return digest.hexdigest()


def write_checksums(listing: Path, files: Iterable[Path]) -> None:
    """Write the SHA-256 of files beside them, in the format of ``sha256sum``."""
    lines = (f"{sha256(file)}  {file.name}\n" for file in files)
    with whole_file(listing) as partial:
        partial.write_text("".join(lines), encoding="utf-8")


def read_verified(file: Path, remedy: str) -> bytes:
    """Return the content of a file if its SHA-256 is the one that is listed beside it.

    The list has the name of the file and the extension ``.sha256``, or is called ``SHA256SUMS``.
    What is returned is what was verified, so that no parser ever sees anything else.

    Parameters
    ----------
    file : Path
        The file.
    remedy : str
        What to do about a file that is not what it was.

    Raises
    ------
    InputError
        If the file or the list cannot be read, or the checksum differs or is not listed.
    """
    if not file.is_file():
        raise InputError(f"There is no file {file}", remedy)
    own, shared = file.with_suffix(".sha256"), file.with_name("SHA256SUMS")
    listing = own if own.is_file() else shared
    try:
        content = file.read_bytes()
        if not listing.is_file():
            raise InputError(
                f"There is no list of checksums for {file}: neither {own.name} nor {shared.name} "
                "lies beside it",
                remedy,
            )
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", remedy
        ) from error
    listed = {line.split()[-1].lstrip("*"): line.split()[0] for line in lines if line.split()}
    if listing == own:  # its files may have been renamed together
        listed |= {own.with_suffix(Path(name).suffix).name: sha for name, sha in listed.items()}
    if hashlib.sha256(content).hexdigest() != listed.get(file.name):
        raise InputError(
            f"{file.name} is not the file that {listing.name} names: its checksum differs", remedy
        )
    return content


@cache
def versions() -> dict[str, str]:
    """Return the versions of the engine, Python and the libraries that affect results."""
    result = {"lunarsite": version(), "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return result


@cache
def version() -> str:
    """Return the version of the engine, from its source folder or the installed package."""
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return importlib.metadata.version("lunarsite")


def describe(
    stage: str,
    values: Mapping[str, Any],
    inputs: Iterable[str | Path],
    *,
    device: str = "cpu",
    find_sha256: Callable[[str | Path], str] = sha256,
) -> dict[str, Any]:
    """Return the provenance of a result.

    Parameters
    ----------
    stage : str
        Name of the stage.
    values : mapping
        Its parameters, without those that do not affect the result.
    inputs : iterable of path
        Input files; each is identified by its name and its SHA-256.
    device : str
        On what networks ran: ``cpu``, ``cuda``, or ``cuda, then cpu`` if GPU memory ran out.
    find_sha256 : callable, optional
        Returns the SHA-256 of a file, such as a cached one.

    Returns
    -------
    dict
        ``stage``, ``parameters``, ``inputs``, ``versions`` and ``device``, JSON-serialisable.
    """
    return {
        "stage": stage,
        "parameters": {key: values[key] for key in sorted(values)},
        "inputs": [{"name": display_name(path), "sha256": find_sha256(path)} for path in inputs],
        "versions": versions(),
        "device": device,
    }


def as_tags(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return a provenance record as metadata tags of a raster or vector file."""
    return {"LUNARSITE": json.dumps(provenance, sort_keys=True)}
