"""Illumination of the darkest month and longest continuous darkness, from swept horizons.

Both need the whole time series. They are computed at selected points, from the horizons that the
sweep stored for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.illumination import _series_kernels, series
from lunarsite.engine.illumination.horizon import chunks
from lunarsite.engine.illumination.lighting import decode_thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination.ephemeris import Ephemeris

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_BATCH = 4_096


def darkness_at_points(
    thresholds: NDArray[np.int16],
    sky: Ephemeris,
    context: Context,
    x_m: Float | None = None,
    y_m: Float | None = None,
) -> tuple[Float32, Float32]:
    """Return the illumination of the darkest month and the longest continuous darkness.

    Parameters
    ----------
    thresholds : ndarray of int16, shape (bearings, points)
        Horizons of `lighting.light`.
    sky : Ephemeris
        Sun and Earth over a span of time.
    context : Context
        Threads, progress, cancellation.
    x_m, y_m : ndarray of float64, shape (points,), optional
        Positions on the map, metres; at the pole where not given.

    Returns
    -------
    darkest_month_pct : ndarray of float32, shape (points,)
        Least average visible fraction of the Sun's disc over 29.53 days, percent; over the whole
        span if it is shorter. NaN where a horizon is unknown.
    longest_darkness_days : ndarray of float32, shape (points,)
        Longest time during which no part of the Sun's disc is visible, days; NaN likewise. It
        begins and ends between the time steps, where the Sun crosses the horizon.
    """
    bearings, count = thresholds.shape
    darkest_month = np.full(count, np.nan, np.float32)
    longest_darkness = np.full(count, np.nan, np.float32)
    x = np.zeros(count) if x_m is None else x_m
    y = np.zeros(count) if y_m is None else y_m
    bearing = np.radians(np.arange(bearings, dtype=np.float64) * np.float64(360.0 / bearings))
    times = series.series_of(sky, bearings)
    for first in range(0, count, _BATCH):
        context.progress(first / count, "longest continuous darkness")
        part = slice(first, min(first + _BATCH, count))
        latitude = decode_thresholds(thresholds[:, part])
        tangents = np.ascontiguousarray(-np.tan(np.radians(latitude)).T)
        places = series.observers(
            x[part], y[part], np.ones(len(tangents)), np.empty(tangents.shape)
        )

        def work(
            share: tuple[int, int],
            places: _series_kernels.Places = places,
            tangents: Float32 = tangents,
        ) -> None:
            _series_kernels.horizons(places, bearing, *share, tangents)

        for _ in context.pool().map(work, chunks(len(tangents), context.threads)):
            context.check()
        results = series.follow(times, places, "centre", context)
        darkest_month[part], longest_darkness[part] = results.month, results.darkness
    return darkest_month, longest_darkness
