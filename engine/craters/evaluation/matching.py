"""Which detection is which catalogued crater: three gates, and one partner for each.

The gates, with Δ the distance of the centres:

``deepmoon``
    Δ² < 1.8 min(r)² and abs(Δr) < min(r) (Silburt et al. 2019, Icarus 317, 27).
``strict``
    Δ < 0.5 r and abs(Δr) < 0.25 r, r that of the catalogue.
``iou``
    The circles' intersection over union is 0.5 or more.

Among all ways to give circles partners within a gate the one with the most pairs is taken, and
among those the one whose circles coincide best: the sum of 1 - IoU is least (Kuhn 1955). The
graph of candidates falls into small components, each of which is solved on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, sparse, spatial
from scipy.sparse import csgraph

from lunarsite.engine.craters import circles
from lunarsite.engine.craters.evaluation import _matching_kernels as matching_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.craters.circles import Circles

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

GATES = ("deepmoon", "strict", "iou")

_REACH = np.sqrt(1.8)
"""Centres farther apart than so many of the smaller radii pass no gate: that of deepmoon."""

_HALF_OCTAVES = 2
"""Radii differ by less than a factor of 2 in every gate."""

_DENSE = 250_000
"""Components of more cells than this are solved as sparse matrices."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of a detection and a crater within a gate.

    Parameters
    ----------
    detection, crater : ndarray of int64, shape (pairs,)
        Indices.
    cost : ndarray of float64, shape (pairs,)
        1 - IoU.
    """

    detection: Int
    crater: Int
    cost: Float

    def kept(self, which: Bool | Int) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.detection[which], self.crater[which], self.cost[which])


def candidates(found: Circles, known: Circles) -> dict[str, Pairs]:
    """Return the pairs within each gate, in no order that means anything."""
    i, j = _near(found, known)
    distance = np.hypot(found.x_m[i] - known.x_m[j], found.y_m[i] - known.y_m[j])
    own, true = found.radius_m[i], known.radius_m[j]
    least, off = np.minimum(own, true), np.abs(own - true)
    share = circles.iou(found, known, i, j)
    all_of_them = Pairs(i, j, 1.0 - share)
    within = {
        "deepmoon": (distance**2 < 1.8 * least**2) & (off < least),
        "strict": (distance < 0.5 * true) & (off < 0.25 * true),
        "iou": share >= 0.5,
    }
    return {gate: all_of_them.kept(within[gate]) for gate in GATES}


def match(pairs: Pairs) -> Int:
    """Return the indices of the pairs that are taken: the most, and among those the closest."""
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
            some = order[start:end]
            taken.append(some[_solved(pairs.kept(some))])
    return np.sort(np.concatenate(taken))


def most(pairs: Pairs) -> Int:
    """Return as many pairs as can be, whichever; faster than `match`."""
    if not pairs.cost.size:
        return np.empty(0, np.int64)
    graph = _graph(pairs.detection, pairs.crater)
    partner = csgraph.maximum_bipartite_matching(graph, perm_type="column")
    chosen = partner[pairs.detection] == pairs.crater
    # A pair given twice is one pair.
    _, first = np.unique(pairs.detection[chosen], return_index=True)
    found: Int = np.flatnonzero(chosen)[first]
    return found


def admitted(pairs: Pairs, order: Int) -> Bool:
    """Return which detections raise the number of matches when they come in an order.

    After each detection the number so far is the largest that any matching of those that came
    reaches, so precision and recall at every threshold are those of a matching of their own.

    Parameters
    ----------
    pairs : Pairs
        Within the gate.
    order : ndarray of int64, shape (detections,)
        All detections, the surest first.

    Returns
    -------
    ndarray of bool, shape (detections,)
        By detection, not by place in the order.
    """
    result = np.zeros(order.size, bool)
    if pairs.cost.size:
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        graph = _graph(place[pairs.detection], pairs.crater, rows=order.size)
        result[order] = matching_kernels.admit(graph.indptr, graph.indices, graph.shape[1])
    return result


def _near(found: Circles, known: Circles) -> tuple[Int, Int]:
    """Return indices of pairs of which some may be within a gate; no others are."""
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
    """Return the pairs taken of one component."""
    rows, row = np.unique(pairs.detection, return_inverse=True)
    columns, column = np.unique(pairs.crater, return_inverse=True)
    # One more pair outweighs whatever it costs the others.
    gain = 2.0 + min(rows.size, columns.size)
    index = np.full((rows.size, columns.size), -1) if rows.size * columns.size <= _DENSE else None
    if index is not None:
        index[row, column] = np.arange(row.size)
        cost = np.zeros(index.shape)
        cost[row, column] = pairs.cost - gain
        chosen = index[optimize.linear_sum_assignment(cost)]
        return np.sort(chosen[chosen >= 0])
    # Each row may also stay alone, with a column of its own; a cost of zero would be no entry.
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
