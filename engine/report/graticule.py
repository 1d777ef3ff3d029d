"""Graticule and scale bar for a polar map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lunarsite.engine.report.labels import Labels

    Float = NDArray[np.float64]
    Extent = tuple[float, float, float, float]

_LON_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
_LAT_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_BORDER = 400
_NEAR = 0.05
_POLE_PT = 5.0
"""Half the size of the cross at the pole, points."""

_BAR_PT = 4.0
"""Half the height that a scale bar takes, points."""

_LINE: dict[str, Any] = {"color": drawing.PAPER, "linewidth": 0.6, "alpha": 0.75, "zorder": 5}


def draw(axes: Axes, extent: Extent) -> None:
    """Draw meridians and parallels.

    Parameters
    ----------
    axes : Axes
        Axes in map metres.
    extent : tuple of float
        West, east, south and north edge, metres.
    """
    west, east, south, north = extent
    lons, lats, top_lat = _lines(extent)
    pole = _has_pole(extent)
    for lon in lons:
        end = moon.lonlat_to_xy(lon, min(top_lat, 89.0))
        start = moon.lonlat_to_xy(lon, lats[0] if pole and len(lats) else -90.0)
        axes.plot([start[0], end[0]], [start[1], end[1]], **_LINE)
    circle = np.linspace(-180.0, 180.0, 721)
    for lat in lats:
        axes.plot(*moon.lonlat_to_xy(circle, lat), **_LINE)
    if pole:
        for colour, size, width in ((drawing.INK, 9.5, 3.0), (drawing.PAPER, 8.0, 1.4)):
            axes.plot(0, 0, "+", color=colour, markersize=size, markeredgewidth=width, zorder=6)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)


def take_pole(extent: Extent, labels: Labels) -> None:
    """Take the area of the cross at the pole, if the map has one."""
    if _has_pole(extent):
        labels.take_places(np.zeros((1, 2)), _POLE_PT)


def write(axes: Axes, extent: Extent, labels: Labels) -> None:
    """Label meridians at the frame, and parallels where there is room inside it.

    Parameters
    ----------
    axes : Axes
        Axes in map metres.
    extent : tuple of float
        West, east, south and north edge, metres.
    labels : Labels
        What is taken already.
    """
    lons, lats, _ = _lines(extent)
    _write_longitudes(axes, extent, lons)
    _write_latitudes(axes, extent, lats, labels)


def _has_pole(extent: Extent) -> bool:
    west, east, south, north = extent
    return west < 0.0 < east and south < 0.0 < north


def _lines(extent: Extent) -> tuple[Float, Float, float]:
    """Return the longitudes and latitudes of the lines, and where meridians end."""
    west, east, south, north = extent
    along = np.linspace(0.0, 1.0, _BORDER)
    x = west + (east - west) * along
    y = south + (north - south) * along
    inside = moon.xy_to_lonlat(*np.meshgrid(x[::8], y[::8]))
    lats = _ticks(float(inside[1].min()), float(inside[1].max()), _LAT_STEPS, 5)
    lons = np.arange(-180.0, 180.0, 30.0)
    if not _has_pole(extent):
        centre = float(moon.xy_to_lonlat((west + east) / 2, (south + north) / 2)[0])
        spread = np.mod(inside[0] - centre + 180.0, 360.0) - 180.0
        lons = centre_ticks(centre, float(spread.min()), float(spread.max()))
    return lons, lats, float(inside[1].max()) + 0.5


def centre_ticks(centre: float, low: float, high: float) -> Float:
    """Return round longitudes from ``centre + low`` to ``centre + high``, degrees."""
    return _ticks(centre + low, centre + high, _LON_STEPS, 8)


def scale_bar(axes: Axes, extent: Extent, *, avoid: Float, labels: Labels | None = None) -> None:
    """Draw a scale bar of round length in the corner where it hides the fewest points."""
    west, east, south, north = extent
    target = 0.22 * (east - west)
    power = 10.0 ** np.floor(np.log10(target))
    length = float(max(step * power for step in (1.0, 2.0, 5.0) if step * power <= target))
    edge = 0.035 * (east - west)
    corners = [
        (x, y)
        for y in (south + edge, north - 2.2 * edge)
        for x in (west + edge, east - edge - length)
    ]
    hidden = [
        int(
            np.sum(
                (np.abs(avoid[:, 0] - x - length / 2) < length / 2 + _NEAR * (east - west))
                & (np.abs(avoid[:, 1] - y) < 1.2 * _NEAR * (east - west))
            )
        )
        for x, y in corners
    ]
    x, y = corners[hidden.index(min(hidden))]
    for colour, width in ((drawing.PAPER, 6.0), (drawing.INK, 2.6)):
        axes.plot(
            [x, x + length],
            [y, y],
            color=colour,
            linewidth=width,
            solid_capstyle="butt",
            zorder=9,
        )
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    told = axes.annotate(
        label,
        (x + length / 2, y),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        va="bottom",
        weight="bold",
        path_effects=drawing.halo(3.0),
        zorder=9,
    )
    if labels is not None:
        labels.take_text(told)
        (left, low), (right, _) = labels.at(x, y), labels.at(x + length, y)
        labels.take(np.array([[left, low - _BAR_PT, right, low + _BAR_PT]]))


def _ticks(low: float, high: float, steps: tuple[float, ...], limit: int) -> Float:
    """Return the round numbers in a range at the smallest step that gives at most ``limit``."""
    for step in steps:
        found = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
        if len(found) <= limit:
            break
    return np.asarray(found[found > -90.0 + 1e-9] if steps is _LAT_STEPS else found)


def _write_longitudes(axes: Axes, extent: Extent, lons: Float) -> None:
    """Label each meridian where it leaves the frame."""
    west, east, south, north = extent
    along = np.linspace(0.0, 1.0, _BORDER)
    x = west + (east - west) * along
    y = south + (north - south) * along
    sides = (
        (x, np.full_like(x, north), (0, 3), "center", "bottom"),
        (np.full_like(y, east), y, (3, 0), "left", "center"),
        (x, np.full_like(x, south), (0, -3), "center", "top"),
        (np.full_like(y, west), y, (-3, 0), "right", "center"),
    )
    for border_x, border_y, shift, across, up in sides:
        found = moon.xy_to_lonlat(border_x, border_y)[0]
        for lon in lons:
            off = np.mod(found - lon + 180.0, 360.0) - 180.0
            crossing = np.flatnonzero((off[:-1] * off[1:] <= 0.0) & (np.abs(off[:-1]) < 20.0))
            for k in crossing[:1]:
                axes.annotate(
                    _longitude(float(lon)),
                    (border_x[k], border_y[k]),
                    xytext=shift,
                    textcoords="offset points",
                    ha=across,
                    va=up,
                    size=8,
                    color=drawing.FAINT,
                    annotation_clip=False,
                )


def _write_latitudes(axes: Axes, extent: Extent, lats: Float, labels: Labels) -> None:
    """Label each parallel near the central meridian of the map."""
    west, east, south, north = extent
    margin_x, margin_y = 0.06 * (east - west), 0.04 * (north - south)
    middle = float(moon.xy_to_lonlat((west + east) / 2, (south + north) / 2)[0])
    offsets = np.concatenate([[0.0], np.repeat(np.arange(2.0, 181.0, 2.0), 2)])
    offsets[2::2] *= -1.0
    for lat in lats:
        x, y = moon.lonlat_to_xy(middle + 12.0 + offsets, lat)
        free = (west + margin_x < x) & (x < east - margin_x)
        free &= (south + margin_y < y) & (y < north - margin_y)
        told = axes.text(
            0.0,
            0.0,
            f"{abs(lat):g}°{'S' if lat < 0 else 'N'}",
            ha="center",
            va="center",
            size=8.5,
            path_effects=drawing.halo(),
            zorder=7,
        )
        size = labels.size(told)
        for k in np.flatnonzero(free):
            if labels.free(float(x[k]), float(y[k]), size, [(0.0, 0.0)]) is not None:
                told.set_position((x[k], y[k]))
                break
        else:
            told.remove()


def _longitude(lon: float) -> str:
    """Return a longitude as text."""
    lon = (lon + 180.0) % 360.0 - 180.0
    if abs(lon) < 1e-9 or abs(abs(lon) - 180.0) < 1e-9:
        return f"{abs(lon):.0f}°"
    return f"{abs(lon):g}°{'E' if lon > 0 else 'W'}"
