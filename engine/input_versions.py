"""Versions of input files: that what a run has read is what its provenance names.

Standard library only. A version is size, times, and the number that the file system gives a file:
one that is replaced by another of equal size and modification time has another version too.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name, local_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Version = tuple[int, int, int, int]
"""Size in bytes, modification time and change time in nanoseconds, number of the file."""

_MANY = 1000
"""Above this number of inputs they are looked at when the run ends, not for every output."""


class ChangedInputError(InputError):
    """An input changed while a run was reading it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The input {display_name(name)} changed while the run was reading it",
            "Leave the inputs as they are until the run ends, and run the same command again",
        )


def version(file: str | Path) -> Version | None:
    """Return the version of a regular file, None if there is no such file.

    Examples
    --------
    >>> version("no such file") is None
    True
    """
    path = Path(file)
    try:
        if not path.is_file():
            return None
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class Watch:
    """Inputs of a run and their versions when it began."""

    def __init__(self, names: Iterable[str], outer: Watch | None = None) -> None:
        self._versions: dict[Path, tuple[str, Version | None]] = {}
        self._outer = outer
        self.add(names)

    def add(self, names: Iterable[str]) -> None:
        """Watch more inputs, paths or names that GDAL opens; others than files are left out."""
        for name in names:
            file = local_file(name)
            if file is not None and file not in self._versions:
                self._versions[file] = name, version(file)

    def check(self, *, ended: bool = True) -> None:
        """Raise if an input has changed.

        Parameters
        ----------
        ended : bool, optional
            False before an output is written: very many inputs are looked at only in the end.

        Raises
        ------
        ChangedInputError
            With the name of the input.
        """
        if self._outer is not None:
            self._outer.check(ended=ended)
        if not ended and len(self._versions) > _MANY:
            return
        for file, (name, before) in self._versions.items():
            if version(file) != before:
                raise ChangedInputError(name)


_watch: ContextVar[Watch | None] = ContextVar("_watch", default=None)


def watch() -> Watch | None:
    """Return the inputs of the run that this code is a part of, None outside of runs."""
    return _watch.get()


@contextmanager
def watched(names: Iterable[str]) -> Iterator[Watch]:
    """Watch inputs during a block: no output is written once one of them has changed.

    Parameters
    ----------
    names : iterable of str
        Paths, or names that GDAL opens.

    Yields
    ------
    Watch
        The inputs.

    Raises
    ------
    ChangedInputError
        If an input has changed when the block ends.
    """
    inputs = Watch(names, _watch.get())
    token = _watch.set(inputs)
    try:
        yield inputs
        inputs.check()
    finally:
        _watch.reset(token)
