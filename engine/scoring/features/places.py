"""The places that are evaluated: one landing disc in each cell, or the cells themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.landing.cells import Discs

    Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Cells, and the landing discs in them.

    Parameters
    ----------
    grid, coarse : Grid
        Grids of the elevation model and of the cells.
    side : int
        Side of a cell, pixels.
    discs : Discs, optional
        Landing discs; without them the cells are evaluated.
    """

    grid: Grid
    coarse: Grid
    side: int
    discs: Discs | None = None

    @classmethod
    def of_cells(cls, coarse: Grid) -> Self:
        """Return cells that are evaluated whole, each of one pixel."""
        return cls(coarse, coarse, 1)

    @property
    def x_m(self) -> Float:
        """X of the places, shape of the cells: the centre of the disc, or else of the cell."""
        x = np.broadcast_to(self.coarse.column_x_m()[None, :], self.coarse.shape)
        if self.discs is None:
            return x
        own = self.grid.x_min_m + (self.discs.column + 0.5) * self.grid.pixel_m
        return np.where(self.discs.found, own, x)

    @property
    def y_m(self) -> Float:
        """Y of the places, shape of the cells."""
        y = np.broadcast_to(self.coarse.row_y_m()[:, None], self.coarse.shape)
        if self.discs is None:
            return y
        own = self.grid.y_max_m - (self.discs.row + 0.5) * self.grid.pixel_m
        return np.where(self.discs.found, own, y)

    @property
    def radius_m(self) -> float:
        """Radius of the discs, map metres; NaN without discs."""
        return float("nan") if self.discs is None else self.discs.disc.radius_m

    @property
    def found(self) -> NDArray[np.bool_]:
        """Whether a cell has a place that can be evaluated, shape of the cells."""
        return np.ones(self.coarse.shape, np.bool_) if self.discs is None else self.discs.found

    @property
    def reach(self) -> int:
        """Pixels by which a place may reach beyond its cell."""
        return 0 if self.discs is None else self.discs.disc.reach

    @property
    def wander_m(self) -> float:
        """Distance of a place from the centre of its cell at most, metres."""
        return 0.0 if self.discs is None else self.coarse.pixel_m
