"""Vector files: polygons in, points out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
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
    try:
        frame = gpd.read_file(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        raise InputError(
            f"{what} {path} cannot be read: {str(error).splitlines()[0][:200]}",
            "Give a vector file with polygons, such as GeoPackage or GeoJSON",
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(f"{what} {Path(path).name} holds no polygons", "Give a polygon layer")
    if frame.crs is None:
        raise CrsError(
            f"{what} {Path(path).name} has no coordinate system",
            f"Set it: ogr2ogr -a_srs {moon.GEOGRAPHIC} or {moon.SOUTH_POLAR}",
        )
    frame = frame[frame.geometry.notna()]
    frame = frame[frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if frame.empty:
        raise InputError(f"{what} {Path(path).name} holds no polygons", "Give a polygon layer")
    crs = pyproj.CRS.from_user_input(frame.crs)
    unnamed = Path(path).suffix.lower() in (".geojson", ".json") and crs.is_geographic
    if unnamed:
        context.warn(f"{what} {Path(path).name}: its degrees are taken as lunar.")
    else:
        moon.check_body(crs, f"{what} {Path(path).name}")
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


def write_geopackage(
    path: Path, layers: Mapping[str, gpd.GeoDataFrame], tags: Mapping[str, str] | None = None
) -> None:
    """Write layers into one GeoPackage, whole or not at all, without a date of its own.

    ``tags`` become the metadata of every layer.
    """
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        with whole_file(path) as partial:
            for name, frame in layers.items():
                pyogrio.write_dataframe(
                    frame, partial, layer=name, driver="GPKG", layer_metadata=dict(tags or {})
                )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _project(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(moon.lonlat_to_xy(lonlat[:, 0], lonlat[:, 1]))


def _names(frame: gpd.GeoDataFrame) -> list[str]:
    by_lower = {str(column).lower(): column for column in frame.columns}
    for name in _NAMES:
        if name in by_lower:
            return [str(value) for value in frame[by_lower[name]]]
    return [f"region {number}" for number in range(1, len(frame) + 1)]
