"""Reading of polygons and points, and writing of GeoPackages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyogrio.errors
import pyproj
import shapely

from lunarsite.engine import moon
from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import CrsError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

_DENSE_DEG = 0.05
_OF_EMPTY = {"circles": "Polygon"}
"""Geometry type of empty layers, by name; points for all others."""
_NAMES = ("name", "region", "label", "title", "id")


def read_polygons(path: str | Path, what: str, context: Context) -> gpd.GeoDataFrame:
    """Read polygons on the south polar map.

    GeoJSON does not support lunar coordinate systems: its degrees are interpreted as lunar, with a
    warning.

    Parameters
    ----------
    path : path
        The vector file.
    what : str
        Name of the file in messages.
    context : Context
        Warnings.

    Returns
    -------
    GeoDataFrame
        With a column ``name`` and polygons in map metres.

    Raises
    ------
    InputError
        If the file cannot be read or contains no polygons.
    CrsError
        If it is on another body or has no coordinate system.
    """
    frame = _read(path, what, "polygons")
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(f"{what} {Path(path).name} holds no polygons", "Give a polygon layer")
    crs = _lunar_crs(frame, path, what, context)
    frame = frame[frame.geometry.notna()]
    frame = frame[frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if frame.empty:
        raise InputError(f"{what} {Path(path).name} holds no polygons", "Give a polygon layer")
    if crs.is_geographic:
        dense = shapely.segmentize(frame.geometry.to_numpy(), _DENSE_DEG)
        shapes = shapely.transform(dense, _project)
    elif moon.is_south_polar(crs):
        shapes = frame.geometry.to_numpy()
    else:
        shapes = frame.to_crs(moon.SOUTH_POLAR).geometry.to_numpy()
    return gpd.GeoDataFrame(
        {"name": _names(frame)}, geometry=shapely.make_valid(shapes), crs=moon.SOUTH_POLAR
    )


def read_points(path: str | Path, what: str, context: Context) -> gpd.GeoDataFrame:
    """Read points on the south polar map.

    A table without geometry, such as CSV, needs the columns ``lon_deg`` and ``lat_deg``, or ``x_m``
    and ``y_m``.

    Parameters
    ----------
    path : path
        The vector file or table.
    what : str
        Name of the file in messages.
    context : Context
        Warnings.

    Returns
    -------
    GeoDataFrame
        With a column ``name`` and points in map metres, in the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, contains no points, or one of them has no coordinates.
    CrsError
        If it is on another body or has no coordinate system.
    """
    frame = _read(path, what, "points")
    if isinstance(frame, gpd.GeoDataFrame):
        crs = _lunar_crs(frame, path, what, context)
        geometry = frame.geometry
        if len(frame) and not (geometry.notna() & (geometry.geom_type == "Point")).all():
            raise InputError(
                f"{what} {Path(path).name} holds features that are not single points",
                "Give a point layer; split multipoints into single parts",
            )
        xy = np.column_stack([geometry.x, geometry.y]).reshape(-1, 2)
        if crs.is_geographic:
            xy = _project(xy)
        elif not moon.is_south_polar(crs):
            moved = geometry.to_crs(moon.SOUTH_POLAR)
            xy = np.column_stack([moved.x, moved.y])
    else:
        xy = _table_xy(frame, path, what)
    if len(frame) == 0:
        raise InputError(f"{what} {Path(path).name} holds no points", "Give a point layer")
    if not np.isfinite(xy).all():
        raise InputError(
            f"{what} {Path(path).name} holds points without coordinates",
            "Remove them, or add their coordinates",
        )
    points = gpd.GeoSeries.from_xy(xy[:, 0], xy[:, 1], crs=moon.SOUTH_POLAR)
    return gpd.GeoDataFrame({"name": _names(frame, "point")}, geometry=points)


def write_geopackage(
    path: Path, layers: Mapping[str, gpd.GeoDataFrame], tags: Mapping[str, str] | None = None
) -> None:
    """Write layers of the south polar map to one GeoPackage, atomically.

    The file contains no date, so that the same layers give the same bytes.

    Parameters
    ----------
    path : Path
        Output file.
    layers : mapping of str to GeoDataFrame
        Layers by name.
    tags : mapping, optional
        Metadata of every layer, such as the provenance.
    """
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        with whole_file(path) as partial:
            for name, frame in layers.items():
                pyogrio.write_dataframe(
                    frame.set_crs(moon.file_crs(), allow_override=True),
                    partial,
                    layer=name,
                    driver="GPKG",
                    # Without a feature, QGIS would load the layer as a table without geometry.
                    geometry_type=None if len(frame) else _OF_EMPTY.get(name, "Point"),
                    layer_metadata=dict(tags or {}),
                )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _read(path: str | Path, what: str, features: str) -> Any:
    try:
        return gpd.read_file(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        raise InputError(
            f"{what} {path} cannot be read: {str(error).splitlines()[0][:200]}",
            f"Give a vector file with {features}, such as GeoPackage or GeoJSON",
        ) from error


def _lunar_crs(
    frame: gpd.GeoDataFrame, path: str | Path, what: str, context: Context
) -> pyproj.CRS:
    if frame.crs is None:
        raise CrsError(
            f"{what} {Path(path).name} has no coordinate system",
            f"Set it: ogr2ogr -a_srs {moon.GEOGRAPHIC} or {moon.SOUTH_POLAR}",
        )
    crs = pyproj.CRS.from_user_input(frame.crs)
    if Path(path).suffix.lower() in (".geojson", ".json") and crs.is_geographic:
        context.warn(f"{what} {Path(path).name}: its degrees are interpreted as lunar.")
    else:
        moon.check_body(crs, f"{what} {Path(path).name}")
    return crs


def _table_xy(frame: pd.DataFrame, path: str | Path, what: str) -> NDArray[np.float64]:
    """Return the map coordinates of a table without geometry, shape (points, 2)."""
    for names, on_map in ((("lon_deg", "lat_deg"), False), (("x_m", "y_m"), True)):
        if set(names) <= set(frame):
            columns = [pd.to_numeric(frame[name], errors="coerce") for name in names]
            xy = np.column_stack(columns).astype(np.float64)
            return xy if on_map else _project(xy)
    raise InputError(
        f"{what} {Path(path).name} has no coordinates",
        "Give columns lon_deg and lat_deg, or a vector layer",
    )


def _project(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(moon.lonlat_to_xy(lonlat[:, 0], lonlat[:, 1]))


def _names(frame: pd.DataFrame, what: str = "region") -> list[str]:
    by_lower = {str(column).lower(): column for column in frame.columns}
    for name in _NAMES:
        if name in by_lower:
            return [str(value) for value in frame[by_lower[name]]]
    return [f"{what} {number}" for number in range(1, len(frame) + 1)]
