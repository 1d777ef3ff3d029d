"""Orientation of photographs: the EXIF tag that says how stored pixels are turned to be upright.

A camera that is held upright stores the pixels as its sensor has them, and says in tag 274 how they
are to be shown. GDAL, and so QGIS, shows them as stored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from affine import Affine
from rasterio.windows import Window

from lunarsite.engine.io.access import header_bytes

if TYPE_CHECKING:
    import rasterio
    from numpy.typing import NDArray

TAG = 274

_FLIPS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (True, True, False),
    4: (True, False, False),
    5: (False, False, True),
    6: (True, False, True),
    7: (True, True, True),
    8: (False, True, True),
}
"""Whether rows and columns are reversed, and are then exchanged, to make the image upright."""

_EXIF = b"Exif\x00\x00"
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored pixels of an image are turned to be upright.

    Parameters
    ----------
    number : int
        Value of the tag, 1 to 8; 1 for upright.
    width, height : int
        Size of the stored image, pixels.
    """

    number: int
    width: int
    height: int

    @property
    def swaps(self) -> bool:
        """Whether rows and columns are exchanged."""
        return _FLIPS[self.number][2]

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the upright image, pixels."""
        return (self.height, self.width) if self.swaps else (self.width, self.height)

    @property
    def to_stored(self) -> Affine:
        """Transform from columns and rows of the upright image to those of the stored one."""
        rows, columns, swaps = _FLIPS[self.number]
        turned = Affine(0, 1, 0, 1, 0, 0) if swaps else Affine.identity()
        if columns:
            turned = Affine(-1, 0, self.width, 0, 1, 0) * turned
        if rows:
            turned = Affine(1, 0, 0, 0, -1, self.height) * turned
        return turned

    def upright(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return stored pixels, shape (..., rows, columns), as they are seen upright."""
        rows, columns, swaps = _FLIPS[self.number]
        turned = _flipped(array, rows=rows, columns=columns)
        return turned.swapaxes(-1, -2) if swaps else turned

    def stored(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return upright pixels, shape (..., rows, columns), in the order of the file."""
        rows, columns, swaps = _FLIPS[self.number]
        turned = array.swapaxes(-1, -2) if swaps else array
        return _flipped(turned, rows=rows, columns=columns)

    def stored_window(self, window: Window) -> Window:
        """Return the window of the stored image that is a window of the upright one."""
        left, top, width, height = _numbers(window)
        if self.swaps:
            left, top, width, height = top, left, height, width
        return self._reversed(left, top, width, height)

    def upright_window(self, window: Window) -> Window:
        """Return the window of the upright image that is a window of the stored one."""
        turned = self._reversed(*_numbers(window))
        if not self.swaps:
            return turned
        left, top, width, height = _numbers(turned)
        return Window(top, left, height, width)

    def _reversed(self, left: int, top: int, width: int, height: int) -> Window:
        rows, columns, _ = _FLIPS[self.number]
        left = self.width - left - width if columns else left
        top = self.height - top - height if rows else top
        return Window(left, top, width, height)


def of(source: rasterio.DatasetReader) -> Orientation:
    """Return the orientation of an open image.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The image. The tag of a georeferenced one is ignored: its place says where its pixels are.

    Returns
    -------
    Orientation
        Upright if the file says nothing, or something invalid.

    Raises
    ------
    InputError
        If an image without a place lies where its bytes cannot be read.
    """
    number = 1 if is_placed(source) else _number(source)
    return Orientation(number if number in _FLIPS else 1, source.width, source.height)


def is_placed(source: rasterio.DatasetReader) -> bool:
    """Return whether an image has a coordinate system, a geotransform or control points."""
    return bool(source.crs or source.gcps[0] or not source.transform.is_identity)


def _number(source: rasterio.DatasetReader) -> int:
    with header_bytes.opened(source) as file:
        try:
            found = _from_bytes(file)
        except (ValueError, KeyError, struct.error):
            found = None
    if found is None:
        # GDAL reads that of JPEG.
        text = str(source.tags().get("EXIF_Orientation", "1")).strip()
        found = int(text) if text.isdigit() else 1
    return found


def _from_bytes(file: BinaryIO) -> int | None:
    """Return the orientation in a TIFF, PNG or WebP image, None if it has none."""
    start = file.read(12)
    if start[:4] in _TIFF:
        return _from_tiff(file, 0)
    if start[:8] == _PNG:
        return _from_png(file)
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return _from_webp(file)
    return None


def _from_png(file: BinaryIO) -> int | None:
    """Return the orientation in the chunk eXIf of a PNG, None if it has none."""
    file.seek(len(_PNG))
    while len(head := file.read(8)) == 8 and any(head):
        size, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return _from_tiff(file, file.tell())
        file.seek(size + 4, 1)
    return None


def _from_webp(file: BinaryIO) -> int | None:
    """Return the orientation in the chunk EXIF of a WebP image, None if it has none."""
    file.seek(12)
    while len(head := file.read(8)) == 8 and any(head):
        kind, size = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            start = file.tell()
            prefix = file.read(len(_EXIF)) == _EXIF
            return _from_tiff(file, start + (len(_EXIF) if prefix else 0))
        file.seek(size + size % 2, 1)
    return None


def _from_tiff(file: BinaryIO, start: int) -> int | None:
    """Return the orientation in the first directory of a TIFF or BigTIFF, None if it has none."""
    file.seek(start)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}[head[:2]]
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    (first,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    file.seek(start + first)
    number = struct.Struct(order + ("Q" if big else "H"))
    (count,) = number.unpack(file.read(number.size))
    for _ in range(min(count, 4096)):
        entry = file.read(20 if big else 12)
        if struct.unpack(order + "H", entry[:2])[0] == TAG:
            value = entry[12:14] if big else entry[8:10]
            return int(struct.unpack(order + "H", value)[0])
    return None


def _flipped(array: NDArray[Any], *, rows: bool, columns: bool) -> NDArray[Any]:
    return np.asarray(array)[..., :: -1 if rows else 1, :: -1 if columns else 1]


def _numbers(window: Window) -> tuple[int, int, int, int]:
    return int(window.col_off), int(window.row_off), int(window.width), int(window.height)
