"""Scored cells of a finished run, as the checks need them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.finished_run import Run

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]


_TOPS = (100, 500, 1000)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredCells:
    """Cells with a score: the eligible ones; arrays of shape (cells,).

    Parameters
    ----------
    grid : Grid
        Grid of the cells.
    row, column : ndarray of int64
        Place in the grid.
    score : ndarray of float64
        What they are ranked by.
    latitude_deg, slope_deg : ndarray of float64
        Latitude and mean slope of the place that is evaluated.
    x_m, y_m : ndarray of float64
        That place on the south polar map.
    index : ndarray of int64
        Row of each cell in the tables of the run.
    """

    grid: Grid
    row: Int
    column: Int
    score: Float
    latitude_deg: Float
    slope_deg: Float
    x_m: Float
    y_m: Float
    index: Int

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the scored cells of a run."""
        # Scores of many cells are equal where they round to 0 or 1; log-odds are not.
        ranked_by = run.scores["log_odds"].to_numpy(np.float64)
        index = np.flatnonzero(np.isfinite(ranked_by))
        table = run.features.iloc[index]

        def column(name: str) -> Float:
            return table[name].to_numpy(np.float64)

        return cls(
            run.grid,
            table["row"].to_numpy(np.int64),
            table["column"].to_numpy(np.int64),
            ranked_by[index],
            column("lat_deg"),
            np.nan_to_num(column("slope_mean_deg"), nan=90.0),
            column("x_m"),
            column("y_m"),
            index,
        )

    def kept(self, which: NDArray[np.bool_]) -> ScoredCells:
        """Return some of the cells."""
        arrays = (getattr(self, each.name)[which] for each in fields(self) if each.name != "grid")
        return ScoredCells(self.grid, *arrays)

    def __len__(self) -> int:
        return self.index.size

    @property
    def order(self) -> Int:
        """Row numbers from the best cell to the worst."""
        return np.argsort(-self.score, kind="stable")

    @property
    def tops(self) -> tuple[int, ...]:
        """Numbers of best cells that are quoted: no more than a fifth of all."""
        few = tuple(count for count in _TOPS if 5 * count <= len(self))
        return few or (max(1, len(self) // 10),)

    @property
    def percentile(self) -> Float:
        """Share of the cells that are worse than each, percent; those of one score share theirs."""
        ascending = np.sort(self.score)
        low = np.searchsorted(ascending, self.score, "left")
        high = np.searchsorted(ascending, self.score, "right")
        return np.asarray(50.0 * (low + high - 1) / max(len(self) - 1, 1))

    def block(self, side_m: float) -> Int:
        """Return the number of the square block of a side that holds each cell."""
        cells = max(1, round(side_m / self.grid.pixel_m))
        across = self.grid.width // cells + 1
        return (self.row // cells) * across + self.column // cells
