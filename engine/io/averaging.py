"""Block averages of rasters with nodata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


def block_mean(values: Float32, factor: int) -> Float32:
    """Return the mean of every block of ``factor`` × ``factor`` pixels.

    Parameters
    ----------
    values : ndarray of float32, shape (rows, columns)
        NaN for nodata; rows and columns are multiples of the factor.
    factor : int
        Side of a block, pixels.

    Returns
    -------
    ndarray of float32, shape (rows / factor, columns / factor)
        Means of the valid pixels, summed in float64; NaN for blocks without any.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[1, 3, np.nan, np.nan], [5, np.nan, np.nan, np.nan]], np.float32)
    >>> block_mean(values, 2)
    array([[ 3., nan]], dtype=float32)
    """
    rows, columns = values.shape
    blocks = values.reshape(rows // factor, factor, columns // factor, factor)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan).astype(np.float32)
