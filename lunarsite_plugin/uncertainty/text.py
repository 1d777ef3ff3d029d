"""The MC Dropout uncertainty as text. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

COMPARED_PX = 256 * 256
"""Least pixels with data for which the mean is compared with that of validation scenes."""


@dataclass(frozen=True, slots=True)
class AtClick:
    """The values at the click, nats; NaN if the image has no data there."""

    entropy: float
    mutual_information: float


def answer(result: dict[str, Any], at: AtClick) -> str:
    """Return the values at the click and the means of the window, one line each.

    Parameters
    ----------
    result : dict
        Result of ``segment-terrain`` for the window.
    at : AtClick
        The values at the click.
    """
    lines = [_at_click(at), _of_window(result), *_looks(result), *result.get("warnings", [])]
    return "\n".join(str(line) for line in lines)


def nats(value: float) -> str:
    """Return an entropy with its unit."""
    if 0.0 < value < 0.0001:
        return "<0.0001 nat"
    return f"{value:.4f} nat" if value < 0.1 else f"{value:.2f} nat"


def _at_click(at: AtClick) -> str:
    if math.isnan(at.entropy) or math.isnan(at.mutual_information):
        return "At the click: no data in the image."
    mutual = nats(at.mutual_information)
    return f"At the click: entropy {nats(at.entropy)}, mutual information {mutual}."


def _looks(result: dict[str, Any]) -> list[str]:
    """Return how far the image is from those that the network was trained on."""
    if "distance" not in result:
        return []
    times, nearer = (result["distance"][name] for name in ("times_median", "share_nearer"))
    text = (
        f"Distance of the image from the training images: {times:.1f}× the median of held-out "
        f"ones, {100 * nearer:.0f} % of which are nearer."
    )
    return [text]


def _of_window(result: dict[str, Any]) -> str:
    if not result["pixels"]:
        return "Mean of the window: no data in the image."
    means = (
        f"Mean of the window: entropy {nats(result['mean_entropy'])}, mutual information "
        f"{nats(result['mean_mutual_information'])}"
    )
    if "times_in_domain" not in result:
        return f"{means}."
    if result["pixels"] < COMPARED_PX:
        return f"{means}; the window is too small to compare with validation."
    times = result["times_in_domain"]
    return f"{means}, {times:.1f}× the validation median: {result['verdict']}."
