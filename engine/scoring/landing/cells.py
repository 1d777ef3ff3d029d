"""The best landing disc of every cell, the ground around it, and shifted lattices of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window
from scipy import special

from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.scoring.landing import _cell_kernels
from lunarsite.engine.scoring.landing.discs import Disc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

LANDABLE = 0.5
"""Probability from which ground counts as landable."""

SHIFTS = 8
"""Origins of the lattice of cells that are drawn, other than its own."""

LEAST_KNOWN = 0.5
"""Share of a cell that must be known for it to have a score."""

RADIUS_TAG = "LANDING_RADIUS_M"
"""Metadata item with the radius of the disc."""

_STRIP_PX = 8_000_000
_SEED = 20
_RADIUS = "landing_circle_m"


@dataclass(frozen=True, slots=True, eq=False)
class Discs:
    """The best landing disc of every cell.

    Parameters
    ----------
    disc : Disc
        Their shape.
    row, column : ndarray of int64, shape of the cells
        Pixel of the centre; -1 where no disc of a cell is known.
    columns : dict of str to ndarray of float32, shape of the cells
        What the discs leave in the cell: ``landable_pct``, ``landing_circle_m``,
        ``landable_areas``, and ``lattice_draw_1`` and following.
    """

    disc: Disc
    row: Int
    column: Int
    columns: dict[str, Float32]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Whether a cell has a disc."""
        return np.asarray(self.row >= 0)


def radius_of(path: str | Path) -> float:
    """Return the radius of the landing disc of a layer written by ``landing``, metres.

    Raises
    ------
    InputError
        If it is not such a layer.
    """
    with raster.opened(path, "The landing suitability") as source:
        tag = source.tags().get(RADIUS_TAG)
    try:
        return float(tag or "")
    except ValueError:
        raise InputError(
            "The landing suitability is not a layer that lunarsite landing has written",
            "Make it again: lunarsite landing",
        ) from None


def best_discs(
    suitability: str | Path,
    probability: str | Path,
    grid: Grid,
    coarse: Grid,
    side: int,
    context: Context,
) -> Discs:
    """Return the best landing disc of every cell.

    Parameters
    ----------
    suitability, probability : path
        Layers written by ``landing``, on the grid of the DEM.
    grid, coarse : Grid
        Grids of the DEM and of the cells.
    side : int
        Side of a cell, pixels.
    context : Context
        Progress and cancellation.

    Returns
    -------
    Discs
        With the cells' context. A disc belongs to the cell of its centre, and may reach beyond its
        border.
    """
    disc = Disc(radius_of(suitability), grid.pixel_m)
    shifts = np.random.default_rng(_SEED).integers(0, side, (SHIFTS, 2))
    shifts = np.concatenate([np.zeros((1, 2), np.int64), shifts])
    size = (coarse.height + 1, coarse.width + 1)
    best = np.full((len(shifts), *size), np.nan, np.float32)
    where = np.full((len(shifts), *size), -1, np.int64)
    known = np.zeros((len(shifts), *size), np.int64)
    around: dict[str, Float32] = {}
    for window, values, probabilities in _strips(suitability, probability, grid, side):
        context.progress(window.row_off / grid.height, "landing discs of cells")
        top = int(window.row_off)
        for n, (down, across) in enumerate(shifts.tolist()):
            _cell_kernels.best_of_cells(
                values, top, down, across, side, best[n], where[n], known[n]
            )
        made = _cell_kernels.landable(probabilities, LANDABLE, side, grid.pixel_m)
        first = top // side
        for name, part in zip(("landable_pct", _RADIUS, "landable_areas"), made, strict=True):
            whole = around.setdefault(name, np.full(coarse.shape, np.nan, np.float32))
            whole[first : first + len(part)] = part
    own = np.s_[: coarse.height, : coarse.width]
    row, column = np.divmod(where[0][own], grid.width)
    row[where[0][own] < 0] = column[where[0][own] < 0] = -1
    draws = _lattice_draws(best, known, shifts, row, column, side)
    return Discs(disc, row, column, around | draws)


def _lattice_draws(
    best: Float32, known: Int, shifts: Int, row: Int, column: Int, side: int
) -> dict[str, Float32]:
    """Return how far the log-odds of the cell around each disc move with the borders of cells.

    A place belongs to another cell when the lattice has another origin. The rank of that cell among
    all cells of the shifted lattice is turned into the log-odds with that rank among the cells as
    they are, so that the difference can be added to a score.
    """
    enough = known >= LEAST_KNOWN * side**2
    ordered = [np.sort(one[fit & np.isfinite(one)]) for one, fit in zip(best, enough, strict=True)]
    own = _log_odds(ordered[0])
    shape = row.shape
    found = row >= 0
    r, c = np.divmod(np.arange(row.size).reshape(shape), shape[1])
    here = np.full(shape, np.nan)
    here[found] = _log_odds(best[0][r[found], c[found]])
    drawn = {}
    for n in range(1, len(shifts)):
        moved = np.full(shape, np.nan)
        at = (row[found] + shifts[n, 0]) // side, (column[found] + shifts[n, 1]) // side
        value = best[n][at]
        if len(own) > 0 and len(ordered[n]) > 0:
            share = np.searchsorted(ordered[n], value) / max(len(ordered[n]) - 1, 1)
            place = np.clip(share * (len(own) - 1), 0.0, len(own) - 1)
            moved[found] = np.interp(place, np.arange(len(own)), own)
        drawn[f"lattice_draw_{n}"] = (moved - here).astype(np.float32)
    return drawn


def _log_odds(suitability: Float32) -> Float:
    """Return log-odds, bounded by what a number of 32 bits tells from 0 and 1."""
    return np.asarray(special.logit(np.clip(suitability.astype(np.float64), 1e-30, 1.0 - 6e-8)))


def _strips(
    suitability: str | Path, probability: str | Path, grid: Grid, side: int
) -> Iterator[tuple[Window, Float32, Float32]]:
    """Yield whole rows of cells of both layers."""
    rows = max(1, _STRIP_PX // (grid.width * side)) * side
    with (
        raster.open_layer(suitability, grid, what="The landing suitability") as values,
        raster.open_layer(probability, grid, what="The landing probability") as probabilities,
    ):
        if values.warped or probabilities.warped:
            raise InputError(
                "The landing discs are of another elevation model or another part of it",
                "Make them again: lunarsite landing, with the same --dem and --aoi",
            )
        for top in range(0, grid.height, rows):
            window = Window(0, top, grid.width, min(rows, grid.height - top))
            yield window, values.read(window), probabilities.read(window)
