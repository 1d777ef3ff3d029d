"""An in-memory cache of training samples."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S")


class SampleCache(Generic[S]):
    """Samples by number, loaded on first access and kept in memory while they fit.

    Once the capacity is reached, further samples are loaded anew at each access; nothing is
    evicted, since a training draws all samples equally often.

    Parameters
    ----------
    load : callable
        Returns the sample of a number; the same number gives the same sample.
    size_of : callable
        Returns the size of a sample in bytes. Samples of one data set are about equal in size.
    capacity_bytes : int
        Memory that cached samples may occupy; 0 disables the cache.
    """

    def __init__(
        self, load: Callable[[int], S], size_of: Callable[[S], int], capacity_bytes: int
    ) -> None:
        self._load, self._size_of, self._capacity_bytes = load, size_of, capacity_bytes
        self._samples: dict[int, S] = {}
        self._turns: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(self, number: int) -> S:
        """Return the sample of a number."""
        with self._lock:
            turn = self._turns.setdefault(number, threading.Lock())
        # Batches are drawn in several threads: a sample is loaded, and its file written, by one.
        with turn:
            if number in self._samples:
                return self._samples[number]
            sample = self._load(number)
            with self._lock:
                size = (len(self._samples) + 1) * self._size_of(sample)
                if size <= self._capacity_bytes:
                    self._samples[number] = sample
            return sample
