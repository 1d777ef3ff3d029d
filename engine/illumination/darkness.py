"""Illumination of the darkest month and longest continuous darkness.

Both need the whole time series. They are computed at selected points, from the horizons that the
sweep stored for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.illumination import _darkness_kernels
from lunarsite.engine.illumination.ephemeris import SYNODIC_MONTH_DAYS
from lunarsite.engine.illumination.horizon import chunks
from lunarsite.engine.illumination.lighting import threshold_encoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination.ephemeris import Ephemeris

    Float32 = NDArray[np.float32]


def darkness_at_points(
    thresholds: NDArray[np.int16], sky: Ephemeris, context: Context
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

    Returns
    -------
    darkest_month_pct : ndarray of float32, shape (points,)
        Least average visible fraction of the Sun's disc over 29.53 days, percent; over the whole
        span if it is shorter. NaN where a horizon is unknown.
    longest_darkness_days : ndarray of float32, shape (points,)
        Longest time during which no part of the Sun's disc is visible, days; NaN likewise.
    """
    bearings, count = thresholds.shape
    darkest_month = np.full(count, np.nan, np.float32)
    longest_darkness = np.full(count, np.nan, np.float32)
    place = np.mod(sky.sun.lon_deg, 360.0) / (360.0 / bearings)
    sun = _darkness_kernels.SunPath(
        bearing=np.floor(place).astype(np.int32) % bearings,
        fraction=(place - np.floor(place)).astype(np.float32),
        latitude=sky.sun.lat_deg.astype(np.float32),
        radius=sky.sun.radius_deg.astype(np.float32),
        window=min(len(sky.days), max(1, round(SYNODIC_MONTH_DAYS * 24.0 / sky.step_hours))),
        step_days=sky.step_hours / 24.0,
    )
    encoding = threshold_encoding()

    def work(part: tuple[int, int]) -> None:
        _darkness_kernels.follow_sun(
            thresholds, encoding, sun, *part, darkest_month, longest_darkness
        )

    parts = list(chunks(count, context.threads * 4))
    for done, _ in enumerate(context.pool().map(work, parts)):
        context.progress(done / len(parts), "longest continuous darkness")
    return darkest_month, longest_darkness
