"""The feature table: the features of every cell of a grid."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from rasterio.enums import Resampling
from rasterio.windows import Window
from scipy.spatial import cKDTree

from lunarsite.engine import moon
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.catalogue import read_catalogue
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.dem import dem_grid, posting, warn_of_assumptions
from lunarsite.engine.io.elevation.numbers import metres_per_unit
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.heights import check_heights
from lunarsite.engine.scoring.features import cells, columns, craters, footprint, rocks
from lunarsite.engine.scoring.features.columns import USER_LAYERS
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.features.layers import Layers

    Float32 = NDArray[np.float32]

WALK_M = 2_000.0
"""Walking distance of an astronaut to permanent shadow, metres."""

_CLEARANCE_M = 500.0
_CACHE_BYTES = 192 * 2**20
"""GDAL's cache of blocks: strips read each block once. Its own default grows with the machine."""

_MAX_ERROR_M = 1_000.0
"""Greatest error of a height, metres."""

_OWN_DESCRIPTIONS = {
    "illumination": "Average illumination",
    "earth_visibility": "Earth visibility",
    "psr": "Permanent shadow",
}
"""Descriptions of our own layers that may be given in place of computed ones."""

_LIMITS_DEG = (5, 8)
_STRIP_PX, _LEAST_STRIP_ROWS = 16_000_000, 4
"""Pixels of a strip, about, and its rows of cells at least."""


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
            features |= _raster_features(source, path, grid, coarse, side, full, context)
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


def _raster_features(  # noqa: C901, PLR0911  one return for each kind of layer
    source: str,
    path: str,
    grid: Grid,
    coarse: Grid,
    side: int,
    full: Float32,
    context: Context,
) -> dict[str, Float32]:
    """Return the columns that are computed from one layer, of the shape of the cells."""
    what = f"The layer {Path(path).name} ({source})"
    if source in ("darkest_month", "longest_night"):
        values = _on_cells(path, coarse, what, context)
        name = "darkest_month_pct" if source == "darkest_month" else "longest_night_days"
        return {
            name: values,
            columns.coverage_column(source): np.where(np.isfinite(values), 100.0, 0.0).astype(
                np.float32
            ),
        }
    with _opened(source, path, grid, what, context) as read:
        made = _by_strips(source, path, read, grid, coarse, side, what, context)
    count, mean, std, low, high = made.statistics
    if source == "elevation":
        ends = np.array([[np.nanmin(low, initial=np.inf), np.nanmax(high, initial=-np.inf)]])
        check_heights(np.where(np.isfinite(ends), ends, np.nan).astype(np.float32), grid, "The DEM")
    if source in ("illumination", "earth_visibility"):
        factor = _percent_per_unit(low, high, path, what, context)
        mean, low = mean * factor, low * factor
    if source in columns.SENSITIVITIES:
        return {source: mean}
    found = {columns.coverage_column(source): (100.0 * count / full).astype(np.float32)}
    if source == "psr":
        return found | {"psr_fraction": mean} | made.more
    if source == "illumination":
        return found | {"avg_illumination_pct": mean, "illumination_min_pct": low}
    if source == "earth_visibility":
        return found | {"earth_visibility_pct": mean}
    if source in ("relief", "position_index"):
        return found | {f"{source}_mean_m": mean}
    if source == "elevation_error":
        mean, std, low, high = _as_errors((mean, std, low, high), path, what)
    unit = "deg" if source == "slope" else "m"
    for name, values in (("mean", mean), ("std", std), ("min", low), ("max", high)):
        found[f"{source}_{name}_{unit}"] = values
    return found | made.more


class _Made(NamedTuple):
    """What is computed from the pixels of a layer.

    Parameters
    ----------
    statistics : ndarray of float32, shape (5, cell rows, cell columns)
        Count, mean, standard deviation, minimum and maximum of every cell.
    more : dict
        Further columns.
    """

    statistics: Float32
    more: dict[str, Float32]


