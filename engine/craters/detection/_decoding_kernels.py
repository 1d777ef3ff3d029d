"""Compiled kernel of `decoding`: greedy clustering."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int = NDArray[np.int64]
Int32 = NDArray[np.int32]


@njit(cache=True, nogil=True)
def gather(starts: Int32, neighbors: Int32) -> Int:
    """Cluster items greedily: each free item, the best first, gathers its free neighbours.

    Parameters
    ----------
    starts, neighbors : ndarray of int32
        Row pointers and column indices of the neighbours of each item, as in a CSR matrix.

    Returns
    -------
    ndarray of int64, shape (items,)
        Number of the cluster of each item, in order of their best items.
    """
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
