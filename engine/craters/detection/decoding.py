"""From heat-maps to circles: peaks, and one circle for what several scales saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import ndimage, sparse, spatial

from lunarsite.engine.craters.circles import CircleTable, overlap
from lunarsite.engine.craters.detection import _decoding_kernels as decode_kernels
from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX, OCTAVES, STRIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

FLOOR = 0.04
"""Peaks of less heat are not looked at."""

ALIKE = 0.6
"""Circles with a larger share in common (intersection over union) are one crater."""


@dataclass(frozen=True, slots=True, eq=False)
class Peaks(CircleTable):
    """Circles as single scales see them.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (peaks,)
        In one unit: pixels of a piece, or map metres.
    logit : ndarray of float64, shape (peaks,)
        Of the heat at the centre.
    level : ndarray of int64, shape (peaks,)
        Which scale.
    """

    x: Float
    y: Float
    radius: Float
    logit: Float
    level: Int

    @classmethod
    def none(cls) -> Self:
        """Return no peaks."""
        nothing = np.empty(0)
        return cls(nothing, nothing, nothing, nothing, np.empty(0, np.int64))


def peaks(heads: Float32, level: int, *, floor: float = FLOOR, edge: int = 0) -> Peaks:
    """Return the peaks of a network's answer, in pixels of what it saw.

    Parameters
    ----------
    heads : ndarray of float32, shape (`network.HEADS`, rows, columns)
        Logits of centres by octave, of rims, then shapes.
    level : int
        Said of each peak.
    floor : float
        Least heat.
    edge : int
        Rows and columns along each side of the answer in which peaks do not count.
    """
    threshold = np.log(floor / (1.0 - floor))
    parts = []
    for octave in range(OCTAVES):
        heat = heads[octave]
        top = ndimage.maximum_filter(heat, 3, mode="constant", cval=-np.inf)
        tops = (heat >= top) & (heat > threshold)
        inner = tops[edge : tops.shape[0] - edge, edge : tops.shape[1] - edge]
        row, column = (index + edge for index in np.nonzero(inner))
        size, east, south = (
            heads[OCTAVES + 1 + 3 * octave + n][row, column].astype(np.float64) for n in range(3)
        )
        middle = LEAST_RADIUS_PX * 2.0 ** (octave + 0.5)
        parts.append(
            Peaks(
                (column + 0.5) * STRIDE - 0.5 + east * middle,
                (row + 0.5) * STRIDE - 0.5 + south * middle,
                middle * 2.0 ** np.clip(size, -1.0, 1.0),
                heat[row, column].astype(np.float64),
                np.full(row.size, level),
            )
        )
    return Peaks.joined(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Merged(CircleTable):
    """Craters, with what each scale said.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (craters,)
        Mean of those of the peaks.
    best : ndarray of float64, shape (craters,)
        The largest logit among scales.
    total : ndarray of float64, shape (craters,)
        The heats of the scales together, each scale's best counted once.
    scales : ndarray of float64, shape (craters,)
        How many scales could have seen it.
    radius_px : ndarray of float64, shape (craters,)
        In pixels of the finest scale.
    """

    x: Float
    y: Float
    radius: Float
    best: Float
    total: Float
    scales: Float
    radius_px: Float


def merge(found: Peaks, pixels: Sequence[float]) -> Merged:
    """Return one circle for each crater that one scale or several saw.

    Peaks are taken from the hottest down; each gathers those still free that share more than
    `ALIKE` with it. The circle is their mean, weighted by the square of the heat: the scale that
    sees a crater best has the word.

    Parameters
    ----------
    found : Peaks
        In map metres.
    pixels : sequence of float
        The pixel of every level, metres.
    """
    order = np.lexsort((found.radius, found.y, found.x, -found.logit))
    ranked = found.kept(order)
    neighbors = alike(ranked.x, ranked.y, ranked.radius, ALIKE)
    owner = decode_kernels.gather(neighbors.indptr, neighbors.indices)
    heat = 1.0 / (1.0 + np.exp(-ranked.logit))
    count = int(owner.max()) + 1 if owner.size else 0

    def mean(values: Float) -> Float:
        weight = np.maximum(heat, 1e-6) ** 2
        result: Float = np.bincount(owner, weight * values, count) / np.bincount(
            owner, weight, count
        )
        return result

    # Of every level's peaks in a cluster only the hottest counts.
    keys = owner * len(pixels) + ranked.level
    _, first = np.unique(keys, return_index=True)
    total = np.bincount(owner[first], heat[first], count).astype(np.float64)
    best = np.full(count, -np.inf)
    np.maximum.at(best, owner, ranked.logit)
    radius = np.exp(mean(np.log(ranked.radius)))
    seen_as = radius[:, None] / np.asarray(pixels, np.float64)
    scales = (seen_as >= LEAST_RADIUS_PX) & (seen_as < LEAST_RADIUS_PX * 2.0**OCTAVES)
    return Merged(
        mean(ranked.x),
        mean(ranked.y),
        radius,
        best,
        total,
        np.maximum(scales.sum(axis=1), 1).astype(np.float64),
        radius / min(pixels),
    )


def suppressed(x: Float, y: Float, radius: Float, score: Float, *, shared: float) -> Int:
    """Return the indices of circles that no better one covers, the best first."""
    order = np.lexsort((radius, y, x, -score))
    neighbors = alike(x[order], y[order], radius[order], shared)
    owner = decode_kernels.gather(neighbors.indptr, neighbors.indices)
    _, first = np.unique(owner, return_index=True)
    kept: Int = order[np.sort(first)]
    return kept


def alike(x: Float, y: Float, radius: Float, shared: float) -> sparse.csr_array:
    """Return which circles have an intersection over union above ``shared``, symmetric."""
    count = x.size
    half_octave = np.floor(2.0 * np.log2(np.maximum(radius, 1e-9))).astype(np.int64)
    # Circles whose radii differ by more than 1/sqrt(shared) have less than that in common.
    steps = int(np.ceil(-np.log2(shared)))
    bins = np.unique(half_octave)
    members = {int(b): np.flatnonzero(half_octave == b) for b in bins}
    trees = {b: spatial.cKDTree(np.column_stack([x[m], y[m]])) for b, m in members.items()}
    rows, columns = [], []
    for b, tree in trees.items():
        for other in range(b, b + steps + 1):
            if other not in trees:
                continue
            # Nearer than the larger radius: farther apart less than a quarter is common.
            pairs = tree.sparse_distance_matrix(
                trees[other], 2.0 ** ((other + 1) / 2.0), output_type="coo_matrix"
            )
            i, j = members[b][pairs.row], members[other][pairs.col]
            good = (i != j) & (overlap(x, y, radius, i, j) > shared)
            rows.append(i[good])
            columns.append(j[good])
    i = np.concatenate([*rows, np.empty(0, np.int64)])
    j = np.concatenate([*columns, np.empty(0, np.int64)])
    links = sparse.csr_array(
        (np.ones(2 * i.size, np.int8), (np.concatenate([i, j]), np.concatenate([j, i]))),
        shape=(count, count),
    )
    links.sum_duplicates()
    return links
