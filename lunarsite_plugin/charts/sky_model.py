"""The answer of the ``skyline`` stage, as values and sentences. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lunarsite.lunarsite_plugin.charts import formatting
from lunarsite.lunarsite_plugin.charts.calendar_model import Span, when

_BELOW_DEG = 1.0
"""How far the chart reaches below the lowest terrain: the bodies set much lower than that."""
_AIR_DEG = 0.3
_WINDOWS = 5
SUN, EARTH = "Sun visible", "Earth visible"
DARKNESS = "Longest continuous darkness"
WINDOWS = "Longest windows with Sun and Earth"
_NAMES = (SUN, EARTH, DARKNESS, WINDOWS, *(f"{k}." for k in range(1, _WINDOWS + 1)))
_HERE = (
    "At this point, over the selected dates. The criterion {} is the mean of the entire cell over "
    "the period of the screening, 18.6 years by default."
)
HELP = {
    SUN: _HERE.format("Average illumination"),
    EARTH: _HERE.format("Earth visibility"),
    WINDOWS: "The longest periods with both Sun and Earth visible, longest first.",
}
"""Tooltips of the figures, by name."""
_NONE = "–"


@dataclass(frozen=True)
class Track:
    """The path of a body across the sky; ``shown`` is the visible fraction of its disc, 0 to 1."""

    name: str
    times: tuple[str, ...]
    azimuth_deg: tuple[float, ...]
    elevation_deg: tuple[float, ...]
    shown: tuple[float, ...]

    def nearest(self, azimuth_deg: float, elevation_deg: float, reach: tuple[float, float]) -> str:
        """Return the point nearest to a direction as text; empty if none is within reach.

        ``reach`` holds the degrees of azimuth and of elevation.
        """
        best, found = 1.0, -1
        for k, (azimuth, elevation) in enumerate(
            zip(self.azimuth_deg, self.elevation_deg, strict=True)
        ):
            away = ((azimuth - azimuth_deg) / reach[0]) ** 2
            away += ((elevation - elevation_deg) / reach[1]) ** 2
            if away < best:
                best, found = away, k
        if found < 0:
            return ""
        moment = formatting.instant(when(self.times[found]))
        height = formatting.quantity(round(self.elevation_deg[found], 2), "deg")
        visible = f"{100.0 * self.shown[found]:.0f} % of its disc visible"
        return f"{self.name}, {moment}: elevation {height}, {visible}"


@dataclass(frozen=True)
class Skyline:
    """The horizon around a place, with Sun and Earth, degrees; azimuths clockwise from north.

    ``low_deg`` and ``high_deg`` are the limits of the chart. The horizon is None where the terrain
    is unknown.
    """

    azimuth_deg: tuple[float, ...]
    horizon_deg: tuple[float | None, ...]
    distance_m: tuple[float | None, ...]
    sun: Track
    earth: Track
    low_deg: float
    high_deg: float

    def index_at(self, azimuth_deg: float) -> int:
        """Return the index of the direction nearest to an azimuth."""
        count = len(self.azimuth_deg)
        return round(azimuth_deg / 360.0 * count) % count

    def describe(self, azimuth_deg: float) -> str:
        """Return the horizon in one direction, as text."""
        k = self.index_at(azimuth_deg)
        height, away = self.horizon_deg[k], self.distance_m[k]
        toward = f"Azimuth {self.azimuth_deg[k]:.0f}° ({formatting.compass(self.azimuth_deg[k])})"
        if height is None:
            return f"{toward}: horizon unknown"
        far = f", terrain {formatting.distance(away)} away" if away is not None else ""
        return f"{toward}: horizon {formatting.quantity(round(height, 2), 'deg')}{far}"

    @property
    def text(self) -> str:
        """The chart as text."""
        known = [(height, k) for k, height in enumerate(self.horizon_deg) if height is not None]
        lines = [self.describe(45.0 * k) for k in range(8)]
        if known:
            lines.insert(0, "Highest: " + self.describe(self.azimuth_deg[max(known)[1]]))
        for track in (self.sun, self.earth):
            low, high = (
                formatting.quantity(round(end(track.elevation_deg), 2), "deg") for end in (min, max)
            )
            lines.append(f"{track.name} between {low} and {high}")
        return "\n".join(lines)


_NOWHERE = Track("", (), (), (), ())
NOTHING = Skyline((), (), (), _NOWHERE, _NOWHERE, 0.0, 1.0)
"""An empty skyline, before there is an answer."""


@dataclass(frozen=True)
class Figures:
    """The figures of a period, each with its name; always the same number of rows.

    A heading has an empty value.
    """

    rows: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The figures as text."""
        return "\n".join(figure_text(*row) for row in self.rows if row[1] != _NONE)


def figure_text(name: str, value: str) -> str:
    """Return a figure as text: ``Sun visible: 47 %``, ``1. 5 days``, or a heading."""
    return f"{name} {value}" if name.endswith(".") else f"{name}: {value}".rstrip()


NO_FIGURES = Figures(tuple((name, "" if name == WINDOWS else _NONE) for name in _NAMES))


def skyline(result: dict[str, Any]) -> Skyline:
    """Return the horizon and the tracks of Sun and Earth."""
    sun, earth = _track("Sun", result["sun"]), _track("Earth", result["earth"])
    horizon = tuple(result["horizon_deg"])
    terrain = [height for height in horizon if height is not None] or [0.0]
    bodies = (*sun.elevation_deg, *earth.elevation_deg)
    return Skyline(
        azimuth_deg=tuple(result["azimuth_deg"]),
        horizon_deg=horizon,
        distance_m=tuple(result["horizon_distance_m"]),
        sun=sun,
        earth=earth,
        low_deg=min(0.0, *terrain) - _BELOW_DEG,
        high_deg=max(0.0, *terrain, *bodies) + _AIR_DEG,
    )


def figures(result: dict[str, Any]) -> Figures:
    """Return Sun and Earth visibility, the longest darkness and the longest windows."""
    darkness = result["longest_night"]
    values = [
        f"{formatting.percent(result['illumination_pct'])} of the time",
        f"{formatting.percent(result['earth_visibility_pct'])} of the time",
        _lasting(darkness) if darkness else "none",
        "",
        *(_lasting(window) for window in result["best_windows"][:_WINDOWS]),
    ]
    values += [_NONE] * (len(_NAMES) - len(values))
    return Figures(tuple(zip(_NAMES, values, strict=True)))


def _lasting(found: dict[str, Any]) -> str:
    span = Span.of(found)
    return f"{formatting.quantity(span.days, 'days')} from {formatting.day(span.start)}"


def _track(name: str, found: dict[str, Any]) -> Track:
    return Track(
        name,
        tuple(found["time"]),
        tuple(found["azimuth_deg"]),
        tuple(found["elevation_deg"]),
        tuple(found["visible_fraction"]),
    )
