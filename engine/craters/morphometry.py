"""Depth and rim height of craters, from the heights along rings around their centres.

The rim is the median over azimuths of the highest ground near the circle, so that a younger
crater on it, or a slope across it, does not set it; the floor is the lower tenth of the ground
inside half a radius; the surroundings are the median of rings outside the ejecta's thick part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.craters import _morphometry_kernels as depth_kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.craters.pyramid import Level

    Float = NDArray[np.float64]

READ_AT_PX = 8.0
"""Rings are read on the coarsest scale at which the radius has at least so many pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """What heights say of craters.

    Parameters
    ----------
    depth_m : ndarray of float64, shape (craters,)
        From the rim down to the floor; NaN where too little of either is known.
    rim_height_m : ndarray of float64, shape (craters,)
        Of the rim above the surroundings; NaN likewise.
    """

    depth_m: Float
    rim_height_m: Float


def measure(levels: Sequence[Level], x_m: Float, y_m: Float, radius_m: Float) -> Relief:
    """Return depth and rim height of circles.

    Parameters
    ----------
    levels : sequence of Level
        The elevation model at all scales, the finest first.
    x_m, y_m, radius_m : ndarray of float64, shape (craters,)
        On the map.
    """
    pixels = np.array([level.grid.pixel_m for level in levels])
    chosen = np.maximum((radius_m[:, None] >= READ_AT_PX * pixels).sum(axis=1) - 1, 0)
    depth, rim = np.full(x_m.size, np.nan), np.full(x_m.size, np.nan)
    for number, level in enumerate(levels):
        at = np.flatnonzero(chosen == number)
        if not at.size:
            continue
        grid = level.grid
        place = np.column_stack(
            [
                (x_m[at] - grid.x_min_m) / grid.pixel_m - 0.5,
                (grid.y_max_m - y_m[at]) / grid.pixel_m - 0.5,
                radius_m[at] / grid.pixel_m,
            ]
        )
        found = depth_kernels.rings(level.height_m, place)
        depth[at] = found[:, 0] - found[:, 1]
        rim[at] = found[:, 0] - found[:, 2]
    return Relief(depth, rim)
