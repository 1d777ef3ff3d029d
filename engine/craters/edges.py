"""Craters that the edge of an elevation model, or a gap in it, cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.craters import pyramid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.craters.pyramid import Level

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]

LEAST_CUT = 0.05
"""A crater is cut if at least this share of its rim has no heights."""

_AZIMUTHS = 72


def cut(level: Level, x_m: Float, y_m: Float, radius_m: Float) -> Bool:
    """Return which circles have a part of their rim beyond the edge or on nodata.

    Parameters
    ----------
    level : Level
        The elevation model at its finest scale.
    x_m, y_m, radius_m : ndarray of float64, shape (circles,)
        Centres and radii in map metres.
    """
    result: Bool = rim_known(level, x_m, y_m, radius_m) <= 1.0 - LEAST_CUT
    return result


def rim_known(level: Level, x_m: Float, y_m: Float, radius_m: Float) -> Float:
    """Return the share of the rims that has heights, 0 to 1."""
    azimuth = 2.0 * np.pi * np.arange(_AZIMUTHS) / _AZIMUTHS
    x = x_m[:, None] + radius_m[:, None] * np.sin(azimuth)
    y = y_m[:, None] + radius_m[:, None] * np.cos(azimuth)
    known = pyramid.has_heights(level.grid, level.height_m, x, y)
    share: Float = known.mean(axis=1)
    return share
