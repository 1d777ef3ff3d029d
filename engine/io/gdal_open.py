"""Opening of rasters by GDAL, without what its libraries print to the terminal."""

from __future__ import annotations

import os
import re
import subprocess  # nosec B404  # for the other process
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import rasterio
import rasterio.errors

from lunarsite.engine.file_names import local_file
from lunarsite.engine.io.access import references

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STDERR = 2
_PRINTED = re.compile(
    rb"^(?:HDF5-DIAG:| {2}#\d+: | {4}m(?:aj|in)or: |(?:internal_)?(?:proj|pj)_\w+: ).*\n?",
    re.MULTILINE,
)
"""What HDF5 prints of errors that it also returns, and PROJ of tables that others find."""

_one_at_a_time = threading.RLock()

_TRY_WITHIN_S = 8.0
_TRY = """
import sys, warnings
warnings.simplefilter("ignore")
import rasterio
try:
    with rasterio.open(sys.argv[1]) as source:
        for name in source.subdatasets or [sys.argv[1]]:
            with rasterio.open(name) as part:
                if part.count:
                    part.read(1, out_shape=(min(64, part.height), min(64, part.width)))
except rasterio.errors.RasterioError:
    sys.exit(1)
"""
"""What another process tries; 1 is an error that GDAL returns."""

_tried: set[tuple[str, int, int, int]] = set()
"""Versions of files that have been read without a crash."""


def open_raster(name: str | Path, **options: Any) -> rasterio.DatasetReader:
    """Open a raster for reading, without rasterio's warning that it is not georeferenced.

    Parameters
    ----------
    name : path
        A file, or another name that GDAL opens.
    **options
        Those of ``rasterio.open``.

    Returns
    -------
    rasterio.DatasetReader
        The open raster.

    Raises
    ------
    rasterio.errors.RasterioIOError
        If GDAL cannot open it, or it is not in the format of a raster file.

    Notes
    -----
    The libraries of netCDF and HDF5 may crash or never end on a damaged file. Such a file is read
    in a process of its own first.
    """
    try_apart(local_file(name))
    with warnings.catch_warnings(), _libraries_silent():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            source = rasterio.open(name, **options)
        except UnicodeDecodeError:
            raise rasterio.errors.RasterioIOError(
                "its coordinate system or a name in it is not UTF-8 text"
            ) from None
    if source.driver not in references.DRIVERS:
        source.close()
        raise rasterio.errors.RasterioIOError(
            f"{source.driver} is not among the formats that LunarSite reads"
        )
    return source


def try_apart(path: Path | None) -> None:
    """Read a netCDF or HDF5 file in another process, once, before it is read in this one.

    Parameters
    ----------
    path : Path or None
        A file, of any format; None is none.

    Raises
    ------
    rasterio.errors.RasterioIOError
        If that process crashes, or does not end.
    """
    if path is None:
        return
    try:
        with path.open("rb") as file:
            start = file.read(8)
        found = path.stat()
    except (OSError, ValueError):
        return  # opening it says why
    version = (str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ino)
    if not start.startswith((b"CDF", b"\x89HDF")) or version in _tried:
        return
    command = [sys.executable, "-I", "-c", _TRY, str(path)]
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603  # no shell; our own interpreter
            command, capture_output=True, timeout=_TRY_WITHIN_S, check=False
        )
        ended = done.returncode in (0, 1)
    except subprocess.TimeoutExpired:
        ended = False
    if not ended:
        raise rasterio.errors.RasterioIOError("it is damaged: the library that reads it crashed")
    _tried.add(version)


@contextmanager
def _libraries_silent() -> Iterator[None]:
    """Keep what C libraries print from the terminal, and pass on what others write to it."""
    with _one_at_a_time, tempfile.TemporaryFile() as caught:
        try:
            terminal = os.dup(_STDERR)
        except OSError:  # there is none
            yield
            return
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            caught.seek(0)
            rest = _PRINTED.sub(b"", caught.read())
            if rest:
                with suppress(OSError):  # it may be full
                    os.write(_STDERR, rest)
