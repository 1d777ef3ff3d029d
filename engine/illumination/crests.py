"""Exact light of the best-lit pixels of a raster.

The sweep gives every pixel a mean of the lines beside it, which errs by several points on crests:
a pixel that is higher than those around it sees farther than they do. The pixels that may be among
the best-lit ones are therefore marched exactly from their centres. Candidates are chosen by their
swept illumination and by how far they stand out from their neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.illumination import series
from lunarsite.engine.illumination.exact import Rays
from lunarsite.engine.illumination.places import Sky, limits, losses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination.ephemeris import Ephemeris
    from lunarsite.engine.illumination.horizon import Sweep
    from lunarsite.engine.illumination.tables import Light, Tables
    from lunarsite.engine.io.workspace import Allocator

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

_FIRST, _MORE, _MOST = 1.4, 0.2, 3.0
"""Pixels that are marched for each that is wanted: at first, in each further round, in all."""

_AT_LEAST = 500
"""Pixels of the first round: half a second, and on small rasters few pixels decide."""

_FEW = 0.002
"""Share of the wanted pixels: the round that finds fewer of the best is the last."""

_POINTS_PER_SLOPE = 100.0
"""Points of illumination that a pixel gains for its height above its neighbours, in pixels."""

_BINS, _BINS_PER_POINT = 20_000, 100
_STRIP_ROWS = 256
_BATCH = 2_048
_MARGIN = 0.05
"""How far above the highest horizon that matters a ray is followed, a tangent: three degrees."""


def march_crests(
    light: Light,
    sweep: Sweep,
    sky: Ephemeris,
    context: Context,
    tables: tuple[Tables, Tables],
    earth_part: str,
    share_pct: float,
    scratch: Allocator,
) -> None:
    """Replace the light of the pixels that may be the best-lit ones by exact values.

    Parameters
    ----------
    light : Light
        Layers of the sweep. Illumination, Earth visibility, their sensitivities and permanent
        shadow are replaced, and ``method`` is set to 1, where pixels are marched.
    sweep : Sweep
        The terrain.
    sky : Ephemeris
        Sun and Earth over the span.
    context : Context
        Threads, progress, cancellation.
    tables : pair of Tables
        Those of Sun and Earth.
    earth_part : str
        Part of the Earth's disc that must be visible.
    share_pct : float
        Share of the pixels that are wanted, percent.
    scratch : callable
        Allocates work arrays.
    """
    known = sum(int(np.isfinite(row).sum()) for row in light.illumination_pct)
    wanted = int(np.ceil(known * share_pct / 100.0))
    row, column = candidates(light, sweep, max(int(np.ceil(wanted * _MOST)), _AT_LEAST))
    if not len(row):
        return
    context.progress(0.0, "exact horizons of crests")
    crests = _Crests(light, sweep, sky, context, tables, earth_part, scratch)
    done, best = 0, np.zeros(0, np.float32)
    while done < len(row):
        size = int(np.ceil(wanted * _MORE)) if done else max(int(wanted * _FIRST), _AT_LEAST)
        # In the order of the raster: neighbours see the same terrain.
        part = np.sort(np.arange(len(row))[done : done + size])
        exact = crests.march(row[part], column[part], context.part(done / len(row), 1.0))
        least = _largest(best, wanted) if done else np.inf
        best = np.append(best, exact)
        found = np.count_nonzero(exact > least)
        done += len(part)
        if np.isfinite(least) and found <= _FEW * wanted:
            break


class _Crests:
    """What the march of crests needs, and the layers that it fills."""

    def __init__(
        self,
        light: Light,
        sweep: Sweep,
        sky: Ephemeris,
        context: Context,
        tables: tuple[Tables, Tables],
        earth_part: str,
        scratch: Allocator,
    ) -> None:
        self._light = light
        self._rays = Rays(sweep, context, scratch=scratch)
        self._sky = Sky(sky, tables[0].share.shape[0], earth_part, tables)
        self._limits = limits(tables, _MARGIN)
        self._x_of, self._y_of = sweep.grid.column_x_m(), sweep.grid.row_y_m()

    def march(self, row: Int, column: Int, context: Context) -> Float32:
        """March from the centres of pixels, fill the layers and return the illumination."""
        light, sky = self._light, self._sky
        out = np.empty(len(row), np.float32)
        for first in range(0, len(row), _BATCH):
            context.progress(first / len(row), "exact horizons of crests")
            j, i = row[first : first + _BATCH], column[first : first + _BATCH]
            x, y = self._x_of[i], self._y_of[j]
            found = self._rays.horizons(x, y, sky.bearing_deg, context, limits=self._limits)
            places = series.observers(x, y, found.eye, found.tangent)
            sun_loss, earth_loss = losses(places, sky, context)
            results = series.follow(sky.series, places, sky.earth_part, context, means_only=True)
            sun, earth = results.light, results.earth
            light.illumination_pct[j, i] = sun
            light.illumination_sensitivity[j, i] = sun_loss
            light.earth_visibility_pct[j, i] = earth
            light.earth_sensitivity[j, i] = earth_loss
            light.psr[j, i] = sun == 0.0
            light.method[j, i] = 1
            out[first : first + _BATCH] = sun
        return out


def _largest(values: Float32, count: int) -> float:
    """Return the ``count``-th largest of some values, the least of them if they are fewer."""
    rank = min(count, len(values))
    return float(np.partition(values, -rank)[-rank])


def candidates(light: Light, sweep: Sweep, count: int) -> tuple[Int, Int]:
    """Return rows and columns of at least ``count`` pixels that promise most light, best first.

    Parameters
    ----------
    light : Light
        Layers of the sweep.
    sweep : Sweep
        The terrain.
    count : int
        Number of pixels.

    Returns
    -------
    rows, columns : ndarray of int64, shape (pixels,)
        Of all pixels with any light, if they are fewer.

    Notes
    -----
    Scores are counted in bins of a hundredth of a point, strip by strip: no copy of a layer.
    """
    histogram = np.zeros(_BINS, np.int64)
    for _, score in _scores(light, sweep):
        # Pixels without any light cannot be among the best.
        levels = (score[score > 0.0] * _BINS_PER_POINT).astype(np.int64)
        histogram += np.bincount(np.minimum(levels, _BINS - 1), minlength=_BINS)
    beyond = np.cumsum(histogram[::-1])[::-1]
    least = max(int(np.count_nonzero(beyond >= count)) - 1, 0)
    rows, columns, scores = [], [], []
    for first, score in _scores(light, sweep):
        row, column = np.nonzero((score > 0.0) & (score >= least / _BINS_PER_POINT))
        rows.append(row + first)
        columns.append(column)
        scores.append(score[row, column])
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return np.concatenate(rows)[order], np.concatenate(columns)[order]


def _scores(light: Light, sweep: Sweep) -> Iterator[tuple[int, Float32]]:
    """Yield what strips of rows promise: their swept illumination, and more where they stand out.

    Pixels without light, or of unknown height, have a score of 0.
    """
    heights, pixel_m = sweep.filled_height_m, sweep.grid.pixel_m
    for first in range(0, sweep.grid.height, _STRIP_ROWS):
        stop = min(first + _STRIP_ROWS, sweep.grid.height)
        above, below = max(first - 1, 0), min(stop + 1, sweep.grid.height)
        part = np.pad(
            heights[above:below], ((first == 0, stop == sweep.grid.height), (1, 1)), mode="edge"
        )
        total = part[:-2] + part[1:-1] + part[2:]
        around = (total[:, :-2] + total[:, 1:-1] + total[:, 2:] - part[1:-1, 1:-1]) / 8.0
        relief = np.nan_to_num(np.maximum(part[1:-1, 1:-1] - around, 0.0) / pixel_m)
        swept = light.illumination_pct[first:stop]
        lit = (swept > 0.0) & np.isfinite(sweep.own_height_m[first:stop])
        yield first, np.where(lit, swept + _POINTS_PER_SLOPE * relief, 0.0).astype(np.float32)
