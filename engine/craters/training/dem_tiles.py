"""Training tiles cut from an elevation model, with the craters of a catalogue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.craters.training.batches import UNLABELLED
from lunarsite.engine.craters.training.sectors import span_of
from lunarsite.engine.craters.training.tile_sets import centers_valid, sample_of, split
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.dem import dem_grid
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.heights import check_heights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.circles import Circles
    from lunarsite.engine.craters.training.batches import Sample
    from lunarsite.engine.craters.training.sectors import Sector
    from lunarsite.engine.craters.training.tile_sets import Split

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

LEAST_M = 3_000.0
"""Default of the diameter from which a catalogue is complete."""

LEAST_KNOWN = 0.5
"""Tiles with a smaller share of valid pixels are left out."""

_ALIKE = 1.05
"""A DEM whose pixels are coarser than the tiles' by at most this factor is not resampled."""

_HALF = 0.5
"""Remedy that errors propose: half the pixel size, or tiles that overlap by half."""


def cut(
    dem: str | Path,
    catalogue: str | Path,
    sector: Sector,
    context: Context,
    *,
    pixel_m: float,
    side_px: int,
    overlap: float,
    least_m: float,
) -> Split:
    """Cut an elevation model into tiles, with the craters that a catalogue lists.

    Tiles without a listed crater are left out, since the catalogue may not cover them.

    Parameters
    ----------
    dem : path
        Elevation model in the south polar stereographic projection.
    catalogue : path
        Crater catalogue, as for `read_catalogue`.
    sector : Sector
        Longitudes of the validation set.
    context : Context
        Progress and cancellation.
    pixel_m : float
        Pixel of the tiles on the map, metres; finer DEMs are averaged to it.
    side_px : int
        Side of the tiles, pixels.
    overlap : float
        Overlap of neighbouring tiles as a share of their side, from 0 to below 1.
    least_m : float
        Diameter on the ground from which the catalogue is complete, metres.

    Returns
    -------
    Split
        Training and validation tiles.

    Raises
    ------
    CrsError, InputError
        If a file cannot be read, the DEM is coarser than the tiles or smaller than one, or the
        training or the validation set would be empty.
    """
    path, name = Path(dem), Path(catalogue).name
    grid = _tile_grid(dem_grid(path), pixel_m, side_px)
    known = read_circles(catalogue, context=context)
    # Craters a little below the cut may lie in the first octave of the loss.
    known = known.kept(known.diameter_m >= UNLABELLED * least_m)
    step = max(1, round(side_px * (1.0 - overlap)))
    pieces, spans, craters = [], [], []
    windows = list(_windows(grid, side_px, step))
    for number, window in enumerate(windows):
        context.progress(number / len(windows), "Cutting tiles")
        west, south, east, north = part = grid.part(window).bounds
        if not known.inside(part).any():
            continue
        scale = float(moon.map_scale(0.5 * (west + east), 0.5 * (south + north)))
        least_px = 0.5 * least_m * scale / grid.pixel_m
        reaching, circles = _pixels(known, grid.part(window))
        piece = _DemTile(path, grid, window, circles, least_px)
        height_m = piece.height_m()
        if np.isfinite(height_m).mean() < LEAST_KNOWN:
            continue
        check_heights(height_m, grid.part(window), "The DEM")
        if not centers_valid(piece.circles, height_m).any():
            continue
        pieces.append(piece)
        spans.append(span_of(*part))
        craters.append(reaching)
    if not pieces:
        raise InputError(
            f"No tile of {path.name} has a crater of {least_m:,.0f} m or more that {name} lists",
            "Check that both are of the same place, or lower --min-diameter-m",
        )
    try:
        return split(pieces, spans, sector, craters)
    except InputError as error:
        more = _more_tiles(dem_grid(path), grid, overlap)
        raise InputError(error.problem, error.remedy + more) from error