def _by_strips(
    source: str,
    path: str,
    read: Callable[[Window], Float32],
    grid: Grid,
    coarse: Grid,
    side: int,
    what: str,
    context: Context,
) -> _Made:
    """Compute the columns of a layer strip by strip, so that it is never in memory whole."""
    statistics = np.full((5, *coarse.shape), np.nan, np.float32)
    scale = moon.map_scale(*np.meshgrid(coarse.column_x_m(), coarse.row_y_m()))
    reach = max(1, int(np.ceil(_CLEARANCE_M * scale.max() / grid.pixel_m)))
    reach = reach if source == "slope" else 0
    clearest = {limit: np.full(coarse.shape, np.nan, np.float32) for limit in _LIMITS_DEG}
    mask = np.zeros(grid.shape if source == "psr" else (0, 0), np.uint8)
    step = max(_LEAST_STRIP_ROWS, _STRIP_PX // (grid.width * side))
    for first in range(0, coarse.height, step):
        context.check()
        last = min(first + step, coarse.height)
        start, stop = first * side, min(last * side, grid.height)
        top, bottom = max(0, start - reach), min(grid.height, stop + reach)
        pixels = read(Window(0, top, grid.width, bottom - top))
        inner = np.ascontiguousarray(pixels[start - top : stop - top])
        statistics[:, first:last] = cells.cell_statistics(inner, side)
        if source == "slope":
            for limit, best in clearest.items():
                distance = cells.clearance(pixels, float(limit), reach)
                own = np.ascontiguousarray(distance[start - top : stop - top])
                best[first:last] = cells.cell_statistics(own, side)[4]
        elif source == "psr":
            _check_mask(inner, what, path)
            mask[start:stop] = inner == 1.0
    more = {}
    if source == "slope":
        for limit, best in clearest.items():
            ground = np.minimum(best * grid.pixel_m / scale, _CLEARANCE_M)
            more[f"clearance_{limit}deg_m"] = ground.astype(np.float32)
    elif source == "psr":
        more = _shadow_columns(mask, grid, coarse, context)
    return _Made(statistics, more)


@contextmanager
def _opened(
    source: str, path: str, grid: Grid, what: str, context: Context
) -> Iterator[Callable[[Window], Float32]]:
    """Open a layer on the pixels of the DEM, and yield a function that reads windows of it."""
    if source == "elevation":
        with open_elevation(path, "The DEM") as model:
            warn_of_assumptions(model, grid, "The DEM", context)
            yield model.read
            model.warn_of_fills(context, "The DEM")
        return
    method = Resampling.nearest if source == "psr" else Resampling.bilinear
    with raster.open_layer(path, grid, what=what, resampling=method) as layer:
        _check_layer(source, path, what)
        if layer.warped:
            context.warn(f"{what} has another grid and was warped to that of the DEM.")
        yield layer.read


def _on_cells(path: str, coarse: Grid, what: str, context: Context) -> Float32:
    values, warped = raster.read_layer(path, coarse, what=what, resampling=Resampling.nearest)
    if warped:
        context.warn(f"{what} is not on the grid of the cells: nearest neighbours were used.")
    return values


def _percent_per_unit(
    lowest: Float32, highest: Float32, path: str, what: str, context: Context
) -> np.float32:
    """Return the factor that converts shares of time to percent: 100 for fractions, else 1.

    If the unit of the band is percent, it is trusted: the maximum of a dark area may be below 1 %.
    """
    with raster.opened(path, what) as source:
        unit = (source.units[0] or "").strip()
    high = float(np.nanmax(highest, initial=0.0))
    low = float(np.nanmin(lowest, initial=0.0))
    if low < -0.01 or high > 100.5:
        raise InputError(
            f"{what} ranges from {low:g} to {high:g}; a share of time lies within 0 to 100 %",
            "Check the layer's scale and offset",
        )
    if unit != "%" and 0.0 < high <= 1.0001:
        context.warn(f"{what} holds fractions; they were multiplied by 100.")
        return np.float32(100.0)
    return np.float32(1.0)


def _check_layer(source: str, path: str, what: str) -> None:
    """Refuse a result of LunarSite that is another layer, and a mask without its zeros.

    Raises
    ------
    InputError
        With the remedy.
    """
    with raster.opened(path, what) as opened:
        described = opened.descriptions[0] or ""
        own = "LUNARSITE" in opened.tags()
        if own and source in USER_LAYERS and described != _OWN_DESCRIPTIONS.get(source):
            raise InputError(
                f"{what} is a result of LunarSite that holds {described!r}",
                "Give the layer that is meant, or leave it out",
            )
        if source == "psr" and opened.nodata == 0.0:
            raise InputError(
                f"{what} declares 0, no permanent shadow, as nodata: where there is none would be "
                "unknown",
                f"Undeclare it: gdal_edit.py -unsetnodata {quoted(path)}",
            )


def _as_errors(
    statistics: tuple[Float32, Float32, Float32, Float32], path: str, what: str
) -> tuple[Float32, Float32, Float32, Float32]:
    """Return statistics of height errors in metres, checked to be errors."""
    with raster.opened(path, what) as opened:
        unit = opened.units[0] or ""
    metres = metres_per_unit(unit)
    if metres is None:
        raise InputError(
            f"{what} is in {unit!r}; errors of heights in metres are needed",
            "Give the layer that is meant, or correct its unit",
        )
    mean, std, low, high = (values * np.float32(metres) for values in statistics)
    lowest, highest = float(np.nanmin(low, initial=0.0)), float(np.nanmax(high, initial=0.0))
    if lowest < 0.0 or highest > _MAX_ERROR_M:
        raise InputError(
            f"{what} ranges from {lowest:g} to {highest:g} m; errors of heights lie within 0 and "
            f"{_MAX_ERROR_M:g} m",
            "Give the layer of errors, not the heights, and check its unit",
        )
    return mean, std, low, high


def _check_mask(pixels: Float32, what: str, path: str) -> None:
    invalid = np.isfinite(pixels) & (pixels != 0.0) & (pixels != 1.0)
    if invalid.any():
        raise InputError(
            f"{what} holds the value {pixels[invalid][0]:g}; 1 is permanent shadow, 0 is none",
            f"Reclassify it: gdal_calc.py -A {quoted(path)} --calc {quoted('A==1')} --outfile "
            f"{quoted(Path(path).stem + '_psr.tif')}",
        )


def _shadow_columns(
    mask: NDArray[np.uint8], grid: Grid, coarse: Grid, context: Context
) -> dict[str, Float32]:
    """Return the distance to permanent shadow and its area within walking distance, by cell."""
    x, y = np.meshgrid(coarse.column_x_m(), coarse.row_y_m())
    scale = moon.map_scale(x, y).ravel()
    x_px = (x.ravel() - grid.x_min_m) / grid.pixel_m - 0.5
    y_px = (grid.y_max_m - y.ravel()) / grid.pixel_m - 0.5
    count = cells.area_within(mask, x_px, y_px, WALK_M * scale / grid.pixel_m)
    area = count * (grid.pixel_m / scale) ** 2 / 1e6
    edges = cells.edge_pixels(mask)
    if len(edges) == 0:
        distance = np.full(x_px.shape, np.nan)
    else:
        tree = cKDTree(edges[:, ::-1].astype(np.float64), balanced_tree=False, compact_nodes=False)
        places = np.column_stack([x_px, y_px])
        distance = tree.query(places, workers=context.threads)[0] * grid.pixel_m / scale
        row = np.clip(np.round(y_px).astype(int), 0, grid.height - 1)
        column = np.clip(np.round(x_px).astype(int), 0, grid.width - 1)
        distance[mask[row, column] == 1] = 0.0
    return {
        "psr_distance_m": distance.reshape(coarse.shape).astype(np.float32),
        "psr_area_2km_km2": area.reshape(coarse.shape).astype(np.float32),
    }
