"""Distance to permanent shadow and its area within walking distance, from a mask in strips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from lunarsite.engine import moon
from lunarsite.engine.scoring.features import cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

    Float32 = NDArray[np.float32]

WALK_M = 2_000.0
"""Walking distance of an astronaut to permanent shadow, metres."""


class Shadows:
    """Collects what the columns need from strips of a mask, which is never in memory whole.

    Parameters
    ----------
    grid, coarse : Grid
        Grids of the mask and of the cells.
    """

    def __init__(self, grid: Grid, coarse: Grid) -> None:
        self._grid, self._coarse = grid, coarse
        x, y = np.meshgrid(coarse.column_x_m(), coarse.row_y_m())
        self._scale = moon.map_scale(x, y)
        self._x_px = (x - grid.x_min_m) / grid.pixel_m - 0.5
        self._y_px = (grid.y_max_m - y) / grid.pixel_m - 0.5
        self._count = np.zeros(coarse.shape, np.float32)
        self._inside = np.zeros(coarse.shape, np.bool_)
        self._edges: list[NDArray[np.int32]] = []

    def add(self, mask: NDArray[np.bool_], top: int, rows: range, cell_rows: range) -> None:
        """Add a strip.

        Parameters
        ----------
        mask : ndarray of bool, shape (strip rows, columns of the mask)
            Rows of the mask, with a margin of `WALK_M` where the mask has more.
        top : int
            The first of these rows.
        rows, cell_rows : range
            The rows without margin, and the rows of cells in them.
        """
        strip = mask.view(np.uint8)
        own = slice(cell_rows.start, cell_rows.stop)
        x_px, y_px = self._x_px[own].ravel(), self._y_px[own].ravel()
        radius_px = (WALK_M * self._scale[own] / self._grid.pixel_m).ravel()
        count = cells.area_within(strip, x_px, y_px - top, radius_px)
        self._count[own] = count.reshape(self._count[own].shape)
        row = np.clip(np.round(y_px).astype(int), 0, self._grid.height - 1)
        column = np.clip(np.round(x_px).astype(int), 0, self._grid.width - 1)
        self._inside[own] = mask[row - top, column].reshape(self._inside[own].shape)
        edges = cells.edge_pixels(strip)
        edges[:, 0] += top
        kept = (edges[:, 0] >= rows.start) & (edges[:, 0] < rows.stop)
        self._edges.append(edges[kept].astype(np.int32))

    def columns(self, context: Context) -> dict[str, Float32]:
        """Return ``psr_distance_m``, NaN without any shadow, and ``psr_area_2km_km2``."""
        to_m = self._grid.pixel_m / self._scale
        edges = np.concatenate(self._edges) if self._edges else np.empty((0, 2), np.int32)
        distance = np.full(self._coarse.shape, np.nan)
        if len(edges) > 0:
            tree = cKDTree(
                edges[:, ::-1].astype(np.float64), balanced_tree=False, compact_nodes=False
            )
            places = np.stack([self._x_px, self._y_px], axis=-1)
            distance = tree.query(places, workers=context.threads)[0] * to_m
            distance[self._inside] = 0.0
        return {
            "psr_distance_m": distance.astype(np.float32),
            "psr_area_2km_km2": (self._count * to_m**2 / 1e6).astype(np.float32),
        }
