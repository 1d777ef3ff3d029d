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
        Sources of the features.
    cell_m : float
        Cell size, map metres, rounded to whole pixels. Cells are aligned to the first pixel.
    north_limit_deg : float
        Cells whose centre is farther north are excluded, degrees.
    context : Context
        Progress, warnings.

    Returns
    -------
    GeoDataFrame
        One row per cell with any height: position, all `columns.FEATURES`, the coverage by each
        source, and sensitivities; float32, NaN for nodata. The geometry is the outline.

    Raises
    ------
    InputError
        If no cell remains, or a cell is smaller than a pixel.
    """
    grid = dem_grid(layers.dem)
    coarse, side = posting(grid, cell_m)
    if not np.isclose(side * grid.pixel_m, cell_m, rtol=1e-9):
        context.warn(
            f"Cells are {side * grid.pixel_m:g} m wide, {side} pixels of {grid.pixel_m:g} m, "
            f"instead of {cell_m:g} m."
        )
    table = _positions(coarse).assign(pixel_m=np.float32(grid.pixel_m))
    full = _pixels_per_cell(grid, coarse, side)
    features: dict[str, Float32] = {}
    rasters = [("elevation", layers.dem), *layers.rasters.items()]
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
        for number, (source, path) in enumerate(rasters):
            context.progress(0.8 * number / len(rasters), f"features of {source}")
            features |= raster_columns.of_layer(source, path, grid, coarse, side, full, context)
    context.progress(0.8, "features of craters")
    if layers.craters is not None:
        catalogue = read_catalogue(layers.craters, context=context)
        if len(catalogue) and catalogue["diameter_m"].max() < grid.pixel_m:
            context.warn(
                f"The largest catalogued crater has {catalogue['diameter_m'].max():g} m, less than "
                "a pixel: if the diameters are kilometres, name their column diameter_km."
            )
        frame = detections.frame_of(layers.craters)
        features |= craters.features(catalogue, grid, coarse, side, full, frame=frame)
    context.progress(0.85, "features of rocks")
    if layers.rocks is not None:
        features |= rocks.features(layers.rocks, coarse, context)
    if layers.rock_image is not None:
        features |= rocks.shadow(layers.rock_image, coarse, context)
    footprint.warn_of_small_images(layers, features, grid, coarse, context)
    names = [feature.name for feature in columns.FEATURES]
    names += [columns.coverage_column(source) for source in columns.SOURCES]
    names += list(columns.SENSITIVITIES)
    missing = np.full(coarse.width * coarse.height, np.nan, np.float32)
    for name in names:
        values = features.get(name)
        if values is None:
            values = np.zeros_like(missing) if name.startswith("coverage_") else missing
        table[name] = values.ravel()
    keep = (table["lat_deg"] < north_limit_deg) & (table["coverage_elevation_pct"] > 0)
    if not keep.any():
        raise InputError(
            f"No cell of {cell_m:g} m with data has its centre south of {north_limit_deg:g}°",
            "Give a DEM that reaches farther south, or a larger --north-limit-deg",
        )
    context.progress(0.95, "cells")
    kept = table[keep].reset_index(drop=True)
    half = coarse.pixel_m / 2
    squares = shapely.box(
        kept["x_m"] - half, kept["y_m"] - half, kept["x_m"] + half, kept["y_m"] + half
    )
    return gpd.GeoDataFrame(kept, geometry=squares, crs=moon.SOUTH_POLAR)


def cell_grid(table: pd.DataFrame) -> Grid:
    """Return the grid of the rows and columns of a feature table."""
    x, y = table["x_m"].to_numpy(), table["y_m"].to_numpy()
    row, column = table["row"].to_numpy(), table["column"].to_numpy()
    cell = _spacing(x, y, row, column)
    return Grid(
        float(x[0]) - (int(column[0]) + 0.5) * cell,
        float(y[0]) + (int(row[0]) + 0.5) * cell,
        cell,
        int(column.max()) + 1,
        int(row.max()) + 1,
    )


def _spacing(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
) -> float:
    for values, index in ((x, column), (y, row)):
        other = np.flatnonzero(index != index[0])
        if len(other):
            at = other[0]
            return float(abs((values[at] - values[0]) / (index[at] - index[0])))
    raise InputError(
        "The feature table holds a single cell, whose size is unknown",
        "Make the table from a larger DEM or with smaller cells",
    )


def _positions(coarse: Grid) -> pd.DataFrame:
    column, row = np.meshgrid(np.arange(coarse.width), np.arange(coarse.height))
    x, y = np.meshgrid(coarse.column_x_m(), coarse.row_y_m())
    lon, lat = moon.xy_to_lonlat(x.ravel(), y.ravel())
    return pd.DataFrame(
        {
            "cell_id": (row * coarse.width + column).ravel().astype(np.int64),
            "row": row.ravel().astype(np.int32),
            "column": column.ravel().astype(np.int32),
            "lon_deg": lon,
            "lat_deg": lat,
            "x_m": x.ravel(),
            "y_m": y.ravel(),
        }
    )


def _pixels_per_cell(grid: Grid, coarse: Grid, side: int) -> Float32:
    rows = np.minimum(side, grid.height - np.arange(coarse.height) * side)
    columns_ = np.minimum(side, grid.width - np.arange(coarse.width) * side)
    return np.outer(rows, columns_).astype(np.float32)
