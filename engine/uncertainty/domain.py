"""The images that a network was trained on, and how far another image is from them.

An image is described by the mean and the spread of each feature channel of the network's encoder,
at a fine and a medium resolution: how its surfaces look, whatever they show. Those of the training
images are taken as normal, and the distance of another image is Mahalanobis' (Lee et al. 2018,
A Simple Unified Framework for Detecting Out-of-Distribution Samples, arXiv 1807.03888), with the
covariance shrunk as there are few images for so many numbers (Ledoit & Wolf 2004,
doi:10.1016/S0047-259X(03)00096-4).
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

UNUSUAL = 0.95
"""Share of the held-out images that lie nearer than one that is called unlike them."""

UNFAMILIAR = (
    "The image looks unlike those that the network was trained on: what it predicts, and how "
    "certain it is of it, may be wrong. Check it by eye."
)
"""Warning about an image that `Familiarity` calls unusual."""

UNFAMILIAR_TAG = "UNLIKE_TRAINING_IMAGES"
"""Tag of layers that were predicted in such an image: its distance in units of the usual one."""

_LEAST_SPREAD = 1e-3
"""Added to the spread of a channel before its logarithm: many are 0 nearly everywhere."""

_LEAST_SCALE = 0.01
"""Least scale of a number over the images, in units of the median scale."""


@dataclass(frozen=True, slots=True)
class Familiarity:
    """How an image compares with held-out images of the kind that a network was trained on.

    Parameters
    ----------
    times_usual : float
        Its distance from the training images, in units of the median of the held-out ones.
    share_nearer : float
        Share of the held-out images that lie nearer, 0 to 1.
    is_unusual : bool
        Whether nearly all of them do (`UNUSUAL`).
    """

    times_usual: float
    share_nearer: float
    is_unusual: bool

    def as_dict(self) -> dict[str, float | bool]:
        """Return it as JSON."""
        return {
            "times_usual": self.times_usual,
            "share_nearer": self.share_nearer,
            "unlike_training": self.is_unusual,
        }

    def sentence(self) -> str:
        """Return it as a sentence."""
        return (
            f"The image is {self.times_usual:.1f} times as far from the training images as "
            f"held-out ones usually are, farther than {100.0 * self.share_nearer:.0f} % of them"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """The normal distribution of numbers that describe the training images.

    Parameters
    ----------
    mean : ndarray of float32, shape (numbers,)
        Means over the images.
    root : ndarray of float32, shape (numbers, numbers)
        Lower triangle; its product with its transpose is the inverse of the covariance.
    usual : ndarray of float64, shape (images,)
        Distances of held-out images of the same kind, in rising order.
    """

    mean: Float32
    root: Float32
    usual: Float

    @classmethod
    def fit(cls, training: Float, held_out: Float) -> Domain:
        """Return the domain of training images.

        Parameters
        ----------
        training, held_out : ndarray of float64, shape (images, numbers)
            `numbers` of the training images, and of other images of the same kind.

        Raises
        ------
        ValueError
            If either are fewer than `FEWEST`, or all alike.
        """
        if min(len(training), len(held_out)) < FEWEST:
            raise ValueError(f"a domain needs {FEWEST} images, and as many held-out ones")
        mean, scale = training.mean(axis=0), training.std(axis=0)
        scale = np.maximum(scale, max(_LEAST_SCALE * float(np.median(scale)), 1e-9))
        covariance = shrunk_covariance((training - mean) / scale)
        if not covariance.any():
            raise ValueError("the images do not differ")
        root = np.linalg.cholesky(np.linalg.inv(covariance)) / scale[:, None]
        # As a file holds them, so that reading it changes no distance.
        fitted = cls(_as_stored(mean), _as_stored(root), np.zeros(0))
        usual = _as_stored(np.sort([fitted.distance(described) for described in held_out]))
        return cls(fitted.mean, fitted.root, usual.astype(np.float64))

    def distance(self, described: Float) -> float:
        """Return the distance of an image: the root mean square of its standardised `numbers`."""
        off = self.root.T.astype(np.float64) @ (described - self.mean)
        return float(np.sqrt(np.mean(off**2)))

    def familiarity(self, distance: float) -> Familiarity:
        """Return how an image at a distance compares with the held-out images."""
        return Familiarity(
            round(distance / float(np.median(self.usual)), 3),
            round(float(np.mean(self.usual < distance)), 3),
            distance > float(np.quantile(self.usual, UNUSUAL)),
        )


def numbers(maps: Sequence[Float32], known: Bool) -> Float:
    """Return the numbers that describe an image, from its features.

    Parameters
    ----------
    maps : sequence of ndarray of float32, shape (channels, rows, columns)
        Features at several strides.
    known : ndarray of bool, shape (rows, columns)
        Valid pixels of the image; features in the middle of other ones do not count.

    Returns
    -------
    ndarray of float64, shape (2 × channels,)
        Of each stride the means of the channels, and the logarithms of their spreads; NaN if no
        feature counts.
    """
    parts = []
    for features in maps:
        rows, columns = (
            ((np.arange(few) + 0.5) * many / few).astype(int)
            for few, many in zip(features.shape[1:], known.shape, strict=True)
        )
        values = features[:, known[np.ix_(rows, columns)]].astype(np.float64)
        if not values.size:
            return np.full(2 * sum(len(each) for each in maps), np.nan)
        parts += [values.mean(axis=1), np.log(values.std(axis=1) + _LEAST_SPREAD)]
    return np.concatenate(parts)


def shrunk_covariance(centred: Float) -> Float:
    """Return a covariance, shrunk towards a multiple of the identity as few images ask for.

    Parameters
    ----------
    centred : ndarray of float64, shape (images, numbers)
        Numbers of mean 0.

    Returns
    -------
    ndarray of float64, shape (numbers, numbers)
        Positive definite, unless all numbers are 0.
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
    """Return the lower triangle of a square matrix, row by row."""
    return root[np.tril_indices(len(root))]


def unpacked(values: Float32, size: int) -> Float32:
    """Return the lower triangular matrix of so many rows that was packed."""
    root = np.zeros((size, size), np.float32)
    root[np.tril_indices(size)] = values
    return root


def _as_stored(values: Float) -> Float32:
    """Return numbers as a file of 16 bits holds them, or of 32 if they are too large."""
    largest = float(np.abs(values).max(initial=0.0))
    half = values.astype(np.float16) if largest <= np.finfo(np.float16).max else values
    return half.astype(np.float32)
