"""Depth and rim height of craters, from elevation profiles along rings around their centres.

The rim is the median over azimuths of the highest ground near the circle, so that it is robust to
a younger crater on it or a slope across it. The floor is the tenth percentile of the ground within
half a radius. The surroundings are the median of rings at 2.25 to 2.75 radii. The ejecta still
raise them: their thickness is that of the rim at the crest and falls with the cube of the distance
(McGetchin, Settle & Head 1973, Earth Planet. Sci. Lett. 20, 226), so that rim and rings together
give the level below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.craters import _morphometry_kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.craters.pyramid import Level

    Float = NDArray[np.float64]

READ_AT_PX = 16.0
"""Rings are sampled at the coarsest scale at which the radius has at least this many pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """Morphometry of craters.

    Parameters
    ----------
    depth_m : ndarray of float64, shape (craters,)
        Rim to floor; NaN where too little of either has data.
    rim_height_m : ndarray of float64, shape (craters,)
        Rim above the surroundings without ejecta; NaN where too little of either has data. Single
        values are as uncertain as the ground around is uneven.
    """

    depth_m: Float
    rim_height_m: Float


def measure(levels: Sequence[Level], x_m: Float, y_m: Float, radius_m: Float) -> Relief:
    """Measure depth and rim height of circles.

    Parameters
    ----------
    levels : sequence of Level
        The elevation model at all scales, the finest first.
    x_m, y_m, radius_m : ndarray of float64, shape (craters,)
        Centres and radii in map metres.
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
        heights = _morphometry_kernels.rings(level.height_m, place)
        depth[at] = heights[:, 0] - heights[:, 1]
        rim[at] = (heights[:, 0] - heights[:, 2]) / (1.0 - _morphometry_kernels.EJECTA)
    return Relief(depth, rim)
