"""Input channels of the crater networks, computed from an elevation model.

Heights are divided by the side of a pixel, so that a crater of a given shape looks the same at
every scale. The channels are normalised with fixed constants instead of statistics of the block:
those of a pixel depend only on the heights around it (`HALO_PX`), never on the tiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

CHANNELS = (
    "relief over 2 px",
    "relief over 6 px",
    "relief over 20 px",
    "relief over 6 px, of unit contrast",
    "slope",
    "Laplacian",
    "valid",
)
"""Names of the channels."""

_SIGMAS = (2.0, 6.0, 20.0)
_CONTRAST_SIGMA = 15.0
_CONTRAST_FLOOR = 0.02
_RELIEF_UNITS = (0.08, 0.3, 1.0)
_SLOPE_UNIT = 0.2
_CURVE_UNIT = 0.05
_CUT = 3.0
"""Gaussians are truncated at this many sigmas."""

RELIEF = 0.45
"""Heights are multiplied by this before inference. Networks are trained on heights stretched by 0.4
to 1.6 (`batches.STRETCH`): at the flat end they detect as many generated craters, and rank those
on steep real terrain better."""

HALO_PX = 106
"""Receptive field of the channels: the widest Gaussian over a filled gap, plus the contrast."""


def channels(height_m: Float32, pixel_m: float) -> Float32:
    """Return the input channels of a network.

    Parameters
    ----------
    height_m : ndarray of float32, shape (rows, columns)
        Metres, NaN for nodata. Within `HALO_PX` of the edge, values depend on the tiling.
    pixel_m : float
        Side of a pixel, metres.

    Returns
    -------
    ndarray of float32, shape (`CHANNELS`, rows, columns)
        Numbers of order one; zero on nodata.
    """
    valid = np.isfinite(height_m)
    out = np.zeros((len(CHANNELS), *height_m.shape), np.float32)
    if not valid.any():
        return out
    # Subtracting a reference preserves float32 precision; it cancels in every channel.
    reference = np.float32(np.median(height_m[valid]))
    height = np.where(valid, (height_m - reference) / np.float32(pixel_m), np.float32(0.0))
    weight = valid.astype(np.float32)
    whole = bool(valid.all())
    if not whole:
        height = np.where(valid, height, _mean(height, weight, _SIGMAS[-1], whole=False))
    for row, (sigma, unit) in enumerate(zip(_SIGMAS, _RELIEF_UNITS, strict=True)):
        relief = height - _mean(height * weight, weight, sigma, whole=whole)
        relief *= weight
        out[row] = np.arcsinh(relief / np.float32(unit))
        if row == 1:
            power = _mean(relief * relief, weight, _CONTRAST_SIGMA, whole=whole)
            out[3] = relief / np.sqrt(power + np.float32(_CONTRAST_FLOOR**2))
    smooth = ndimage.gaussian_filter(height, 0.7, mode="nearest", truncate=_CUT)
    south, east = np.gradient(smooth)
    out[4] = np.arcsinh(np.hypot(south, east) / np.float32(_SLOPE_UNIT)) * weight
    smooth = ndimage.gaussian_filter(height, 1.2, mode="nearest", truncate=_CUT)
    out[5] = np.arcsinh(ndimage.laplace(smooth, mode="nearest") / np.float32(_CURVE_UNIT)) * weight
    out[6] = weight
    return out


def _mean(values: Float32, weight: Float32, sigma: float, *, whole: bool) -> Float32:
    """Return the Gaussian mean of valid pixels; ``values`` are zero on nodata."""
    total: Float32 = ndimage.gaussian_filter(values, sigma, mode="constant", truncate=_CUT)
    if whole:
        share = _edge_share(weight.shape, sigma)
    else:
        share = ndimage.gaussian_filter(weight, sigma, mode="constant", truncate=_CUT)
    total /= np.maximum(share, np.float32(1e-6))
    return total


def _edge_share(shape: tuple[int, ...], sigma: float) -> Float32:
    """Return the weight of a Gaussian inside a block without gaps."""
    rows, columns = (
        ndimage.gaussian_filter1d(np.ones(n, np.float32), sigma, mode="constant", truncate=_CUT)
        for n in shape
    )
    share: Float32 = np.multiply.outer(rows, columns)
    return share
