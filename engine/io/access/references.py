"""What a raster file makes GDAL open besides itself, looked at before GDAL does."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET  # nosec B405  # a DTD is refused before

from lunarsite.engine.errors import InputError
from lunarsite.engine.io.access import network
from lunarsite.engine.text import quoted

DRIVERS = (
    *("GTiff", "COG", "SNAP_TIFF", "VRT", "PDS", "PDS4", "ISIS3", "ISIS2", "VICAR", "FITS"),
    *("PNG", "JPEG", "WEBP", "BMP", "GIF", "BIGGIF", "JP2OpenJPEG", "JPEGXL", "PNM", "TGA"),
    *("netCDF", "HDF5", "HDF5Image", "GRIB", "Zarr", "GPKG", "NITF", "BAG", "XYZ", "HFA"),
    *("AAIGrid", "GRASSASCIIGrid", "AIG", "ENVI", "EHdr", "ERS", "GSAG", "GSBG", "GS7BG"),
    *("BT", "RST", "ILWIS", "SAGA", "PCIDSK", "RRASTER", "Terragen", "Leveller", "LCP"),
    *("USGSDEM", "SRTMHGT", "DTED", "ZMap", "HF2", "NWT_GRD", "SIGDEM", "GTX", "GXF", "MEM"),
)
"""Formats of files. GDAL's drivers of web services and of lists of other files are not here."""

_HEAD_BYTES = 1024
_MOST_BYTES = 256 * 2**20
_DEEPEST = 8
_TEXT_ONLY = ("metadata", "srs", "description", "histograms", "categorynames", "unittype")
"""Elements whose texts GDAL opens nothing by."""

_VIRTUAL = re.compile(rb"<\s*VRTDataset", re.IGNORECASE)
_SERVICE = re.compile(
    rb"<\s*(GDAL_WMS|WMS_\w+|WCS_GDAL|GDAL_WMTS|GDALTileIndexDataset)\b", re.IGNORECASE
)
_DTD = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def check(path: str | Path, what: str) -> None:
    """Raise if a file would make GDAL open the network, or files that a user did not name.

    The sources of a virtual raster on this computer may lie anywhere; the bytes of another file may
    be taken for pixels only if it lies beside the virtual raster or below.

    Parameters
    ----------
    path : path
        A file; other names that GDAL opens are left to the settings of `network`.
    what : str
        Name of the raster in messages.

    Raises
    ------
    InputError
        With what the file names.
    """
    _check(Path(path), what, set(), _DEEPEST)


def check_beside(path: str | Path, files: list[str], what: str) -> None:
    """Raise if an open raster consists of files elsewhere, as a label may say.

    Parameters
    ----------
    path : path
        The file that the user named.
    files : list of str
        All files of the raster.
    what : str
        Name of the raster in messages.

    Raises
    ------
    InputError
        With the first such file.
    """
    folder = Path(path).resolve().parent
    for file in files:
        if file.startswith("/vsi") or (Path(file).is_file() and not _below(Path(file), folder)):
            raise _elsewhere(path, file, what)


def _check(file: Path, what: str, seen: set[Path], depth: int) -> None:
    if file in seen:
        return
    seen.add(file)
    try:
        root = _virtual(file, what)
    except OSError:
        return  # GDAL will say why
    for name, relative, raw in [] if root is None else _names(root):
        if network.is_remote(name) and not network.is_open():
            raise InputError(
                f"{what} {file} reads from a server: {name[:200]}",
                "Add --allow-network if you trust the file and want that",
            )
        if name.lstrip().startswith("<"):
            raise InputError(
                f"{what} {file} holds the description of another raster",
                f"Copy it to a GeoTIFF if you trust it: gdal_translate {quoted(str(file))} "
                f"{quoted(f'{file.stem}.tif')}",
            )
        source = file.parent / name if relative or not Path(name).is_absolute() else Path(name)
        if raw and not _below(source, file.resolve().parent):
            raise _elsewhere(file, str(source), what)
        if depth and not name.startswith("/vsi"):
            _check(source, what, seen, depth - 1)


def _virtual(file: Path, what: str) -> ET.Element | None:
    """Return the document of a virtual raster, None for other files."""
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        if _SERVICE.search(head):
            raise InputError(
                f"{what} {file} describes a service on the network, not a raster",
                "Download what you need of it, and give that file",
            )
        if not _VIRTUAL.search(head):
            return None
        text = head + stream.read(_MOST_BYTES)
    if len(text) > _MOST_BYTES or _DTD.search(text):
        raise InputError(f"{what} {file} is not a virtual raster of GDAL's", "Make it again")
    try:
        return ET.fromstring(text.strip(b"\0 \r\n\t"))  # noqa: S314  # nosec B314  # no DTD
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:
        raise InputError(
            f"{what} {file} cannot be read: it is not valid XML: {error}",
            "Put the files that it is made of where it names them, or make it again",
        ) from error


def _names(root: ET.Element) -> list[tuple[str, bool, bool]]:
    """Return what a virtual raster may open: name, whether it is relative, whether it is raw."""
    found: list[tuple[str, bool, bool]] = []
    waiting = [(root, False)]
    while waiting:
        element, raw = waiting.pop()
        tag = element.tag.lower()
        if tag in _TEXT_ONLY:
            continue
        kind = {key.lower(): value for key, value in element.attrib.items()}
        raw = raw or kind.get("subclass", "").lower() == "vrtrawrasterband"
        text = (element.text or "").strip()
        named = "filename" in tag or "dataset" in tag or "filename" in kind.get("name", "").lower()
        if text and (named or network.is_remote(text)):
            relative = kind.get("relativetovrt", "0").lower() in ("1", "yes", "true", "on")
            found.append((text, relative, raw and "filename" in tag))
        waiting.extend((child, raw) for child in element)
    return found


def _below(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder)


def _elsewhere(path: str | Path, file: str, what: str) -> InputError:
    return InputError(
        f"{what} {path} takes the bytes of {file} for pixels, which lies in another folder",
        "Put both into one folder if you trust them",
    )
