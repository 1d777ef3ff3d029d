"""The files of a dataset, put together in a folder with the metadata that Kaggle reads."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from lunarsite.engine.atomic import make_folder, whole_file
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.training.kaggle import wheel
from lunarsite.engine.training.kaggle.here import MODELS

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.training.kaggle.specs import DatasetSpec

METADATA = "dataset-metadata.json"

_MODELS = ("*.safetensors", "*.ubj", "*.json", "SHA256SUMS")


def metadata(spec: DatasetSpec, owner: str, *, public: bool = False) -> dict[str, Any]:
    """Return what Kaggle is told about a dataset.

    Whether it is public stands in it in any case: without it, an update would make it public.
    """
    return {
        "id": f"{owner}/{spec.slug}",
        "title": spec.title,
        "subtitle": spec.subtitle,
        "description": spec.description,
        "isPrivate": not public,
        "licenses": [{"name": spec.licence}],
        "keywords": [],
    }


def write(
    spec: DatasetSpec, folder: Path, owner: str, source: Path | None, *, public: bool = False
) -> list[Path]:
    """Write the files of a dataset and its metadata into a folder.

    Parameters
    ----------
    spec : DatasetSpec
        The dataset.
    folder : Path
        Where; nothing else may lie there, since all of it is uploaded.
    owner : str
        Kaggle's name of the account.
    source : Path or None
        Folder with the user's files, for datasets that have them.
    public : bool
        Whether everybody sees it.

    Returns
    -------
    list of Path
        The files, the metadata last.

    Raises
    ------
    InputError
        If a file of the user's is missing.
    ParameterError
        If the folder of the user's files is missing, or given for a dataset without any.
    """
    make_folder(folder)
    if (spec.content == "folder") != (source is not None):
        if source is not None:
            raise ParameterError(
                f"--source: the dataset {spec.name} is put together from the engine",
                "Leave --source out",
            )
        raise ParameterError(
            f"The dataset {spec.name} holds your {' and '.join(spec.files)}",
            "Name the folder with them: --source FOLDER",
        )
    if spec.content == "wheel":
        written = [wheel.write(folder)]
    else:
        written = [_copied(file, folder) for file in _files(spec, source)]
    return [*written, write_metadata(spec, folder, owner, public=public)]


def write_metadata(spec: DatasetSpec, folder: Path, owner: str, *, public: bool = False) -> Path:
    """Write the metadata of a dataset into a folder, and return the file."""
    path = folder / METADATA
    with whole_file(path) as partial:
        content = metadata(spec, owner, public=public)
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def _files(spec: DatasetSpec, source: Path | None) -> list[Path]:
    if source is None:
        return sorted(file for pattern in _MODELS for file in MODELS.glob(pattern))
    files = [source / name for name in spec.files]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(
            f"The dataset {spec.name} needs {' and '.join(spec.files)}, and {source} has no "
            f"{' and no '.join(missing)}",
            "Put the files there under these names",
        )
    return files


def _copied(file: Path, folder: Path) -> Path:
    target = folder / file.name
    with whole_file(target) as partial:
        shutil.copyfile(file, partial)
    return target
