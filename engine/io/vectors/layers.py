"""Layers of vector files and tables, as the user names them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyogrio
import pyogrio.errors
import pyproj
import pyproj.exceptions
import shapely
import shapely.errors

from lunarsite.engine import moon
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.file_names import file_of
from lunarsite.engine.io import gdal_open
from lunarsite.engine.io.vectors import csv_table
from lunarsite.engine.text import counted, quoted

if TYPE_CHECKING:
    import pandas as pd

    from lunarsite.engine.context import Context

_EARTH_ONLY = (".geojson", ".json", ".geojsonl", ".geojsons", ".kml", ".kmz", ".gpx")
"""Formats that cannot name a lunar coordinate system, so that their degrees may be lunar."""

_UNREADABLE = (
    pyogrio.errors.DataSourceError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.FeatureError,
    pyogrio.errors.GeometryError,
    pyogrio.errors.FieldError,
    pyogrio.errors.CRSError,
    pyproj.exceptions.ProjError,
    shapely.errors.ShapelyError,
    OSError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that was read.

    Parameters
    ----------
    frame : DataFrame or GeoDataFrame
        Its features; a plain DataFrame if it has no geometry.
    what : str
        Its name in messages, with that of the file.
    file : Path
        The file.
    metadata : dict
        Metadata of the layer.
    """

    frame: pd.DataFrame
    what: str
    file: Path
    metadata: dict[str, Any]


def read_layer(
    path: str | Path,
    what: str,
    kinds: tuple[str, ...],
    context: Context,
    *,
    preferred: str = "",
    features: bool = True,
) -> Layer:
    """Read a layer of a vector file, or a table.

    Parameters
    ----------
    path : path
        A file, or ``FILE|layername=NAME`` for one of its layers.
    what : str
        Name of the data in messages.
    kinds : tuple of str
        The geometry types that are needed, ``Point`` or ``Polygon``: of several layers the only
        one of such a type is read, with a warning that names it.
    context : Context
        Warnings.
    preferred : str, optional
        A layer that is read if there is one of that name and no other is asked for.
    features : bool, optional
        Whether to read the features; else those of a layer are left out of the frame.

    Returns
    -------
    Layer
        The features. Warnings of GDAL are not passed on.

    Raises
    ------
    InputError
        If the file cannot be read, has no such layer, or it is unclear which of several is meant.
    """
    file = Path(file_of(path))
    asked = _layer_name(str(path).removeprefix(file_of(path)), file, what)
    label = f"{what} {file.name}"
    try:
        found, folder = file.is_file(), file.is_dir()
    except OSError as error:
        raise InputError(
            f"{what} cannot be read: {error.strerror}: {file.name[:40]}…", "Check the path"
        ) from error
    if not found:
        problem = f"{file} is a folder" if folder else f"there is no file {file}"
        raise InputError(
            f"{what} cannot be read: {problem}",
            f"Give a vector file with {_plural(kinds)}, such as GeoPackage, Shapefile or GeoJSON",
        )
    if csv_table.is_text(file):
        return Layer(csv_table.read_csv(file, what), label, file, {})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gdal_open.try_apart(file)
            types = {str(name): str(kind) for name, kind in pyogrio.list_layers(file)}
            name = _choose(types, asked, kinds, file, what, context, preferred)
            frame = _read(file, name) if features else gpd.GeoDataFrame()
            _check_finite(frame, label)
            metadata = pyogrio.read_info(file, layer=name).get("layer_metadata") or {}
    except InputError:
        raise
    except _UNREADABLE as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if "not recognized as being in a supported file format" in problem:
            problem = "it is not in a vector format that GDAL knows, or damaged"
        elif "malformed" in problem:
            problem = "it is damaged or truncated"
        elif "SHAPE_RESTORE_SHX" in problem:
            raise InputError(
                f"{what} {file} cannot be read: its index {file.stem}.shx is missing",
                f"A Shapefile is several files: put {file.stem}.shx, .dbf and .prj beside it",
            ) from error
        raise InputError(
            f"{what} {file} cannot be read: {problem}",
            f"Give a vector file with {_plural(kinds)}, such as GeoPackage, Shapefile or GeoJSON",
        ) from error
    return Layer(frame, label, file, metadata)


def _check_finite(frame: pd.DataFrame, label: str) -> None:
    """Raise if coordinates are NaN or infinite, with which geometry cannot be computed."""
    if not isinstance(frame, gpd.GeoDataFrame) or "geometry" not in frame:
        return
    coordinates, feature = shapely.get_coordinates(frame.geometry.to_numpy(), return_index=True)
    wrong = np.unique(feature[~np.isfinite(coordinates).all(axis=1)])
    if len(wrong):
        raise InputError(
            f"{label}: coordinates of {counted(len(wrong), 'feature')} are no finite numbers, the "
            f"first is number {wrong[0] + 1}",
            "Correct or delete these features",
        )


