"""Vector files: polygons and points in, points out."""

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
"""Geometry of layers without features, by name; of all others points."""
_NAMES = ("name", "region", "label", "title", "id")


def read_polygons(path: str | Path, what: str, context: Context) -> gpd.GeoDataFrame:
    """Read polygons onto the south polar map.

    GeoJSON cannot name a lunar coordinate system: its degrees are taken as lunar, and that is said.

    Returns
    -------
    GeoDataFrame
        With a column ``name`` and polygons in map metres.

    Raises
    ------
    InputError
        If the file cannot be read or holds no polygons.
    CrsError
        If it lies on another body or has no coordinate system.
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
    """Read points onto the south polar map.

    A table without geometry, such as CSV, gives its places as ``lon_deg`` and ``lat_deg`` or
    ``x_m`` and ``y_m``.

    Returns
    -------
    GeoDataFrame
        With a column ``name`` and points in map metres, in the file's order.

    Raises
    ------
    InputError
        If the file cannot be read, holds no points, or one of them has no place.
    CrsError
        If it lies on another body or has no coordinate system.
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
        place = np.column_stack([geometry.x, geometry.y]).reshape(-1, 2)
        if crs.is_geographic:
            place = _project(place)
        elif not moon.is_south_polar(crs):
            moved = geometry.to_crs(moon.SOUTH_POLAR)
            place = np.column_stack([moved.x, moved.y])
    else:
        place = _places(frame, path, what)
    if len(frame) == 0:
        raise InputError(f"{what} {Path(path).name} holds no points", "Give a point layer")
    if not np.isfinite(place).all():
        raise InputError(
            f"{what} {Path(path).name} holds points without a place", "Remove them, or place them"
        )
    points = gpd.GeoSeries.from_xy(place[:, 0], place[:, 1], crs=moon.SOUTH_POLAR)
    return gpd.GeoDataFrame({"name": _names(frame, "point")}, geometry=points)


def write_geopackage(
    path: Path, layers: Mapping[str, gpd.GeoDataFrame], tags: Mapping[str, str] | None = None
) -> None:
    """Write layers of the south polar map into one GeoPackage, whole or not at all.

    No date is in it. ``tags`` become the metadata of every layer.
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
                    # Without a feature to tell it by, QGIS would take the layer for a bare table.
                    geometry_type=None if len(frame) else _OF_EMPTY.get(name, "Point"),
                    layer_metadata=dict(tags or {}),
                )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _read(path: str | Path, what: str, wanted: str) -> Any:
    try:
        return gpd.read_file(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        raise InputError(
            f"{what} {path} cannot be read: {str(error).splitlines()[0][:200]}",
            f"Give a vector file with {wanted}, such as GeoPackage or GeoJSON",
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
        context.warn(f"{what} {Path(path).name}: its degrees are taken as lunar.")
    else:
        moon.check_body(crs, f"{what} {Path(path).name}")
    return crs


def _places(frame: pd.DataFrame, path: str | Path, what: str) -> NDArray[np.float64]:
    """Return the map coordinates that a table without geometry gives."""
    for names, on_map in ((("lon_deg", "lat_deg"), False), (("x_m", "y_m"), True)):
        if set(names) <= set(frame):
            columns = [pd.to_numeric(frame[name], errors="coerce") for name in names]
            place = np.column_stack(columns).astype(np.float64)
            return place if on_map else _project(place)
    raise InputError(
        f"{what} {Path(path).name} says no places", "Give columns lon_deg and lat_deg, or a layer"
    )


def _project(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(moon.lonlat_to_xy(lonlat[:, 0], lonlat[:, 1]))


def _names(frame: pd.DataFrame, what: str = "region") -> list[str]:
    by_lower = {str(column).lower(): column for column in frame.columns}
    for name in _NAMES:
        if name in by_lower:
            return [str(value) for value in frame[by_lower[name]]]
    return [f"{what} {number}" for number in range(1, len(frame) + 1)]
