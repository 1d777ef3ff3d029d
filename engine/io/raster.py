"""Reading of rasters: opening, validation, bands as float32, warping to a grid.

Elevation models that are not on the south polar map are refused; other layers are warped to it.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import rasterio
import rasterio.errors
import rasterio.shutil
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from lunarsite.engine import moon
from lunarsite.engine.errors import CrsError, InputError, LunarSiteError
from lunarsite.engine.file_names import display_name, is_virtual
from lunarsite.engine.io import remedies
from lunarsite.engine.io.access import network, references
from lunarsite.engine.io.gdal_open import open_raster
from lunarsite.engine.io.grid import MIN_SIDE_PX, Grid
from lunarsite.engine.io.labels import label_beside
from lunarsite.engine.io.one_nodata import one_nodata
from lunarsite.engine.text import quoted

# What is hashed and then read is fetched from a server once. GDAL's own default is 16 MB.
os.environ.setdefault("CPL_VSIL_CURL_CACHE_SIZE", str(256 * 2**20))

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from rasterio.windows import Window

    Float32 = NDArray[np.float32]


_IMPOSSIBLE = 1e15
"""Larger numbers are fill values, or means that contain some."""

_CONTAINERS = {"HDF5": "HDF5", "NETCDF": "netCDF"}
_IN_CONTAINER = re.compile(
    r"(?P<driver>hdf5|netcdf):(?:\"(?P<quoted>[^\"]+)\"|(?P<plain>(?:[a-z]:(?=[\\/]))?[^:\"]+))"
    r"(?::(?P<raster>.*))?",
    re.IGNORECASE,
)
"""Names of rasters in files that may hold several."""

_DECODED_WHOLE = ("PNG", "JPEG", "GIF", "BIGGIF", "WEBP", "BMP")
"""Formats of which a part cannot be decoded alone."""

_MOST_DECODED_PX = 250_000_000

_FARTHEST_M = 1e9
"""On the polar map 89.8° N lies 2e9 m from the south pole."""

_MOST_LISTED = 6


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for reading.

    Parameters
    ----------
    path : path
        The raster.
    what : str
        Name of the raster in messages.

    Yields
    ------
    rasterio.DatasetReader
        The open raster.

    Raises
    ------
    InputError
        If the file is missing, not a raster or truncated.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"{what}: {path!r} is not a path", "Give the path of a raster file")
    _check_name(path, what)
    if str(path).startswith(("http://", "https://")):
        raise InputError(
            f"{what}: {path} is an address, not a file", f"Read it through GDAL: /vsicurl/{path}"
        )
    container = _container(path)
    file = path if container is None else container[1]
    if not is_virtual(file) and not Path(file).exists():
        raise InputError(f"{what}: there is no file {file}", "Check the path")
    references.check(file, what)
    try:
        with network.opened(asked=network.is_remote(path)), open_raster(path) as source:
            if not source.count:
                _refuse_container(source, what)
            _check_area(source, what, path)
            _check_values(source, what)
            if source.driver != "VRT" and container is None and not is_virtual(path):
                references.check_beside(path, source.files, what)
            yield source
    except LunarSiteError:
        raise
    except rasterio.errors.RasterioIOError as error:
        if container is not None:
            raise _no_such_raster(what, *container) from error
        raise InputError(
            f"{what} {path} cannot be read: {reason(error)}", _way_out(str(path))
        ) from error


def _check_area(source: rasterio.DatasetReader, what: str, path: str | Path) -> None:
    area = source.transform.determinant
    if math.isnan(area) or area == 0.0:
        raise InputError(
            f"{what} {path} cannot be read: its pixels have no area",
            "Correct its geotransform, or the label beside it",
        )


def _check_name(path: str | Path, what: str) -> None:
    """Raise for a folder, and for a name that the file system or GDAL cannot take."""
    try:
        folder = Path(path).is_dir()
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what}: the name {str(path)!r} is not UTF-8, which GDAL needs", "Rename the file"
        ) from error
    except OSError as error:
        raise InputError(
            f"{what} cannot be read: {error.strerror}: {Path(path).name[:40]}…", "Check the path"
        ) from error
    if folder:
        raise InputError(f"{what}: {path} is a folder", "Give a raster file")


def _check_values(source: rasterio.DatasetReader, what: str) -> None:
    """Raise for complex numbers, and for pixels that must be decoded by the gigabyte at once.

    By the header alone: a small file may hold very many equal pixels.
    """
    named = f"{what} {display_name(source.name)}"
    if any(kind.startswith("complex") for kind in source.dtypes):
        raise InputError(
            f"{named} holds complex numbers, not values",
            f"Give their magnitude: {remedies.magnitude(source.name)}",
        )
    pixels = source.width * source.height
    largest = max((rows * columns for rows, columns in source.block_shapes), default=0)
    whole = source.driver in _DECODED_WHOLE and pixels > _MOST_DECODED_PX
    if whole or largest > _MOST_DECODED_PX:
        raise InputError(
            f"{named} has {source.width:,} × {source.height:,} pixels that are decoded "
            f"{max(largest, pixels if whole else 0) / 1e6:,.0f} million at a time; at most "
            f"{_MOST_DECODED_PX / 1e6:,.0f} million are",
            f"Copy it in tiles if it is meant: {remedies.tiled(source.name)}",
        )


def _container(name: str | Path) -> tuple[str, str, str] | None:
    """Return driver, file and raster of a name such as ``HDF5:"a.h5"://height``."""
    match = _IN_CONTAINER.fullmatch(str(name))
    if match is None:
        return None
    driver, file = _CONTAINERS[match["driver"].upper()], match["quoted"] or match["plain"]
    return driver, file, match["raster"] or ""


