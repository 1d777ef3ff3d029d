"""What training minimises: cross-entropy or the focal loss, and Dice."""

from __future__ import annotations

import torch
from torch.nn import functional

from lunarsite.engine.segmentation import classes

FOCUS = 2.0
"""Exponent of the focal loss (Lin et al. 2017, arXiv 1708.02002)."""


def segmentation(
    logits: torch.Tensor, mask: torch.Tensor, *, focal: bool, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the loss of an answer.

    Parameters
    ----------
    logits : Tensor, shape (batch, classes, rows, columns)
        The network's answer.
    mask : Tensor of uint8, shape (batch, rows, columns)
        Classes, and `classes.NODATA` where nobody is asked.
    focal : bool
        The focal loss in the place of cross-entropy.
    weights : Tensor, shape (classes,), optional
        How much each class counts.
    """
    logits = logits.float()
    wanted = mask.long()
    asked = wanted != classes.NODATA
    entropy = functional.cross_entropy(
        logits, wanted, weight=weights, ignore_index=classes.NODATA, reduction="none"
    )
    if focal:
        right = torch.exp(
            -functional.cross_entropy(logits, wanted, ignore_index=classes.NODATA, reduction="none")
        )
        entropy = entropy * (1.0 - right) ** FOCUS
    mean = (entropy * asked).sum() / asked.sum().clamp(min=1)
    return mean + dice(logits, wanted, asked)


def dice(logits: torch.Tensor, wanted: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Return one minus the Dice coefficient, the mean of the classes that are there."""
    chance = torch.softmax(logits, dim=1) * asked[:, None]
    count = len(classes.NAMES)
    truth = functional.one_hot(torch.where(asked, wanted, 0), count).movedim(3, 1) * asked[:, None]
    common = (chance * truth).sum(dim=(0, 2, 3))
    both = chance.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    there = truth.sum(dim=(0, 2, 3)) > 0
    lost = 1.0 - (2.0 * common + 1.0) / (both + 1.0)
    return (lost * there).sum() / there.sum().clamp(min=1)
