"""Commands of GDAL that mend a raster, complete enough to be pasted.

The south polar map is written out as a PROJ definition: GDAL 3.6 with older tables of PROJ does not
know the code ``IAU_2015:30135``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import pyproj.exceptions

from lunarsite.engine import moon
from lunarsite.engine.errors import CrsError
from lunarsite.engine.file_names import display_name, is_virtual, local_file, part_of
from lunarsite.engine.io.labels import above_sphere, label_beside
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    import rasterio

_NORTHERN_LIMIT_DEG = -45.0
"""What lies north of it is not warped: the map's scale is 1.17 there, and no site is."""

_MOST_LON_DEG, _MOST_LAT_DEG = 360.0, 90.0
"""Edges of a raster within these are taken for degrees."""

_PROBES = 65
"""Points along each side of a raster from which its extent on the map is found."""


def warp(source: rasterio.DatasetReader, pixel_m: float | None = None) -> str:
    """Return the command that warps an open raster to the south polar map.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The raster, with a coordinate system.
    pixel_m : float, optional
        Pixel size; about that of the raster where not given.

    Returns
    -------
    str
        A ``gdalwarp`` command. Pixels without data are NaN in its result.
    """
    unit_m = moon.south_polar_unit_m(pyproj.CRS.from_user_input(source.crs))
    if unit_m is not None and source.transform.b == source.transform.d == 0:
        # Its edges are exact, and so are its pixels if they only run the other way.
        side_m = pixel_m or abs(source.transform.a) * unit_m
        west, east = sorted((source.bounds.left * unit_m, source.bounds.right * unit_m))
        south, north = sorted((source.bounds.bottom * unit_m, source.bounds.top * unit_m))
    else:
        x, y = map_points(source)
        side_m = pixel_m or _rounded(spacing_m(source))
        edges = [f(values) for values in (x, y) for f in (np.nanmin, np.nanmax)]
        west, east, south, north = (float(value) for value in edges)
        west, south = (math.floor(v / side_m + 1e-6) * side_m for v in (west, south))
        east, north = (math.ceil(v / side_m - 1e-6) * side_m for v in (east, north))
    first, name = _labelled(source)
    nodata = source.nodata
    if nodata is None:
        from lunarsite.engine.io import fill  # noqa: PLC0415  imports scipy

        nodata = next((value for value in fill.undeclared(source) if math.isfinite(value)), None)
    declared = "" if nodata is None else f" -srcnodata {nodata:.15g}"
    return first + (
        f"gdalwarp -t_srs {quoted(moon.PROJ)} -te {west:.15g} {south:.15g} {east:.15g} "
        f"{north:.15g} -tr {side_m:.15g} {side_m:.15g} -r bilinear -ot Float32{declared} "
        f"-dstnodata nan {_files(name, 'south_polar')}"
    )


def warp_by_points(source: rasterio.DatasetReader) -> str:
    """Return the command that warps an open raster with control points to the south polar map."""
    return (
        f"gdalwarp -t_srs {quoted(moon.PROJ)} -r bilinear -ot Float32 -dstnodata nan "
        f"{_files(source.name, 'south_polar')}"
    )


def rescale(name: str, scale: float, offset: float, nodata: float | None = None) -> str:
    """Return the command that declares what a stored number means, in metres.

    Parameters
    ----------
    name : str
        The raster.
    scale, offset : float
        height = scale · stored number + offset.
    nodata : float, optional
        Stored number without a height.

    Returns
    -------
    str
        A ``gdal_translate`` command; it copies the stored numbers as they are.
    """
    declared = "" if nodata is None else f" -a_nodata {nodata:.15g}"
    return (
        f"gdal_translate -a_scale {scale:.15g} -a_offset {offset:.15g}{declared} "
        f"{_files(name, 'metres')}"
    )


def declare(source: rasterio.DatasetReader, options: str, suffix: str) -> str:
    """Return the command that changes what an open raster says of itself.

    GeoTIFFs are edited in place; what cannot be edited, such as a raster in an archive, is copied.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The raster.
    options : str
        Options that ``gdal_edit.py`` and ``gdal_translate`` have in common.
    suffix : str
        Added to the name of the copy.
    """
    name = file_name(source.name)
    if source.driver in {"GTiff", "VRT"} and not is_virtual(name):
        return f"gdal_edit.py {options} {quoted(name)}"
    return f"gdal_translate {options} {_files(name, suffix)}"


def assign(source: rasterio.DatasetReader) -> str:
    """Return the command that assigns an open raster the lunar coordinate system of its numbers."""
    west, south, east, north = np.abs(source.bounds)
    degrees = max(west, east) <= _MOST_LON_DEG and max(south, north) <= _MOST_LAT_DEG
    return declare(source, f"-a_srs {quoted(moon.PROJ_DEGREES if degrees else moon.PROJ)}", "moon")


