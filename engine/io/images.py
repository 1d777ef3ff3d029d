"""Images as input of networks: any raster that GDAL reads, georeferenced or not.

The input of a network is red, green and blue from 0 to 255. A single band is grey. Data of more
than eight bits are stretched from the 0.1th to the 99.9th percentile of the whole image, so that a
window has the same contrast as the whole; nodata and undeclared fill values take no part in it.
Colour tables are expanded. Photographs are read upright.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
from affine import Affine
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import image_bands, orientation, raster, stretch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.image_bands import Bands
    from lunarsite.engine.io.orientation import Orientation
    from lunarsite.engine.io.stretch import Stretch

    Bool = NDArray[np.bool_]
    Float32 = NDArray[np.float32]

WHAT = image_bands.WHAT

DARK_GREY = 12.0
"""Grey level, 0 to 255, below which a pixel is in shadow."""

_PNG_TAIL = 4096
"""Bytes at the end of a PNG in which its end marker is searched; others may follow it."""

ROCKS_PX_M = 2.0
"""Largest pixel size, metres, at which the network for orbital images resolves rocks."""


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
    stretch : Stretch
        Values that are mapped to 0 and 255, and the fill at the edge.
    """

    frame: Frame
    stored: Frame
    orientation: Orientation
    stretch: Stretch
    _bands: Bands

    @property
    def dark_grey(self) -> float:
        """Grey level, 0 to 255 as returned by `read`, below which a pixel is in shadow.

        It is `DARK_GREY` for an image whose black is 0. The darkest pixels of an image that is
        stretched from a higher value are not in shadow.
        """
        low, high = self.stretch.low, self.stretch.high
        if low <= 0.0:
            return DARK_GREY
        raw = high * DARK_GREY / 255.0
        return max(0.0, (raw - low) * 255.0 / max(high - low, 1e-30))

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
        raw, known = self._bands.read(window=inner, fills=self.stretch.fills)
        low, high, edge = self.stretch.low, self.stretch.high, self.stretch.edge
        if edge is not None:
            known &= ~stretch.is_edge(raw, edge)
        # Clipped first: infinite and fill values would overflow.
        with np.errstate(invalid="ignore", over="ignore"):
            clipped = np.clip(np.nan_to_num(raw.astype(np.float32)), low, high)
        seen = (clipped - low) * (255.0 / max(high - low, 1e-30))
        at = np.ix_(rows - first, columns - left)
        seen, known = self.orientation.upright(seen), self.orientation.upright(known)
        seen = np.moveaxis(seen, 0, 2)[at]
        if seen.shape[2] == 1:
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
def opened(
    path: str | Path, context: Context | None = None, *, sky: bool = True
) -> Iterator[Image]:
    """Open an image.

    Parameters
    ----------
    path : path
        The image.
    context : Context, optional
        Caches the stretch of the image, for which the whole image is read, and takes warnings.
    sky : bool, optional
        Whether the image may show the sky, as in `stretch.of`: False for images from orbit.

    Yields
    ------
    Image
        The open image.

    Raises
    ------
    CrsError
        If it lies on another body.
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
        # Coordinates of no body, as of a table in a laboratory, contradict nothing.
        if source.crs is not None and pyproj.CRS.from_user_input(source.crs).ellipsoid is not None:
            raster.crs_of(source, WHAT)
        bands = image_bands.of(source)
        compute = partial(stretch.of, bands, sky=sky)
        found: Stretch = (
            compute()
            if context is None
            else context.cached_for_file("stretch" if sky else "stretch from orbit", path, compute)
        )
        if context is not None and found.edge is not None:
            stretch.warn(source, found.edge, found.unused, context)
        if context is not None and found.constant:
            context.warn(f"{WHAT} {display_name(path)} is the same everywhere: it shows nothing.")
        turned = orientation.of(source)
        stored = Frame(source.width, source.height, source.transform, source.crs or None)
        frame = stored
        if turned.number != 1:
            frame = Frame(*turned.upright_size, source.transform * turned.to_stored, stored.crs)
        yield Image(frame, stored, turned, found, bands)


def mirrored(first: int, count: int, length: int) -> NDArray[np.int64]:
    """Return the row (or column) numbers of a window of an image, mirrored at the edges."""
    at = np.arange(first, first + count) % (2 * length)
    return np.where(at < length, at, 2 * length - 1 - at)
