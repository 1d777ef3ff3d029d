"""Validation of output paths before a stage starts. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.atomic import check_writable, unwritable
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.file_names import file_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def check(outputs: Mapping[str, str], inputs: Mapping[str, Iterable[str]]) -> None:
    """Raise if an output path is a folder, an input of the same run, or used for two outputs.

    Parameters
    ----------
    written : mapping of str to str
        Output paths by their names in messages, such as ``--out``.
    read : mapping of str to iterable of str
        Input paths, likewise.

    Raises
    ------
    ParameterError
        With the names of both.
    """
    input_names = {_real(file_of(path)): name for name, paths in inputs.items() for path in paths}
    output_names: dict[Path, str] = {}
    for name, path in outputs.items():
        real = _real(path)
        if real.is_dir():
            raise ParameterError(f"{name}: {path} is a folder", "Give the path of a file to write")
        if real in input_names:
            raise ParameterError(
                f"{name}: {path} would overwrite an input of {input_names[real]}",
                "Give the output another name",
            )
        if real in output_names:
            raise ParameterError(
                f"{name}: {path} is already the output of {output_names[real]}",
                "Give one of them another name",
            )
        output_names[real] = name


def check_ending(name: str, path: str, endings: tuple[str, ...]) -> None:
    """Raise if the name of an output file does not have one of the supported extensions.

    Raises
    ------
    ParameterError
        With a valid name.
    """
    file = Path(path)
    if file.suffix.lower() not in endings:
        listed = " or ".join(endings)
        raise ParameterError(
            f"{name}: {file.name} does not end in {listed}",
            f"Name it like {file.stem or 'out'}{endings[0]}",
        )


def check_folder(folder: Path) -> None:
    """Raise if an output folder is not writable, or cannot be created.

    Raises
    ------
    OutputError
        If its nearest existing parent is not a writable folder.
    """
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise unwritable(folder)
    check_writable(existing)


def _real(path: str) -> Path:
    """Return the path with symbolic links resolved, or the absolute path if that fails."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):
        return Path(path).absolute()
