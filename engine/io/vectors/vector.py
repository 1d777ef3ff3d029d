"""Reading of polygons and points, and writing of GeoPackages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from lunarsite.engine import moon
from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import CrsError, InputError, LunarSiteError
from lunarsite.engine.io.vectors import layers, lonlat_polygons, positions
from lunarsite.engine.io.vectors.listed import check_agree, listed, warn_of_moved
from lunarsite.engine.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    import pyproj
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float = NDArray[np.float64]

GEOMETRY_COUNTS = (
    "Assign the right coordinate system to the layer, or remove the columns of its positions if "
    "the geometry is right"
)
"""What to do about geometry that contradicts the columns."""

_OF_EMPTY = {"circles": "Polygon"}
"""Geometry type of empty layers, by name; points for all others."""
_NAMES = ("name", "region", "label", "title", "id")
_LONLAT_PROJECTIONS = ("longlat", "eqc", "cea", "merc")
"""Projections whose straight lines are interpreted as those of degrees."""


def read_polygons(path: str | Path, what: str, context: Context) -> gpd.GeoDataFrame:
    """Read polygons on the south polar map.

    GeoJSON does not support lunar coordinate systems: its degrees are interpreted as lunar, with a
    warning. `lonlat_polygons.on_map` describes how the edges of polygons in degrees run.

    Parameters
    ----------
    path : path
        The vector file, or ``FILE|layername=NAME``.
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
        If the file cannot be read or contains no polygons, or it is unclear which layer is meant.
    CrsError
        If it is on another body or has no coordinate system, or its degrees are out of range or in
        the north.
    """
    layer = layers.read_layer(path, what, ("Polygon",), context)
    frame = layer.frame
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(f"{layer.what} holds no polygons", "Give a polygon layer")
    polygons = frame[frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    polygons = polygons[~shapely.is_empty(polygons.geometry.to_numpy())]
    if polygons.empty:
        raise InputError(f"{layer.what} holds no polygons", "Give a polygon layer")
    crs = layers.lunar_crs(layer, context)
    if moon.is_north_polar(crs):
        raise CrsError(
            f"{layer.what} is on the Moon's north polar map; LunarSite works at the south pole",
            "Give polygons of the south",
        )
    left_out = len(frame) - len(polygons)
    if left_out:
        context.warn(f"{layer.what}: {counted(left_out, 'feature')} without a polygon left out.")
    names = _names(polygons)
    shapes = polygons.geometry
    if _in_degrees(crs):
        if not crs.is_geographic:
            shapes = layers.reprojected(shapes, moon.GEOGRAPHIC, layer)
        lon, lat = shapely.get_coordinates(shapes.to_numpy()).T
        _check_degrees(lon, lat, layer)
        on_map = _from_degrees(shapes, names, layer, context)
    else:
        if not moon.is_south_polar(crs):
            shapes = layers.reprojected(shapes, moon.SOUTH_POLAR, layer)
        _check_metres(shapes.to_numpy(), layer)
        on_map = [lonlat_polygons.polygonal(shape) for shape in shapes.to_numpy()]
    areas = shapely.area(on_map)
    flat = [name for name, area in zip(names, areas, strict=True) if not area > 0.0]
    if flat:
        raise InputError(
            f"{layer.what} holds polygons without an area: {', '.join(flat[:5])}",
            "Correct or remove them",
        )
    return gpd.GeoDataFrame({"name": names}, geometry=on_map, crs=moon.SOUTH_POLAR)


def read_points(path: str | Path, what: str, context: Context) -> gpd.GeoDataFrame:
    """Read points on the south polar map.

    A table without geometry, such as CSV, needs columns of longitude and latitude, or ``x_m`` and
    ``y_m``.

    Parameters
    ----------
    path : path
        The vector file, ``FILE|layername=NAME``, or a table.
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
        If the file cannot be read, contains no points, one of them has no coordinates, or it is
        unclear which layer is meant.
    CrsError
        If it is on another body or has no coordinate system, or its degrees are out of range,
        swapped or in the north, or most of its points lie elsewhere than its columns say.
    """
    layer = layers.read_layer(path, what, ("Point",), context)
    frame = layer.frame
    if len(frame) == 0:
        raise InputError(f"{layer.what} holds no points", "Give a point layer")
    if isinstance(frame, gpd.GeoDataFrame):
        x, y = _point_xy(frame, layer, context)
        _compare_columns(frame, x, y, layer, context)
    else:
        found = listed(frame, layer.what, context)
        if found is None:
            raise InputError(
                f"{layer.what} has no coordinates "
                f"(it has the columns {', '.join(map(str, frame.columns))})",
                "Give columns lon_deg and lat_deg, or x_m and y_m, or a vector layer",
            )
        x, y = found.x_m, found.y_m
    unknown = np.flatnonzero(~(np.isfinite(x) & np.isfinite(y)))
    if unknown.size:
        raise InputError(
            f"{layer.what} holds points without coordinates: {counted(unknown.size, 'point')}, "
            f"the first is number {unknown[0] + 1}",
            "Remove them, or write their coordinates as decimal degrees or metres",
        )
    _check_south(x, y, layer.what, context)
    points = gpd.GeoSeries.from_xy(x, y, crs=moon.SOUTH_POLAR)
    return gpd.GeoDataFrame({"name": _names(frame, "point")}, geometry=points)


def centers(
    layer: layers.Layer, context: Context
) -> tuple[Float, Float, NDArray[np.object_]] | None:
    """Return the centres of points or polygons on the map, and the shapes; None without geometry.

    Raises
    ------
    CrsError
        If the layer is on another body or has no coordinate system, or its degrees are out of
        range, swapped or in the north.
    """
    frame = layer.frame
    if not isinstance(frame, gpd.GeoDataFrame) or shapely.is_missing(frame.geometry).all():
        return None
    crs = layers.lunar_crs(layer, context)
    shapes = frame.geometry
    if crs.is_geographic:
        lon, lat = shapely.get_coordinates(shapes.to_numpy()).T
        _check_degrees(lon, lat, layer)
        on_map = shapely.transform(shapes.to_numpy(), _project)
    elif moon.is_south_polar(crs):
        on_map = shapes.to_numpy()
    else:
        on_map = layers.reprojected(shapes, moon.SOUTH_POLAR, layer).to_numpy()
    if not crs.is_geographic:
        _check_metres(on_map, layer)
    middle = shapely.centroid(on_map)
    return shapely.get_x(middle), shapely.get_y(middle), on_map


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


def _in_degrees(crs: pyproj.CRS) -> bool:
    """Return whether the straight lines of a coordinate system are those of degrees."""
    return crs.is_geographic or moon.proj_terms(crs).get("proj") in _LONLAT_PROJECTIONS


def _from_degrees(
    shapes: gpd.GeoSeries, names: list[str], layer: layers.Layer, context: Context
) -> list[shapely.Geometry]:
    found = [
        lonlat_polygons.on_map(shape, f"{layer.what}: {name}")
        for shape, name in zip(shapes.to_numpy(), names, strict=True)
    ]
    bowed = {name: each.bow_m for name, each in zip(names, found, strict=True) if each.bow_m}
    if bowed:
        context.warn(
            f"{layer.what}: the edges of {', '.join(list(bowed)[:5])} are straight on the polar "
            f"map, up to {max(bowed.values()) / 1000.0:,.1f} km from lines straight in longitude "
            "and latitude. Add corners along the edges if those are meant."
        )
    return [each.shape for each in found]


def _point_xy(
    frame: gpd.GeoDataFrame, layer: layers.Layer, context: Context
) -> tuple[Float, Float]:
    crs = layers.lunar_crs(layer, context)
    geometry = frame.geometry
    single = geometry.geom_type.isin(["Point", "MultiPoint"])
    single &= shapely.get_num_geometries(geometry.to_numpy()) == 1
    if not single.all():
        raise InputError(
            f"{layer.what} holds features that are not single points",
            "Give a point layer; split multipoints into single parts",
        )
    geometry = gpd.GeoSeries(shapely.get_geometry(geometry.to_numpy(), 0), crs=geometry.crs)
    if crs.is_geographic:
        lon, lat = geometry.x.to_numpy(), geometry.y.to_numpy()
        _check_degrees(lon, lat, layer)
        return moon.lonlat_to_xy(lon, lat)
    if not moon.is_south_polar(crs):
        geometry = layers.reprojected(geometry, moon.SOUTH_POLAR, layer)
    _check_metres(geometry.to_numpy(), layer)
    return geometry.x.to_numpy(), geometry.y.to_numpy()


def _compare_columns(
    frame: gpd.GeoDataFrame, x: Float, y: Float, layer: layers.Layer, context: Context
) -> None:
    """Raise or warn if points lie elsewhere than the columns of the same layer say."""
    used = "the geometry is used"
    try:
        found = listed(frame.drop(columns=frame.geometry.name), layer.what, context)
    except LunarSiteError as error:
        context.warn(f"{error.problem}; {used}.")
        return
    if found is not None:
        check_agree(found, x, y, layer.what, "points", GEOMETRY_COUNTS)
        warn_of_moved(found, x, y, layer.what, context, used=used)


def _check_south(x: Float, y: Float, what: str, context: Context) -> None:
    """Raise if all points lie in the north of the Moon, and warn of some."""
    north = np.flatnonzero(np.hypot(x, y) > 2.0 * moon.RADIUS_M)  # the equator
    if north.size == x.size:
        raise CrsError(
            f"{what} lies in the north of the Moon; LunarSite works at the south pole",
            "Give points of the south; southern latitudes are negative",
        )
    if north.size:
        context.warn(
            f"{what}: {counted(north.size, 'point')} in the north of the Moon, the first is "
            f"number {north[0] + 1}. Southern latitudes are negative."
        )


def _check_degrees(lon: Float, lat: Float, layer: layers.Layer) -> None:
    """Raise if the coordinates of a layer in degrees are not those of places in the south."""
    positions.check_degrees(
        lon,
        lat,
        layer.what,
        remedy=layers.metres_remedy(layer),
        exchange=layers.exchange_remedy(layer),
        convert=layers.convert_remedy(layer),
    )


def _check_metres(shapes: NDArray[np.object_], layer: layers.Layer) -> None:
    """Raise if the coordinates of a layer in metres look like degrees."""
    x, y = shapely.get_coordinates(shapes).T
    positions.check_metres(x, y, layer.what, remedy=layers.degrees_remedy(layer))


def _project(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(moon.lonlat_to_xy(lonlat[:, 0], lonlat[:, 1]))


def _names(frame: pd.DataFrame, what: str = "region") -> list[str]:
    by_lower = {str(column).lower(): column for column in frame.columns}
    numbered = [f"{what} {number}" for number in range(1, len(frame) + 1)]
    for name in _NAMES:
        if name in by_lower:
            values = frame[by_lower[name]]
            return [
                number if unnamed else str(value)
                for value, unnamed, number in zip(values, values.isna(), numbered, strict=True)
            ]
    return numbered
