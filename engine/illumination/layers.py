"""Layers of illumination and Earth visibility of a whole raster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Layers of illumination and Earth visibility; float32, shape of the grid, NaN for nodata.

    Parameters
    ----------
    illumination_pct : ndarray
        Average visible fraction of the Sun's disc over the span, percent.
    illumination_sensitivity : ndarray
        Loss for a horizon raised in all directions, percentage points per degree.
    earth_visibility_pct, earth_sensitivity : ndarray
        The same for the Earth.
    horizon_coverage_pct : ndarray
        Share of bearings with terrain known out to the required distance, percent.
    psr : ndarray of bool
        Whether no part of the Sun is visible in the whole span; False also where
        ``illumination_pct`` is NaN.
    method : ndarray of uint8
        1 where the horizons were marched exactly from the pixel's centre, 0 where they were swept.
    thresholds : ndarray of int16, shape (bearings, points)
        Encoded horizons of `lighting.Points`; see `lighting.decode_thresholds`.
    """

    illumination_pct: Float32
    illumination_sensitivity: Float32
    earth_visibility_pct: Float32
    earth_sensitivity: Float32
    horizon_coverage_pct: Float32
    psr: NDArray[np.bool_]
    method: NDArray[np.uint8]
    thresholds: NDArray[np.int16] = field(default_factory=lambda: np.zeros((0, 0), np.int16))