@dataclass(frozen=True, slots=True, eq=False)
class _DemTile:
    """A tile of an elevation model, resampled to the grid of the tiles."""

    dem: Path
    grid: Grid
    window: Window
    circles: Float
    least_px: float

    def height_m(self) -> Float32:
        """Return the heights of the tile."""
        with open_elevation(self.dem, "The DEM") as model:
            source = model.source
            source_grid = raster.grid_of(source, "The DEM")
            if source_grid == self.grid:
                return model.read(self.window)
            with WarpedVRT(
                source,
                crs=source.crs,
                transform=self.grid.transform,
                width=self.grid.width,
                height=self.grid.height,
                resampling=Resampling.average,
                src_nodata=source.nodata,
                nodata=np.nan if source.nodata is None else source.nodata,
                dtype="float32",
            ) as resampled:
                return raster.read_band(
                    resampled, model.band, window=self.window, scaling=model.scaling
                )

    def sample(self) -> Sample:
        return sample_of(self.height_m(), self.grid.pixel_m, self.circles, self.least_px)


def _tile_grid(dem: Grid, pixel_m: float, side_px: int) -> Grid:
    """Return the grid of the tiles of a DEM."""
    if dem.pixel_m > _ALIKE * pixel_m:
        raise InputError(
            f"The DEM has pixels of {dem.pixel_m:,.0f} m, coarser than the tiles' {pixel_m:,.0f} m",
            "Give a finer DEM, or a larger --pixel-m",
        )
    grid = dem
    if dem.pixel_m < pixel_m:
        width, height = (int(n * dem.pixel_m / pixel_m) for n in (dem.width, dem.height))
        grid = Grid(dem.x_min_m, dem.y_max_m, pixel_m, width, height)
    if min(grid.shape) < side_px:
        raise InputError(
            f"The DEM of {dem.width} × {dem.height} pixels of {dem.pixel_m:,.0f} m holds no tile "
            f"of {side_px} pixels of {grid.pixel_m:,.0f} m",
            f"Give a larger DEM{_finer(dem, side_px)}, or a recipe with a smaller tile_px",
        )
    return grid


def _finer(dem: Grid, side_px: int) -> str:
    """Return a remedy: the pixel at which two tiles fit along the DEM's shorter side, if any."""
    pixel_m = math.floor(10.0 * min(dem.shape) * dem.pixel_m / (2.0 * side_px)) / 10.0
    return f", --pixel-m {pixel_m:g} for two tiles a side" if pixel_m >= dem.pixel_m else ""


def _more_tiles(dem: Grid, grid: Grid, overlap: float) -> str:
    """Return a remedy: options that yield more tiles."""
    ways = ["--overlap 0.5"] if overlap < _HALF else []
    if dem.pixel_m <= _HALF * grid.pixel_m:
        ways.append(f"--pixel-m {_HALF * grid.pixel_m:g}")
    return f"; {' or '.join(ways)} makes four times as many tiles" if ways else ""


def _windows(grid: Grid, side: int, step: int) -> Iterator[Window]:
    for row in range(0, grid.height - side + 1, step):
        for column in range(0, grid.width - side + 1, step):
            yield Window(column, row, side, side)


def _pixels(known: Circles, grid: Grid) -> tuple[Int, Float]:
    """Return the indices of circles that reach into a square grid, and their column, row, radius.

    Those whose radius exceeds the side of the grid are left out: of the rim of a basin, a tile
    shows only a nearly straight line.
    """
    column = (known.x_m - grid.x_min_m) / grid.pixel_m - 0.5
    row = (grid.y_max_m - known.y_m) / grid.pixel_m - 0.5
    radius = known.radius_m / grid.pixel_m
    inside = np.minimum(np.minimum(column, grid.width - column), np.minimum(row, grid.height - row))
    reaching = np.flatnonzero((inside > -radius) & (radius <= grid.width))
    return reaching, np.column_stack([column, row, radius])[reaching]
