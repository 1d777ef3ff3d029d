"""The two layers that need the whole time series: the darkest month and the longest darkness.

They are computed at chosen points from the horizons that the sweep kept there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.illumination._night_kernels import follow
from lunarsite.engine.illumination.ephemeris import SYNODIC_MONTH_DAYS
from lunarsite.engine.illumination.horizon import chunks
from lunarsite.engine.illumination.lighting import threshold_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination.ephemeris import Ephemeris

    Float32 = NDArray[np.float32]


def darkness(
    thresholds: NDArray[np.int16], sky: Ephemeris, context: Context
) -> tuple[Float32, Float32]:
    """Return the illumination of the darkest month and the longest darkness at points.

    Parameters
    ----------
    thresholds : ndarray of int16, shape (bearings, points)
        Horizons as `lighting.light` keeps them.
    sky : Ephemeris
        The span of time.
    context : Context
        Threads, progress, cancellation.

    Returns
    -------
    darkest_month_pct : ndarray of float32, shape (points,)
        Least average visible part of the Sun's disc over any 29.53 days of the span, percent. The
        whole span where it is shorter than that.
    longest_night_days : ndarray of float32, shape (points,)
        Longest time without any part of the Sun's disc, days. NaN where a horizon is unknown.
    """
    bearings, count = thresholds.shape
    month = np.full(count, np.nan, np.float32)
    night = np.full(count, np.nan, np.float32)
    place = np.mod(sky.sun.lon_deg, 360.0) / (360.0 / bearings)
    before = np.floor(place).astype(np.int32) % bearings
    window = min(len(sky.days), max(1, round(SYNODIC_MONTH_DAYS * 24.0 / sky.step_hours)))
    low, scale = threshold_scale()

    def work(part: tuple[int, int]) -> None:
        follow(
            thresholds,
            part[0],
            part[1],
            low,
            scale,
            before,
            (place - np.floor(place)).astype(np.float32),
            sky.sun.lat_deg.astype(np.float32),
            sky.sun.radius_deg.astype(np.float32),
            window,
            sky.step_hours / 24.0,
            month,
            night,
        )

    parts = list(chunks(count, context.threads * 4))
    for done, _ in enumerate(context.pool().map(work, parts)):
        context.progress(done / len(parts), "longest darkness")
    return month, night
