"""How well masks agree: intersection over union, pooled over pixels, with bootstrap intervals."""

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
"""Of the bootstrap over images."""

_COUNT = len(classes.NAMES)


@dataclass(slots=True, eq=False)
class Agreement:
    """Confusion matrices of images: truth by row, answer by column."""

    images: list[Int] = field(default_factory=list)

    def add(self, answer: UInt8, mask: UInt8) -> None:
        """Take in an image; pixels of which either is no class are left out."""
        asked = (mask < _COUNT) & (answer < _COUNT)
        pairs = mask[asked].astype(np.int64) * _COUNT + answer[asked]
        self.images.append(np.bincount(pairs, minlength=_COUNT**2).reshape(_COUNT, _COUNT))

    def summary(self, seed: int = 7) -> dict[str, Any]:
        """Return the figures with 95 % intervals over images, JSON-able."""
        if not self.images:
            return {"images": 0}
        stack = np.stack(self.images)
        said = figures(stack.sum(axis=0))
        rng = np.random.default_rng(seed)
        draws = [
            figures(stack[rng.integers(0, len(stack), len(stack))].sum(axis=0))
            for _ in range(DRAWS)
        ]
        intervals = {}
        for name in ("miou", "any_rock"):
            found = np.array([draw[name] for draw in draws if draw[name] is not None], float)
            if found.size:
                intervals[name] = [round(float(q), 4) for q in np.quantile(found, [0.025, 0.975])]
        return {
            "images": len(self.images),
            **said,
            "intervals": intervals,
            "confusion": stack.sum(axis=0).tolist(),
        }


def figures(confusion: Int) -> dict[str, Any]:
    """Return intersection over union of a confusion matrix.

    ``miou`` is the mean over the classes that the masks hold; ``any_rock`` takes both classes of
    rocks for one. What cannot be said is None.
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
