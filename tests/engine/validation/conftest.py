"""Made cells: a cap on which the score is what a test wants it to be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import shapely

from lunarsite.engine import moon
from lunarsite.engine.context import QuietContext
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.validation.cells import ScoredCells
from lunarsite.engine.validation.regions import Regions


@pytest.fixture(scope="session")
def cap():
    """Return a maker of the scored cells of a round cap, 2 km wide, from a function of x and y."""
    side, cell_m = 120, 2000.0
    grid = Grid(-side * cell_m / 2, side * cell_m / 2, cell_m, side, side)
    row, column = np.divmod(np.arange(side * side), side)
    x = grid.x_min_m + (column + 0.5) * cell_m
    y = grid.y_max_m - (row + 0.5) * cell_m
    within = np.hypot(x, y) < side * cell_m / 2
    row, column, x, y = row[within], column[within], x[within], y[within]

    def make(score):
        slope = 5.0 + 4.0 * np.sin(x / 7e3) * np.cos(y / 9e3)
        return ScoredCells(
            grid,
            row,
            column,
            np.asarray(score(x, y), np.float64),
            moon.xy_to_lonlat(x, y)[1],
            slope,
            x,
            y,
            np.arange(x.size),
        )

    return make


@pytest.fixture(scope="session")
def three():
    """Return three square regions at different distances from the pole."""
    shapes = (
        shapely.box(20e3, 20e3, 34e3, 34e3),
        shapely.box(-80e3, 10e3, -66e3, 24e3),
        shapely.box(-10e3, -100e3, 4e3, -86e3),
    )
    return Regions(("near", "middle", "far"), shapes)


@pytest.fixture
def quiet():
    return QuietContext()


@pytest.fixture(scope="session")
def as_run():
    """Return a maker of what the checks read of a run, from scored cells."""

    def make(cells, **columns):
        table = pd.DataFrame(
            {"row": cells.row, "column": cells.column, "x_m": cells.x_m, "y_m": cells.y_m}
        ).assign(**columns)
        row_of_cell = np.full((cells.grid.height, cells.grid.width), -1, np.int64)
        row_of_cell[cells.row, cells.column] = np.arange(len(cells))
        scores = pd.DataFrame({"passes": columns.get("passes", np.ones(len(cells), bool))})
        return SimpleNamespace(
            features=table, scores=scores, grid=cells.grid, row_of_cell=row_of_cell
        )

    return make
