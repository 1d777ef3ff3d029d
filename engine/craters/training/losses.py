"""Training losses of the crater networks."""

from __future__ import annotations

import torch
from torch.nn import functional

from lunarsite.engine.craters.model.architecture import OCTAVES


def heat_maps(
    outputs: torch.Tensor,
    heat: torch.Tensor,
    weight: torch.Tensor,
    shape: torch.Tensor,
    rim: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Return the terms of the heat-map network's loss.

    Centres have the penalty-reduced focal loss with exponents 2 and 4, shapes the smooth L1 loss,
    rims cross-entropy plus Dice. Pixels of zero weight do not count.

    Parameters
    ----------
    outputs : Tensor, shape (batch, heads, rows, columns)
        Outputs of the network.
    heat, weight, shape, rim : Tensor
        Targets as in `targets.Targets`, with the batch as first dimension.

    Returns
    -------
    dict of str to Tensor
        The terms, whose sum is the loss.

    References
    ----------
    Zhou et al. 2019, Objects as Points, arXiv 1904.07850, eq. 1.
    """
    logits = outputs[:, :OCTAVES].float()
    positive = (heat >= 1.0) & (weight > 0.0)
    probability = torch.sigmoid(logits)
    at_centers = -functional.logsigmoid(logits) * (1.0 - probability) ** 2 * positive
    elsewhere = -functional.logsigmoid(-logits) * probability**2 * (1.0 - heat) ** 4 * weight
    elsewhere = elsewhere * ~positive
    number = positive.sum().clamp(min=1)
    focal = (at_centers.sum() + elsewhere.sum()) / number
    predicted = outputs[:, OCTAVES + 1 :].float().unflatten(1, (OCTAVES, 3))
    error = functional.smooth_l1_loss(predicted, shape[:, :, :3], reduction="none", beta=0.05)
    shape_weight = shape[:, :, 3:]
    outline = (error * shape_weight).sum() / shape_weight.sum().clamp(min=1.0)
    return {"focal": focal, "outline": 2.0 * outline, "rim": 0.5 * rims(outputs[:, OCTAVES], rim)}


def rims(logits: torch.Tensor, rim: torch.Tensor) -> torch.Tensor:
    """Return the binary cross-entropy plus Dice loss of a rim mask.

    Parameters
    ----------
    logits : Tensor, shape (batch, rows, columns)
        Logits of rims.
    rim : Tensor, shape (batch, 2, rows, columns)
        Target mask and weight.
    """
    logits = logits.float()
    mask, weight = rim[:, 0], rim[:, 1]
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, weight=weight)
    probability = torch.sigmoid(logits) * weight
    intersection = (probability * mask).sum()
    dice = 1.0 - (2.0 * intersection + 1.0) / (probability.sum() + mask.sum() + 1.0)
    return entropy + dice
