"""The skyline of a single place, and what Sun and Earth do over it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.illumination.ephemeris import (
    Ephemeris,
    elevation_azimuth,
    ephemeris,
    visible_fraction,
)
from lunarsite.engine.illumination.horizon import FarField, march
from lunarsite.engine.io import raster
from lunarsite.engine.io.dem import read_far

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.raster import Dem

    Float = NDArray[np.float64]

_YEAR_DAYS = 365
_WINDOWS = 5
_TRACK_POINTS = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A body over a place; float64, shape (times,).

    ``shown`` is the visible part of the disc above the skyline, 0 to 1; ``clear`` the height of
    its centre above the skyline, degrees.
    """

    azimuth_deg: Float
    elevation_deg: Float
    shown: Float
    clear: Float


@dataclass(frozen=True, slots=True, eq=False)
class Skyline:
    """A place's horizon; float64, shape (azimuths,).

    Azimuths are geographic, clockwise from north; ``distance_m`` is the ground distance of the
    terrain that makes the horizon.
    """

    lon_deg: float
    lat_deg: float
    height_m: float
    azimuth_deg: Float
    horizon_deg: Float
    distance_m: Float

    def at(self, azimuth_deg: Float) -> Float:
        """Return the horizon in any direction, interpolated."""
        azimuths = np.append(self.azimuth_deg, 360.0)
        horizon = np.append(self.horizon_deg, self.horizon_deg[0])
        return np.asarray(np.interp(np.mod(azimuth_deg, 360.0), azimuths, horizon), np.float64)


def skyline(
    dem: Dem,
    far: Sequence[Dem],
    lon_deg: float,
    lat_deg: float,
    *,
    mast_height_m: float = 0.0,
    azimuth_step_deg: float = 0.5,
) -> Skyline:
    """Return the horizon around a place.

    Raises
    ------
    InputError
        If the place lies outside the elevation model, or one of the four pixels around it holds no
        data.
    """
    x, y = (float(value) for value in moon.lonlat_to_xy(lon_deg, lat_deg))
    place = dem.grid.pixel_of(x, y)
    if place is None or not has_ground(dem, x, y):
        raise InputError(
            f"There is no height at {lon_deg:g}°, {lat_deg:g}°: the place lies outside the "
            "elevation model, on nodata or beside it",
            "Choose a place inside it",
        )
    count = max(4, round(360.0 / azimuth_step_deg))
    azimuth = np.arange(count, dtype=np.float64) * np.float64(360.0 / count)
    horizon, distance = march(
        dem,
        FarField.of(far),
        np.array([x]),
        np.array([y]),
        azimuth,
        mast_height_m=mast_height_m,
    )
    height = float(dem.height_m[place]) + mast_height_m
    return Skyline(lon_deg, lat_deg, height, azimuth, horizon[0], distance[0])


def has_ground(dem: Dem, x_m: float, y_m: float) -> bool:
    """Say whether a model knows the four heights that a place's own is interpolated from."""
    if dem.grid.pixel_of(x_m, y_m) is None:
        return False
    column = (x_m - dem.grid.x_min_m) / dem.grid.pixel_m - 0.5
    row = (dem.grid.y_max_m - y_m) / dem.grid.pixel_m - 0.5
    i = min(max(int(np.floor(column)), 0), dem.grid.width - 2)
    j = min(max(int(np.floor(row)), 0), dem.grid.height - 2)
    return bool(np.isfinite(dem.height_m[j : j + 2, i : i + 2]).all())


def tracks(line: Skyline, sky: Ephemeris) -> tuple[Track, Track]:
    """Return Sun and Earth over a skyline."""
    found = []
    for body in (sky.sun, sky.earth):
        elevation, azimuth = elevation_azimuth(
            line.lon_deg, line.lat_deg, body, height_m=line.height_m
        )
        horizon = line.at(azimuth)
        shown = visible_fraction(horizon, elevation, body.radius_deg)
        found.append(Track(azimuth, elevation, shown, elevation - horizon))
    return found[0], found[1]


def spans(state: NDArray[np.bool_], sky: Ephemeris) -> list[dict[str, Any]]:
    """Return when a state holds: start, end (ISO 8601, UTC) and length in days of every span."""
    padded = np.concatenate([[False], state, [False]]).astype(np.int8)
    turns = np.flatnonzero(np.diff(padded))
    step = sky.step_hours / 24.0
    return [
        {
            "start": sky.date_at(int(first)),
            "end": _after(sky, int(last) - 1),
            "days": round(float((last - first) * step), 4),
        }
        for first, last in zip(turns[::2], turns[1::2], strict=True)
    ]


