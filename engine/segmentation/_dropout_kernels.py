"""Compiled kernels for the head of the light network, with and without MC Dropout.

Before the softmax, logits are multiplied by ``on_rocks`` at pixels predicted as rock, since these
have a temperature of their own.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath=True)


@_compiled
def softmax(features: Float32, weight: Float32, bias: Float32, on_rocks: float) -> Float32:
    """Return the probabilities of a single pass without dropout, and their entropy.

    Parameters
    ----------
    features : ndarray of float32, shape (channels, rows, columns)
        Features before the head.
    weight, bias : ndarray of float32, shapes (4, channels) and (4,)
        Weight and bias of the head.
    on_rocks : float
        Factor on the logits at pixels predicted as rock.

    Returns
    -------
    ndarray of float32, shape (5, rows, columns)
        Probability of each class, then the entropy, nats.
    """
    channels, rows, columns = features.shape
    out = np.empty((5, rows, columns), np.float32)
    logit = np.empty(4, np.float32)
    for i in range(rows):
        for j in range(columns):
            for k in range(4):
                total = bias[k]
                for c in range(channels):
                    total += weight[k, c] * features[c, i, j]
                logit[k] = total
            logit *= _gain(logit, on_rocks)
            _normalised(logit, out[:, i, j])
    return out


@_compiled
def closed_form(
    features: Float32, weight: Float32, bias: Float32, odds: float, on_rocks: float
) -> Float32:
    """Return mean probabilities and mean entropy of infinitely many passes, to second order.

    A pass multiplies each channel by 0 with probability p and by 1 / (1 - p) otherwise, so the
    logits have the covariance odds · Σ_c f_c² w_c w_cᵀ with odds = p / (1 - p). The second-order
    Taylor expansion of the softmax about the mean logits then gives the mean probability; half of
    the trace of the softmax's Fisher information times that covariance gives the mutual
    information.

    Parameters
    ----------
    features, weight, bias, on_rocks
        As in `softmax`.
    odds : float
        p / (1 - p), with the dropout probability p.

    Returns
    -------
    ndarray of float32, shape (5, rows, columns)
        Mean probability of each class, then the mean entropy of the passes, nats.
    """
    channels, rows, columns = features.shape
    out = np.empty((5, rows, columns), np.float32)
    logit = np.empty(4, np.float32)
    plain = np.empty(5, np.float32)
    shift = np.empty(4, np.float32)
    for i in range(rows):
        for j in range(columns):
            for k in range(4):
                total = bias[k]
                for c in range(channels):
                    total += weight[k, c] * features[c, i, j]
                logit[k] = total
            gain = _gain(logit, on_rocks)
            logit *= gain
            _normalised(logit, plain)
            information = 0.0
            shift[:] = 0.0
            for c in range(channels):
                mean = 0.0
                square = 0.0
                for k in range(4):
                    mean += plain[k] * weight[k, c]
                    square += plain[k] * weight[k, c] * weight[k, c]
                strength = features[c, i, j] * features[c, i, j] * gain * gain
                spread = square - mean * mean
                information += strength * spread
                for k in range(4):
                    off = weight[k, c] - mean
                    shift[k] += strength * (off * off - spread)
            total = 0.0
            for k in range(4):
                moved = max(plain[k] * (1.0 + 0.5 * odds * shift[k]), 1e-7)
                out[k, i, j] = moved
                total += out[k, i, j]
            entropy = 0.0
            for k in range(4):
                out[k, i, j] /= total
                entropy -= out[k, i, j] * math.log(out[k, i, j])
            # The expansion overshoots far from the mean; mutual information is at most the entropy.
            out[4, i, j] = entropy - min(0.5 * odds * information, entropy)
    return out


@_compiled
def passes(features: Float32, weights: Float32, bias: Float32, on_rocks: float) -> Float32:
    """Return mean probabilities and mean entropy of MC Dropout passes.

    Parameters
    ----------
    features : ndarray of float32, shape (channels, rows, columns)
        Features before the head.
    weights : ndarray of float32, shape (passes, 4, channels)
        Weight of the head for each pass, zero for the channels that it drops.
    bias : ndarray of float32, shape (4,)
        Bias of the head.
    on_rocks : float
        As in `softmax`, applied to each pass by its own prediction.

    Returns
    -------
    ndarray of float32, shape (5, rows, columns)
        As in `closed_form`.
    """
    channels, rows, columns = features.shape
    count = weights.shape[0]
    out = np.zeros((5, rows, columns), np.float32)
    logit = np.empty((4, columns), np.float32)
    one = np.empty(4, np.float32)
    single = np.empty(5, np.float32)
    for i in range(rows):
        for n in range(count):
            for k in range(4):
                for j in range(columns):
                    logit[k, j] = bias[k]
                for c in range(channels):
                    w = weights[n, k, c]
                    if w != 0.0:
                        for j in range(columns):
                            logit[k, j] += w * features[c, i, j]
            for j in range(columns):
                for k in range(4):
                    one[k] = logit[k, j]
                one *= _gain(one, on_rocks)
                _normalised(one, single)
                for k in range(5):
                    out[k, i, j] += single[k]
        for k in range(5):
            for j in range(columns):
                out[k, i, j] /= count
    return out


@_compiled
def _gain(logit: Float32, on_rocks: float) -> np.float32:
    """Return the factor on four logits: ``on_rocks`` if a rock class has the highest, else 1."""
    rock = max(logit[1], logit[2]) > max(logit[0], logit[3])
    return np.float32(on_rocks) if rock else np.float32(1.0)


@_compiled
def _normalised(logit: Float32, out: Float32) -> None:
    """Write the softmax of four logits and its entropy to ``out``."""
    top = max(logit[0], logit[1], logit[2], logit[3])
    total = 0.0
    tilt = 0.0
    for k in range(4):
        out[k] = math.exp(logit[k] - top)
        total += out[k]
        tilt += out[k] * (logit[k] - top)
    for k in range(4):
        out[k] /= total
    out[4] = max(math.log(total) - tilt / total, 0.0)
