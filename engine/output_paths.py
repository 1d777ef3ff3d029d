"""Whether the files that a stage writes may lie where they are to, asked before it works.

Standard library only: the declarations of stages ask it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.atomic import check_writable, unwritable
from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def check(written: Mapping[str, str], read: Mapping[str, Iterable[str]]) -> None:
    """Raise if a file to write is a folder, is read by the same run, or is written twice.

    Parameters
    ----------
    written : mapping of str to str
        Paths to write, by what messages call them.
    read : mapping of str to iterable of str
        Paths that are read, likewise.

    Raises
    ------
    ParameterError
        With the names of both.
    """
    taken = {_real(path): name for name, paths in read.items() for path in paths}
    seen: dict[Path, str] = {}
    for name, path in written.items():
        place = _real(path)
        if place.is_dir():
            raise ParameterError(f"{name}: {path} is a folder", "Give the path of a file to write")
        if place in taken:
            raise ParameterError(
                f"{name}: {path} would be written over what {taken[place]} reads",
                "Give the output another name",
            )
        if place in seen:
            raise ParameterError(
                f"{name}: {path} is what {seen[place]} writes", "Give one of them another name"
            )
        seen[place] = name


def check_ending(name: str, path: str, endings: tuple[str, ...]) -> None:
    """Raise if the name of a file to write does not end as what is written must.

    Raises
    ------
    ParameterError
        With a name that would do.
    """
    file = Path(path)
    if file.suffix.lower() not in endings:
        listed = " or ".join(endings)
        raise ParameterError(
            f"{name}: {file.name} does not end in {listed}",
            f"Name it like {file.stem or 'out'}{endings[0]}",
        )


def check_folder(folder: Path) -> None:
    """Raise if nothing can be written in a folder, or where it would have to be made.

    Raises
    ------
    OutputError
        If so.
    """
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise unwritable(folder)
    check_writable(there)


def _real(path: str) -> Path:
    """Return the file behind links; as it is written where the system cannot say."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):
        return Path(path).absolute()
