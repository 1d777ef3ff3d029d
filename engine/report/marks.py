"""Region outlines and numbered sites on a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lunarsite.engine.report.place_names import Name

_LABEL_STEPS = (9.0, 15.0, 22.0)


def regions(axes: Axes, shapes: dict[str, Any]) -> None:
    """Outline regions, given in map metres, and label them at their upper edge."""
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


def names(axes: Axes, shown: Sequence[Name]) -> None:
    """Write names of craters at their centres, and of mountains with a triangle."""
    for each in shown:
        axes.annotate(
            each.name if each.diameter_m else f"▲ {each.name}",
            (each.x_m, each.y_m),
            ha="center",
            va="center",
            fontsize=6.5,
            color=drawing.INK,
            style="italic",
            path_effects=drawing.halo(),
            annotation_clip=True,
            clip_on=True,
            zorder=5,
        )


def rings(axes: Axes, sites: gpd.GeoDataFrame) -> None:
    """Mark the sites on a small map with rings."""
    for colour, width in ((drawing.INK, 2.0), (drawing.PAPER, 1.0)):
        axes.scatter(
            sites["x_m"], sites["y_m"], s=20, facecolors="none", edgecolors=colour, linewidths=width
        )


def sites(axes: Axes, listed: gpd.GeoDataFrame) -> None:
    """Mark and number the sites, with another symbol for those that meet all criteria."""
    passes = listed["passes"].to_numpy(bool)
    for passing, marker, colour, label in (
        (True, "o", drawing.SUN, "meets all criteria"),
        (False, "D", "#56b4e9", "fails one or more"),
    ):
        chosen = listed[passes == passing]
        axes.scatter(
            chosen["x_m"],
            chosen["y_m"],
            s=42 if passing else 34,
            marker=marker,
            c=colour,
            edgecolors=drawing.INK,
            linewidths=1.0,
            zorder=8,
            label=label,
        )
    _numbers(axes, listed[["x_m", "y_m"]].to_numpy(np.float64), [str(n) for n in listed["site"]])


def _numbers(axes: Axes, points: NDArray[np.float64], texts: Sequence[str]) -> None:
    """Write a number next to each point where it covers neither points nor other numbers."""
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    scale = (east - west) / (axes.get_window_extent().width * 72.0 / axes.figure.dpi)
    placed: list[tuple[float, float]] = []
    for point, text in zip(points, texts, strict=True):
        best, lowest_cost = (0.0, _LABEL_STEPS[0]), np.inf
        for step in _LABEL_STEPS:
            for angle in np.radians([45, 135, 315, 225, 90, 0, 270, 180]):
                dx, dy = step * 1.15 * np.cos(angle), step * np.sin(angle)
                x, y = point[0] + dx * scale, point[1] + dy * scale
                others = np.vstack([points, *placed]) if placed else points
                gap = np.abs(others - (x, y)) / scale
                crowding = float(np.sum(np.maximum(0.0, 11.0 - gap.max(axis=1))))
                outside = not (west + 8 * scale < x < east - 8 * scale)
                outside |= not (south + 8 * scale < y < north - 8 * scale)
                cost = crowding + 100.0 * outside + 0.25 * step
                if cost < lowest_cost:
                    best, lowest_cost = (dx, dy), cost
        placed.append((point[0] + best[0] * scale, point[1] + best[1] * scale))
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
