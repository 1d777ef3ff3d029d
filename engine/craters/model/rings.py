"""Circles from a rim mask, by ring templates as in Silburt et al. 2019 (Icarus 317, 27).

The rim probability is thresholded at 0.1, and rings two pixels wide of every radius are matched in
a square patch; a crater is where the normalised correlation is high (above 0.5 in Silburt et al.).
The result has the form of a heat-map network's output, so that peaks, scales, calibration and depth
are the same for both networks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage, special

from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX, OCTAVES, STRIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.craters.model.onnx_runner import Runner

    Complex = NDArray[np.complex64]
    Float32 = NDArray[np.float32]

RIM = 0.1
"""Least probability of a rim pixel."""

WIDTH_PX = 2.0
"""Width of the rings."""

FLOOR = 0.25
"""Least correlation of a crater; a correlation becomes the heat-map value."""

TRIED = (8, 12, 20, 32)
"""Radii tried in each octave, about a pixel apart."""

_NO_CRATER = -20.0
"""Logit where no ring matches."""


class RingRunner:
    """A rim network with the output of a heat-map network.

    Parameters
    ----------
    network : Runner
        Returns logits of rims, shape (1, rows, columns), at the resolution of its input.
    """

    def __init__(self, network: Runner) -> None:
        self._network = network
        self.thread_safe = network.thread_safe

    def __call__(self, channels: Float32) -> Float32:
        """Return the output for a block, as `onnx_runner.Runner`."""
        return heads(self._network(channels)[0])


def heads(logits: Float32) -> Float32:
    """Return the output of a heat-map network that corresponds to a rim mask.

    Parameters
    ----------
    logits : ndarray of float32, shape (rows, columns)
        Logits of rims, at full resolution.

    Returns
    -------
    ndarray of float32, shape (`architecture.HEADS`, rows / 2, columns / 2)
        The correlation of the best ring of each octave as heat-map value, its radius and centre.
    """
    rows, columns = (n // STRIDE for n in logits.shape)
    out = np.zeros((OCTAVES * 4 + 1, rows, columns), np.float32)
    out[:OCTAVES] = _NO_CRATER
    out[OCTAVES] = logits.reshape(rows, STRIDE, columns, STRIDE).mean(axis=(1, 3))
    rim = (logits >= np.float32(special.logit(RIM))).astype(np.float32)
    if not rim.any():
        return out
    spectrum = fft.rfft2(rim)
    for octave, count in enumerate(TRIED):
        middle = LEAST_RADIUS_PX * 2.0 ** (octave + 0.5)
        steps = (np.arange(count) + 0.5) / count - 0.5
        correlation = np.stack([_correlation(rim, spectrum, middle * 2.0**s) for s in steps])
        # The best of the radii and input pixels of an output pixel.
        cells = correlation.reshape(count, rows, STRIDE, columns, STRIDE).transpose(1, 3, 0, 2, 4)
        cells = cells.reshape(rows, columns, -1)
        best = cells.argmax(axis=2)
        value = np.take_along_axis(cells, best[..., None], axis=2)[..., 0]
        which, south, east = np.unravel_index(best, (count, STRIDE, STRIDE))
        heat = special.logit(np.clip(value, FLOOR, 0.999))
        out[octave] = np.where(value > FLOOR, heat, _NO_CRATER)
        center = (STRIDE - 1) / 2.0
        shapes = out[OCTAVES + 1 + 3 * octave : OCTAVES + 4 + 3 * octave]
        shapes[0] = steps[which]
        shapes[1] = (east - center) / middle
        shapes[2] = (south - center) / middle
    return out


def _correlation(rim: Float32, spectrum: Complex, radius: float) -> Float32:
    """Return the normalised correlation of a mask with a ring in its square patch."""
    reach = int(np.ceil(radius + WIDTH_PX)) + 1
    side = 2 * reach + 1
    kernel, mean, power = _ring(rim.shape, radius, reach)
    size = np.float32(side * side)
    # The mask is binary, so the sum of its squares is its sum.
    filled = ndimage.uniform_filter(rim, side, mode="constant") * size
    common = fft.irfft2(spectrum * kernel, rim.shape) - mean * filled
    left = np.maximum(filled - filled**2 / size, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = common / np.sqrt(left * power)
    correlation: Float32 = np.where(left > 0.5, share, -1.0).astype(np.float32)
    return correlation


@lru_cache(maxsize=sum(TRIED))
def _ring(shape: tuple[int, int], radius: float, reach: int) -> tuple[Complex, float, float]:
    """Return the conjugate spectrum of a ring, and its mean and variance sum in its patch."""
    south, east = (fft.fftfreq(n, 1.0 / n) for n in shape)
    distance = np.hypot(south[:, None], east[None, :])
    ring = np.clip(0.5 * WIDTH_PX + 0.5 - np.abs(distance - radius), 0.0, 1.0).astype(np.float32)
    size = (2 * reach + 1) ** 2
    mean = float(ring.sum(dtype=np.float64)) / size
    power = float((ring**2).sum(dtype=np.float64)) - size * mean**2
    return np.conj(fft.rfft2(ring)), mean, power
