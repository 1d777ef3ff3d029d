"""The images that a network was trained on, and how far another image is from them.

An image is described by statistics of the features of the network's encoder: mean and standard
deviation of each channel, at a fine and a medium resolution. They tell how its surfaces look,
whatever they show. Those of the training images are taken as normal, and the distance of another
image is the Mahalanobis distance (Lee et al. 2018, A Simple Unified Framework for Detecting
Out-of-Distribution Samples, arXiv 1807.03888). The covariance is shrunk, since the images are few
for so many statistics (Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

FEWEST = 32
"""Fewest images that a domain is fitted to, and fewest that its usual distances are measured on."""

FARTHEST_SHARE = 0.95
"""An image is out of distribution if more than this share of held-out images is nearer."""

OUT_OF_DISTRIBUTION = (
    "The image is out of distribution: it looks unlike those that the network was trained on, and "
    "its classes and their probabilities may be wrong. Check them by eye."
)
"""Warning about an image that is farther away than nearly all held-out ones."""

TAG = "OUT_OF_DISTRIBUTION"
"""Tag of layers that were predicted in an image that is out of distribution: its distance, or its
mutual information, in units of the median."""

MARGIN_PX = 16
"""Features so near to an edge do not count: the encoder sees zeros beyond it."""

_LEAST_DEVIATION = 1e-3
"""Added to the standard deviation of a channel before its logarithm: many are 0 nearly everywhere.
"""

_LEAST_SCALE = 0.02
"""Statistics that vary less over the images, in units of the median variation, are left out."""


_LARGEST_HALF = float(np.finfo(np.float16).max)

_RIDGE = 1e-3
"""Added to the variances of standardised statistics: two of them may always be the same."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Distance of an image from the training images, beside that of held-out images like them.

    Parameters
    ----------
    times_median : float
        The distance, in units of the median of the held-out images.
    share_nearer : float
        Share of the held-out images that are nearer, 0 to 1.
    """

    times_median: float
    share_nearer: float

    @property
    def is_out_of_distribution(self) -> bool:
        """Whether nearly all held-out images are nearer (`FARTHEST_SHARE`)."""
        return self.share_nearer > FARTHEST_SHARE

    def as_dict(self) -> dict[str, float | bool]:
        """Return the distance as JSON."""
        return {
            "times_median": round(self.times_median, 3),
            "share_nearer": round(self.share_nearer, 4),
            "out_of_distribution": self.is_out_of_distribution,
        }

    def sentence(self) -> str:
        """Return the distance as a sentence."""
        return (
            f"Distance from the training images {self.times_median:.1f} times the median of "
            f"held-out ones, of which {100.0 * self.share_nearer:.0f} % are nearer"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Normal distribution of the feature statistics of images like those of a training.

    Parameters
    ----------
    mean : ndarray of float32, shape (statistics,)
        Means over the images.
    root : ndarray of float32, shape (statistics, statistics)
        Lower triangle; its product with its transpose is the inverse of the covariance. Rows of
        statistics that are left out are 0.
    usual : ndarray of float64, shape (images,)
        Distances of held-out images, in rising order.
    window_px : int
        Side of the square windows of an image that are described.
    network : int
        Number of the network of an ensemble whose encoder the statistics are of.
    """

    mean: Float32
    root: Float32
    usual: Float
    window_px: int
    network: int = 0

    @classmethod
    def fit(
        cls, images: Sequence[Float], held_out: Sequence[Float], window_px: int, network: int = 0
    ) -> Domain:
        """Fit a domain.

        Parameters
        ----------
        images, held_out : sequence of ndarray of float64, shape (windows, statistics)
            `feature_statistics` of the windows of images like those of a training, and of others.
        window_px, network
            As for the class.

        Raises
        ------
        ValueError
            If either are fewer than `FEWEST`, hold NaN, or are all alike.
        """
        if min(len(images), len(held_out)) < FEWEST:
            raise ValueError(f"a domain needs {FEWEST} images, and as many held-out ones")
        windows = np.concatenate(images)
        if not all(np.isfinite(each).all() for each in (windows, *held_out)):
            raise ValueError("statistics must be finite")
        mean, scale = windows.mean(axis=0), windows.std(axis=0)
        varies = scale > max(_LEAST_SCALE * float(np.median(scale)), 1e-9)
        if not varies.any():
            raise ValueError("the images do not differ")
        centred = (windows[:, varies] - mean[varies]) / scale[varies]
        ridge = _RIDGE * np.eye(centred.shape[1])
        inverse = np.linalg.inv(shrunk_covariance(centred) + ridge)
        root = np.zeros((mean.size, mean.size))
        # Whole rows and columns are 0, so that the rest remains a lower triangle.
        root[np.ix_(varies, varies)] = np.linalg.cholesky(inverse) / scale[varies, None]
        # As a file holds them, so that reading it changes no distance.
        bare = cls(_as_stored(mean), _as_stored(root), np.zeros(0), window_px, network)
        usual = _as_stored(np.sort([bare.distance(each) for each in held_out]))
        if not usual[0] > 0.0:
            raise ValueError("the images do not differ")
        return cls(bare.mean, bare.root, usual.astype(np.float64), window_px, network)

    def distance(self, windows: Float) -> float:
        """Return the distance of an image.

        Parameters
        ----------
        windows : ndarray of float64, shape (windows, statistics)
            `feature_statistics` of its windows, at least one.

        Returns
        -------
        float
            Median over the windows of the Mahalanobis distance: the root mean square of the
            standardised, decorrelated statistics.
        """
        off = (windows - self.mean) @ self.root.astype(np.float64)
        return float(np.median(np.sqrt(np.mean(off**2, axis=1))))

    def compared(self, distance: float) -> Distance:
        """Return a distance beside those of the held-out images."""
        nearer = float(np.mean(self.usual < distance))
        return Distance(distance / float(np.median(self.usual)), nearer)


