"""Work arrays, in memory up to a limit and memory-mapped beyond it."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lunarsite.engine.atomic import write_error

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray


_UNSUPPORTED = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV)
"""Errors of file systems that reserve nothing; the free space is looked up then."""


class Allocator(Protocol):
    """Allocates a work array of a shape and type: `numpy.zeros`, or a `Scratch`."""

    def __call__(self, shape: tuple[int, ...], dtype: DTypeLike, /) -> NDArray[Any]:
        """Return an array."""
        ...


class Scratch:
    """Allocates arrays of zeros; arrays beyond the limit are memory-mapped files.

    The operating system keeps as much of a mapped file in memory as possible; results are the same.

    Parameters
    ----------
    folder : Path
        An existing folder, which the caller removes.
    limit_bytes : int
        Limit for arrays in memory, bytes.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._left = limit_bytes
        self._files = 0

    def __call__(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of zeros.

        Raises
        ------
        OutputError
            If the disk has no room for a mapped file, or the process may not make one so large.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size <= self._left:
            self._left -= size
            return np.zeros(shape, dtype)
        self._files += 1
        path = self._folder / f"work-{self._files}.bin"
        try:
            with path.open("xb") as file:
                _reserve(file.fileno(), max(size, 1), self._folder)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise write_error(error, path, needed_bytes=size) from error
        return np.memmap(path, dtype, "r+", shape=shape)


def _reserve(descriptor: int, size: int, folder: Path) -> None:
    """Give a new file its blocks on the disk.

    A mapped file of holes gets them when it is written to, and where the disk is full then, the
    system ends the process.

    Raises
    ------
    OSError
        If there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            return
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.truncate(descriptor, size)
