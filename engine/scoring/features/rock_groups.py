"""Connected components of the pixels of a class, in rasters of any size."""

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
"""Maximum number of pixels in memory, in whole rows."""

_TOUCHING = np.ones((3, 3), np.int64)


def centroids(
    source: rasterio.DatasetReader, value: int, *, strip_px: int = STRIP_PX
) -> tuple[Float, Float]:
    """Return the centroids of the connected components of pixels with a value.

    Pixels are 8-connected. The raster is read in strips; components that continue in the next strip
    are merged, so that the result does not depend on the strips.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The raster; its first band is used.
    value : int
        Value of the pixels.
    strip_px : int, optional
        Maximum number of pixels in memory, at least one row.

    Returns
    -------
    row : ndarray of float64, shape (components,)
        Rows of the centroids, from the upper edge of the raster.
    column : ndarray of float64, shape (components,)
        Columns, from the left edge.
    """
    rows = max(1, strip_px // source.width)
    sums = [np.zeros((3, 0))]
    joints: list[Int] = [np.zeros((2, 0), np.int64)]
    above = np.zeros(source.width, np.int64)
    labelled = 0
    for first in range(0, source.height, rows):
        window = Window(0, first, source.width, min(rows, source.height - first))
        mask = source.read(1, window=window) == value
        label = np.zeros(mask.shape, np.int64)
        count = ndimage.label(mask, _TOUCHING, output=label)
        row, column = np.nonzero(mask)
        which = label[mask] - 1
        weights = (None, row + first + 0.5, column + 0.5)
        sums.append(np.stack([np.bincount(which, w, minlength=count) for w in weights]))
        label[mask] += labelled
        joints += [_joined(above, np.roll(label[0], shift), shift) for shift in (-1, 0, 1)]
        above, labelled = label[-1], labelled + count
    if labelled == 0:
        return np.zeros(0), np.zeros(0)
    size, row_sum, column_sum = np.concatenate(sums, axis=1)
    one, other = np.concatenate(joints, axis=1) - 1
    graph = sparse.coo_array((np.ones(one.size, bool), (one, other)), shape=(labelled, labelled))
    groups, group = sparse.csgraph.connected_components(graph, directed=False)
    area, down, across = (
        np.bincount(group, weights, minlength=groups) for weights in (size, row_sum, column_sum)
    )
    return down / area, across / area


def _joined(above: Int, below: Int, shift: int) -> Int:
    """Return pairs of labels that are adjacent across the border of two strips.

    ``below`` is rolled by ``shift`` columns; pixels that wrap around the edge are not adjacent.
    """
    touch = (above > 0) & (below > 0)
    if shift:
        touch[0 if shift > 0 else -1] = False
    return np.stack([above[touch], below[touch]])
