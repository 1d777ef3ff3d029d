"""Grids, reading with checks, windows with halo.

One kind of grid is worked on everywhere: square pixels, north up, the Moon's south polar
stereographic map in metres. Other rasters are refused (the elevation model) or warped to it
(layers that come along).
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyproj
import rasterio
import rasterio.errors
import rasterio.shutil
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import CrsError, InputError, LunarSiteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

MIN_SIDE_PX = 3

_PICTURES = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
_COLOURS = 3
"""So many bands of whole numbers make a picture."""

LOWEST_M, HIGHEST_M = -9_900.0, 12_000.0
"""The Moon's heights lie between -9.2 and +10.8 km: -9999 is none of them."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A raster's place on the map.

    Parameters
    ----------
    x_min_m, y_max_m : float
        The outer corner of the first pixel, metres.
    pixel_m : float
        Side of a pixel in map metres.
    width, height : int
        Columns and rows.
    """

    x_min_m: float
    y_max_m: float
    pixel_m: float
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def crs(self) -> str:
        """Its coordinate system."""
        return moon.SOUTH_POLAR

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north edge, metres."""
        return (
            self.x_min_m,
            self.y_max_m - self.height * self.pixel_m,
            self.x_min_m + self.width * self.pixel_m,
            self.y_max_m,
        )

    @property
    def transform(self) -> Affine:
        """Pixel corner to map coordinates."""
        return Affine(self.pixel_m, 0.0, self.x_min_m, 0.0, -self.pixel_m, self.y_max_m)

    def column_x_m(self) -> NDArray[np.float64]:
        """Return the x of every column's centre, metres."""
        return self.x_min_m + (np.arange(self.width, dtype=np.float64) + 0.5) * self.pixel_m

    def row_y_m(self) -> NDArray[np.float64]:
        """Return the y of every row's centre, metres."""
        return self.y_max_m - (np.arange(self.height, dtype=np.float64) + 0.5) * self.pixel_m

    def pixel_of(self, x_m: float, y_m: float) -> tuple[int, int] | None:
        """Return row and column of the pixel that holds a point, or None outside."""
        column = int(np.floor((x_m - self.x_min_m) / self.pixel_m))
        row = int(np.floor((self.y_max_m - y_m) / self.pixel_m))
        if 0 <= row < self.height and 0 <= column < self.width:
            return row, column
        return None

    def part(self, window: Window) -> Grid:
        """Return the grid of a window."""
        return Grid(
            self.x_min_m + window.col_off * self.pixel_m,
            self.y_max_m - window.row_off * self.pixel_m,
            self.pixel_m,
            int(window.width),
            int(window.height),
        )

    def tiles(self, side: int) -> Iterator[Window]:
        """Yield windows of at most ``side`` × ``side`` pixels that cover the grid, row by row."""
        for row in range(0, self.height, side):
            for column in range(0, self.width, side):
                yield Window(
                    column,
                    row,
                    min(side, self.width - column),
                    min(side, self.height - row),
                )


class Place(Protocol):
    """Where the pixels of a raster lie; ``crs`` is None where nobody knows."""

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def transform(self) -> Affine:
        """Pixel corner to map coordinates."""
        ...

    @property
    def crs(self) -> Any:
        """As rasterio takes it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Dem:
    """Heights on a grid: float32 metres above the sphere, NaN where nothing is known."""

    grid: Grid
    height_m: Float32


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for reading.

    Raises
    ------
    InputError
        If the file is absent, not a raster, or cannot be read to its end.
    """
    if Path(path).is_dir():
        raise InputError(f"{what}: {path} is a folder", "Give a raster file")
    if not str(path).startswith("/vsi") and not Path(path).exists():
        raise InputError(f"{what}: there is no file {path}", "Check the path")
    try:
        with _opened(path) as source:
            yield source
    except LunarSiteError:
        raise
    except rasterio.errors.RasterioIOError as error:
        raise InputError(
            f"{what} {path} cannot be read: {reason(error)}",
            "The file is truncated, damaged or not a raster; fetch or export it again",
        ) from error


