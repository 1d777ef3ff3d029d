"""Region outlines and numbered sites on a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.report import drawing
from lunarsite.engine.report.labels import around

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lunarsite.engine.report.labels import Labels
    from lunarsite.engine.report.place_names import Name

_SITE_PT, _MOUNTAIN_PT = 4.0, 3.0
"""Half the size of symbols, points."""

_GAPS_PT = (5.0, 7.0, 10.0, 14.0, 19.0, 25.0, 32.0, 40.0)
"""Distances of a number from its site, points."""

_LINE_PT = 6.0
"""Distance of its edge beyond which a line leads to it, points."""

_REGION_GAP_PT = 3.0
"""Distance of the name of a region from its edge, points."""

_SHIFTS_PT = (0.0, 6.0, -6.0, 11.0, -11.0)
"""How far the name of a crater may be from its centre, points."""


def outlines(axes: Axes, shapes: dict[str, Any]) -> None:
    """Outline regions, given in map metres."""
    for shape in shapes.values():
        for part in getattr(shape, "geoms", [shape]):
            if part.geom_type != "Polygon":
                continue
            x, y = np.asarray(part.exterior.coords).T[:2]
            axes.plot(x, y, color=drawing.PAPER, linewidth=2.6, zorder=6)
            axes.plot(x, y, color="#cc79a7", linewidth=1.4, zorder=6)


def region_names(axes: Axes, shapes: dict[str, Any], labels: Labels) -> None:
    """Write the names of regions at the upper edge of what is seen of them."""
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    for name, shape in shapes.items():
        left, low, right, high = shape.bounds
        left, right, high = max(left, west), min(right, east), min(high, north)
        if left >= right or max(low, south) >= high:
            continue
        told = axes.annotate(
            name,
            ((left + right) / 2, high),
            xytext=(0.0, 0.0),
            textcoords="offset points",
            ha="center",
            va="center",
            color="#8a2c62",
            weight="bold",
            path_effects=drawing.halo(),
            clip_on=True,
            zorder=7,
        )
        size = labels.size(told)
        above = 0.5 * size[1] + _REGION_GAP_PT
        offsets = [(0.0, above), (0.0, -above), *around(size, (3.0, 8.0, 14.0, 21.0))]
        told.set_position(labels.best((left + right) / 2, high, size, offsets))


def names(axes: Axes, shown: Sequence[Name], labels: Labels) -> None:
    """Write names of craters near their centres, and of mountains beside a triangle.

    Features whose name has no room are left out.
    """
    mountains = [(each.x_m, each.y_m) for each in shown if not each.diameter_m]
    labels.take_places(np.reshape(mountains, (-1, 2)), _MOUNTAIN_PT)
    for each in shown:
        told = axes.annotate(
            each.name,
            (each.x_m, each.y_m),
            xytext=(0.0, 0.0),
            textcoords="offset points",
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
        size = labels.size(told)
        offsets = around(size, (5.0, 9.0))
        if each.diameter_m:
            offsets = [*((0.0, shift) for shift in _SHIFTS_PT), *offsets]
        offset = labels.free(each.x_m, each.y_m, size, offsets)
        if offset is None:
            told.remove()
            continue
        told.set_position(offset)
        if not each.diameter_m:
            axes.scatter(each.x_m, each.y_m, s=12, marker="^", c=drawing.INK, lw=0, zorder=5)


def rings(axes: Axes, sites: gpd.GeoDataFrame) -> None:
    """Mark the sites on a small map with rings."""
    for colour, width in ((drawing.INK, 2.0), (drawing.PAPER, 1.0)):
        axes.scatter(
            sites["x_m"], sites["y_m"], s=20, facecolors="none", edgecolors=colour, linewidths=width
        )


def sites(axes: Axes, listed: gpd.GeoDataFrame, labels: Labels) -> None:
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
    points = listed[["x_m", "y_m"]].to_numpy(np.float64)
    labels.take_places(points, _SITE_PT)
    for point, number in zip(points, listed["site"], strict=True):
        _number(axes, point, str(number), labels)


def _number(axes: Axes, point: NDArray[np.float64], text: str, labels: Labels) -> None:
    """Write a number beside a site, with a line to it if there is no room next to it."""
    style: dict[str, Any] = {
        "textcoords": "offset points",
        "ha": "center",
        "va": "center",
        "size": 9.5,
        "weight": "bold",
        "path_effects": drawing.halo(3.0),
        "zorder": 10,
    }
    place = (float(point[0]), float(point[1]))
    measured = axes.annotate(text, place, xytext=(0.0, 0.0), **style)
    size = labels.size(measured)
    measured.remove()
    offset = labels.best(*place, size, around(size, _GAPS_PT))
    away = np.hypot(*np.maximum(np.abs(offset) - 0.5 * np.asarray(size), 0.0))
    line = {"arrowstyle": "-", "color": drawing.INK, "lw": 0.8, "shrinkA": 5, "shrinkB": 3}
    # From within the number, whose halo covers its beginning.
    line |= {"patchA": None, "path_effects": drawing.halo(1.8)}
    axes.annotate(text, place, xytext=offset, arrowprops=line if away > _LINE_PT else None, **style)
