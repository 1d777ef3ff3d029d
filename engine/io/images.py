"""Images as input of networks: any raster that GDAL reads, georeferenced or not.

The input of a network is red, green and blue from 0 to 255. A single band is grey. Data of more
than eight bits are stretched from the 0.1th to the 99.9th percentile of the whole image, so that a
window has the same contrast as the whole. Photographs are read upright.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import orientation, raster

if TYPE_CHECKING:
    from collections.abc import Iterator

    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.orientation import Orientation

    Bool = NDArray[np.bool_]
    Float32 = NDArray[np.float32]

WHAT = "The image"

DARK_GREY = 12.0
"""Grey level, 0 to 255, below which a pixel is in shadow."""

_PNG_TAIL = 4096
"""Bytes at the end of a PNG in which its end marker is searched; others may follow it."""

ROCKS_PX_M = 2.0
"""Largest pixel size, metres, at which the network for orbital images resolves rocks."""

_CLIPPED_PCT = 0.1
_STATISTICS_PX = 2048
"""Maximum rows and columns of the overview from which percentiles are computed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Geometry of an image; ``crs`` is None if it is not georeferenced."""

    width: int
    height: int
    transform: Affine
    crs: Any

    @property
    def is_placed(self) -> bool:
        """Whether it has a place: a coordinate system or a geotransform."""
        return self.crs is not None or not self.transform.is_identity

    @property
    def pixel_m(self) -> float | None:
        """Pixel size in metres, for degrees that in latitude; None if it is not georeferenced."""
        if self.crs is None:
            return None
        if self.crs.is_geographic:
            return float(np.radians(abs(self.transform.e)) * moon.RADIUS_M)
        if not self.crs.is_projected:
            return None
        _, metres = self.crs.linear_units_factor
        return float(abs(self.transform.determinant) ** 0.5 * metres)


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """An open image.

    Parameters
    ----------
    frame : Frame
        Its geometry upright, as `read` returns it.
    stored : Frame
        Geometry of the file, in which results are written.
    orientation : Orientation
        How the stored pixels are turned to be upright.
    bands : tuple of int
        Numbers of the red, green and blue bands; one for a grey image.
    low, high : float
        Values that are mapped to 0 and 255.
    """

    frame: Frame
    stored: Frame
    orientation: Orientation
    bands: tuple[int, ...]
    low: float
    high: float
    _source: rasterio.DatasetReader

    @property
    def dark_grey(self) -> float:
        """Grey level, 0 to 255 as returned by `read`, below which a pixel is in shadow.

        It is `DARK_GREY` for an image whose black is 0. The darkest pixels of an image that is
        stretched from a higher value are not in shadow.
        """
        if self.low <= 0.0:
            return DARK_GREY
        raw = self.high * DARK_GREY / 255.0
        return max(0.0, (raw - self.low) * 255.0 / max(self.high - self.low, 1e-30))

    def part(self, window: Window) -> Frame:
        """Return the geometry of a window of the stored image.

        A part of an image without a place lies where QGIS shows it in the image: there, rows count
        downwards from zero.
        """
        frame = self.stored
        width, height = int(window.width), int(window.height)
        if frame.is_placed:
            moved = frame.transform * Affine.translation(window.col_off, window.row_off)
        elif (width, height) == (frame.width, frame.height):
            moved = Affine.identity()
        else:
            moved = Affine(1.0, 0.0, window.col_off, 0.0, -1.0, -window.row_off)
        return Frame(width, height, moved, frame.crs)

    def read(self, window: Window, part: Window | None = None) -> tuple[Float32, Bool]:
        """Read a window of the upright image, mirrored at the edges.

        Parameters
        ----------
        window : rasterio.windows.Window
            Relative to ``part``; it may extend beyond it.
        part : rasterio.windows.Window, optional
            Part of the image at whose edges pixels are mirrored; the whole image by default.

        Returns
        -------
        pixels : ndarray of float32, shape (rows, columns, 3)
            Red, green and blue, 0 to 255.
        known : ndarray of bool, shape (rows, columns)
            False for nodata.
        """
        whole = Window(0, 0, self.frame.width, self.frame.height) if part is None else part
        rows = mirrored(int(window.row_off), int(window.height), int(whole.height))
        columns = mirrored(int(window.col_off), int(window.width), int(whole.width))
        rows, columns = rows + int(whole.row_off), columns + int(whole.col_off)
        first, left = int(rows.min()), int(columns.min())
        inner = Window(left, first, int(columns.max()) - left + 1, int(rows.max()) - first + 1)
        inner = self.orientation.stored_window(inner)
        raw = self._source.read(self.bands, window=inner, masked=True)
        known = ~np.ma.getmaskarray(raw).any(axis=0)
        values = raw.data.astype(np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            known &= np.isfinite(values).all(axis=0)
        known &= self._source.dataset_mask(window=inner) > 0
        # Clipped first: infinite and fill values would overflow.
        clipped = np.clip(np.nan_to_num(values), self.low, self.high)
        seen = (clipped - self.low) * (255.0 / max(self.high - self.low, 1e-30))
        at = np.ix_(rows - first, columns - left)
        seen, known = self.orientation.upright(seen), self.orientation.upright(known)
        seen = np.moveaxis(seen, 0, 2)[at]
        if len(self.bands) == 1:
            seen = np.repeat(seen, 3, axis=2)
        return seen.astype(np.float32), known[at]


def is_whole(source: rasterio.DatasetReader) -> bool:
    """Return False for a truncated PNG: GDAL fills its missing rows without an error."""
    if source.driver != "PNG" or not Path(source.name).is_file():
        return True
    with Path(source.name).open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _PNG_TAIL))
        return b"IEND" in file.read()


@contextmanager
def opened(path: str | Path, context: Context | None = None) -> Iterator[Image]:
    """Open an image.

    Parameters
    ----------
    path : path
        The image.
    context : Context, optional
        Caches the stretch of the image, for which the whole image is read.

    Yields
    ------
    Image
        The open image.

    Raises
    ------
    InputError
        If it is not an image, truncated, without data, complex, or its red, green and blue bands
        are not identified.
    """
    with raster.opened(path, WHAT) as source:
        if not is_whole(source):
            raise InputError(
                f"{WHAT} {source.name} is truncated: it ends before its last row",
                "Fetch or export it again",
            )
        bands = _bands(source)
        if any(np.dtype(source.dtypes[band - 1]).kind == "c" for band in bands):
            raise InputError(
                f"{WHAT} {source.name} holds complex numbers", "Give its magnitude as an image"
            )
        low, high = (
            _range(source, bands)
            if context is None
            else context.cached_for_file("range", path, partial(_range, source, bands))
        )
        turned = orientation.of(source)
        stored = Frame(source.width, source.height, source.transform, source.crs or None)
        frame = stored
        if turned.number != 1:
            frame = Frame(*turned.upright_size, source.transform * turned.to_stored, stored.crs)
        yield Image(frame, stored, turned, bands, low, high, source)


def _bands(source: rasterio.DatasetReader) -> tuple[int, ...]:
    """Return the numbers of the red, green and blue bands, or of the grey band."""
    kinds = list(source.colorinterp)
    colors = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(kind in kinds for kind in colors):
        red, green, blue = (kinds.index(kind) + 1 for kind in colors)
        return red, green, blue
    if ColorInterp.palette in kinds:
        raise InputError(
            f"{WHAT} {source.name} holds indices of a colour table",
            f"Expand it: gdal_translate -expand rgb {source.name} rgb.tif",
        )
    shown = [band for band, kind in enumerate(kinds, start=1) if kind != ColorInterp.alpha]
    if source.count == 2 and len(shown) == 2:
        shown = shown[:1]
    if len(shown) == 1:
        return (shown[0],)
    if len(shown) == 3:
        return shown[0], shown[1], shown[2]
    raise InputError(
        f"{WHAT} {source.name} has {source.count} bands, and nothing says which are red, green and "
        "blue",
        "Choose one or three: gdal_translate -b 1 -b 2 -b 3 in.tif out.tif",
    )


def _range(source: rasterio.DatasetReader, bands: tuple[int, ...]) -> tuple[float, float]:
    """Return the values that are mapped to black and white."""
    if all(np.dtype(source.dtypes[band - 1]) == np.uint8 for band in bands):
        # With two or four bits per pixel, white is less than 255.
        bits = int(source.tags(bands[0], ns="IMAGE_STRUCTURE").get("NBITS", 8))
        low, high = 0.0, 2.0**bits - 1.0
        seen = source.read_masks(1, out_shape=_overview(source))
        if not seen.any():
            raise _empty(source)
        return low, high
    values = source.read(bands, out_shape=(len(bands), *_overview(source)), masked=True)
    known = values.compressed().astype(np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        raise _empty(source)
    low, high = np.percentile(known, [_CLIPPED_PCT, 100.0 - _CLIPPED_PCT])
    # A constant image stays dark, without a division by zero.
    return float(low), float(high if high > low else low + 1.0)


def _empty(source: rasterio.DatasetReader) -> InputError:
    return InputError(
        f"{WHAT} {source.name} holds no data: every pixel is nodata", "Check its nodata value"
    )


def _overview(source: rasterio.DatasetReader) -> tuple[int, int]:
    step = max(1, -(-max(source.width, source.height) // _STATISTICS_PX))
    return -(-source.height // step), -(-source.width // step)


def mirrored(first: int, count: int, length: int) -> NDArray[np.int64]:
    """Return the row (or column) numbers of a window of an image, mirrored at the edges."""
    at = np.arange(first, first + count) % (2 * length)
    return np.where(at < length, at, 2 * length - 1 - at)
