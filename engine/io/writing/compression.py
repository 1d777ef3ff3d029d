"""Overviews and compression of a finished raster, in a process of its own if it is large.

GDAL does both in single calls, which nothing in the same process can end.
"""

from __future__ import annotations

import json
import subprocess  # nosec B404  # for the other process
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

import rasterio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rasterio.enums import Resampling

APART_BYTES = 64 * 2**20
"""Size of the pixels above which a raster is compressed in another process. Smaller ones take less
than a second, about as long as that process needs to begin."""

_CACHE_BYTES = 192 * 2**20
"""GDAL's cache of blocks there. Its own default grows with the machine."""

_POLL_S = 0.1

_COMPRESS = """
import json, os, sys, threading, warnings
job = json.loads(sys.stdin.buffer.readline())

def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(3)

threading.Thread(target=end_with_parent, daemon=True).start()
warnings.simplefilter("ignore")
import rasterio, rasterio.shutil
from rasterio.enums import Resampling
try:
    with rasterio.Env(GDAL_CACHEMAX=job["cache"]):
        if job["levels"]:
            with (
                rasterio.open(job["plain"], "r+") as target,
                rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=job["block_px"]),
            ):
                target.build_overviews(job["levels"], Resampling[job["resampling"]])
        rasterio.shutil.copy(job["plain"], job["path"], **job["options"])
except Exception as error:
    print(str(error.__cause__ or error).splitlines()[0], file=sys.stderr)
    os._exit(1)
os._exit(0)
"""
"""What the other process does; it ends as soon as this one does, or kills it."""


class Overviews(NamedTuple):
    """Overviews of a raster.

    Parameters
    ----------
    levels : sequence of int
        Factors by which they are reduced.
    resampling : Resampling
        How.
    block_px : int
        Side of their blocks, a power of two.
    """

    levels: Sequence[int]
    resampling: Resampling
    block_px: int


def add_overviews(target: rasterio.io.DatasetWriter, overviews: Overviews) -> None:
    """Build the overviews of an open raster."""
    if overviews.levels:
        with rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=overviews.block_px):
            target.build_overviews(list(overviews.levels), overviews.resampling)


def compress_apart(
    plain: Path,
    path: Path,
    overviews: Overviews,
    options: Mapping[str, Any],
    check: Callable[[], None],
) -> None:
    """Add overviews to a raster, and copy it to a compressed one, in another process.

    Parameters
    ----------
    plain : Path
        The raster, closed.
    path : Path
        The compressed one.
    overviews : Overviews
        Its overviews.
    options : mapping
        Those of ``rasterio.shutil.copy``.
    check : callable
        Is called often, and raises to end the work.

    Raises
    ------
    OSError
        If GDAL could not do it; the text is GDAL's.
    """
    job = {
        "plain": str(plain),
        "path": str(path),
        "levels": list(overviews.levels),
        "resampling": overviews.resampling.name,
        "block_px": overviews.block_px,
        "cache": _CACHE_BYTES,
        "options": dict(options),
    }
    command = [sys.executable, "-I", "-c", _COMPRESS]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603  # nosec B603  # no shell; our own interpreter
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        try:
            if process.stdin is not None:
                process.stdin.write(json.dumps(job).encode() + b"\n")
                process.stdin.flush()
            while True:
                check()
                try:
                    ended = process.wait(_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            process.kill()
            raise
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if ended:
        raise OSError(lines[-1] if lines else f"the process that compresses ended with {ended}")
