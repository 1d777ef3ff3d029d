"""Where a result comes from: inputs by content, parameters, versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def versions() -> dict[str, str]:
    """Return the versions of the engine, of Python and of the libraries that shape results."""
    found = {"lunarsite": version(), "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def version() -> str:
    """Return the engine's version: that of the folder it runs from, or of the installed package."""
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if project.is_file():
        found: str = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
        return found
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
        The stage's name.
    values : mapping
        Its parameters. Those that do not shape the result are left out by the caller.
    inputs : iterable of path
        Files read; each is named by its file name and its SHA-256.
    device : str
        What it was computed on.
    find_sha256 : callable
        For whoever knows the SHA-256 of files already.
    """
    return {
        "stage": stage,
        "parameters": {key: values[key] for key in sorted(values)},
        "inputs": [{"name": Path(path).name, "sha256": find_sha256(path)} for path in inputs],
        "versions": versions(),
        "device": device,
    }


def as_tags(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return a provenance as the metadata of a raster."""
    return {"LUNARSITE": json.dumps(provenance, sort_keys=True)}
