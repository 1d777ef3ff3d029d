"""Predictive entropy of class probabilities, and its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

_EPSILON = 1e-12

_COLORS = ("#0d083c", "#5402a3", "#9e189d", "#d6566d", "#fa9e3b", "#f0f921")
"""From dark to bright, so that the picture also reads without colour."""


def entropy(probability: Float32) -> Float32:
    """Return the Shannon entropy of class probabilities.

    Parameters
    ----------
    probability : ndarray of float32, shape (classes, ...)
        Adding up to one along the first axis.

    Returns
    -------
    ndarray of float32, shape (...)
        Nats: 0 to the logarithm of the number of classes.
    """
    nats: Float32 = -(probability * np.log(np.maximum(probability, _EPSILON))).sum(axis=0)
    return np.maximum(nats, 0.0).astype(np.float32)


def uncertainty_map_to_rgb(values: Float32, most: float | None = None) -> UInt8:
    """Return an RGB picture of an uncertainty, from dark blue over magenta to yellow.

    Parameters
    ----------
    values : ndarray of float32, shape (rows, columns)
        Non-negative uncertainty; NaN for nodata, which is drawn grey.
    most : float, optional
        Value of the last colour. Defaults to the 99th percentile.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    """
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415  (inference needs none)

    valid = np.isfinite(values)
    top = most
    if top is None:
        top = float(np.percentile(values[valid], 99.0)) if valid.any() else 1.0
    colors = LinearSegmentedColormap.from_list("uncertainty", _COLORS)
    scaled = np.clip(np.where(valid, values, 0.0) / max(top, _EPSILON), 0.0, 1.0)
    picture: UInt8 = np.asarray(colors(scaled, bytes=True))[..., :3].copy()
    picture[~valid] = 128
    return picture
