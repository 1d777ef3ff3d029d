"""Skyline of a location with the tracks of Sun and Earth, and a calendar of their visibility."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import matplotlib.dates
import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lunarsite.engine.illumination.ephemeris import Ephemeris
    from lunarsite.engine.illumination.skyline import Skyline, Track

    Float = NDArray[np.float64]

_KINDS = {".png": "png", ".svg": "svg"}
_DISCS = 800
_TRACK_STEP_HOURS = 3.0
_LOWEST_DEG = 6.0
_COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW", "N")


def draw_skyline(path: Path, line: Skyline, sky: Ephemeris, sun: Track, earth: Track) -> None:
    """Draw a skyline into a file, atomically.

    Parameters
    ----------
    path : Path
        File to write, ``.png`` or ``.svg``.
    line : Skyline
        The horizon.
    sky : Ephemeris
        Positions of the Sun and the Earth over the time span.
    sun, earth : Track
        As from `illumination.skyline.tracks`.

    Raises
    ------
    ParameterError
        For any other suffix.
    OutputError
        If the file cannot be written.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ParameterError(
            f"--picture: {path.name} ends neither in .png nor in .svg",
            "Choose a file name that ends in .png or .svg",
        )
    with drawing.style(), whole_file(path) as partial:
        drawing.save(skyline_figure(line, sky, sun, earth), partial, kind)


def skyline_figure(
    line: Skyline, sky: Ephemeris, sun: Track, earth: Track, *, name: str = ""
) -> Figure:
    """Return the figure of a skyline, with ``name`` in its title; call within `drawing.style`."""
    picture = drawing.figure(7.4, 4.7)
    above, below = picture.subplots(2, 1, height_ratios=(3.1, 1.0))
    low, high = _elevation_range(line, sun, sky, earth)
    _sun(above, sun, sky)
    _earth(above, earth, sky)
    _terrain(above, line, low)
    above.axhline(0.0, color=drawing.FAINT, linewidth=0.6, linestyle=(0, (4, 4)), zorder=6)
    above.set(xlim=(0, 360), ylim=(low, high), ylabel="elevation, °")
    above.set_xticks(np.arange(0, 361, 45), _COMPASS)
    above.set_xticks(np.arange(0, 361, 15), minor=True)
    title = f"{_degrees(line.lon_deg, 'E', 'W')}, {_degrees(line.lat_deg, 'N', 'S')}"
    if name:
        title = f"{name} · {title}"
    light, contact = 100.0 * sun.shown.mean(), 100.0 * (earth.clear > 0.0).mean()
    above.set_title(f"{title} · light {light:.1f} %, Earth {contact:.1f} %", loc="left")
    picture.legend(
        handles=[
            Patch(color=drawing.TERRAIN, label="terrain"),
            Patch(color=drawing.SUN, alpha=0.6, label="Sun"),
            Patch(color=drawing.EARTH, alpha=0.6, label="Earth"),
            Line2D([], [], color=drawing.FAINT, lw=0.8, ls="--", label="level horizon"),
        ],
        loc="outside lower center",
        ncols=4,
    )
    _calendar(below, sky, sun, earth)
    return picture


def _elevation_range(
    line: Skyline, sun: Track, sky: Ephemeris, earth: Track
) -> tuple[float, float]:
    """Return the range of elevations that includes the horizon and both tracks."""
    sun_radius, earth_radius = float(sky.sun.radius_deg.max()), float(sky.earth.radius_deg.max())
    high = max(
        float(np.nanmax(line.horizon_deg)),
        float(sun.elevation_deg.max()) + sun_radius,
        float(earth.elevation_deg.max()) + earth_radius,
        2.0,
    )
    low = min(
        float(np.nanmin(line.horizon_deg)),
        max(float(sun.elevation_deg.min()) - sun_radius, -_LOWEST_DEG),
        -1.0,
    )
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _terrain(axes: Axes, line: Skyline, low: float) -> None:
    """Draw the terrain below the horizon."""
    azimuth = np.append(line.azimuth_deg, 360.0)
    horizon = np.append(line.horizon_deg, line.horizon_deg[0])
    # Translucent, so that hidden parts of the tracks remain visible.
    axes.fill_between(azimuth, low, horizon, color=drawing.TERRAIN, alpha=0.82, lw=0, zorder=4)
    axes.plot(azimuth, horizon, color=drawing.INK, linewidth=1.0, zorder=5)


