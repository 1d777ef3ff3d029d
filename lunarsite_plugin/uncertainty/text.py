"""How unsure a network is of an image, in words. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

COMPARED_PX = 256 * 256
"""With data, which a window has at the least whose mean is compared with that of whole scenes."""


@dataclass(frozen=True, slots=True)
class AtClick:
    """What the layers hold at the click, nats; NaN where the image has no data."""

    entropy: float
    mutual_information: float


def answer(result: dict[str, Any], at: AtClick) -> str:
    """Return what is known at the click, and of the window around it, a line each.

    Parameters
    ----------
    result : dict
        Answer of ``segment-terrain`` for the window.
    at : AtClick
        The values at the click.
    """
    lines = [_at_click(at), _of_window(result), *result.get("warnings", [])]
    return "\n".join(str(line) for line in lines)


def nats(value: float) -> str:
    """Return an entropy with its unit."""
    if 0.0 < value < 0.0001:
        return "under 0.0001 nat"
    return f"{value:.4f} nat" if value < 0.1 else f"{value:.2f} nat"


def _at_click(at: AtClick) -> str:
    if math.isnan(at.entropy) or math.isnan(at.mutual_information):
        return "At the click: the image has no data there."
    shared = nats(at.mutual_information)
    return f"At the click: entropy {nats(at.entropy)}, mutual information {shared}."


def _of_window(result: dict[str, Any]) -> str:
    if not result["pixels"]:
        return "The window's mean: the image has no data around the click."
    means = (
        f"The window's mean: entropy {nats(result['mean_entropy'])}, mutual information "
        f"{nats(result['mean_mutual_information'])}"
    )
    if "times_in_domain" not in result:
        return f"{means}."
    if result["pixels"] < COMPARED_PX:
        return f"{means}; too small a window to compare."
    times = result["times_in_domain"]
    return f"{means}, {times:.1f}× the median of validation: {result['verdict']}."
