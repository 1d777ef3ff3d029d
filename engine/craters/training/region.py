"""A region of real ground with its catalogue, on either polar map, split by longitude.

Networks know neither north nor south. The map of the north pole is therefore read as its mirror
image across the equator, which lies on the map of the south pole: latitudes change their sign,
longitudes and distances remain.

A catalogue lists no craters beyond its own area, where a network must not learn that there are
none: heights outside the convex hull of the catalogued centres are left out. So are those outside
a sector, pixel by pixel, so that no height of a held-out sector is ever learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import spatial

from lunarsite.engine import moon
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io.elevation.polar import read_polar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.circles import Circles
    from lunarsite.engine.craters.training.sectors import Sector
    from lunarsite.engine.io.grid import Grid

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

LEAST_SEEN_PX = 4.0
"""Least radius of a crater in pixels at which a network can learn it."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Real ground with the craters that a catalogue lists there.

    Parameters
    ----------
    grid : Grid
        Grid of the heights on the south polar map, or of their mirror image.
    height_m : ndarray of float32, shape of the grid
        Metres, NaN where there are none and outside the area of the catalogue.
    known : Circles
        The catalogue.
    least_m : float
        Diameter on the ground from which it is complete, metres.
    north : bool
        Whether it is the mirror image of the north.
    """

    grid: Grid
    height_m: Float32
    known: Circles
    least_m: float
    north: bool

    def within(self, sector: Sector) -> Region:
        """Return the ground inside a sector; the rest has no heights."""
        return self._kept(sector.inside(self._longitudes(), np.zeros(1)))

    def outside(self, *sectors: Sector) -> Region:
        """Return the ground outside sectors and their gaps; the rest has no heights."""
        lon = self._longitudes()
        keep = np.ones(lon.shape, bool)
        for sector in sectors:
            keep &= sector.outside(lon, np.zeros(1))
        return self._kept(keep)

    def has_heights(self, x_m: Float, y_m: Float) -> Bool:
        """Return which points of the map lie on a pixel with a height."""
        return pyramid.has_heights(self.grid, self.height_m, x_m, y_m)

    def visible(self) -> bool:
        """Return whether there is a crater with a height at its centre that a network can learn."""
        large = self.known.radius_m >= LEAST_SEEN_PX * self.grid.pixel_m
        return bool((large & self.has_heights(self.known.x_m, self.known.y_m)).any())

    def levels(self) -> list[pyramid.Level]:
        """Return the heights at all scales, the finest first."""
        return pyramid.of(self.grid, self.height_m, np.zeros)

    def _longitudes(self) -> Float:
        x, y = np.meshgrid(self.grid.column_x_m(), self.grid.row_y_m())
        return moon.xy_to_lonlat(x, y)[0]

    def _kept(self, keep: Bool) -> Region:
        height = np.where(keep, self.height_m, np.float32(np.nan))
        return Region(self.grid, height, self.known, self.least_m, self.north)


def read(
    dem: str | Path, catalogue: str | Path, context: Context, *, least_m: float | None = None
) -> Region:
    """Read an elevation model on either polar map, and the craters that a catalogue lists there.

    Parameters
    ----------
    dem : path
        Elevation model in the polar stereographic projection of either pole.
    catalogue : path
        Crater catalogue of the same pole, as for `read_catalogue`.
    context : Context
        Warnings.
    least_m : float, optional
        Diameter on the ground from which the catalogue is complete, metres; that of its smallest
        crater by default.

    Raises
    ------
    CrsError, InputError
        If a file cannot be read, they are of different poles, the catalogue lists nothing on the
        elevation model, or pixels are too coarse for every crater of it.
    """
    ground = read_polar(dem, context=context)
    known = read_circles(catalogue, context=context, mirrored=ground.north)
    listed = known.kept(known.inside(ground.grid.bounds))
    name = Path(catalogue).name
    if not len(listed):
        west, south, east, north = ground.grid.bounds
        raise InputError(
            f"No crater of the catalogue {name} lies on the DEM, at x {west:,.0f} to {east:,.0f} m "
            f"and y {south:,.0f} to {north:,.0f} m: it lists {len(known)} elsewhere",
            "Check that both are of the same place",
        )
    largest_px = float(listed.radius_m.max()) / ground.grid.pixel_m
    if largest_px < LEAST_SEEN_PX:
        raise InputError(
            f"The DEM has pixels of {ground.grid.pixel_m:,.0f} m, coarser than its craters: the "
            f"largest of {name} there, {listed.diameter_m.max():,.0f} m, is {2 * largest_px:.1f} "
            f"pixels wide, and a network sees craters of {2 * LEAST_SEEN_PX:.0f} pixels and more",
            "Give a DEM with finer pixels, or a catalogue of larger craters",
        )
    height = _without_unlisted(ground.grid, ground.height_m, listed)
    complete_m = float(known.diameter_m.min()) if least_m is None else least_m
    return Region(ground.grid, height, known, complete_m, ground.north)


def _without_unlisted(grid: Grid, height_m: Float32, listed: Circles) -> Float32:
    """Return heights without those outside the convex hull of the catalogued centres."""
    place = np.column_stack([listed.x_m, listed.y_m])
    try:
        hull = spatial.Delaunay(place[spatial.ConvexHull(place).vertices])
    except spatial.QhullError as error:
        raise CrsError(
            f"The catalogue lists {len(listed)} craters on the DEM, which span no area",
            "Give a catalogue of the whole DEM",
        ) from error
    out = height_m.copy()
    x = grid.column_x_m()
    for row, y in enumerate(grid.row_y_m()):
        line = np.column_stack([x, np.full(x.size, y)])
        out[row, hull.find_simplex(line) < 0] = np.nan
    return out