def set_unit(source: rasterio.DatasetReader) -> str:
    """Return the command that declares metres as the unit of an open raster."""
    name = file_name(source.name)
    if source.driver in {"GTiff", "VRT"} and not is_virtual(name):
        return f"gdal_edit.py -units m {quoted(name)}"
    copy = f"{(local_file(name) or Path(name)).stem}_metres.tif"
    return f"gdal_translate {_files(name, 'metres')} && gdal_edit.py -units m {quoted(copy)}"


def one_band(name: str, band: int) -> str:
    """Return the command that copies one band of a raster."""
    return f"gdal_translate -b {band} {_files(name, f'band{band}')}"


def tiled(name: str) -> str:
    """Return the command that copies a raster in tiles, which can be read one by one."""
    return f"gdal_translate -co TILED=YES -co COMPRESS=ZSTD {_files(name, 'tiled')}"


def magnitude(name: str) -> str:
    """Return the command that copies the magnitude of a raster of complex numbers."""
    new = Path(display_name(name)).stem
    return (
        f"gdal_translate -ot Float32 {quoted(f'DERIVED_SUBDATASET:AMPLITUDE:{name}')} "
        f"{quoted(f'{new}_magnitude.tif')}"
    )


def map_points(source: rasterio.DatasetReader) -> tuple[np.ndarray, np.ndarray]:
    """Return points all over an open raster on the south polar map; NaN far north of it."""
    columns, rows = np.meshgrid(
        np.linspace(0.0, source.width, _PROBES), np.linspace(0.0, source.height, _PROBES)
    )
    transform = source.transform
    x = transform.a * columns + transform.b * rows + transform.c
    y = transform.d * columns + transform.e * rows + transform.f
    to_degrees = transformer(source, moon.GEOGRAPHIC)
    lon, lat = (np.asarray(value) for value in to_degrees.transform(x, y))
    seen = np.isfinite(lat) & (lat <= max(_NORTHERN_LIMIT_DEG, float(np.min(lat)) + 1e-6))
    on_map = moon.lonlat_to_xy(lon, np.where(seen, lat, -90.0))
    return np.where(seen, on_map[0], np.nan), np.where(seen, on_map[1], np.nan)


def transformer(
    source: rasterio.DatasetReader, other: pyproj.CRS | str, *, inverse: bool = False
) -> pyproj.Transformer:
    """Return the transformation from the coordinate system of an open raster to another one.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The raster, with a coordinate system.
    other : pyproj.CRS or str
        The other coordinate system.
    inverse : bool, optional
        Whether to transform from that one to the raster's.

    Raises
    ------
    CrsError
        If PROJ cannot use the coordinate system of the raster.
    """
    own = pyproj.CRS.from_user_input(source.crs)
    first, last = (other, own) if inverse else (own, other)
    try:
        return pyproj.Transformer.from_crs(first, last, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise CrsError(
            moon.unusable(own, display_name(source.name), error),
            "Declare the right one: " + declare(source, f"-a_srs {quoted(moon.PROJ)}", "moon"),
        ) from error


def spacing_m(source: rasterio.DatasetReader) -> float:
    """Return the spacing of the rows of an open raster on the ground, metres."""
    crs = pyproj.CRS.from_user_input(source.crs)
    side = math.hypot(source.transform.b, source.transform.e)
    if crs.is_geographic:
        return math.radians(side) * moon.RADIUS_M
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    return side * (unit or 1.0)


def _rounded(value: float) -> float:
    """Return a number to four significant digits, as a pixel size is written."""
    return float(f"{value:.4g}")


def _files(name: str, suffix: str) -> str:
    """Return the names of input and output, quoted where the shell asks for it."""
    name = file_name(name)
    file = local_file(name) or Path(name)
    return f"{quoted(name)} {quoted(f'{file.stem}_{suffix}.tif')}"


def file_name(name: str) -> str:
    """Return the raster of which a name opens a part, or the name: older GDAL opens no parts."""
    found = part_of(name)
    return found[0] if found else name


def _labelled(source: rasterio.DatasetReader) -> tuple[str, str]:
    """Return the command that declares what a label beside a raster says, and its result.

    The label does not go along when the raster is warped.
    """
    name = file_name(source.name)
    label = label_beside(name)
    if label is None or (source.scales[0], source.offsets[0]) != (1.0, 0.0):
        return "", name
    metres = 1000.0 if label.unit.lower().startswith("k") else 1.0
    offset = above_sphere(label.offset * metres)
    command = rescale(name, label.scale * metres, offset, label.missing)
    return f"{command} && ", f"{(local_file(name) or Path(name)).stem}_metres.tif"
