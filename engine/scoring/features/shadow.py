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
    from lunarsite.engine.scoring.features.places import Places

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Edges = list[NDArray[np.int32]]

WALK_M = 2_000.0
"""Walking distance of an astronaut to permanent shadow, metres."""


class Shadows:
    """Collects what the columns need from strips of a mask, which is never in memory whole.

    Parameters
    ----------
    places : Places
        The places from which is walked.
    """

    def __init__(self, places: Places) -> None:
        self._grid = grid = places.grid
        x, y = places.x_m, places.y_m
        self._to_m = grid.pixel_m / moon.map_scale(x, y)
        self._x_px = (x - grid.x_min_m) / grid.pixel_m - 0.5
        self._y_px = (grid.y_max_m - y) / grid.pixel_m - 0.5
        self._count = np.zeros(x.shape, np.float32)
        self._known = np.zeros(x.shape, np.float32)
        self._inside = np.zeros(x.shape, np.bool_)
        self._shadow: Edges = []
        self._unknown: Edges = []

    def add(self, pixels: Float32, top: int, rows: range, cell_rows: range) -> None:
        """Add a strip.

        Parameters
        ----------
        pixels : ndarray of float32, shape (strip rows, columns of the mask)
            1 in permanent shadow, 0 elsewhere, NaN where unknown. Rows of the mask, with a margin
            that reaches `WALK_M` around the places, where the mask has more.
        top : int
            The first of these rows.
        rows, cell_rows : range
            The rows without margin, and the rows of cells in them.
        """
        own = slice(cell_rows.start, cell_rows.stop)
        shape = self._count[own].shape
        x_px, y_px = self._x_px[own].ravel(), self._y_px[own].ravel()
        radius_px = (WALK_M / self._to_m[own]).ravel()
        masks = (pixels == 1.0).view(np.uint8), np.isfinite(pixels).view(np.uint8)
        for total, mask in zip((self._count, self._known), masks, strict=True):
            total[own] = cells.area_within(mask, x_px, y_px - top, radius_px).reshape(shape)
        row = np.clip(np.round(y_px).astype(int), 0, self._grid.height - 1)
        column = np.clip(np.round(x_px).astype(int), 0, self._grid.width - 1)
        # The middle of a cell that sticks out may lie outside the mask.
        on_mask = (np.abs(row - y_px) <= 0.5) & (np.abs(column - x_px) <= 0.5)
        self._inside[own] = (on_mask & (masks[0][row - top, column] == 1)).reshape(shape)
        unknown = np.isnan(pixels).view(np.uint8)
        for kept, mask in ((self._shadow, masks[0]), (self._unknown, unknown)):
            if mask.any():
                edges = cells.edge_pixels(mask)
                edges[:, 0] += top
                inner = (edges[:, 0] >= rows.start) & (edges[:, 0] < rows.stop)
                kept.append(edges[inner].astype(np.int32))

    def columns(self, context: Context) -> dict[str, Float32]:
        """Return ``psr_distance_m`` and ``psr_area_2km_km2``.

        The distance is NaN if unknown ground, or the edge of the mask, is nearer than the nearest
        shadow; the area if a part of the circle is unknown.
        """
        distance = self._nearest(self._shadow, context)
        distance[self._inside] = 0.0
        rows, columns = self._grid.shape
        edge = np.minimum(
            np.minimum(self._x_px, columns - 1 - self._x_px),
            np.minimum(self._y_px, rows - 1 - self._y_px),
        )
        nearest_unknown = np.minimum(edge + 1.0, self._nearest(self._unknown, context))
        distance[~(distance <= nearest_unknown)] = np.nan
        radius_px = (WALK_M / self._to_m).ravel()
        needed = cells.points_within(self._x_px.ravel(), self._y_px.ravel(), radius_px)
        area = self._count * self._to_m**2 / 1e6
        area[self._known < needed.reshape(area.shape)] = np.nan
        return {
            "psr_distance_m": (distance * self._to_m).astype(np.float32),
            "psr_area_2km_km2": area.astype(np.float32),
        }

    def _nearest(self, edges: Edges, context: Context) -> Float:
        """Return the distance of each place to the nearest of some pixels, pixels."""
        found = np.concatenate(edges) if edges else np.empty((0, 2), np.int32)
        if len(found) == 0:
            return np.full(self._x_px.shape, np.inf)
        tree = cKDTree(found[:, ::-1].astype(np.float64), balanced_tree=False, compact_nodes=False)
        places = np.stack([self._x_px, self._y_px], axis=-1)
        return np.asarray(tree.query(places, workers=context.threads)[0], np.float64)
