"""Work arrays, in memory up to a limit and memory-mapped beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray


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
        """Return an array of zeros."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size <= self._left:
            self._left -= size
            return np.zeros(shape, dtype)
        self._files += 1
        return np.memmap(self._folder / f"work-{self._files}.bin", dtype, "w+", shape=shape)
