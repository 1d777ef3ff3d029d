"""Reliability diagram: observed accuracy against predicted confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes


def write(path: Path, calibration: dict[str, Any]) -> None:
    """Draw the reliability diagrams of all pixels and of those predicted as rock.

    Parameters
    ----------
    path : Path
        PNG file to write.
    calibration : dict
        As from `Calibration.summary`.
    """
    with drawing.style():
        picture = drawing.figure(9.0, 4.6)
        panels = picture.subplots(1, 2)
        diagrams = (
            ("curve", "ece", "All pixels"),
            ("curve_called_rocks", "ece_called_rocks", "Predicted as rock"),
        )
        for axes, (curve, error, title) in zip(panels, diagrams, strict=True):
            ece = calibration[error]
            label = "no pixels" if ece is None else f"ECE {ece:.4f}"
            _panel(axes, calibration[curve], f"{title}: {label}")
        with whole_file(path) as partial:
            drawing.save(picture, partial, "png")


def _panel(axes: Axes, curve: dict[str, list[float]], title: str) -> None:
    axes.plot(
        [0.0, 1.0], [0.0, 1.0], color=drawing.FAINT, linewidth=1.0, label="perfect calibration"
    )
    pixels = np.array(curve["pixels"])
    if pixels.size:
        share = pixels / pixels.sum()
        axes.plot(curve["confidence"], curve["accuracy"], color=drawing.EARTH, linewidth=1.2)
        axes.scatter(
            curve["confidence"],
            curve["accuracy"],
            s=12.0 + 160.0 * np.sqrt(share),
            color=drawing.EARTH,
            alpha=0.8,
            label="bins, sized by number of pixels",
        )
    axes.set_xlim(0.2, 1.02)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    axes.set_title(title, loc="left")
    axes.legend(loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