def lunar_crs(layer: Layer, context: Context) -> pyproj.CRS:
    """Return the coordinate system of a layer with geometry.

    Degrees in GeoJSON and KML, which do not support lunar coordinate systems, are interpreted as
    lunar, with a warning.

    Raises
    ------
    CrsError
        If there is none, or it is of another body.
    """
    named = getattr(layer.frame, "crs", None)
    crs = None if named is None else pyproj.CRS.from_user_input(named)
    if crs is None or crs.ellipsoid is None or crs.name.lower().startswith("undefined"):
        raise CrsError(f"{layer.what} has no coordinate system", f"Set it: {_assign(layer)}")
    if layer.file.suffix.lower() in _EARTH_ONLY and crs.is_geographic:
        context.warn(f"{layer.what}: its degrees are interpreted as lunar.")
        return crs
    try:
        moon.check_body(crs, layer.what)
    except CrsError as error:
        raise CrsError(
            error.problem,
            "Give lunar data; if the data are lunar but their label is wrong, correct it: "
            f"{_assign(layer, crs)}",
        ) from error
    return crs


def reprojected(shapes: gpd.GeoSeries, crs: str, layer: Layer) -> gpd.GeoSeries:
    """Return shapes of a layer in another coordinate system.

    Raises
    ------
    CrsError
        If PROJ cannot use that of the layer.
    """
    try:
        return shapes.to_crs(crs)
    except pyproj.exceptions.ProjError as error:
        own = pyproj.CRS.from_user_input(shapes.crs)
        raise CrsError(
            moon.unusable(own, layer.what, error), f"Assign the right one: {_assign(layer, own)}"
        ) from error


def metres_remedy(layer: Layer) -> str:
    """Return what to do about a layer whose degrees are out of range."""
    command = _assign(layer, moon.south_polar_crs())
    return f"If they are metres on the polar map, assign its coordinate system: {command}"


def exchange_remedy(layer: Layer) -> str:
    """Return what to do about a layer of degrees whose latitudes stand first."""
    return "Exchange them: " + _transformed(layer, "+proj=axisswap +order=2,1", "lonlat")


def convert_remedy(layer: Layer) -> str:
    """Return what to do about a layer whose degrees are radians."""
    return "Convert it: " + _transformed(layer, "+proj=unitconvert +xy_in=rad +xy_out=deg", "deg")


def _transformed(layer: Layer, operation: str, suffix: str) -> str:
    """Return the command that applies an operation of PROJ to the degrees of a layer."""
    new = layer.file.with_name(f"{layer.file.stem}_{suffix}.gpkg")
    return (
        f"ogr2ogr -s_srs {moon.GEOGRAPHIC} -t_srs {moon.GEOGRAPHIC} -ct {quoted(operation)} "
        f"{quoted(str(new))} {quoted(str(layer.file))}"
    )


def degrees_remedy(layer: Layer) -> str:
    """Return what to do about a layer whose metres look like degrees."""
    command = _assign(layer)
    return f"If they are degrees, assign their coordinate system: {command}"


def _layer_name(suffix: str, file: Path, what: str) -> str:
    """Return the name of the layer in what follows the path of a file, "" for none.

    Raises
    ------
    InputError
        If it also filters the features.
    """
    if not suffix:
        return ""
    key, _, name = suffix[1:].partition("=")
    if key.lower() != "layername" or "|" in name or not name:
        raise InputError(
            f"{what} {file.name} is followed by {suffix!r}, which is not supported",
            f"Name a layer as {file.name}|layername=NAME; export filtered features to a file",
        )
    return name


def _choose(
    types: dict[str, str],
    asked: str,
    kinds: tuple[str, ...],
    file: Path,
    what: str,
    context: Context,
    preferred: str,
) -> str:
    """Return the name of the layer to read."""
    listed = ", ".join(types) or "none"
    if asked:
        by_lower = {name.lower(): name for name in types}
        if asked.lower() not in by_lower:
            raise InputError(
                f"{what}: {file.name} has no layer {asked!r}; its layers are {listed}",
                "Give one of these names",
            )
        return by_lower[asked.lower()]
    if preferred in types:
        return preferred
    if len(types) == 1:
        return next(iter(types))
    fitting = [
        name for name, kind in types.items() if any(each in kind for each in (*kinds, "Unknown"))
    ]
    if not fitting:
        raise InputError(
            f"{what} {file.name} has no layer with {_plural(kinds)}; its layers are {listed}",
            "Give another file, or name a table without geometry: "
            + quoted(f"{file}|layername=NAME"),
        )
    if len(fitting) > 1:
        raise InputError(
            f"{what} {file.name} has several layers: {listed}",
            "Name the one to use: " + quoted(f"{file}|layername={fitting[0]}"),
        )
    context.warn(
        f"{what} {file.name}: the layer {fitting[0]} is used, the only one of its {len(types)} "
        f"with {_plural(kinds)}."
    )
    return fitting[0]


def _read(file: Path, name: str) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = gpd.read_file(file, layer=name)
    except UnicodeDecodeError:
        frame = gpd.read_file(file, layer=name, encoding="latin-1")
    return frame


def _assign(layer: Layer, crs: pyproj.CRS | None = None) -> str:
    """Return the command that assigns a layer the coordinate system of its coordinates."""
    if crs is None or crs.is_geographic:
        bounds = np.abs(layer.frame.total_bounds)
        in_degrees = bool((bounds <= (360.0, 90.0, 360.0, 90.0)).all())
    else:
        in_degrees = False
    name = moon.GEOGRAPHIC if in_degrees else moon.SOUTH_POLAR
    new = layer.file.with_name(f"{layer.file.stem}_moon.gpkg")
    return f"ogr2ogr -a_srs {name} {quoted(str(new))} {quoted(str(layer.file))}"


def _plural(kinds: tuple[str, ...]) -> str:
    return " or ".join(f"{kind.lower()}s" for kind in kinds)