def _no_such_raster(what: str, driver: str, file: str, asked: str) -> InputError:
    """Return the error for a raster that a file of several does not hold."""
    shown = display_name(file)
    try:
        with open_raster(file, driver=driver) as source:
            inside, only = [str(name) for name in source.subdatasets], source.count > 0
    except rasterio.errors.RasterioIOError:
        return InputError(
            f"{what}: {shown} cannot be read as {driver}", "The file is damaged, or of another kind"
        )
    held = f"{what}: {shown} holds " + (f"no {asked.lstrip('/')!r}, but " if asked else "")
    if only:
        return InputError(
            f"{held}one raster",
            f"Give the file itself: {quoted(file)}",
        )
    if not inside:
        return InputError(f"{what}: {shown} holds no raster", "Give another file")
    return InputError(
        f"{held}{_listed(inside)}",
        f"Name the one that is meant, for example: {quoted(inside[-1])}",
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _refuse_container(source: rasterio.DatasetReader, what: str) -> None:
    """Raise for a file that holds several rasters, or none."""
    inside = [str(name) for name in source.subdatasets]
    raise InputError(
        f"{what} {display_name(source.name)} holds {len(inside)} rasters"
        + (f": {_listed(inside)}" if inside else ""),
        f"Name the one that is meant, for example: {quoted(inside[-1])}"
        if inside
        else "Give a raster file",
    )


def _way_out(path: str) -> str:
    """Return the remedy for a name that GDAL cannot open as a raster."""
    label, low = label_beside(path), path.lower()
    described = "" if label is None else str(label.path)
    ways = (
        (
            is_virtual(path),
            "Check the name: the file, and what it names inside it or on the server",
        ),
        (
            described == path,
            "The file that this label describes is missing or truncated: fetch both again",
        ),
        (described, f"Give its label instead: {quoted(described)}"),
        (
            low.endswith(".vrt"),
            "Put the files that it is made of where it names them, or make it again",
        ),
        (
            low.endswith((".tar.gz", ".tgz", ".tar")),
            f"Name a raster inside it: {quoted(f'/vsitar/{path}/NAME.tif')}",
        ),
        (low.endswith(".zip"), f"Name a raster inside it: {quoted(f'/vsizip/{path}/NAME.tif')}"),
        (low.endswith(".gz"), f"Read it through /vsigzip/: {quoted(f'/vsigzip/{path}')}"),
        (True, "The file is truncated, damaged or not a raster; fetch or export it again"),
    )
    return next(way for holds, way in ways if holds)


def grid_of(source: rasterio.DatasetReader, what: str, *, least_px: int = MIN_SIDE_PX) -> Grid:
    """Return the grid of an open raster.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The open raster.
    what : str
        Name of the raster in messages.
    least_px : int, optional
        Fewest rows and columns: results of a run may have fewer cells than a model has pixels.

    Raises
    ------
    CrsError
        If it has no coordinate system, or one that is not the lunar south polar map.
    InputError
        If its pixels are not square and north up, or there are too few.
    """
    crs = crs_of(source, what)
    named = f"{what} {display_name(source.name)}"
    moon.check_south_polar(crs, named, lambda: remedies.warp(source))
    return pixels_of(source, what, least_px=least_px)


def pixels_of(source: rasterio.DatasetReader, what: str, *, least_px: int = MIN_SIDE_PX) -> Grid:
    """Return the grid of an open raster on a map of its own, which the caller has checked.

    Raises
    ------
    InputError
        If its pixels are not square and north up, or there are too few.
    """
    _check_pixels(source, f"{what} {display_name(source.name)}", least_px)
    return Grid(
        source.transform.c, source.transform.f, source.transform.a, source.width, source.height
    )


def crs_of(source: rasterio.DatasetReader, what: str) -> pyproj.CRS:
    """Return the coordinate system of an open raster.

    Raises
    ------
    CrsError
        If it has none, or one of another body.
    """
    if source.crs is None and source.gcps[0]:
        raise CrsError(
            f"{what} {source.name} is placed by {len(source.gcps[0])} control points, not by a "
            "grid on the map",
            f"Warp it: {remedies.warp_by_points(source)}",
        )
    if source.crs is None and source.transform.is_identity:
        raise CrsError(
            f"{what} {source.name} is not georeferenced: nothing says where on the Moon it lies",
            "Export it again with its place, or set that if you know it: "
            + remedies.declare(
                source,
                f"-a_srs {quoted(moon.PROJ)} -a_ullr WEST_M NORTH_M EAST_M SOUTH_M",
                "moon",
            ),
        )
    if source.crs is None:
        raise CrsError(
            f"{what} {source.name} has no coordinate system",
            f"Set it if you know it: {remedies.assign(source)}",
        )
    crs = pyproj.CRS.from_user_input(source.crs)
    moon.check_body(crs, what, lambda: remedies.assign(source))
    return crs


def read_band(
    source: rasterio.DatasetReader | WarpedVRT,
    band: int,
    *,
    window: Window | None = None,
    shape: tuple[int, int] | None = None,
    resampling: Resampling = Resampling.average,
    scaling: tuple[float, float] | None = None,
    alpha: int | None = None,
    fills: Sequence[float] = (),
) -> Float32:
    """Read a band as float32.

    Parameters
    ----------
    source : rasterio.DatasetReader or WarpedVRT
        The open raster.
    band : int
        Number of the band, from 1.
    window : rasterio.windows.Window, optional
        Part to read; it may extend beyond the raster.
    shape : tuple of int, optional
        Rows and columns of the result, fewer than are read: values are resampled, from overviews
        where there are any.
    resampling : rasterio.enums.Resampling, optional
        How.
    scaling : tuple of float, optional
        Scale and offset, in place of those of the band.
    alpha : int, optional
        Number of a band that is 0 where there is no data.
    fills : sequence of float, optional
        Stored numbers that mean nodata, though the raster does not declare them.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        With scale and offset applied; NaN for nodata and outside the raster.
    """
    scale, offset = scaling or (source.scales[band - 1], source.offsets[band - 1])
    stored = np.dtype(source.dtypes[band - 1])
    exact = np.float64 if stored.itemsize > 2 and stored.kind in "iu" else stored
    if shape is not None and stored.kind in "iu":
        exact = np.float64  # means are not whole numbers
    boundless = window is not None and _sticks_out(window, source.width, source.height)
    options: dict[str, Any] = {"window": window, "boundless": boundless}
    if fills:
        resampling = Resampling.nearest  # a mean of heights and fill values is neither
    if shape is not None:
        options |= {"out_shape": shape, "resampling": resampling}
    raw = source.read(band, masked=True, out_dtype=exact, **options)
    missing = np.ma.getmaskarray(raw)
    if alpha is not None:
        # GDAL takes an alpha band of 8 or 16 bits for a mask, but not one of another type.
        missing |= source.read(alpha, fill_value=0, **options) == 0
    data = raw.data
    if fills:
        missing |= np.isin(data, fills)
    if (scale, offset) != (1.0, 0.0):
        data = data.astype(np.float64) * scale + offset
    values = np.array(data, dtype=np.float32, copy=None)
    if not values.flags.writeable:
        values = values.copy()
    with np.errstate(invalid="ignore"):
        missing |= values < np.float32(-3e38)
    values[missing] = np.nan
    values[~np.isfinite(values)] = np.nan
    return values


def read_layer(
    path: str | Path,
    grid: Grid,
    *,
    what: str,
    band: int | None = None,
    resampling: Resampling = Resampling.bilinear,
) -> tuple[Float32, bool]:
    """Read a band on a grid, warped if the raster has another one.

    Parameters
    ----------
    path : path
        The raster.
    grid : Grid
        The grid.
    what : str
        Name of the raster in messages.
    band : int, optional
        Number of the band, from 1. Without it there must be one band, besides an alpha band.
    resampling : rasterio.enums.Resampling, optional
        Method for warping.

    Returns
    -------
    values : ndarray of float32, shape of the grid
        NaN for nodata and outside the raster.
    warped : bool
        Whether it was resampled.

    Raises
    ------
    CrsError
        If it is on another body or has no coordinate system.
    InputError
        If it cannot be read or does not have the band.
    """
    with open_layer(path, grid, what=what, band=band, resampling=resampling) as layer:
        return layer.read(), layer.warped


@contextmanager
def open_layer(
    path: str | Path,
    grid: Grid,
    *,
    what: str,
    band: int | None = None,
    resampling: Resampling = Resampling.bilinear,
) -> Iterator[Layer]:
    """Open a band on a grid, to be read by windows; parameters and errors as in `read_layer`.

    Yields
    ------
    Layer
        The open band.
    """
    with opened(path, what) as source:
        crs = crs_of(source, what)
        band = _only_band(source, what) if band is None else band
        if not 1 <= band <= source.count:
            raise InputError(
                f"{what} {path} has {source.count} bands, but band {band} was requested",
                "Choose an existing band",
            )
        from lunarsite.engine.io import fill  # noqa: PLC0415  imports scipy

        if moon.is_south_polar(crs) and _same_grid(source, grid):
            yield Layer(source, band, warped=False, fills=fill.possible(source, band))
            return
        remedies.transformer(source, moon.SOUTH_POLAR)  # GDAL would say it in other words
        # Resampled, a fill value is no longer that: the warping must leave it out.
        fills = fill.everywhere(source, band)
        missing = source.nodata if source.nodata is not None or not fills else fills[0]
        options = {
            "crs": moon.SOUTH_POLAR,
            "transform": grid.transform,
            "width": grid.width,
            "height": grid.height,
            "resampling": resampling,
            "nodata": missing if missing is not None else np.nan,
            "src_nodata": missing,
            "dtype": None if missing is not None else "float32",
        }
        with (
            one_nodata(source, band, np.nan if missing is None else missing, fills) as (held, at),
            WarpedVRT(held, **{k: v for k, v in options.items() if v is not None}) as warped,
        ):
            yield Layer(warped, at, warped=True, fills=fills)


@dataclass(frozen=True, slots=True)
class Layer:
    """A band on a grid, open.

    Parameters
    ----------
    source : rasterio.DatasetReader or WarpedVRT
        The raster, of the size of the grid.
    band : int
        Number of the band.
    warped : bool
        Whether it is resampled.
    fills : tuple of float
        Stored numbers that are fill values, though the raster does not declare them.
    """

    source: rasterio.DatasetReader | WarpedVRT
    band: int
    warped: bool
    fills: tuple[float, ...] = ()

    def read(self, window: Window | None = None) -> Float32:
        """Return values, NaN for nodata; whole or of a window."""
        values = read_band(self.source, self.band, window=window, fills=self.fills)
        with np.errstate(invalid="ignore"):
            values[np.abs(values) > _IMPOSSIBLE] = np.nan
        return values


def _only_band(source: rasterio.DatasetReader, what: str) -> int:
    bands = [
        number
        for number, meaning in enumerate(source.colorinterp, 1)
        if meaning != ColorInterp.alpha or source.count == 1
    ]
    if len(bands) > 1:
        described = (f"{n} ({source.descriptions[n - 1] or 'no description'})" for n in bands[:8])
        raise InputError(
            f"{what} {display_name(source.name)} has {len(bands)} bands: {', '.join(described)}",
            f"Copy the one that is meant, for example: {remedies.one_band(source.name, bands[-1])}",
        )
    return bands[0]


def _check_pixels(source: rasterio.DatasetReader, what: str, least_px: int) -> None:
    transform, width, height = source.transform, source.width, source.height
    corners = [*transform[:6], *(transform * (width, height))]
    if not np.isfinite(corners).all() or np.abs(corners).max() > _FARTHEST_M:
        raise InputError(
            f"{what} lies beyond any map: its corners are {transform.c:g}, {transform.f:g} and "
            f"{corners[-2]:g}, {corners[-1]:g} m",
            "Export it again with its place",
        )
    if width < least_px or height < least_px:
        raise InputError(
            f"{what} is {width} × {height} pixels; at least {least_px} × {least_px} are needed",
            "Give a larger piece",
        )
    across, down = abs(transform.a), abs(transform.e)
    square = np.isclose(transform.a, -transform.e, rtol=1e-6, atol=0.0)
    turned = transform.b != 0 or transform.d != 0
    if turned or transform.a <= 0 or not square:
        side = None if turned or np.isclose(across, down, rtol=1e-6) else float(f"{across:.6g}")
        digits = 6
        while f"{across:.{digits}g}" == f"{down:.{digits}g}" and digits < 15 and not square:
            digits += 1
        if turned:
            problem = "has pixels that are turned against the map"
        elif transform.a <= 0 or transform.e >= 0:
            problem = "has pixels that are not north up, or run from east to west"
        else:
            sizes = f"{across:.{digits}g} × {down:.{digits}g} m"
            problem = f"has pixels that are not square: {sizes}"
        raise InputError(
            f"{what} {problem}",
            f"Resample it: {remedies.warp(source, side)}",
        )


def _same_grid(source: rasterio.DatasetReader, grid: Grid) -> bool:
    precision = 1e-6 * grid.pixel_m
    near = source.transform.almost_equals(grid.transform, precision=precision)
    return bool(source.shape == grid.shape and near)


def _sticks_out(window: Window, width: int, height: int) -> bool:
    return bool(
        window.col_off < 0
        or window.row_off < 0
        or window.col_off + window.width > width
        or window.row_off + window.height > height
    )


def reason(error: Exception) -> str:
    """Return the first line of the error message of GDAL, which rasterio sets as the cause."""
    return str(error.__cause__ or error).split("\n")[0].strip()[:200]
