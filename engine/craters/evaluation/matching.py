"""Matching of detections to catalogued craters, one to one, by three criteria.

The criteria, with Δ the distance of the centres and Δr the difference of the radii:

``deepmoon``
    Δ² < 1.8 min(r)² and abs(Δr) < min(r) (Silburt et al. 2019, Icarus 317, 27).
``strict``
    Δ < 0.5 r and abs(Δr) < 0.25 r, with r the catalogued radius.
``iou``
    The circles' intersection over union is 0.5 or more.

Among all matchings by a criterion, the one with the most pairs is chosen, and among those the one
with the least sum of 1 - IoU (linear assignment, Kuhn 1955). The graph of candidates decomposes
into small components, each of which is solved separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, sparse, spatial
from scipy.sparse import csgraph

from lunarsite.engine.craters import circles
from lunarsite.engine.craters.evaluation import _matching_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.craters.circles import Circles

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

GATES = ("deepmoon", "strict", "iou")

_REACH = np.sqrt(1.8)
"""Centres farther apart than this many of the smaller radii meet no criterion: that of deepmoon."""

_HALF_OCTAVES = 2
"""Radii differ by less than a factor of 2 by every criterion."""

_DENSE = 250_000
"""Components with more cells than this are solved as sparse matrices."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Candidate pairs of a detection and a crater by a criterion.

    Parameters
    ----------
    detection, crater : ndarray of int64, shape (pairs,)
        Indices of detection and crater.
    cost : ndarray of float64, shape (pairs,)
        1 - IoU.
    """

    detection: Int
    crater: Int
    cost: Float

    def kept(self, which: Bool | Int) -> Pairs:
        """Return a selection of the pairs."""
        return Pairs(self.detection[which], self.crater[which], self.cost[which])


def candidates(found: Circles, known: Circles) -> dict[str, Pairs]:
    """Return the pairs by each criterion, in arbitrary order.

    Parameters
    ----------
    found, known : Circles
        Detections and catalogue.

    Returns
    -------
    dict of str to Pairs
        By criterion, `GATES`.
    """
    i, j = _near(found, known)
    distance = np.hypot(found.x_m[i] - known.x_m[j], found.y_m[i] - known.y_m[j])
    detected, catalogued = found.radius_m[i], known.radius_m[j]
    least, off = np.minimum(detected, catalogued), np.abs(detected - catalogued)
    share = circles.iou(found, known, i, j)
    near = Pairs(i, j, 1.0 - share)
    within = {
        "deepmoon": (distance**2 < 1.8 * least**2) & (off < least),
        "strict": (distance < 0.5 * catalogued) & (off < 0.25 * catalogued),
        "iou": share >= 0.5,
    }
    return {gate: near.kept(within[gate]) for gate in GATES}


def match(pairs: Pairs) -> Int:
    """Return the indices of the matched pairs: most pairs, then least cost."""
    if not pairs.cost.size:
        return np.empty(0, np.int64)
    rows, row = np.unique(pairs.detection, return_inverse=True)
    columns, column = np.unique(pairs.crater, return_inverse=True)
    count = rows.size + columns.size
    graph = sparse.coo_array(
        (np.ones(row.size, np.int8), (row, column + rows.size)), shape=(count, count)
    )
    _, label = csgraph.connected_components(graph, directed=False)
    of_pair = label[row]
    order = np.argsort(of_pair, kind="stable")
    starts = np.flatnonzero(np.diff(of_pair[order], prepend=-1))
    ends = np.append(starts[1:], order.size)
    taken = [order[starts[ends - starts == 1]]]
    for start, end in zip(starts, ends, strict=True):
        if end - start > 1:
            component = order[start:end]
            taken.append(component[_solved(pairs.kept(component))])
    return np.sort(np.concatenate(taken))


def most(pairs: Pairs) -> Int:
    """Return the indices of a maximum matching of any cost; faster than `match`."""
    if not pairs.cost.size:
        return np.empty(0, np.int64)
    graph = _graph(pairs.detection, pairs.crater)
    partner = csgraph.maximum_bipartite_matching(graph, perm_type="column")
    chosen = partner[pairs.detection] == pairs.crater
    # Duplicate pairs count once.
    _, first = np.unique(pairs.detection[chosen], return_index=True)
    taken: Int = np.flatnonzero(chosen)[first]
    return taken


def admitted(pairs: Pairs, order: Int) -> Bool:
    """Return which detections increase the size of the maximum matching, added in an order.

    After each detection, the number of matches equals the maximum matching of the detections so
    far. Precision and recall at each threshold are thus those of a matching at that threshold.

    Parameters
    ----------
    pairs : Pairs
        Pairs by the criterion.
    order : ndarray of int64, shape (detections,)
        All detections, by descending confidence.

    Returns
    -------
    ndarray of bool, shape (detections,)
        In the order of the detections, not of ``order``.
    """
    result = np.zeros(order.size, bool)
    if pairs.cost.size:
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        graph = _graph(place[pairs.detection], pairs.crater, rows=order.size)
        result[order] = _matching_kernels.admit(graph.indptr, graph.indices, graph.shape[1])
    return result


def _near(found: Circles, known: Circles) -> tuple[Int, Int]:
    """Return the indices of a superset of the pairs by any criterion."""
    first, second = _by_size(found.radius_m), _by_size(known.radius_m)
    trees = {
        size: spatial.cKDTree(np.column_stack([known.x_m[at], known.y_m[at]]))
        for size, at in second.items()
    }
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for size, at in first.items():
        tree = spatial.cKDTree(np.column_stack([found.x_m[at], found.y_m[at]]))
        for other in range(size - _HALF_OCTAVES, size + _HALF_OCTAVES + 1):
            if other in trees:
                reach = _REACH * 2.0 ** ((min(size, other) + 1) / 2.0)
                near = tree.sparse_distance_matrix(trees[other], reach, output_type="coo_matrix")
                rows.append(at[near.row])
                columns.append(second[other][near.col])
    return np.concatenate(rows), np.concatenate(columns)


def _by_size(radius_m: Float) -> dict[int, Int]:
    size = np.floor(2.0 * np.log2(np.maximum(radius_m, 1e-9))).astype(np.int64)
    return {int(s): np.flatnonzero(size == s) for s in np.unique(size)}


def _solved(pairs: Pairs) -> Int:
    """Return the indices of the matched pairs of one component."""
    rows, row = np.unique(pairs.detection, return_inverse=True)
    columns, column = np.unique(pairs.crater, return_inverse=True)
    # An additional pair outweighs any increase of the other costs.
    gain = 2.0 + min(rows.size, columns.size)
    index = np.full((rows.size, columns.size), -1) if rows.size * columns.size <= _DENSE else None
    if index is not None:
        index[row, column] = np.arange(row.size)
        cost = np.zeros(index.shape)
        cost[row, column] = pairs.cost - gain
        chosen = index[optimize.linear_sum_assignment(cost)]
        return np.sort(chosen[chosen >= 0])
    # Each row may stay unmatched, by a dummy column; costs of zero would not be stored.
    alone = np.arange(rows.size)
    value = np.concatenate([pairs.cost + 1e-9, np.full(rows.size, gain)])
    graph = sparse.csr_array(
        (value, (np.concatenate([row, alone]), np.concatenate([column, columns.size + alone]))),
        shape=(rows.size, columns.size + rows.size),
    )
    _, partner = csgraph.min_weight_full_bipartite_matching(graph)
    return np.flatnonzero(partner[row] == column)


def _graph(row: Int, column: Int, rows: int | None = None) -> sparse.csr_array:
    shape = (int(row.max()) + 1 if rows is None else rows, int(column.max()) + 1)
    graph = sparse.csr_array((np.ones(row.size, np.int8), (row, column)), shape=shape)
    graph.sum_duplicates()
    return graph