def _opened(path: str | Path) -> rasterio.DatasetReader:
    """Open a file without the library's note that it has no place: ours says what to do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(path)


def grid_of(source: rasterio.DatasetReader, what: str) -> Grid:
    """Return the grid of an open raster.

    Raises
    ------
    CrsError
        If it has no coordinate system, or one that is not the lunar south polar map.
    InputError
        If its pixels are not square and north up, or there are fewer than 3 × 3.
    """
    moon.check_south_polar(crs_of(source, what), what)
    return _checked_grid(source.transform, source.width, source.height, f"{what} {source.name}")


def crs_of(source: rasterio.DatasetReader, what: str) -> pyproj.CRS:
    """Return the coordinate system of an open raster, or raise `CrsError` if it has none."""
    if source.crs is None:
        raise CrsError(
            f"{what} {source.name} has no coordinate system",
            f"Set it if you know it: gdal_edit.py -a_srs {moon.SOUTH_POLAR} {source.name}",
        )
    return pyproj.CRS.from_user_input(source.crs)


def dem_grid(path: str | Path, what: str = "The DEM") -> Grid:
    """Return the grid of an elevation model after the checks that need no pixels."""
    with opened(path, what) as source:
        check_no_picture(source, what)
        return grid_of(source, what)


def check_no_picture(source: rasterio.DatasetReader, what: str) -> None:
    """Raise `InputError` if an open raster is of colours or shades, and so no elevation model."""
    coloured = source.count >= _COLOURS and np.dtype(source.dtypes[0]).kind == "u"
    if source.driver in _PICTURES or coloured:
        raise InputError(
            f"{what} {Path(source.name).name} is a picture ({source.driver}, {source.count} bands "
            f"of {source.dtypes[0]}): its pixels are shades or colours, not heights",
            "Give an elevation model: one band of heights in metres, such as LOLA's GeoTIFF",
        )


def read_dem(path: str | Path, *, what: str = "The DEM", window: Window | None = None) -> Dem:
    """Read the first band of an elevation model, whole or a window.

    Scale and offset of the band are applied; nodata of any value, NaN and values below -3e38
    become NaN.

    Parameters
    ----------
    path : path
        A raster that GDAL reads.
    what : str
        How messages call it.
    window : rasterio.windows.Window, optional
        Part to read; pixels outside the raster come back as NaN.

    Returns
    -------
    Dem
        float32 metres.

    Raises
    ------
    CrsError, InputError
        With the remedy: another body, degrees, kilometres, all nodata, too few pixels, damage,
        a picture.
    """
    with opened(path, what) as source:
        check_no_picture(source, what)
        grid = grid_of(source, what)
        heights = read_band(source, 1, window=window)
    read = grid if window is None else grid.part(window)
    check_heights(heights, read, what)
    return Dem(read, heights)


def check_heights(height_m: Float32, grid: Grid, what: str) -> None:
    """Raise `InputError` if heights are all missing or not metres above the lunar sphere.

    Kilometres are told by a relief that is less than a thousandth of the frame's side: the
    flattest mare has more, and any lunar frame in kilometres has less.
    """
    finite = np.isfinite(height_m)
    if not finite.any():
        raise InputError(f"{what} holds no data: every pixel is nodata", "Check the nodata value")
    low = float(np.min(height_m, where=finite, initial=np.inf))
    high = float(np.max(height_m, where=finite, initial=-np.inf))
    if low > moon.RADIUS_M - 2e4 and high < moon.RADIUS_M + 2e4:
        raise InputError(
            f"{what} holds radii ({low:,.0f} to {high:,.0f} m), not heights above the sphere",
            f"Subtract {moon.RADIUS_M:,.0f} m from it",
        )
    if low < LOWEST_M or high > HIGHEST_M:
        raise InputError(
            f"{what} ranges from {low:,.0f} to {high:,.0f}; heights on the Moon lie within "
            f"{LOWEST_M:,.0f} and {HIGHEST_M:,.0f} m",
            "Check its unit (metres are needed), its scale and offset, and its nodata value",
        )
    side_m = max(grid.width, grid.height) * grid.pixel_m
    if max(-low, high) < HIGHEST_M / 1000 and 0.0 < high - low < 1e-3 * side_m:
        raise InputError(
            f"{what} ranges from {low:.3f} to {high:.3f}: that is plausible in kilometres, not "
            "in metres",
            "Multiply it by 1000, or set the band's scale: gdal_edit.py -scale 1000",
        )


def read_band(
    source: rasterio.DatasetReader | WarpedVRT, band: int, *, window: Window | None = None
) -> Float32:
    """Return a band as float32 with scale and offset applied and NaN for nodata."""
    scale, offset = source.scales[band - 1], source.offsets[band - 1]
    wanted = np.dtype(source.dtypes[band - 1])
    exact = np.float64 if wanted.itemsize > 2 and wanted.kind in "iu" else wanted
    boundless = window is not None and _sticks_out(window, source.width, source.height)
    raw = source.read(band, window=window, masked=True, boundless=boundless, out_dtype=exact)
    missing = np.ma.getmaskarray(raw)
    data = raw.data
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
    band: int = 1,
    resampling: Resampling = Resampling.bilinear,
) -> tuple[Float32, bool]:
    """Read a raster onto a grid, warped if it lies on another one.

    Returns
    -------
    values : ndarray of float32, shape of the grid
        NaN where the raster has nothing.
    warped : bool
        Whether it had to be resampled.
    """
    with opened(path, what) as source:
        crs = crs_of(source, what)
        moon.check_body(crs, what)
        if not 1 <= band <= source.count:
            raise InputError(
                f"{what} {path} has {source.count} bands, band {band} was asked for",
                "Name a band that exists",
            )
        if moon.is_south_polar(crs) and _same_grid(source, grid):
            return read_band(source, band), False
        options = {
            "crs": moon.SOUTH_POLAR,
            "transform": grid.transform,
            "width": grid.width,
            "height": grid.height,
            "resampling": resampling,
            "nodata": source.nodata if source.nodata is not None else np.nan,
            "src_nodata": source.nodata,
            "dtype": None if source.nodata is not None else "float32",
        }
        with WarpedVRT(source, **{k: v for k, v in options.items() if v is not None}) as warped:
            values = read_band(warped, band)
            return values, True


def _checked_grid(transform: Affine, width: int, height: int, what: str) -> Grid:
    if width < MIN_SIDE_PX or height < MIN_SIDE_PX:
        raise InputError(
            f"{what} is {width} × {height} pixels; at least {MIN_SIDE_PX} × {MIN_SIDE_PX} are "
            "needed",
            "Give a larger piece",
        )
    square = np.isclose(transform.a, -transform.e, rtol=1e-6, atol=0.0)
    if transform.b != 0 or transform.d != 0 or transform.a <= 0 or not square:
        raise InputError(
            f"{what} has pixels that are not square and north up "
            f"({transform.a:g} × {-transform.e:g} m)",
            f"Resample it: gdalwarp -t_srs {moon.SOUTH_POLAR} -tr {abs(transform.a):g} "
            f"{abs(transform.a):g} -r bilinear",
        )
    return Grid(transform.c, transform.f, transform.a, width, height)


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
    """Return the first line of GDAL's own message, which rasterio keeps as the cause."""
    return str(error.__cause__ or error).split("\n")[0].strip()[:200]
