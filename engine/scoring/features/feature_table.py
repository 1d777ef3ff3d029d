"""The feature table: the features of every cell of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely

from lunarsite.engine import moon
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.catalogue import read_catalogue
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.elevation.dem import dem_grid, posting
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring.features import columns, craters, footprint, raster_columns, rocks
from lunarsite.engine.scoring.features.places import Places
from lunarsite.engine.scoring.landing import cells as landing_cells
from lunarsite.engine.scoring.landing import discs
from lunarsite.engine.scoring.landing.discs import Disc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.features.layers import Layers

    Float32 = NDArray[np.float32]

_CACHE_BYTES = 192 * 2**20
"""GDAL's cache of blocks: strips read each block once. Its own default grows with the machine."""


def build(
    layers: Layers, *, cell_m: float, north_limit_deg: float, context: Context
) -> gpd.GeoDataFrame:
    """Return the feature table of a grid of cells.

    Parameters
    ----------
    layers : Layers
        Sources of the features; with landing discs, features are those of the best disc of each
        cell.
    cell_m : float
        Cell size, map metres, rounded to whole pixels. Cells are aligned to the first pixel.
    north_limit_deg : float
        Cells whose centre is farther north are excluded, degrees.
    context : Context
        Progress, warnings.

    Returns
    -------
    GeoDataFrame
        One row per cell with any height: position, all `columns.FEATURES`, the coverage of the
        cell by each source, its context, and sensitivities; float32, NaN for nodata. The geometry
        is the outline of the cell.

    Raises
    ------
    InputError
        If no cell remains, a cell is smaller than a pixel or narrower than its landing disc.
    """
    grid = dem_grid(layers.dem)
    coarse, side = posting(grid, cell_m)
    if not np.isclose(side * grid.pixel_m, cell_m, rtol=1e-9):
        context.warn(
            f"Cells are {side * grid.pixel_m:g} m wide, {side} pixels of {grid.pixel_m:g} m, "
            f"instead of {cell_m:g} m."
        )
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
        places = Places(grid, coarse, side, _discs(layers, grid, coarse, side, context))
        features = _features(layers, places, context)
    table = _positions(places).assign(pixel_m=grid.pixel_m, cell_m=coarse.pixel_m)
    names = [feature.name for feature in columns.FEATURES]
    names += [columns.coverage_column(source) for source in columns.SOURCES]
    names += [*columns.SENSITIVITIES, *columns.CONTEXT]
    names += [name for name in columns.LATTICE_DRAWS if name in features]
    missing = np.full(coarse.width * coarse.height, np.nan, np.float32)
    for name in names:
        values = features.get(name)
        if values is None:
            values = np.zeros_like(missing) if name.startswith("coverage_") else missing
        table[name] = values.ravel()
    _, cell_lat = moon.xy_to_lonlat(table["cell_x_m"].to_numpy(), table["cell_y_m"].to_numpy())
    keep = (cell_lat < north_limit_deg) & (table["coverage_elevation_pct"] > 0)
    if not keep.any():
        raise InputError(
            f"No cell of {cell_m:g} m with data has its centre south of {north_limit_deg:g}°",
            "Give a DEM that reaches farther south, or a larger --north-limit-deg",
        )
    context.progress(0.95, "cells")
    kept = table[keep].reset_index(drop=True)
    half = coarse.pixel_m / 2
    x, y = kept["cell_x_m"], kept["cell_y_m"]
    squares = shapely.box(x - half, y - half, x + half, y + half)
    return gpd.GeoDataFrame(kept, geometry=squares, crs=moon.SOUTH_POLAR)


def _discs(
    layers: Layers, grid: Grid, coarse: Grid, side: int, context: Context
) -> landing_cells.Discs | None:
    """Return the best landing disc of each cell, if the layers have landing discs."""
    if layers.landing is None:
        return None
    suitability, probability = layers.landing
    disc = Disc(landing_cells.radius_of(suitability), grid.pixel_m)
    discs.check_cell(disc, coarse.pixel_m)
    return landing_cells.best_discs(
        suitability, probability, grid, coarse, side, context.part(0.0, 0.1)
    )


def _features(layers: Layers, places: Places, context: Context) -> dict[str, Float32]:
    """Return all columns that the layers give, shape of the cells."""
    features = {} if places.discs is None else dict(places.discs.columns)
    rasters = [("elevation", layers.dem), *layers.rasters.items()]
    for number, (source, path) in enumerate(rasters):
        context.progress(0.1 + 0.7 * number / len(rasters), f"features of {source}")
        features |= raster_columns.of_layer(source, path, places, context)
    context.progress(0.8, "features of craters")
    if layers.craters is not None:
        catalogue = read_catalogue(layers.craters, context=context)
        pixel_m = places.grid.pixel_m
        if len(catalogue) and catalogue["diameter_m"].max() < pixel_m:
            context.warn(
                f"The largest catalogued crater has {catalogue['diameter_m'].max():g} m, less than "
                "a pixel: if the diameters are kilometres, name their column diameter_km."
            )
        frame = detections.frame_of(layers.craters)
        features |= craters.features(catalogue, places, frame=frame)
    context.progress(0.85, "features of rocks")
    if layers.rocks is not None:
        features |= rocks.features(layers.rocks, places, context)
    if layers.rock_image is not None:
        features |= rocks.shadow(layers.rock_image, places, context)
    footprint.warn_of_small_images(layers, features, places, context)
    return features


def cell_grid(table: pd.DataFrame) -> Grid:
    """Return the grid of the rows and columns of a feature table."""
    x, y = table["cell_x_m"].to_numpy(), table["cell_y_m"].to_numpy()
    row, column = table["row"].to_numpy(), table["column"].to_numpy()
    cell = float(table["cell_m"].iloc[0])
    return Grid(
        float(x[0]) - (int(column[0]) + 0.5) * cell,
        float(y[0]) + (int(row[0]) + 0.5) * cell,
        cell,
        int(column.max()) + 1,
        int(row.max()) + 1,
    )


def _positions(places: Places) -> pd.DataFrame:
    coarse = places.coarse
    column, row = np.meshgrid(np.arange(coarse.width), np.arange(coarse.height))
    x, y = np.meshgrid(coarse.column_x_m(), coarse.row_y_m())
    own_x, own_y = places.x_m.ravel(), places.y_m.ravel()
    lon, lat = moon.xy_to_lonlat(own_x, own_y)
    return pd.DataFrame(
        {
            "cell_id": (row * coarse.width + column).ravel().astype(np.int64),
            "row": row.ravel().astype(np.int32),
            "column": column.ravel().astype(np.int32),
            "lon_deg": lon,
            "lat_deg": lat,
            "x_m": own_x,
            "y_m": own_y,
            "cell_x_m": x.ravel(),
            "cell_y_m": y.ravel(),
            "landing_radius_m": places.radius_m,
        }
    )
