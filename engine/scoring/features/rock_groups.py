"""Groups of touching pixels of one class, found in rasters of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window
from scipy import ndimage, sparse

if TYPE_CHECKING:
    import rasterio
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

STRIP_PX = 4_000_000
"""Pixels that are held at a time, in whole rows."""

_TOUCHING = np.ones((3, 3), np.int64)


def centroids(
    source: rasterio.DatasetReader, value: int, *, strip_px: int = STRIP_PX
) -> tuple[Float, Float]:
    """Return where the groups of pixels of one value lie.

    Pixels that touch at sides or corners are one group. The raster is read in strips; groups that
    go on from one strip to the next are joined, so that the answer does not depend on the strips.

    Parameters
    ----------
    source : rasterio.DatasetReader
        Its first band is looked at.
    value : int
        Of the pixels that count.
    strip_px : int
        How many pixels are held at a time, at least one row.

    Returns
    -------
    ndarray of float64, shape (groups,)
        Rows of the centroids, counted from the raster's upper edge.
    ndarray of float64, shape (groups,)
        Columns, counted from its left edge.
    """
    rows = max(1, strip_px // source.width)
    sums = [np.zeros((3, 0))]
    joints: list[Int] = [np.zeros((2, 0), np.int64)]
    above = np.zeros(source.width, np.int64)
    found = 0
    for first in range(0, source.height, rows):
        window = Window(0, first, source.width, min(rows, source.height - first))
        mask = source.read(1, window=window) == value
        label = np.zeros(mask.shape, np.int64)
        count = ndimage.label(mask, _TOUCHING, output=label)
        row, column = np.nonzero(mask)
        which = label[mask] - 1
        weights = (None, row + first + 0.5, column + 0.5)
        sums.append(np.stack([np.bincount(which, w, minlength=count) for w in weights]))
        label[mask] += found
        joints += [_joined(above, np.roll(label[0], shift), shift) for shift in (-1, 0, 1)]
        above, found = label[-1], found + count
    if found == 0:
        return np.zeros(0), np.zeros(0)
    size, row_sum, column_sum = np.concatenate(sums, axis=1)
    one, other = np.concatenate(joints, axis=1) - 1
    graph = sparse.coo_array((np.ones(one.size, bool), (one, other)), shape=(found, found))
    groups, group = sparse.csgraph.connected_components(graph, directed=False)
    area, down, across = (
        np.bincount(group, weights, minlength=groups) for weights in (size, row_sum, column_sum)
    )
    return down / area, across / area


def _joined(above: Int, below: Int, shift: int) -> Int:
    """Return pairs of labels that touch across the border of two strips.

    ``below`` was rolled by ``shift`` columns; what was rolled round the edge touches nothing.
    """
    touch = (above > 0) & (below > 0)
    if shift:
        touch[0 if shift > 0 else -1] = False
    return np.stack([above[touch], below[touch]])
