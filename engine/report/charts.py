"""Summary plot of the SHAP contributions of the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from lunarsite.engine.report import drawing
from lunarsite.engine.scoring.features.columns import BY_NAME

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SAMPLE = 20_000
"""Maximum number of cells in the plot, and in the means of the bars."""

_SEED = 7
_TOP = 12
_BINS = 90


def sample(scored: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows to plot: all scored ones, or a fixed random sample of `SAMPLE`."""
    if len(scored) <= SAMPLE:
        return scored
    return np.sort(np.random.default_rng(_SEED).choice(scored, SAMPLE, replace=False))


def contributions(shap: pd.DataFrame, features: pd.DataFrame) -> Figure:
    """Return the mean strength of the strongest features, and their contribution in each cell.

    Parameters
    ----------
    shap : DataFrame
        SHAP contributions to the log-odds, one column per feature.
    features : DataFrame
        Values of the features in the same rows.

    Returns
    -------
    Figure
        Bar chart and beeswarm plot.
    """
    names = [name for name in shap if name in BY_NAME]
    strength = shap[names].abs().mean().to_numpy(np.float64)
    order = np.argsort(-strength, kind="stable")[:_TOP]
    order = order[strength[order] > 0.0][::-1]
    picture = drawing.figure(10.0, 0.6 + 0.38 * max(len(order), 3))
    bars, swarm = picture.subplots(1, 2, width_ratios=(1.0, 2.0), sharey=True)
    height = np.arange(len(order))
    bars.barh(height, strength[order], color=drawing.EARTH, height=0.62)
    for y, value in zip(height, strength[order], strict=True):
        bars.annotate(
            f"{value:.2g}" if value < 10 else f"{value:.1f}",
            (value, y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            size=8,
        )
    bars.set_yticks(height, [_title(str(names[k])) for k in order])
    bars.set_xlabel("mean absolute contribution, log-odds")
    bars.margins(x=0.2)
    rng = np.random.default_rng(_SEED)
    image = None
    for y, k in zip(height, order, strict=True):
        x = shap[names[k]].to_numpy(np.float64)
        value = features[names[k]].to_numpy(np.float64)
        known = np.isfinite(value)
        level = np.full(len(value), np.nan)
        if known.any():
            level[known] = (stats.rankdata(value[known]) - 0.5) / known.sum()
        offset = _spread(x, rng)
        swarm.scatter(x[~known], y + offset[~known], s=2.0, c="#b0b5bb", linewidths=0)
        image = swarm.scatter(
            x[known],
            y + offset[known],
            s=2.0,
            c=level[known],
            cmap="cividis",
            vmin=0,
            vmax=1,
            linewidths=0,
        )
    swarm.axvline(0.0, color=drawing.FAINT, linewidth=0.8)
    swarm.set_xlabel("contribution in each cell, log-odds (positive: better)")
    swarm.tick_params(axis="y", length=0, labelleft=False)
    if image is not None:
        bar = picture.colorbar(image, ax=swarm, pad=0.02, aspect=30)
        bar.set_ticks([0.03, 0.97], labels=["low", "high"])
        bar.set_label("feature value", labelpad=-12)
    for axes in (bars, swarm):
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    return picture


def _spread(x: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return vertical offsets within ±0.38 that show the density of the points."""
    count, edges = np.histogram(x, bins=_BINS)
    bins = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, _BINS - 1)
    share = np.sqrt(count / max(1, int(count.max())))
    return np.asarray(rng.uniform(-0.38, 0.38, len(x)) * share[bins])


def _title(name: str) -> str:
    """Return the title of a feature with its unit."""
    feature = BY_NAME[name]
    unit = "°" if feature.unit == "deg" else feature.unit
    return f"{feature.title} ({unit})" if unit else feature.title
