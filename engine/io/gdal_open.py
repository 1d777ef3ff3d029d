"""Opening of rasters by GDAL, without what its libraries print to the terminal."""

from __future__ import annotations

import os
import re
import tempfile
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rasterio
import rasterio.errors

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
        If GDAL cannot open it.
    """
    with warnings.catch_warnings(), _libraries_silent():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            return rasterio.open(name, **options)
        except UnicodeDecodeError:
            raise rasterio.errors.RasterioIOError(
                "its coordinate system or a name in it is not UTF-8 text"
            ) from None


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
                os.write(_STDERR, rest)
