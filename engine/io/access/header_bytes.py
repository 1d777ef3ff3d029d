"""Bytes of files that GDAL opens, wherever they are: on disk, in an archive or on a server."""

from __future__ import annotations

import io
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import rasterio
import rasterio.errors

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

_BUFFER_BYTES = 512
"""Bytes that are read at once. GDAL takes no raw raster of more than ten times its file."""

_MOST_TEXT_BYTES = 2**20

_BEYOND_END = "too small"
"""What GDAL says of a file that ends long before a raw raster in it begins."""

_RAW = """<VRTDataset rasterXSize="{count}" rasterYSize="1">
<GeoTransform>0, 1, 0, 0, 0, -1</GeoTransform>
<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">
<SourceFilename relativetoVRT="0">{name}</SourceFilename><ImageOffset>{start}</ImageOffset>
<PixelOffset>1</PixelOffset><LineOffset>{count}</LineOffset>
</VRTRasterBand></VRTDataset>"""


@contextmanager
def opened(source: rasterio.DatasetReader) -> Iterator[BinaryIO]:
    """Open the file of a raster as bytes.

    Parameters
    ----------
    source : rasterio.DatasetReader
        An open raster.

    Yields
    ------
    binary file
        The first of its files. Beyond the end of one that is not on disk there are zeros.

    Raises
    ------
    InputError
        If the bytes cannot be read.
    """
    name = source.files[0] if source.files else source.name
    try:
        if Path(name).is_file():
            with Path(name).open("rb") as file:
                yield file
        else:
            yield cast("BinaryIO", io.BufferedReader(_Virtual(name), _BUFFER_BYTES))
    except (OSError, rasterio.errors.RasterioError) as error:
        raise InputError(
            f"Which way up the image {display_name(source.name)} is cannot be read from {name}",
            "Copy the image to a folder on this computer, and give the copy",
        ) from error


def text_of(name: str) -> str | None:
    """Return the text of a small file in an archive, as Latin-1.

    Parameters
    ----------
    name : str
        A name that GDAL opens, such as ``/vsizip/a.zip/dem.lbl``.

    Returns
    -------
    str or None
        At most 1 MiB; None if there is no such file.
    """
    reader, content = _Virtual(name), b""
    try:
        # Beyond the end of the file there are zeros.
        while len(content) < _MOST_TEXT_BYTES and not content.endswith(b"\0"):
            piece = reader.read(_BUFFER_BYTES)
            if not piece:
                break
            content += piece
    except rasterio.errors.RasterioError:
        return None
    return content.rstrip(b"\0").decode("latin-1")


class _Virtual(io.RawIOBase):
    """A file of GDAL's virtual file systems, whose bytes are read as the pixels of a raw raster."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = escape(name)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of the file is not known")
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        raw = _RAW.format(count=len(view), start=self._at, name=self._name)
        try:
            # Such rasters may by default read files beside them only; this one is in no folder.
            with (
                rasterio.Env(GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE="ALL"),
                rasterio.open(raw) as source,
            ):
                view[:] = source.read(1).tobytes()
        except rasterio.errors.RasterioIOError as error:
            if _BEYOND_END in str(error):
                return 0
            raise
        self._at += len(view)
        return len(view)
