"""Whether a file is whole, by its own structure: servers also send error pages and pieces."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STARTS = {
    ".tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ".zip": (b"PK\x03\x04",),
    ".hdf5": (b"\x89HDF\r\n\x1a\n",),
}
"""First bytes of files, by the ending of their name."""

_SHOWN_BYTES = 24


def defect(path: Path, name: str) -> str | None:
    """Return what is wrong with the structure of a file, None for nothing.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        The name that it will have: its ending says what it should be.

    Returns
    -------
    str or None
        Such as ``it ends before its last block``.
    """
    ending = "." + name.lower().rpartition(".")[2]
    starts = _STARTS.get(ending)
    if starts is None:
        return None
    with path.open("rb") as file:
        start = file.read(_SHOWN_BYTES)
    if not start.startswith(starts):
        return f"it is not a {ending[1:].upper()} file: it starts with {start!r}"
    if ending == ".zip" and not zipfile.is_zipfile(path):
        return "it ends before the list of what it holds"
    return _defect_of_tiff(path) if ending == ".tif" else None


def _defect_of_tiff(path: Path) -> str | None:
    """Return what is wrong with a TIFF: GDAL opens one that lacks the end of its pixels."""
    from rasterio.errors import RasterioError  # noqa: PLC0415  only for rasters

    from lunarsite.engine.io.gdal_open import open_raster  # noqa: PLC0415  likewise

    size = path.stat().st_size
    try:
        with open_raster(path, driver="GTiff") as source:
            down, across = source.block_shapes[0]
            for row in range(-(-source.height // down)):
                for column in range(-(-source.width // across)):
                    block = f"{column}_{row}"
                    at = source.get_tag_item(f"BLOCK_OFFSET_{block}", "TIFF", bidx=1)
                    length = source.get_tag_item(f"BLOCK_SIZE_{block}", "TIFF", bidx=1)
                    # A block of nodata only need not be stored.
                    if at is not None and length is not None and int(at) + int(length) > size:
                        return "it ends before its last block"
    except RasterioError as error:
        return f"GDAL cannot open it: {str(error.__cause__ or error).splitlines()[0]}"
    return None
