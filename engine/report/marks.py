"""Regions and numbered sites on a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_LABEL_STEPS = (9.0, 15.0, 22.0)


def regions(axes: Axes, shapes: dict[str, Any]) -> None:
    """Outline polygons of map metres and write their marks at their upper edge."""
    for name, shape in shapes.items():
        for part in getattr(shape, "geoms", [shape]):
            if part.geom_type != "Polygon":
                continue
            x, y = np.asarray(part.exterior.coords).T[:2]
            axes.plot(x, y, color=drawing.PAPER, linewidth=2.6, zorder=6)
            axes.plot(x, y, color="#cc79a7", linewidth=1.4, zorder=6)
        left, _, right, top = shape.bounds
        axes.annotate(
            name,
            ((left + right) / 2, top),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            color="#8a2c62",
            weight="bold",
            path_effects=drawing.halo(),
            annotation_clip=True,
            clip_on=True,
            zorder=7,
        )


def rings(axes: Axes, sites: gpd.GeoDataFrame) -> None:
    """Ring the sites on a small map."""
    for colour, width in ((drawing.INK, 2.0), (drawing.PAPER, 1.0)):
        axes.scatter(
            sites["x_m"], sites["y_m"], s=20, facecolors="none", edgecolors=colour, linewidths=width
        )


def sites(axes: Axes, found: gpd.GeoDataFrame) -> None:
    """Mark the sites, those that keep every criterion by another shape, and number them."""
    passes = found["passes"].to_numpy(bool)
    for keeps, shape, colour, words in (
        (True, "o", drawing.SUN, "keeps every criterion"),
        (False, "D", "#56b4e9", "breaks one or more"),
    ):
        chosen = found[passes == keeps]
        axes.scatter(
            chosen["x_m"],
            chosen["y_m"],
            s=42 if keeps else 34,
            marker=shape,
            c=colour,
            edgecolors=drawing.INK,
            linewidths=1.0,
            zorder=8,
            label=words,
        )
    _numbers(axes, found[["x_m", "y_m"]].to_numpy(np.float64), [str(n) for n in found["site"]])


def _numbers(axes: Axes, points: NDArray[np.float64], texts: Sequence[str]) -> None:
    """Write a number beside each point where it covers neither a point nor another number."""
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    scale = (east - west) / (axes.get_window_extent().width * 72.0 / axes.figure.dpi)
    taken: list[tuple[float, float]] = []
    for point, text in zip(points, texts, strict=True):
        best, least = (0.0, _LABEL_STEPS[0]), np.inf
        for step in _LABEL_STEPS:
            for angle in np.radians([45, 135, 315, 225, 90, 0, 270, 180]):
                dx, dy = step * 1.15 * np.cos(angle), step * np.sin(angle)
                x, y = point[0] + dx * scale, point[1] + dy * scale
                others = np.vstack([points, *taken]) if taken else points
                gap = np.abs(others - (x, y)) / scale
                crowd = float(np.sum(np.maximum(0.0, 11.0 - gap.max(axis=1))))
                outside = not (west + 8 * scale < x < east - 8 * scale)
                outside |= not (south + 8 * scale < y < north - 8 * scale)
                cost = crowd + 100.0 * outside + 0.25 * step
                if cost < least:
                    best, least = (dx, dy), cost
        taken.append((point[0] + best[0] * scale, point[1] + best[1] * scale))
        axes.annotate(
            text,
            (point[0], point[1]),
            xytext=best,
            textcoords="offset points",
            ha="center",
            va="center",
            size=9.5,
            weight="bold",
            path_effects=drawing.halo(3.0),
            arrowprops=(
                {"arrowstyle": "-", "color": drawing.INK, "lw": 0.7}
                if np.hypot(*best) > 1.3 * _LABEL_STEPS[0]
                else None
            ),
            zorder=10,
        )
