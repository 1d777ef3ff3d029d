"""Compiled kernel of `matching`: incremental maximum bipartite matching."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int = NDArray[np.int64]
Int32 = NDArray[np.int32]
Bool = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def admit(starts: Int32, neighbors: Int32, columns: int) -> Bool:
    """Return which rows of a bipartite graph enlarge the matching, in the order of rows.

    Each row searches an augmenting path to a free column (Kuhn 1955), breadth first. Matched rows
    stay matched, so for all n the number of matched rows among the first n is their maximum
    matching.

    Parameters
    ----------
    starts, neighbors : ndarray of int32
        Row pointers and column indices of the graph, as in a CSR matrix.
    columns : int
        Number of columns.

    Returns
    -------
    ndarray of bool, shape (rows,)
        Whether each row is matched.
    """
    rows = starts.size - 1
    holder = np.full(columns, -1, np.int64)
    seen = np.full(columns, -1, np.int64)
    came = np.empty(columns, np.int64)
    held = np.full(rows, -1, np.int64)
    queue = np.empty(columns + 1, np.int64)
    matched = np.zeros(rows, np.bool_)
    for row in range(rows):
        head, tail = 0, 1
        queue[0] = row
        free = -1
        while head < tail and free < 0:
            at = queue[head]
            head += 1
            for n in range(starts[at], starts[at + 1]):
                column = neighbors[n]
                if seen[column] == row:
                    continue
                seen[column] = row
                came[column] = at
                if holder[column] < 0:
                    free = column
                    break
                queue[tail] = holder[column]
                tail += 1
        while free >= 0:
            at = came[free]
            before = held[at]
            holder[free] = at
            held[at] = free
            free = -1 if at == row else before
            matched[row] = True
    return matched
