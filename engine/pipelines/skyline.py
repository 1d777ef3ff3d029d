"""The stage ``skyline``: the horizon of a location, with the paths of Sun and Earth above it."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import input_versions, moon
from lunarsite.engine.file_names import local_file, part_of
from lunarsite.engine.illumination.ephemeris import Ephemeris, ephemeris
from lunarsite.engine.illumination.horizon import NO_MAST
from lunarsite.engine.illumination.skyline import (
    Skyline,
    Track,
    coverage_pct,
    periods,
    skyline,
    tracks,
)
from lunarsite.engine.io.elevation.area import narrowed, part
from lunarsite.engine.io.elevation.dem import dem_grid, read_dem
from lunarsite.engine.io.elevation.far_field import Surroundings, read_surroundings
from lunarsite.engine.io.labels import label_beside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Dem

    Float = NDArray[np.float64]

_YEAR_DAYS = 365

_REACH_M = 90_000.0
"""Distance to which terrain must be known, as in `lighting`."""

_COVERED_PCT = 99.5

_WINDOWS = 5
"""Number of best windows in the result."""

_LARGE_PX = 8192**2
"""Pixels of an elevation model above which only what is near is read at full resolution."""

_NEAR_M, _LATTICE_M = 25_000.0, 10_000.0

_TRACK_POINTS = 2_000
"""Maximum number of points of a path in the result."""


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compute the skyline of a location, and draw it on request."""
    values = narrowed(values, "dem", context)
    if values["mast_height_m"] == 0.0:
        context.warn(NO_MAST)
    context.progress(0.0, "reading the elevation models")
    dem, around = _models(values, context)
    context.progress(0.4, "horizon")
    line = skyline(
        dem,
        values["lon"],
        values["lat"],
        far_field=around.models,
        mast_height_m=values["mast_height_m"],
        azimuth_step_deg=values["azimuth_step_deg"],
    )
    _warn_of_missing_terrain(dem, around, values, context)
    context.progress(0.6, "Sun and Earth")
    first = dt.date.fromisoformat(values["start"])
    stop = values["stop"] or (first + dt.timedelta(days=_YEAR_DAYS)).isoformat()
    sky = _sky(values["start"], stop, values["step_hours"], context)
    sun, earth = tracks(line, sky)
    result = _result(line, sky, sun, earth) | {
        "stop": stop,
        "mast_height_m": values["mast_height_m"],
    }
    if values["picture"]:
        from lunarsite.engine.report.skyline import draw_skyline  # noqa: PLC0415

        context.progress(0.9, "drawing")
        draw_skyline(Path(values["picture"]), line, sky, sun, earth)
        result["outputs"] = {"picture": values["picture"]}
    return result


def _models(values: dict[str, Any], context: Context) -> tuple[Dem, Surroundings]:
    """Return the elevation models, from the worker's cache while the files are unchanged.

    Of a large model only what lies around the location is read at full resolution. Warnings are
    kept with the models: they hold for every location.
    """
    path = _near(values, context)

    def read() -> tuple[Dem, Surroundings, list[str]]:
        before = list(context.warnings)
        dem = read_dem(path, context=context)
        around = read_surroundings(
            path, dem, values["far_field"], context, builtin=values["builtin_far_field"]
        )
        return dem, around, [each for each in context.warnings if each not in before]

    paths = (values["dem"], *values["far_field"])
    files = [file for name in paths for file in _files(str(name))]
    versions = tuple(
        (file, None if file is None else input_versions.version(file)) for file in files
    )
    if None in files:  # on a server: nothing says whether it has changed
        dem, around, warnings = read()
    else:
        dem, around, warnings = context.cached(
            ("elevation models",), (path, versions, values["builtin_far_field"]), read
        )
    for warning in warnings:
        context.warn(warning)
    return dem, around


def _files(name: str) -> list[Path | None]:
    """Return the files on which the content of a name depends; None for what is on a server."""
    part = part_of(name)
    whole = part[0] if part else name
    label = label_beside(whole)
    return [local_file(whole), *([label.path] if label else [])]


def _near(values: dict[str, Any], context: Context) -> str:
    """Return the elevation model, or of a large one the part around the location.

    Parts have their edges on a lattice, so that locations near each other share one.
    """
    path = str(values["dem"])
    grid = dem_grid(path)
    if grid.width * grid.height <= _LARGE_PX:
        return path
    x, y = (float(value) for value in moon.lonlat_to_xy(values["lon"], values["lat"]))
    if grid.pixel_of(x, y) is None:
        return path
    west, south = (math.floor(value / _LATTICE_M) * _LATTICE_M for value in (x, y))
    edges = (west, south, west + _LATTICE_M, south + _LATTICE_M)
    box = [edge + sign * _NEAR_M for edge, sign in zip(edges, (-1, -1, 1, 1), strict=True)]
    return part(path, ",".join(f"{edge:.15g}" for edge in box), context)


def _warn_of_missing_terrain(
    dem: Dem, around: Surroundings, values: dict[str, Any], context: Context
) -> None:
    known = coverage_pct(dem, around.models, values["lon"], values["lat"], _REACH_M)
    if known < _COVERED_PCT:
        context.warn(
            f"Terrain is known out to {_REACH_M / 1000:g} km in {known:.0f} % of the directions "
            "only: the horizon may be too low. Let the built-in model surround the DEM "
            "(--builtin-far-field), or give a far field."
        )


def _sky(start: str, stop: str, step_hours: float, context: Context) -> Ephemeris:
    """Return the ephemeris, from the worker's cache for the same dates.

    Computing it takes a third of the time of a skyline, and it is the same for every location.
    """
    sky: Ephemeris = context.cached(
        ("ephemeris",),
        (start, stop, step_hours),
        lambda: ephemeris(start, stop, step_hours=step_hours),
    )
    return sky


def _result(line: Skyline, sky: Ephemeris, sun: Track, earth: Track) -> dict[str, Any]:
    contact = earth.clear > 0.0
    found = periods(line, sky)
    windows = sorted(found.windows, key=lambda span: -float(span["days"]))
    every = max(1, len(sky.days) // _TRACK_POINTS)
    longest = max(found.darkness, key=lambda span: float(span["days"]), default=None)
    illumination = 100.0 * float(sun.shown.mean())
    visibility = 100.0 * float(contact.mean())
    darkness_days = float(longest["days"]) if longest else 0.0
    return {
        "lon_deg": line.lon_deg,
        "lat_deg": line.lat_deg,
        "eye_height_m": round(line.height_m, 2),
        "azimuth_deg": line.azimuth_deg.tolist(),
        "horizon_deg": np.round(line.horizon_deg, 5).tolist(),
        "horizon_distance_m": np.round(line.distance_m, 1).tolist(),
        "illumination_pct": round(illumination, 3),
        "earth_visibility_pct": round(visibility, 3),
        "sun_up": found.light,
        "earth_up": found.contact,
        "longest_night": longest,
        "longest_night_days": darkness_days,
        "best_windows": windows[:_WINDOWS],
        "sun": _track(sky, sun, every),
        "earth": _track(sky, earth, every),
        "start": sky.start.isoformat(),
        "step_hours": sky.step_hours,
        "summary": [
            f"illumination {illumination:.1f} %, Earth visible {visibility:.1f} % of the time",
            f"longest continuous darkness {darkness_days:.1f} days"
            + (f" from {longest['start']}" if longest else ""),
            *(
                f"sunlight and Earth visibility: {span['days']:.1f} days from {span['start']}"
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
