"""Figure of a crater diagnosis: recall, precision and rim distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.craters.evaluation import diagnosis, preprocessing
from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Float = NDArray[np.float64]


_MAX_DISTANCE = 1.5
"""Rim distances, in radii, beyond which all are drawn at the edge."""


def picture(report: Mapping[str, Any], distances: Mapping[str, Float]) -> Figure:
    """Return the figure.

    Parameters
    ----------
    report : dict
        The diagnosis, as written to its report.
    distances : dict
        Rim distances in radii of hits, misses and predictions.

    Returns
    -------
    Figure
        Recall and precision by preparation and threshold, recall by class, and rim distances.
    """
    figure = drawing.figure(11.0, 7.0)
    figure.suptitle(f"Verdict: {report['verdict']}", fontweight="bold")
    (recall, precision), (classes, curves) = figure.subplots(2, 2, height_ratios=(1.0, 1.3))
    _heat(recall, report, "recall", "Recall")
    _heat(precision, report, "precision", "Precision, lower bound")
    _bars(classes, report)
    _curves(curves, report, distances)
    return figure


def _heat(axes: Axes, report: Mapping[str, Any], metric: str, title: str) -> None:
    """Draw a metric by preparation and threshold."""
    names, limits = list(preprocessing.NAMES), diagnosis.THRESHOLDS
    values = np.array(
        [np.nan if row[metric] is None else row[metric] for row in report["grid"]], np.float64
    ).reshape(len(names), len(limits))
    axes.imshow(values, cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        axes.text(
            column,
            row,
            "–" if np.isnan(value) else f"{value:.2f}",
            ha="center",
            va="center",
            size=8,
            color=drawing.INK if np.isnan(value) or value > 0.48 else drawing.PAPER,
        )
    axes.set_xticks(range(len(limits)), [f"{limit:g}" for limit in limits])
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("confidence threshold")
    axes.set_title(title, loc="left")


def _bars(axes: Axes, report: Mapping[str, Any]) -> None:
    """Draw the recall of each preparation by class of degradation."""
    rows = [row for row in report["classes"] if row["catalogued"]]
    names = list(preprocessing.NAMES)
    colours = (drawing.EARTH, drawing.SUN, drawing.GOOD, drawing.BAD)
    width = 0.8 / len(names)
    centres = np.arange(len(rows), dtype=np.float64)
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        height = [row["recall"][name] for row in rows]
        position = centres + (number - (len(names) - 1) / 2.0) * width
        axes.bar(position, height, width * 0.92, color=colour, label=name)
        for x, y in zip(position, height, strict=True):
            axes.text(x, y + 0.01, f"{y:.2f}", ha="center", va="bottom", size=7)
    axes.set_xticks(centres, [f"{row['class']}\n{row['catalogued']} craters" for row in rows])
    axes.set_ylim(0.0, 1.25)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    axes.legend(loc="upper center", ncols=len(names))
    axes.set_title(f"Recall by degradation, at confidence {report['threshold']:.2f}", loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _curves(axes: Axes, report: Mapping[str, Any], distances: Mapping[str, Float]) -> None:
    """Draw the cumulative distributions of rim distances."""
    near = report["near"]
    curves = (
        ("hits", "detected craters to the nearest prediction", drawing.GOOD),
        ("misses", "missed craters to the nearest prediction", drawing.BAD),
        ("predictions", "predictions to the nearest true rim", drawing.EARTH),
    )
    for name, label, colour in curves:
        values = np.sort(np.minimum(distances[name], _MAX_DISTANCE))
        share = np.arange(1, values.size + 1) / max(values.size, 1)
        steps = np.concatenate([[0.0], values, [_MAX_DISTANCE]])
        last = share[-1] if values.size else 0.0
        axes.step(
            steps,
            np.concatenate([[0.0], share, [last]]),
            where="post",
            color=colour,
            label=f"{label} ({values.size})",
        )
    axes.axvline(near["within_radii"], color=drawing.FAINT, linewidth=0.8, linestyle=":")
    axes.plot(
        near["within_radii"],
        near["by_chance_high"],
        "o",
        color=drawing.INK,
        label="predictions near true rims by chance, upper bound",
    )
    axes.set_xlim(0.0, _MAX_DISTANCE)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("mean rim distance, radii")
    axes.set_ylabel("cumulative fraction")
    axes.legend(loc="lower right")
    axes.set_title("Rim distances", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
