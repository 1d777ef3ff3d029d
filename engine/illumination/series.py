"""Sun and Earth followed step by step above the horizons of places.

Average illumination and Earth visibility are means over the steps. Darkness begins and ends between
them: the height of the Sun above the horizon is tested wherever the Sun crosses a bearing, which
with 360 bearings is every two hours, and is linear between these times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.illumination import _series_kernels
from lunarsite.engine.illumination.ephemeris import SYNODIC_MONTH_DAYS
from lunarsite.engine.illumination.horizon import chunks
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination.ephemeris import Body, Ephemeris

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_PERIODS = 24
"""Periods of darkness that are kept: some for every winter."""

_OFFSETS = {"centre": 0.0, "any": -1.0, "whole": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Sun and Earth over a span of dates, prepared for the kernels; see `series_of`."""

    sun: _series_kernels.Path
    crossings: _series_kernels.Path
    earth: _series_kernels.Path
    times: _series_kernels.Times


def series_of(sky: Ephemeris, bearings: int) -> Series:
    """Prepare the positions of Sun and Earth for horizons at a number of bearings."""
    steps, step_days = len(sky.days), sky.step_hours / 24.0
    lon = _with_end(np.unwrap(sky.sun.lon_deg, period=360.0))
    lat, distance, radius = (
        _with_end(each) for each in (sky.sun.lat_deg, sky.sun.distance_m, sky.sun.radius_deg)
    )
    time = np.arange(steps + 1) * np.float64(step_days)
    # The Sun moves west: its longitude falls.
    place = lon * (bearings / 360.0)
    lines = np.arange(np.floor(place[0]), np.ceil(place[-1]) - 1.0, -1.0)
    when = np.interp(-lines, -place, time)
    inside = (when > 0.0) & (when < time[-1])
    lines, when = lines[inside], when[inside]
    crossings = _path(
        lines * np.float64(360.0 / bearings),
        np.interp(when, time, lat),
        np.interp(when, time, distance),
        np.interp(when, time, radius),
        bearings,
    )
    first = np.searchsorted(when, time)
    step = np.searchsorted(time, when, side="right") - 1
    times = _series_kernels.Times(
        step_days=step_days,
        window=min(steps, max(1, round(SYNODIC_MONTH_DAYS * 24.0 / sky.step_hours))),
        first=first.astype(np.int64),
        between=when - time[step],
    )
    return Series(
        _path(lon, lat, distance, radius, bearings), crossings, _of(sky.earth, bearings), times
    )


def _with_end(values: Float) -> Float:
    """Return values at the steps, and at the end of the last one."""
    return np.append(values, 2.0 * values[-1] - values[-2] if len(values) > 1 else values[-1])


def observers(x_m: Float, y_m: Float, eye: Float, tangent: Float) -> _series_kernels.Places:
    """Return observers at map positions, metres, with their radii and horizons."""
    lon, lat = (np.radians(each) for each in moon.xy_to_lonlat(x_m, y_m))
    return _series_kernels.Places(
        np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat), eye, np.ascontiguousarray(tangent)
    )


def follow(
    series: Series,
    places: _series_kernels.Places,
    earth_part: str,
    context: Context,
    *,
    means_only: bool = False,
) -> _series_kernels.Results:
    """Follow Sun and Earth above the horizons of places, shared among the threads.

    Parameters
    ----------
    series : Series
        From `series_of`, for the number of bearings of the horizons.
    places : Places
        From `observers`.
    earth_part : {"centre", "any", "whole"}
        Part of the Earth's disc that must be above the horizon.
    context : Context
        Threads and cancellation.
    means_only : bool, optional
        Whether darkest month and longest continuous darkness are left out.

    Returns
    -------
    Results
        NaN where the height or a horizon is unknown.
    """
    count = len(places.eye)
    light, earth, month, darkness = (np.full(count, np.nan, np.float32) for _ in range(4))
    dark = np.zeros((count, 1 if means_only else _PERIODS, 2))
    results = _series_kernels.Results(light, earth, month, darkness, dark)

    def work(part: tuple[int, int]) -> None:
        _series_kernels.follow(
            series.sun,
            series.crossings,
            series.earth,
            series.times,
            places,
            _OFFSETS[earth_part],
            means_only,
            *part,
            results,
        )

    for _ in context.pool().map(work, chunks(count, context.threads)):
        context.check()
    return results


def _of(body: Body, bearings: int) -> _series_kernels.Path:
    return _path(body.lon_deg, body.lat_deg, body.distance_m, body.radius_deg, bearings)


def _path(
    lon_deg: Float, lat_deg: Float, distance_m: Float, radius_deg: Float, bearings: int
) -> _series_kernels.Path:
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return _series_kernels.Path(
        np.mod(lon_deg * (bearings / 360.0), bearings),
        np.sin(lon),
        np.cos(lon),
        np.sin(lat),
        np.cos(lat),
        RADIUS_M / distance_m,
        np.radians(radius_deg),
    )
