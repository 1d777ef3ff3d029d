"""What training minimises."""

from __future__ import annotations

import torch
from torch.nn import functional

from lunarsite.engine.craters.model.architecture import OCTAVES


def heat_maps(
    out: torch.Tensor,
    heat: torch.Tensor,
    weight: torch.Tensor,
    shape: torch.Tensor,
    rim: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Return the parts of the heat-map network's loss.

    The focal loss of centres is that of Zhou et al. 2019 (Objects as Points, eq. 1: exponents 2
    and 4), with nothing asked where the weight is zero.

    Parameters
    ----------
    out : Tensor, shape (batch, heads, rows, columns)
        The network's answer.
    heat, weight, shape, rim : Tensor
        As in `targets.Targets`, with a batch before.
    """
    logits = out[:, :OCTAVES].float()
    positive = (heat >= 1.0) & (weight > 0.0)
    chance = torch.sigmoid(logits)
    here = -functional.logsigmoid(logits) * (1.0 - chance) ** 2 * positive
    elsewhere = -functional.logsigmoid(-logits) * chance**2 * (1.0 - heat) ** 4 * weight
    elsewhere = elsewhere * ~positive
    number = positive.sum().clamp(min=1)
    focal = (here.sum() + elsewhere.sum()) / number
    found = out[:, OCTAVES + 1 :].float().unflatten(1, (OCTAVES, 3))
    error = functional.smooth_l1_loss(found, shape[:, :, :3], reduction="none", beta=0.05)
    share = shape[:, :, 3:]
    outline = (error * share).sum() / share.sum().clamp(min=1.0)
    return {"focal": focal, "outline": 2.0 * outline, "rim": 0.5 * rims(out[:, OCTAVES], rim)}


def rims(logits: torch.Tensor, rim: torch.Tensor) -> torch.Tensor:
    """Return binary cross-entropy plus Dice of a rim mask, ``rim`` being mask and weight."""
    logits = logits.float()
    mask, weight = rim[:, 0], rim[:, 1]
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, weight=weight)
    chance = torch.sigmoid(logits) * weight
    common = (chance * mask).sum()
    dice = 1.0 - (2.0 * common + 1.0) / (chance.sum() + mask.sum() + 1.0)
    return entropy + dice
