"""Preprocessing of heights before inference, to diagnose a modality shift.

If a network misses craters because its input is distributed differently than in training, one of
these recovers them; if it misses them because its training set lacks such craters, none does. Each
is applied to a block with its halo, as in inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.craters.pyramid import Level

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    Preparation = Callable[[Float32, float], Float32]

_GRADE = 0.03
"""Relief of generated tiles above their mean plane, per side of the tile (median)."""

_ENDS_PCT = (1.0, 99.0)
"""Percentiles between which relief is measured."""

_LEAST_PX = 1e-4
"""Relief, in pixels, below which ground is flat up to rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedLevel(Level):
    """A scale whose blocks are preprocessed when they are read."""

    prepare: Preparation

    def around(self, row: int, column: int, rows: int, columns: int) -> Float32:
        """Return the preprocessed heights of a window that may extend beyond the level."""
        plain = Level.around(self, row, column, rows, columns)
        if not np.isfinite(plain).any():
            return plain
        return self.prepare(plain, self.grid.pixel_m)


def prepared(levels: list[Level], name: str) -> list[Level]:
    """Return the scales with one of the preparations `NAMES`."""
    prepare = NAMES[name]
    if prepare is None:
        return levels
    return [PreparedLevel(level.number, level.grid, level.height_m, prepare) for level in levels]


def without_plane(height_m: Float32, _pixel_m: float) -> Float32:
    """Return heights above their least-squares plane."""
    known = np.isfinite(height_m)
    row, column = np.nonzero(known)
    terms = np.column_stack([np.ones(row.size), row - row.mean(), column - column.mean()])
    height = height_m[known].astype(np.float64)
    fitted, *_ = np.linalg.lstsq(terms, height, rcond=None)
    out = np.full(height_m.shape, np.nan, np.float32)
    out[known] = height - terms @ fitted
    return out


def stretched(height_m: Float32, pixel_m: float) -> Float32:
    """Return heights stretched linearly to the relief of generated terrain."""
    flat = without_plane(height_m, pixel_m)
    low, high = np.nanpercentile(flat, _ENDS_PCT)
    if high - low < _LEAST_PX * pixel_m:
        return flat
    result: Float32 = flat * np.float32(_relief_m(height_m, pixel_m) / (high - low))
    return result


def equalised(height_m: Float32, pixel_m: float) -> Float32:
    """Return heights with a flat histogram (histogram equalisation)."""
    flat = without_plane(height_m, pixel_m)
    known = np.isfinite(flat)
    if np.ptp(flat[known]) < _LEAST_PX * pixel_m:
        return flat
    _, back, count = np.unique(flat[known], return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - 0.5 * count) / count.sum()
    out = np.full(flat.shape, np.nan, np.float32)
    out[known] = rank[back] * _relief_m(height_m, pixel_m)
    return out


NAMES: dict[str, Preparation | None] = {
    "as trained": None,
    "plane removed": without_plane,
    "stretched": stretched,
    "equalised": equalised,
}
"""Preparations by name; the first is that of detect-craters."""


def _relief_m(height_m: Float32, pixel_m: float) -> float:
    known = int(np.isfinite(height_m).sum())
    return float(_GRADE * np.sqrt(known) * pixel_m)
