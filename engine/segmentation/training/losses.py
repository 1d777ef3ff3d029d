"""Training losses of the segmentation networks: cross-entropy or focal loss, plus Dice."""

from __future__ import annotations

import torch
from torch.nn import functional

from lunarsite.engine.segmentation import classes

FOCUS = 2.0
"""Focusing exponent of the focal loss (Lin et al. 2017, arXiv 1708.02002)."""


def segmentation(
    logits: torch.Tensor, mask: torch.Tensor, *, focal: bool, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return cross-entropy, or the focal loss, plus the Dice loss.

    Parameters
    ----------
    logits : Tensor, shape (batch, classes, rows, columns)
        Outputs of the network.
    mask : Tensor of uint8, shape (batch, rows, columns)
        Target classes; `classes.NODATA` is the ignore index.
    focal : bool
        Whether to use the focal loss in place of cross-entropy.
    weights : Tensor, shape (classes,), optional
        Class weights of the cross-entropy.

    Returns
    -------
    Tensor, shape ()
        The loss.

    References
    ----------
    Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv 1708.02002.
    """
    logits = logits.float()
    target = mask.long()
    labelled = target != classes.NODATA
    entropy = functional.cross_entropy(
        logits, target, weight=weights, ignore_index=classes.NODATA, reduction="none"
    )
    if focal:
        probability = torch.exp(
            -functional.cross_entropy(logits, target, ignore_index=classes.NODATA, reduction="none")
        )
        entropy = entropy * (1.0 - probability) ** FOCUS
    mean = (entropy * labelled).sum() / labelled.sum().clamp(min=1)
    return mean + dice(logits, target, labelled)


def dice(logits: torch.Tensor, target: torch.Tensor, labelled: torch.Tensor) -> torch.Tensor:
    """Return the Dice loss, averaged over the classes that occur in the targets.

    Parameters
    ----------
    logits : Tensor, shape (batch, classes, rows, columns)
        Outputs of the network.
    target : Tensor of int64, shape (batch, rows, columns)
        Target classes.
    labelled : Tensor of bool, shape (batch, rows, columns)
        Pixels that count.

    References
    ----------
    Milletari et al. 2016, V-Net, arXiv 1606.04797.
    """
    probability = torch.softmax(logits, dim=1) * labelled[:, None]
    count = len(classes.NAMES)
    one_hot = functional.one_hot(torch.where(labelled, target, 0), count).movedim(3, 1)
    truth = one_hot * labelled[:, None]
    intersection = (probability * truth).sum(dim=(0, 2, 3))
    total = probability.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    present = truth.sum(dim=(0, 2, 3)) > 0
    loss = 1.0 - (2.0 * intersection + 1.0) / (total + 1.0)
    return (loss * present).sum() / present.sum().clamp(min=1)
