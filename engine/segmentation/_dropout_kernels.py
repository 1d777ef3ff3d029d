"""Compiled kernels for the head of the light network, with and without MC Dropout.

Before the softmax, logits are multiplied by ``on_rocks`` at pixels predicted as rock, since these
have a temperature of their own.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

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
    features: Float32,
    weight: Float32,
    bias: Float32,
    odds: float,
    on_rocks: float,
    information: float,
) -> Float32:
    """Return mean probabilities and mean entropy of infinitely many passes, by cubature.

    A pass multiplies each channel by 0 with probability p and by 1 / (1 - p) otherwise. The head is
    linear, so that the logits are nearly normal, with the exact covariance odds · Σ_c f_c² w_c w_cᵀ
    and odds = p / (1 - p). Means over them are taken at the eight points of the spherical-radial
    cubature of third degree: the mean logits, plus and minus two columns of the root of the
    covariance.

    Parameters
    ----------
    features, weight, bias, on_rocks
        As in `softmax`; the prediction is that of the mean logits.
    odds : float
        p / (1 - p), with the dropout probability p.
    information : float
        Factor on the mutual information, which is at most the entropy of the mean.

    Returns
    -------
    ndarray of float32, shape (5, rows, columns)
        Mean probability of each class, then the mean entropy of the passes, nats.

    References
    ----------
    Arasaratnam & Haykin (2009), IEEE Trans. Autom. Control 54:1254.
    """
    channels, rows, columns = features.shape
    out = np.zeros((5, rows, columns), np.float32)
    mean = np.empty((4, columns), np.float32)
    # In 64 bits: where two classes vary together, the root is of a small difference.
    root = np.empty((10, columns), np.float64)
    point = np.empty((4, columns), np.float32)
    work = np.empty((3, columns), np.float32)
    bits = np.empty(columns, np.int32)
    for i in range(rows):
        for k in range(4):
            for j in range(columns):
                mean[k, j] = bias[k]
        root[:] = 0.0
        for c in range(channels):
            for k in range(4):
                w = weight[k, c]
                for j in range(columns):
                    mean[k, j] += w * features[c, i, j]
            for k in range(4):
                for m in range(k + 1):
                    w = odds * np.float64(weight[k, c]) * weight[m, c]
                    n = k * (k + 1) // 2 + m
                    for j in range(columns):
                        f = np.float64(features[c, i, j])
                        root[n, j] += w * f * f
        _to_root(root)
        for j in range(columns):
            rock = max(mean[1, j], mean[2, j]) > max(mean[0, j], mean[3, j])
            work[2, j] = np.float32(on_rocks) if rock else np.float32(1.0)
        for axis in range(4):
            for sign in (np.float32(-2.0), np.float32(2.0)):
                for k in range(4):
                    if k < axis:
                        for j in range(columns):
                            point[k, j] = mean[k, j]
                    else:
                        n = k * (k + 1) // 2 + axis
                        for j in range(columns):
                            point[k, j] = mean[k, j] + sign * np.float32(root[n, j])
                _add_normalised(point, work, bits, out[:, i])
        for j in range(columns):
            entropy = np.float32(0.0)
            for k in range(5):
                out[k, i, j] *= np.float32(0.125)
                if k < 4:
                    entropy -= out[k, i, j] * math.log(max(out[k, i, j], 1e-30))
            shared = np.float32(information) * (entropy - out[4, i, j])
            out[4, i, j] = entropy - min(max(shared, np.float32(0.0)), entropy)
    return out


@_compiled
def _to_root(spread: Float) -> None:
    """Replace the lower triangles of covariances, row by row, by their Cholesky factors."""
    columns = spread.shape[1]
    for k in range(4):
        for m in range(k + 1):
            n = k * (k + 1) // 2 + m
            for q in range(m):
                a, b = k * (k + 1) // 2 + q, m * (m + 1) // 2 + q
                for j in range(columns):
                    spread[n, j] -= spread[a, j] * spread[b, j]
            # A direction in which nothing varies has no length, whatever rounding makes of it.
            if m == k:
                for j in range(columns):
                    spread[n, j] = math.sqrt(max(spread[n, j], 0.0))
            else:
                d = m * (m + 1) // 2 + m
                for j in range(columns):
                    length = spread[d, j]
                    spread[n, j] = spread[n, j] / length if length > 1e-12 else 0.0


@_compiled
def _add_normalised(point: Float32, work: Float32, bits: Int32, out: Float32) -> None:
    """Add the softmax of a row of logits, with the factors ``work[2]``, and its entropy.

    Exponential and logarithm are polynomials, which the compiler can run on several pixels at once;
    they err by less than 1e-6.
    """
    columns = point.shape[1]
    total, tilt, factor = work[0], work[1], work[2]
    scale = bits.view(np.float32)
    for j in range(columns):
        top = max(point[0, j], point[1, j], point[2, j], point[3, j])
        for k in range(4):
            point[k, j] = max((point[k, j] - top) * factor[j], np.float32(-80.0))
        total[j] = 0.0
        tilt[j] = 0.0
    for k in range(4):
        for j in range(columns):
            power = np.int32(point[k, j] * np.float32(1.4426950408889634) - np.float32(0.5))
            bits[j] = (power + np.int32(127)) << np.int32(23)
        for j in range(columns):
            x = point[k, j]
            power = np.int32(x * np.float32(1.4426950408889634) - np.float32(0.5))
            r = x - np.float32(power) * np.float32(0.6931471805599453)
            value = np.float32(1.0 / 720.0)
            value = value * r + np.float32(1.0 / 120.0)
            value = value * r + np.float32(1.0 / 24.0)
            value = value * r + np.float32(1.0 / 6.0)
            value = value * r + np.float32(0.5)
            value = value * r + np.float32(1.0)
            value = (value * r + np.float32(1.0)) * scale[j]
            total[j] += value
            tilt[j] += value * x
            point[k, j] = value
    for j in range(columns):
        whole = total[j]
        # The sum lies between 1 and 4.
        z = (whole - np.float32(2.0)) / (whole + np.float32(2.0))
        s = z * z
        odd = np.float32(1.0 / 11.0)
        odd = odd * s + np.float32(1.0 / 9.0)
        odd = odd * s + np.float32(1.0 / 7.0)
        odd = odd * s + np.float32(1.0 / 5.0)
        odd = odd * s + np.float32(1.0 / 3.0)
        odd = odd * s + np.float32(1.0)
        logarithm = np.float32(0.6931471805599453) + np.float32(2.0) * z * odd
        inverse = np.float32(1.0) / whole
        out[4, j] += max(logarithm - tilt[j] * inverse, np.float32(0.0))
        for k in range(4):
            out[k, j] += point[k, j] * inverse


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