def _sun(axes: Axes, sun: Track, sky: Ephemeris) -> None:
    """Draw every revolution of the Sun as a band as wide as its disc."""
    stride = _track_stride(sky)
    for azimuth, which in _revolutions(sun.azimuth_deg[::stride]):
        centre, radius = sun.elevation_deg[::stride][which], sky.sun.radius_deg[::stride][which]
        axes.fill_between(
            azimuth, centre - radius, centre + radius, color=drawing.SUN, alpha=0.22, lw=0, zorder=2
        )
        axes.plot(azimuth, centre, color="#9a6a00", linewidth=0.5, alpha=0.8, zorder=2)


def _earth(axes: Axes, earth: Track, sky: Ephemeris) -> None:
    """Draw the discs of the Earth in true size, and the track of their centre."""
    stride = max(1, len(earth.azimuth_deg) // _DISCS)
    azimuth, centre = earth.azimuth_deg[::stride], earth.elevation_deg[::stride]
    width = 2.0 * sky.earth.radius_deg[::stride]
    for shift in (-360.0, 0.0, 360.0):  # a disc at the northern edge appears at both ends
        axes.add_collection(
            EllipseCollection(
                width / np.cos(np.radians(centre)),
                width,
                np.zeros_like(width),
                units="xy",
                offsets=np.column_stack([azimuth + shift, centre]),
                offset_transform=axes.transData,
                facecolors=drawing.EARTH,
                edgecolors="none",
                alpha=0.035,
                zorder=3,
            )
        )
    stride = _track_stride(sky)
    for track_azimuth, which in _revolutions(earth.azimuth_deg[::stride]):
        axes.plot(
            track_azimuth,
            earth.elevation_deg[::stride][which],
            color=drawing.EARTH,
            linewidth=0.6,
            alpha=0.8,
            zorder=3,
        )


def _track_stride(sky: Ephemeris) -> int:
    """Return the number of time steps per point of a drawn track."""
    return max(1, round(_TRACK_STEP_HOURS / sky.step_hours))


def _revolutions(azimuth_deg: Float) -> list[tuple[Float, NDArray[np.int64]]]:
    """Split a track where it crosses north; each part extends beyond both edges of the plot.

    Returns
    -------
    list of (azimuth, index)
        Azimuths in degrees, up to one step outside 0 to 360, and indices into the track.
    """
    unwrapped = np.unwrap(azimuth_deg, period=360.0)
    revolution = np.floor(unwrapped / 360.0).astype(np.int64)
    edges = np.flatnonzero(np.diff(revolution)) + 1
    parts = []
    for first, last in zip([0, *edges], [*edges, len(unwrapped)], strict=True):
        which = np.arange(max(0, first - 1), min(len(unwrapped), last + 1))
        parts.append((unwrapped[which] - 360.0 * revolution[first], which))
    return parts


def _calendar(axes: Axes, sky: Ephemeris, sun: Track, earth: Track) -> None:
    """Draw the visible fraction of each disc over time."""
    dates: Any = matplotlib.dates  # has no type annotations
    midnight = dates.date2num(dt.datetime.combine(sky.start, dt.time()))
    days = midnight + sky.days
    for base, shown, colour in ((1.15, sun.shown, drawing.SUN), (0.0, earth.shown, drawing.EARTH)):
        changes = np.diff(shown, prepend=-1.0) != 0.0
        changes[:-1] |= changes[1:]
        changes[-1] = True
        axes.fill_between(days[changes], base, base + shown[changes], color=colour, lw=0, alpha=0.9)
        axes.axhline(base, color=drawing.FAINT, linewidth=0.6)
    axes.set_xlim(days[0], days[-1] + sky.step_hours / 24.0)
    axes.set_ylim(-0.05, 2.25)
    axes.set_yticks([0.5, 1.65], ["Earth", "Sun"])
    axes.tick_params(axis="y", length=0)
    locator = dates.AutoDateLocator(minticks=4, maxticks=13)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _degrees(value: float, positive: str, negative: str) -> str:
    """Return an angle with its hemisphere as text."""
    return f"{abs(value):.3f}° {positive if value >= 0 else negative}"
