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

from lunarsite.engine._parameter_values import file_of, name_of

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
    """Return the SHA-256 of a file, or of the file of a layer, in hexadecimal."""
    with Path(file_of(path)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        The device of the computation, ``cpu`` or ``cuda``.
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
        "inputs": [{"name": name_of(path), "sha256": find_sha256(path)} for path in inputs],
        "versions": versions(),
        "device": device,
    }


def as_tags(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return a provenance record as metadata tags of a raster or vector file."""
    return {"LUNARSITE": json.dumps(provenance, sort_keys=True)}
