"""From heat maps to circles: peaks, merging across scales, and non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import ndimage, sparse, spatial

from lunarsite.engine.craters.circles import CircleTable, overlap
from lunarsite.engine.craters.detection import _decoding_kernels
from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX, OCTAVES, STRIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

FLOOR = 0.04
"""Least heat-map value of a peak."""

SAME_IOU = 0.6
"""Circles of a larger intersection over union are one crater."""


@dataclass(frozen=True, slots=True, eq=False)
class Peaks(CircleTable):
    """Peaks of the heat maps of single scales, as circles.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (peaks,)
        All in pixels of a block, or all in map metres.
    logit : ndarray of float64, shape (peaks,)
        Logit of the heat map at the centre.
    level : ndarray of int64, shape (peaks,)
        Number of the scale.
    """

    x: Float
    y: Float
    radius: Float
    logit: Float
    level: Int

    @classmethod
    def none(cls) -> Self:
        """Return an empty table."""
        empty = np.empty(0)
        return cls(empty, empty, empty, empty, np.empty(0, np.int64))


def peaks(heads: Float32, level: int, *, floor: float = FLOOR, edge: int = 0) -> Peaks:
    """Return the peaks of a network's output, in pixels of its input.

    Parameters
    ----------
    heads : ndarray of float32, shape (`architecture.HEADS`, rows, columns)
        Logits of centres by octave, logits of rims, then shapes.
    level : int
        Number of the scale.
    floor : float
        Least heat-map value of a peak.
    edge : int
        Margin of the output, in pixels, whose peaks are dropped.
    """
    threshold = np.log(floor / (1.0 - floor))
    parts = []
    for octave in range(OCTAVES):
        heat = heads[octave]
        maximum = ndimage.maximum_filter(heat, 3, mode="constant", cval=-np.inf)
        is_peak = (heat >= maximum) & (heat > threshold)
        inner = is_peak[edge : is_peak.shape[0] - edge, edge : is_peak.shape[1] - edge]
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
    """Detections merged across scales, with the features of the calibration.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (craters,)
        Weighted means of the peaks, map metres.
    best : ndarray of float64, shape (craters,)
        Largest logit among the peaks.
    total : ndarray of float64, shape (craters,)
        Sum over scales of the largest heat-map value at each.
    scales : ndarray of float64, shape (craters,)
        Number of scales that resolve a crater of this size.
    radius_px : ndarray of float64, shape (craters,)
        Radius in pixels of the finest scale.
    """

    x: Float
    y: Float
    radius: Float
    best: Float
    total: Float
    scales: Float
    radius_px: Float


def merge(found: Peaks, pixels: Sequence[float]) -> Merged:
    """Merge the peaks of all scales into one circle per crater.

    Peaks are taken in descending order of their heat-map value; each gathers the free ones whose
    IoU with it exceeds `SAME_IOU`. The circle is their mean, weighted by the square of the
    heat-map value, so that the scale with the clearest peak dominates.

    Parameters
    ----------
    found : Peaks
        Peaks in map metres.
    pixels : sequence of float
        Pixel of each scale, metres.
    """
    order = np.lexsort((found.radius, found.y, found.x, -found.logit))
    ranked = found.kept(order)
    neighbors = overlapping(ranked.x, ranked.y, ranked.radius, SAME_IOU)
    owner = _decoding_kernels.gather(neighbors.indptr, neighbors.indices)
    heat = 1.0 / (1.0 + np.exp(-ranked.logit))
    count = int(owner.max()) + 1 if owner.size else 0

    def mean(values: Float) -> Float:
        weight = np.maximum(heat, 1e-6) ** 2
        result: Float = np.bincount(owner, weight * values, count) / np.bincount(
            owner, weight, count
        )
        return result

    # Of the peaks of one scale in a cluster only the largest counts.
    keys = owner * len(pixels) + ranked.level
    _, first = np.unique(keys, return_index=True)
    total = np.bincount(owner[first], heat[first], count).astype(np.float64)
    best = np.full(count, -np.inf)
    np.maximum.at(best, owner, ranked.logit)
    radius = np.exp(mean(np.log(ranked.radius)))
    in_pixels = radius[:, None] / np.asarray(pixels, np.float64)
    scales = (in_pixels >= LEAST_RADIUS_PX) & (in_pixels < LEAST_RADIUS_PX * 2.0**OCTAVES)
    return Merged(
        mean(ranked.x),
        mean(ranked.y),
        radius,
        best,
        total,
        np.maximum(scales.sum(axis=1), 1).astype(np.float64),
        radius / min(pixels),
    )


def suppressed(x: Float, y: Float, radius: Float, score: Float, *, max_iou: float) -> Int:
    """Return the indices of circles that survive non-maximum suppression, the best first.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (circles,)
        Circles, in one unit.
    score : ndarray of float64, shape (circles,)
        The higher, the better.
    max_iou : float
        A circle is dropped if its IoU with a better one exceeds this.
    """
    order = np.lexsort((radius, y, x, -score))
    neighbors = overlapping(x[order], y[order], radius[order], max_iou)
    owner = _decoding_kernels.gather(neighbors.indptr, neighbors.indices)
    _, first = np.unique(owner, return_index=True)
    kept: Int = order[np.sort(first)]
    return kept


def overlapping(x: Float, y: Float, radius: Float, least_iou: float) -> sparse.csr_array:
    """Return the symmetric matrix of circles whose IoU exceeds ``least_iou``."""
    count = x.size
    half_octave = np.floor(2.0 * np.log2(np.maximum(radius, 1e-9))).astype(np.int64)
    # Circles whose radii differ by more than a factor of 1/sqrt(least_iou) have a lower IoU.
    steps = int(np.ceil(-np.log2(least_iou)))
    bins = np.unique(half_octave)
    members = {int(b): np.flatnonzero(half_octave == b) for b in bins}
    trees = {b: spatial.cKDTree(np.column_stack([x[m], y[m]])) for b, m in members.items()}
    rows, columns = [], []
    for b, tree in trees.items():
        for other in range(b, b + steps + 1):
            if other not in trees:
                continue
            # Centres farther apart than the larger radius have an IoU below a quarter.
            pairs = tree.sparse_distance_matrix(
                trees[other], 2.0 ** ((other + 1) / 2.0), output_type="coo_matrix"
            )
            i, j = members[b][pairs.row], members[other][pairs.col]
            good = (i != j) & (overlap(x, y, radius, i, j) > least_iou)
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
