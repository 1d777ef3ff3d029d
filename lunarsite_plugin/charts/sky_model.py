"""What the ``skyline`` stage answers, ready to be drawn or read. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lunarsite.lunarsite_plugin.charts import words
from lunarsite.lunarsite_plugin.charts.calendar_model import Span, when

_BELOW_DEG = 1.0
"""How far below the lowest terrain the picture reaches: the bodies go much deeper."""
_AIR_DEG = 0.3
_WINDOWS = 5
SUN, EARTH = "Sun in view", "Earth in view"
WINDOWS = "Longest light with contact"
_NAMES = (SUN, EARTH, "Longest night", WINDOWS, *(f"{k}." for k in range(1, _WINDOWS + 1)))
_HERE = (
    "This is for this one point over the dates chosen. The criterion {} is the mean of the whole "
    "cell over the time that the run was screened for, 18.6 years unless it was set."
)
HELP = {
    SUN: _HERE.format("Average illumination"),
    EARTH: _HERE.format("Earth visibility"),
    WINDOWS: "The longest times of light with the Earth in view, the longest first.",
}
"""What is said beside a figure, by its name."""
_NONE = "–"


@dataclass(frozen=True)
class Track:
    """A body over a place; a point a time step, ``shown`` the part of its disc in view, 0 to 1."""

    name: str
    times: tuple[str, ...]
    azimuth_deg: tuple[float, ...]
    elevation_deg: tuple[float, ...]
    shown: tuple[float, ...]

    def nearest(self, azimuth_deg: float, elevation_deg: float, reach: tuple[float, float]) -> str:
        """Return the point nearest to a direction, in words; empty where none is in reach.

        ``reach`` holds degrees of azimuth and of elevation.
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
        moment = words.instant(when(self.times[found]))
        height = words.quantity(round(self.elevation_deg[found], 2), "deg")
        seen = f"{100.0 * self.shown[found]:.0f} % of its disc in view"
        return f"{self.name}, {moment}: {height} high, {seen}"


@dataclass(frozen=True)
class Skyline:
    """The horizon around a place with Sun and Earth, degrees; azimuths clockwise from north.

    ``low_deg`` and ``high_deg`` bound what a picture shows. Where the terrain is not known the
    horizon is None.
    """

    azimuth_deg: tuple[float, ...]
    horizon_deg: tuple[float | None, ...]
    distance_m: tuple[float | None, ...]
    sun: Track
    earth: Track
    low_deg: float
    high_deg: float

    def index_at(self, azimuth_deg: float) -> int:
        """Return the direction nearest to an azimuth."""
        count = len(self.azimuth_deg)
        return round(azimuth_deg / 360.0 * count) % count

    def describe(self, azimuth_deg: float) -> str:
        """Return the horizon in one direction, in words."""
        k = self.index_at(azimuth_deg)
        height, away = self.horizon_deg[k], self.distance_m[k]
        toward = f"Azimuth {self.azimuth_deg[k]:.0f}° ({words.compass(self.azimuth_deg[k])})"
        if height is None:
            return f"{toward}: the horizon is not known"
        far = f", terrain {words.distance(away)} away" if away is not None else ""
        return f"{toward}: horizon {words.quantity(round(height, 2), 'deg')}{far}"

    @property
    def text(self) -> str:
        """The chart in words."""
        known = [(height, k) for k, height in enumerate(self.horizon_deg) if height is not None]
        lines = [self.describe(45.0 * k) for k in range(8)]
        if known:
            lines.insert(0, "Highest: " + self.describe(self.azimuth_deg[max(known)[1]]))
        for track in (self.sun, self.earth):
            low, high = (
                words.quantity(round(end(track.elevation_deg), 2), "deg") for end in (min, max)
            )
            lines.append(f"{track.name} stands between {low} and {high}")
        return "\n".join(lines)


_NOWHERE = Track("", (), (), (), ())
NOTHING = Skyline((), (), (), _NOWHERE, _NOWHERE, 0.0, 1.0)
"""A skyline about which nothing is known yet."""


@dataclass(frozen=True)
class Figures:
    """The numbers of a span of time, each with its name; as many as there may be.

    A heading has an empty number.
    """

    rows: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The numbers in words."""
        return "\n".join(said(*row) for row in self.rows if row[1] != _NONE)


def said(name: str, value: str) -> str:
    """Return a figure in words: ``Sun in view: 47 %``, ``1. 5 days``, or a heading."""
    return f"{name} {value}" if name.endswith(".") else f"{name}: {value}".rstrip()


NO_FIGURES = Figures(tuple((name, "" if name == WINDOWS else _NONE) for name in _NAMES))


def skyline(result: dict[str, Any]) -> Skyline:
    """Return the horizon with the tracks of Sun and Earth."""
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
    """Return shares of light and Earth contact, the longest night and the best windows."""
    night = result["longest_night"]
    values = [
        f"{words.percent(result['illumination_pct'])} of the time",
        f"{words.percent(result['earth_visibility_pct'])} of the time",
        _lasting(night) if night else "no night",
        "",
        *(_lasting(window) for window in result["best_windows"][:_WINDOWS]),
    ]
    values += [_NONE] * (len(_NAMES) - len(values))
    return Figures(tuple(zip(_NAMES, values, strict=True)))


def _lasting(found: dict[str, Any]) -> str:
    span = Span.of(found)
    return f"{words.quantity(span.days, 'days')} from {words.day(span.start)}"


def _track(name: str, found: dict[str, Any]) -> Track:
    return Track(
        name,
        tuple(found["time"]),
        tuple(found["azimuth_deg"]),
        tuple(found["elevation_deg"]),
        tuple(found["visible_fraction"]),
    )
