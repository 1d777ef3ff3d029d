"""The figures of a dossier; call them within `drawing.style`."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FuncFormatter

from lunarsite.engine import moon
from lunarsite.engine.report import drawing, graticule
from lunarsite.engine.report.maps import hillshade

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lunarsite.engine.report.dossier.ground import Ground

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_WIDTH_IN = 7.2
_SHOWN = 12
"""Contributions that are drawn one by one."""

_DAY = dt.timedelta(days=1)


def maps(
    ground: Ground,
    slope: Float32 | None,
    illumination: Float32 | None,
    craters: pd.DataFrame | None,
) -> Figure:
    """Return hillshade, slope, illumination and craters around a site, each with its disc."""
    picture = drawing.figure(_WIDTH_IN, 7.5)
    panels = picture.subplots(2, 2)
    shade = hillshade(ground.height_m, ground.grid)
    _map(panels[0, 0], ground, shade, "Ground, lit from the upper left", "gray", labels=True)
    _map(panels[0, 1], ground, slope, "Slope, °", "viridis", bar=picture)
    light = "Average illumination, %"
    _map(panels[1, 0], ground, illumination, light, "inferno", bar=picture)
    count = "no catalogue in this run" if craters is None else f"{len(craters)} nearby"
    _map(panels[1, 1], ground, shade, f"Catalogued craters, {count}", "gray", labels=True)
    if craters is not None:
        circles = craters[["x_m", "y_m", "diameter_m"]].to_numpy(np.float64)
        for x, y, diameter in circles:
            radius = 0.5 * diameter * float(moon.map_scale(x, y))
            panels[1, 1].add_patch(Circle((x, y), radius, fill=False, color=drawing.SUN, lw=1.1))
    return picture


def _map(
    axes: Axes,
    ground: Ground,
    values: Float32 | None,
    title: str,
    colours: str,
    *,
    bar: Figure | None = None,
    labels: bool = False,
) -> None:
    west, south, east, north = ground.grid.bounds
    axes.set_title(title, loc="left", fontsize=9)
    axes.patch.set(facecolor=drawing.MISSING, hatch="////")
    if values is not None:
        image = axes.imshow(
            values, extent=(west, east, south, north), cmap=colours, interpolation="nearest"
        )
        if bar is not None:
            bar.colorbar(image, ax=axes, location="bottom", aspect=32, pad=0.02, shrink=0.9)
    else:
        axes.text(0.5, 0.7, "this run has no such layer", transform=axes.transAxes, ha="center")
    axes.set_aspect("equal")
    axes.set_xlim(ground.extent[:2])
    axes.set_ylim(ground.extent[2:])
    axes.set_xticks([])
    axes.set_yticks([])
    place = np.array([[ground.x_m, ground.y_m]])
    if labels:
        graticule.scale_bar(axes, ground.extent, avoid=place)
    scale = float(moon.map_scale(ground.x_m, ground.y_m))
    for colour, width in ((drawing.INK, 3.0), (drawing.PAPER, 1.4)):
        place_of: dict[str, Any] = {"fill": False, "color": colour, "linewidth": width, "zorder": 9}
        if ground.radius_m is not None:
            axes.add_patch(Circle((ground.x_m, ground.y_m), ground.radius_m * scale, **place_of))
        else:
            side = ground.cell_m
            corner = (ground.x_m - side / 2, ground.y_m - side / 2)
            axes.add_patch(Rectangle(corner, side, side, **place_of))
    axes.plot(ground.x_m, ground.y_m, "+", color=drawing.BAD, markersize=6, zorder=10)
    _north(axes, ground)


def _north(axes: Axes, ground: Ground) -> None:
    """Draw an arrow towards north in a corner: on the polar map it points away from the pole."""
    lon = np.radians(ground.lon_deg)
    right, up = 0.055 * np.sin(lon), 0.055 * np.cos(lon)
    arrow = axes.annotate(
        "N",
        xy=(0.91 - right, 0.91 - up),
        xytext=(0.91 + right, 0.91 + up),
        xycoords="axes fraction",
        textcoords="axes fraction",
        ha="center",
        va="center",
        fontsize=8,
        weight="bold",
        path_effects=drawing.halo(),
        arrowprops={"arrowstyle": "<-", "color": drawing.INK, "lw": 1.2},
        zorder=11,
    )
    if arrow.arrow_patch is not None:
        arrow.arrow_patch.set_path_effects([*drawing.halo(3.5)])


def profiles(found: dict[str, tuple[Float, Float]], radius_m: float | None) -> Figure:
    """Return the height profiles through a site, with its disc, and how steep they are drawn."""
    picture = drawing.figure(_WIDTH_IN, 4.4)
    band = "" if radius_m is None else "; the band is the landing disc"
    for axes, (name, ends) in zip(
        picture.subplots(2, 1, sharex=True),
        (("south_north", ("south", "north")), ("west_east", ("west", "east"))),
        strict=True,
    ):
        along, heights = found[name]
        axes.plot(along, heights, color=drawing.TERRAIN, linewidth=1.4)
        known = heights[np.isfinite(heights)]
        low = float(known.min()) if known.size else 0.0
        high = float(known.max()) if known.size else 1.0
        axes.fill_between(along, low - 0.08 * (high - low), heights, color=drawing.MISSING)
        if radius_m is not None:
            axes.axvspan(-radius_m, radius_m, color=drawing.SUN, alpha=0.35, lw=0)
        axes.set_title(f"{ends[0].title()} to {ends[1]}", loc="left", fontsize=9)
        axes.set_ylabel("height, m")
        axes.set_xlim(float(along[0]), float(along[-1]))
        axes.margins(y=0.02)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"distance from the site, m{band}")
    picture.draw_without_rendering()  # the layout says how steep heights are drawn
    for axes in picture.axes:
        box, (low, high), (left, right) = axes.bbox, axes.get_ylim(), axes.get_xlim()
        steeper = (box.height / (high - low)) / (box.width / (right - left))
        axes.annotate(
            f"drawn {steeper:.2g} times as steep",
            (1.0, 1.02),
            xycoords="axes fraction",
            ha="right",
            fontsize=7.5,
            color=drawing.FAINT,
        )
    return picture


def contributions(explained: dict[str, Any]) -> Figure:
    """Return the contributions of the features to the score, the largest first, as steps."""
    listed = explained["contributions"]
    shown = [
        (f"{each['title']}{_value(each)}", 100.0 * each["contribution"]) for each in listed[:_SHOWN]
    ]
    rest = [100.0 * each["contribution"] for each in listed[_SHOWN:]]
    if rest:
        shown.append((f"{len(rest)} others", sum(rest)))
    picture = drawing.figure(_WIDTH_IN, 1.2 + 0.28 * (len(shown) + 1))
    axes = picture.subplots()
    at = 100.0 * explained["base_value"]
    axes.axvline(at, color=drawing.FAINT, lw=0.8, ls="--")
    reach = [at]
    for row, (_, points) in enumerate(shown):
        colour = drawing.GOOD if points >= 0.0 else drawing.BAD
        axes.barh(row, points, left=at, color=colour, height=0.72)
        axes.plot([at + points] * 2, [row, row + 1], color=drawing.FAINT, lw=0.6)
        edge = max(at, at + points)
        axes.annotate(
            f"{points:+.1f}".replace("-", "−"),
            (edge, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
        at += points
        reach.append(at)
    axes.plot([at, at], [len(shown) - 1, len(shown)], color=drawing.INK, lw=1.4)
    axes.set_yticks(range(len(shown)), [title for title, _ in shown])
    axes.set_ylim(len(shown), -0.8)
    spread = max(max(reach) - min(reach), 1.0)
    axes.set_xlim(min(reach) - 0.05 * spread, max(reach) + 0.16 * spread)
    axes.set_xlabel(
        f"score points: from {100.0 * explained['base_value']:.1f}, what is expected of a cell, to "
        f"{100.0 * explained['score']:.1f}"
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return picture


def _value(each: dict[str, Any]) -> str:
    if each["value"] is None:
        return ", unknown"
    unit = "°" if each["unit"] == "deg" else f" {each['unit']}" if each["unit"] else ""
    return f" {each['value']:.3g}{unit}"


def uncertainty(explained: dict[str, Any]) -> Figure:
    """Return rank and probability with their intervals."""
    picture = drawing.figure(_WIDTH_IN, 2.1)
    above, below = picture.subplots(2, 1)
    low, high = explained["interval"]
    above.set_xscale("log")
    above.set_xlim(0.9, max(2.0, 1.1 * explained["cells"]))
    above.plot([low, high], [0, 0], color=drawing.EARTH, lw=7, alpha=0.45, solid_capstyle="butt")
    above.plot([explained["rank"]], [0], "D", color=drawing.INK, markersize=6)
    above.set_title(
        f"rank {explained['rank']:,} of {explained['cells']:,}; 5 to 95 % of draws with other "
        f"errors: {low:,} to {high:,}",
        loc="left",
        fontsize=9,
    )
    above.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    below.set_xlim(0.0, 1.0)
    below.barh(0, explained["probability"], color=drawing.EARTH, height=0.6)
    below.set_ylim(-0.8, 0.8)
    below.set_title(
        f"probability that all criteria are met: {explained['probability']:.3g}",
        loc="left",
        fontsize=9,
    )
    for axes in (above, below):
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    return picture


def months(sky: dict[str, Any]) -> Figure:
    """Return the calendar of a year: when the Sun and when the Earth is above the skyline."""
    start, stop = (dt.datetime.fromisoformat(sky[name]) for name in ("start", "stop"))
    rows = []
    first = start.replace(day=1, hour=0, minute=0)
    while first < stop:
        rows.append(first)
        first = (first + 32 * _DAY).replace(day=1)
    picture = drawing.figure(_WIDTH_IN, 0.9 + 0.31 * len(rows))
    axes = picture.subplots()
    for row, first in enumerate(rows):
        days = calendar.monthrange(first.year, first.month)[1]
        axes.barh(row, days, left=1.0, height=0.8, color="#eef0f2")
        for kind, colour, offset in (
            ("sun_up", drawing.SUN, -0.2),
            ("earth_up", drawing.EARTH, 0.2),
        ):
            spans = []
            for span in sky[kind]:
                begin = max(dt.datetime.fromisoformat(span["start"]), first)
                end = min(dt.datetime.fromisoformat(span["end"]), first + days * _DAY)
                if begin < end:
                    spans.append((1.0 + (begin - first) / _DAY, (end - begin) / _DAY))
            axes.broken_barh(spans, (row + offset - 0.18, 0.36), color=colour)
    names = [f"{calendar.month_abbr[first.month]} {first.year}" for first in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(1.0, 32.0)
    axes.set_xticks(range(1, 32, 5))
    axes.set_xlabel("day of the month, UTC; upper bar: Sun above the skyline, lower bar: Earth")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return picture
