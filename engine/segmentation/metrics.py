"""Intersection over union of masks, pooled over pixels, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.segmentation import classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int = NDArray[np.int64]
    UInt8 = NDArray[np.uint8]

DRAWS = 2000
"""Draws of the bootstrap over images."""

_COUNT = len(classes.NAMES)


@dataclass(slots=True, eq=False)
class Agreement:
    """Confusion matrices of images, true classes by row and predicted classes by column.

    Parameters
    ----------
    images : list of ndarray of int64, shape (4, 4)
        Pixel counts of each image.
    """

    images: list[Int] = field(default_factory=list)

    def add(self, predicted: UInt8, mask: UInt8) -> None:
        """Add an image; pixels that have no class in either raster are left out."""
        labelled = (mask < _COUNT) & (predicted < _COUNT)
        pairs = mask[labelled].astype(np.int64) * _COUNT + predicted[labelled]
        self.images.append(np.bincount(pairs, minlength=_COUNT**2).reshape(_COUNT, _COUNT))

    def summary(self, seed: int = 7) -> dict[str, Any]:
        """Return the metrics with 95 % bootstrap intervals over images, JSON-able."""
        if not self.images:
            return {"images": 0}
        stack = np.stack(self.images)
        pooled = figures(stack.sum(axis=0))
        rng = np.random.default_rng(seed)
        draws = [
            figures(stack[rng.integers(0, len(stack), len(stack))].sum(axis=0))
            for _ in range(DRAWS)
        ]
        intervals = {}
        for name in ("miou", "any_rock"):
            values = np.array([draw[name] for draw in draws if draw[name] is not None], float)
            if values.size:
                intervals[name] = [round(float(q), 4) for q in np.quantile(values, [0.025, 0.975])]
        return {
            "images": len(self.images),
            **pooled,
            "intervals": intervals,
            "confusion": stack.sum(axis=0).tolist(),
        }


def figures(confusion: Int) -> dict[str, Any]:
    """Return intersection over union and accuracy from a confusion matrix.

    Parameters
    ----------
    confusion : ndarray of int64, shape (4, 4)
        Pixel counts, true classes by row.

    Returns
    -------
    dict
        ``iou`` by class; ``miou``, its mean over the classes that occur in the masks; ``any_rock``,
        the IoU of both rock classes as one; ``accuracy``. None where undefined.
    """
    hit = np.diagonal(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - hit
    there = confusion.sum(axis=1) > 0
    each = np.where(either > 0, hit / np.maximum(either, 1), np.nan)
    rocks = [classes.SMALL, classes.LARGE]
    both = confusion[np.ix_(rocks, rocks)].sum()
    any_rock = confusion[rocks].sum() + confusion[:, rocks].sum() - both
    return {
        "iou": {
            name: _round(each[number]) if there[number] else None
            for number, name in enumerate(classes.NAMES)
        },
        "miou": _round(each[there].mean()) if there.any() else None,
        "any_rock": _round(both / any_rock) if any_rock and confusion[rocks].any() else None,
        "accuracy": _round(hit.sum() / max(confusion.sum(), 1)),
    }


def _round(value: float) -> float:
    return round(float(value), 4)
