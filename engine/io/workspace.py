"""Work arrays in memory up to a limit, and in files beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray


class Allocator(Protocol):
    """Makes a work array from its shape and type: `numpy.zeros`, or a `Scratch`."""

    def __call__(self, shape: tuple[int, ...], dtype: DTypeLike, /) -> NDArray[Any]:
        """Return an array."""
        ...


class Scratch:
    """Makes arrays filled with zeros; those over the limit are mapped from files in a folder.

    The operating system keeps as much of a mapped file in memory as there is room for, and the
    results are the same.

    Parameters
    ----------
    folder : Path
        An existing folder that is removed after the work.
    limit_bytes : int
        What may be held in memory.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._left = limit_bytes
        self._files = 0

    def __call__(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of that shape and type."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size <= self._left:
            self._left -= size
            return np.zeros(shape, dtype)
        self._files += 1
        return np.memmap(self._folder / f"work-{self._files}.bin", dtype, "w+", shape=shape)
