"""The skyline of a place with the ways of Sun and Earth over it, and the calendar below."""

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
_DEEPEST_DEG = 6.0
_WINDS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW", "N")


def draw_skyline(path: Path, line: Skyline, sky: Ephemeris, sun: Track, earth: Track) -> None:
    """Draw a skyline into a file, whole or not at all.

    Parameters
    ----------
    path : Path
        Its ending, ``.png`` or ``.svg``, says what is written.
    line : Skyline
        The horizon.
    sky : Ephemeris
        The span of time.
    sun, earth : Track
        What `skyline.tracks` found over the skyline.

    Raises
    ------
    ParameterError
        For another ending.
    OutputError
        If the file cannot be written.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ParameterError(
            f"--picture: {path.name} ends neither in .png nor in .svg",
            "Name the picture x.png or x.svg",
        )
    with drawing.style(), whole_file(path) as partial:
        drawing.save(skyline_figure(line, sky, sun, earth), partial, kind)


def skyline_figure(
    line: Skyline, sky: Ephemeris, sun: Track, earth: Track, *, name: str = ""
) -> Figure:
    """Return the drawing of a skyline; ``name`` leads its title. Needs `drawing.style`."""
    picture = drawing.figure(7.4, 4.7)
    above, below = picture.subplots(2, 1, height_ratios=(3.1, 1.0))
    low, high = _heights(line, sun, sky, earth)
    _sun(above, sun, sky)
    _earth(above, earth, sky)
    _terrain(above, line, low)
    above.axhline(0.0, color=drawing.FAINT, linewidth=0.6, linestyle=(0, (4, 4)), zorder=6)
    above.set(xlim=(0, 360), ylim=(low, high), ylabel="elevation, °")
    above.set_xticks(np.arange(0, 361, 45), _WINDS)
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


def _heights(line: Skyline, sun: Track, sky: Ephemeris, earth: Track) -> tuple[float, float]:
    """Return the span of elevations that shows the horizon and both tracks."""
    sun_radius, earth_radius = float(sky.sun.radius_deg.max()), float(sky.earth.radius_deg.max())
    high = max(
        float(np.nanmax(line.horizon_deg)),
        float(sun.elevation_deg.max()) + sun_radius,
        float(earth.elevation_deg.max()) + earth_radius,
        2.0,
    )
    low = min(
        float(np.nanmin(line.horizon_deg)),
        max(float(sun.elevation_deg.min()) - sun_radius, -_DEEPEST_DEG),
        -1.0,
    )
    room = 0.05 * (high - low)
    return low - room, high + room


def _terrain(axes: Axes, line: Skyline, low: float) -> None:
    azimuth = np.append(line.azimuth_deg, 360.0)
    horizon = np.append(line.horizon_deg, line.horizon_deg[0])
    # Translucent: what the terrain hides is seen to be hidden.
    axes.fill_between(azimuth, low, horizon, color=drawing.TERRAIN, alpha=0.82, lw=0, zorder=4)
    axes.plot(azimuth, horizon, color=drawing.INK, linewidth=1.0, zorder=5)


def _sun(axes: Axes, sun: Track, sky: Ephemeris) -> None:
    """Draw every round of the Sun as a band as thick as its disc."""
    every = _every(sky)
    for azimuth, which in _rounds(sun.azimuth_deg[::every]):
        centre, radius = sun.elevation_deg[::every][which], sky.sun.radius_deg[::every][which]
        axes.fill_between(
            azimuth, centre - radius, centre + radius, color=drawing.SUN, alpha=0.22, lw=0, zorder=2
        )
        axes.plot(azimuth, centre, color="#9a6a00", linewidth=0.5, alpha=0.8, zorder=2)


def _earth(axes: Axes, earth: Track, sky: Ephemeris) -> None:
    """Draw the Earth's discs in their true size, and the way of their centre."""
    every = max(1, len(earth.azimuth_deg) // _DISCS)
    azimuth, centre = earth.azimuth_deg[::every], earth.elevation_deg[::every]
    width = 2.0 * sky.earth.radius_deg[::every]
    for turn in (-360.0, 0.0, 360.0):  # a disc on the northern edge shows at both ends
        axes.add_collection(
            EllipseCollection(
                width / np.cos(np.radians(centre)),
                width,
                np.zeros_like(width),
                units="xy",
                offsets=np.column_stack([azimuth + turn, centre]),
                offset_transform=axes.transData,
                facecolors=drawing.EARTH,
                edgecolors="none",
                alpha=0.035,
                zorder=3,
            )
        )
    every = _every(sky)
    for way, which in _rounds(earth.azimuth_deg[::every]):
        axes.plot(
            way,
            earth.elevation_deg[::every][which],
            color=drawing.EARTH,
            linewidth=0.6,
            alpha=0.8,
            zorder=3,
        )


def _every(sky: Ephemeris) -> int:
    """Return how many steps make one point of a drawn track."""
    return max(1, round(_TRACK_STEP_HOURS / sky.step_hours))


def _rounds(azimuth_deg: Float) -> list[tuple[Float, NDArray[np.int64]]]:
    """Return the parts of a track between crossings of north, each led over both edges.

    Returns
    -------
    list of (azimuth, index)
        Azimuths, degrees, may lie up to one step outside 0 to 360; ``index`` counts in the track.
    """
    whole = np.unwrap(azimuth_deg, period=360.0)
    turn = np.floor(whole / 360.0).astype(np.int64)
    edges = np.flatnonzero(np.diff(turn)) + 1
    found = []
    for first, last in zip([0, *edges], [*edges, len(whole)], strict=True):
        which = np.arange(max(0, first - 1), min(len(whole), last + 1))
        found.append((whole[which] - 360.0 * turn[first], which))
    return found


def _calendar(axes: Axes, sky: Ephemeris, sun: Track, earth: Track) -> None:
    """Draw over the dates how much of each disc shows."""
    dates: Any = matplotlib.dates  # without types of its own
    midnight = dates.date2num(dt.datetime.combine(sky.start, dt.time()))
    days = midnight + sky.days
    for base, shown, colour in ((1.15, sun.shown, drawing.SUN), (0.0, earth.shown, drawing.EARTH)):
        turns = np.diff(shown, prepend=-1.0) != 0.0
        turns[:-1] |= turns[1:]
        turns[-1] = True
        axes.fill_between(days[turns], base, base + shown[turns], color=colour, lw=0, alpha=0.9)
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
    return f"{abs(value):.3f}° {positive if value >= 0 else negative}"
