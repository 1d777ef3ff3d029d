"""The network, which is opened only if the user asks for it.

A file may name servers: a virtual raster with sources in ``/vsicurl/``, the description of a web
map. Without a question GDAL would fetch them, and tell a stranger who opens the file, and when.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RASTER_DRIVERS = (
    "DAAS EEDA EEDAI GTI HTTP KMLSUPEROVERLAY OGCAPI PLMOSAIC STACIT STACTA WCS WMS WMTS"
)
_VECTOR_DRIVERS = (
    "ADBC AmigoCloud CSW Carto Elasticsearch GDALG MapML NGW OAPIF OGR_VRT PLSCENES WFS"
)
"""Drivers that fetch from servers, or open whatever files a file names; GDAL warns of others."""

_FILE_SYSTEMS = (
    *("/vsicurl", "/vsis3", "/vsigs", "/vsiaz", "/vsiadls", "/vsioss", "/vsiswift"),
    *("/vsihdfs", "/vsiwebhdfs"),
)
_ADDRESSES = ("http:", "https:", "ftp:")

_CLOSED = {
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".closed",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "GDAL_HTTPS_PROXY": "127.0.0.1:9",
}
"""Settings with which no file system or driver of GDAL reaches a server."""

_lock = threading.Lock()
_users: dict[str, str | None] = {}
_open = 0


def disable_drivers() -> None:
    """Leave drivers out that open the network, and close it; before GDAL is imported."""
    known = os.environ.get("GDAL_SKIP", "").replace(",", " ").split()
    skipped = dict.fromkeys([*known, *_RASTER_DRIVERS.split(), *_VECTOR_DRIVERS.split()])
    os.environ["GDAL_SKIP"] = " ".join(skipped)
    with _lock:
        if not _users:
            own = {name: os.environ.get(name) for name in _CLOSED}
            # A child process inherits what its parent has closed.
            _users.update({n: None if value == _CLOSED[n] else value for n, value in own.items()})
            os.environ.update(_CLOSED)


def is_remote(name: str | Path) -> bool:
    """Return whether a name leads to a server.

    Examples
    --------
    >>> is_remote("/vsicurl/https://host/dem.tif"), is_remote("vrt:///vsis3/a/dem.tif?bands=1")
    (True, True)
    >>> is_remote("/vsizip/a.zip/dem.tif"), is_remote("dem.tif")
    (False, False)
    """
    text = str(name).lower()
    return text.startswith(_ADDRESSES) or any(system in text for system in _FILE_SYSTEMS)


def is_open() -> bool:
    """Return whether the network may be used."""
    return _open > 0


@contextmanager
def opened(*, asked: bool) -> Iterator[None]:
    """Open the network during a block, if the user has asked for it.

    Parameters
    ----------
    asked : bool
        Whether the user has: by the option, or by a name that leads to a server.
    """
    global _open  # noqa: PLW0603  GDAL's settings belong to the process
    if not asked:
        yield
        return
    with _lock:
        _open += 1
        for name, value in _users.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    try:
        yield
    finally:
        with _lock:
            _open -= 1
            if not _open:
                os.environ.update(_CLOSED)