def run_skyline(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compute the skyline of the ``skyline`` stage, as JSON, and draw it if asked."""
    context.progress(0.0, "reading the elevation models")
    dem, far = _models(values["dem"], values["far_field"], context)
    context.progress(0.4, "horizon")
    line = skyline(
        dem,
        far,
        values["lon"],
        values["lat"],
        mast_height_m=values["mast_height_m"],
        azimuth_step_deg=values["azimuth_step_deg"],
    )
    context.progress(0.6, "Sun and Earth")
    first = dt.date.fromisoformat(values["start"])
    stop = values["stop"] or (first + dt.timedelta(days=_YEAR_DAYS)).isoformat()
    sky = _sky(values["start"], stop, values["step_hours"], context)
    sun, earth = tracks(line, sky)
    answer = _answer(line, sky, sun, earth) | {"stop": stop}
    if values["picture"]:
        from lunarsite.engine.report.skyline import draw_skyline  # noqa: PLC0415

        context.progress(0.9, "drawing")
        draw_skyline(Path(values["picture"]), line, sky, sun, earth)
        answer["outputs"] = {"picture": values["picture"]}
    return answer


def _models(dem_path: str, far_paths: list[str], context: Context) -> tuple[Dem, list[Dem]]:
    """Return the elevation models, from the worker's warm state while the files are unchanged."""
    stamps = tuple((path, _stamp(path)) for path in (dem_path, *far_paths))
    key = ("elevation models",)
    if key in context.warm and context.warm[key][0] == stamps:
        kept: tuple[Dem, list[Dem]] = context.warm[key][1]
        return kept
    dem = raster.read_dem(dem_path)
    far = read_far(far_paths, dem.grid, context)
    context.warm[key] = (stamps, (dem, far))
    return dem, far


def _sky(start: str, stop: str, step_hours: float, context: Context) -> Ephemeris:
    """Return where Sun and Earth stand, from the worker's warm state for the same dates.

    It is a third of the time that a skyline takes, and the same for every place.
    """
    dates, key = (start, stop, step_hours), ("Sun and Earth",)
    if key in context.warm and context.warm[key][0] == dates:
        kept: Ephemeris = context.warm[key][1]
        return kept
    sky = ephemeris(start, stop, step_hours=step_hours)
    context.warm[key] = (dates, sky)
    return sky


def _stamp(path: str) -> tuple[int, int] | None:
    file = Path(path)
    return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else None


def _answer(line: Skyline, sky: Ephemeris, sun: Track, earth: Track) -> dict[str, Any]:
    light, contact = sun.shown > 0.0, earth.clear > 0.0
    nights = spans(~light, sky)
    windows = sorted(spans(light & contact, sky), key=lambda span: -float(span["days"]))
    every = max(1, len(sky.days) // _TRACK_POINTS)
    longest = max(nights, key=lambda span: float(span["days"]), default=None)
    illumination = 100.0 * float(sun.shown.mean())
    visibility = 100.0 * float(contact.mean())
    night = float(longest["days"]) if longest else 0.0
    return {
        "lon_deg": line.lon_deg,
        "lat_deg": line.lat_deg,
        "eye_height_m": round(line.height_m, 2),
        "azimuth_deg": line.azimuth_deg.tolist(),
        "horizon_deg": np.round(line.horizon_deg, 5).tolist(),
        "horizon_distance_m": np.round(line.distance_m, 1).tolist(),
        "illumination_pct": round(illumination, 3),
        "earth_visibility_pct": round(visibility, 3),
        "sun_up": spans(light, sky),
        "earth_up": spans(contact, sky),
        "longest_night": longest,
        "longest_night_days": night,
        "best_windows": windows[:_WINDOWS],
        "sun": _track(sky, sun, every),
        "earth": _track(sky, earth, every),
        "start": sky.start.isoformat(),
        "step_hours": sky.step_hours,
        "summary": [
            f"illumination {illumination:.1f} %, Earth visible {visibility:.1f} % of the time",
            f"longest night {night:.1f} days" + (f" from {longest['start']}" if longest else ""),
            *(
                f"window of light and Earth contact: {span['days']:.1f} days from {span['start']}"
                for span in windows[:1]
            ),
        ],
    }


def _track(sky: Ephemeris, track: Track, every: int) -> dict[str, Any]:
    return {
        "time": [sky.date_at(k) for k in range(0, len(sky.days), every)],
        "azimuth_deg": np.round(track.azimuth_deg[::every], 3).tolist(),
        "elevation_deg": np.round(track.elevation_deg[::every], 3).tolist(),
        "visible_fraction": np.round(track.shown[::every], 4).tolist(),
    }


def _after(sky: Ephemeris, index: int) -> str:
    """Return the end of a step."""
    midnight = dt.datetime.combine(sky.start, dt.time())
    moment = midnight + dt.timedelta(days=float(sky.days[index]), hours=sky.step_hours)
    return moment.isoformat(timespec="minutes")
