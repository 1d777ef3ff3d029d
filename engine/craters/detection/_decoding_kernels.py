"""The compiled loop of `decode`."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int = NDArray[np.int64]
Int32 = NDArray[np.int32]


@njit(cache=True, nogil=True)
def gather(starts: Int32, neighbors: Int32) -> Int:
    """Return the cluster of each item; items come best first and gather their free neighbours."""
    count = starts.size - 1
    owner = np.full(count, -1, np.int64)
    clusters = 0
    for i in range(count):
        if owner[i] >= 0:
            continue
        owner[i] = clusters
        for at in range(starts[i], starts[i + 1]):
            j = neighbors[at]
            if owner[j] < 0:
                owner[j] = clusters
        clusters += 1
    return owner