def feature_statistics(maps: Sequence[Float32], known: Bool) -> Float:
    """Return the statistics that describe how an image looks to an encoder.

    Parameters
    ----------
    maps : sequence of ndarray of float32, shape (channels, rows / stride, columns / stride)
        Features at several strides.
    known : ndarray of bool, shape (rows, columns)
        Valid pixels of the image; features whose middle is elsewhere, or nearer than `MARGIN_PX` to
        an edge of the image, do not count.

    Returns
    -------
    ndarray of float64, shape (2 × channels of all strides,)
        Of each stride the means of the channels, and the logarithms of their standard deviations;
        NaN if no feature counts.
    """
    inner = np.zeros_like(known)
    within = (slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    inner[within] = known[within]
    parts = []
    for features in maps:
        rows, columns = (
            ((np.arange(few) + 0.5) * many / few).astype(int)
            for few, many in zip(features.shape[1:], known.shape, strict=True)
        )
        values = features[:, inner[np.ix_(rows, columns)]].astype(np.float64)
        if not values.size:
            return np.full(2 * sum(len(each) for each in maps), np.nan)
        parts += [values.mean(axis=1), np.log(values.std(axis=1) + _LEAST_DEVIATION)]
    return np.concatenate(parts)


def shrunk_covariance(centred: Float) -> Float:
    """Return a covariance, shrunk towards a multiple of the identity (Ledoit & Wolf 2004).

    Parameters
    ----------
    centred : ndarray of float64, shape (images, statistics)
        Statistics of mean 0.

    Returns
    -------
    ndarray of float64, shape (statistics, statistics)
        Positive definite, unless all are 0.
    """
    count, size = centred.shape
    sample = centred.T @ centred / count
    target = np.trace(sample) / size
    apart = sample - target * np.eye(size)
    distance = float((apart**2).sum())
    # The sum over images of the squared norm of x x' - S.
    scatter = float(((centred**2).sum(axis=1) ** 2).sum() / count - (sample**2).sum()) / count
    share = min(max(scatter, 0.0) / distance, 1.0) if distance > 0.0 else 1.0
    shrunk: Float = sample - share * apart
    return shrunk


def packed(root: Float32) -> Float32:
    """Return the lower triangle of a matrix, row by row: shape (n (n + 1) / 2,) of (n, n)."""
    return root[np.tril_indices(len(root))]


def unpacked(values: Float32, size: int) -> Float32:
    """Return the lower triangular matrix, shape (size, size), that was packed."""
    root = np.zeros((size, size), np.float32)
    root[np.tril_indices(size)] = values
    return root


def _as_stored(values: Float) -> Float32:
    """Return values as a file of 16 bits holds them, or of 32 if they are too large."""
    largest = float(np.abs(values).max(initial=0.0))
    half = values.astype(np.float16) if largest <= _LARGEST_HALF else values
    return half.astype(np.float32)
