"""A part of a published raster: only its blocks are read, whatever the size of the whole."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.windows import Window

from lunarsite.engine import provenance
from lunarsite.engine.datasets import cache
from lunarsite.engine.datasets.download import unreachable
from lunarsite.engine.datasets.entries import Content
from lunarsite.engine.errors import CrsError, InputError, ParameterError
from lunarsite.engine.file_names import part_of
from lunarsite.engine.io import cog, raster
from lunarsite.engine.io.access import network
from lunarsite.engine.io.elevation.area import bounds_of, part
from lunarsite.engine.io.elevation.source import open_elevation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.datasets.entries import Entry

TAG = "FETCHED_FROM"
"""Metadata tag with the source of a part. That of results is another: a part is none."""

_ROWS = 512
_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no other file beside it is asked for
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "32",
}
"""GDAL's settings for servers: as patient as whole downloads."""


def fetch_window(entry: Entry, area: str, context: Context) -> Path | None:
    """Return a local cloud-optimised GeoTIFF of the part of a data set in an area.

    Parameters
    ----------
    entry : Entry
        The data set.
    area : str
        An area of interest, as every stage takes it.
    context : Context
        Progress, cancellation, warnings.

    Returns
    -------
    Path or None
        The file in the cache; None if the area covers all of the data set.

    Raises
    ------
    InputError
        If the server does not answer, or the area lies outside.
    ParameterError
        If the data set is not one of which a part can be read, or the area is not one.
    """
    if not entry.windows:
        raise ParameterError(
            f"--aoi: {entry.name} is no cloud-optimised GeoTIFF, of which a part can be read",
            f"Leave --aoi out: lunarsite fetch {entry.name}",
        )
    bounds_of(area, context)  # an area that is none is told before a server is asked
    file = entry.files[0]
    url = cache.address_of(file)
    whole = cache.path_of(file)
    remote = str(whole) if whole.is_file() else f"/vsicurl/{url}"
    agent = f"lunarsite/{provenance.version()}"
    try:
        with (
            network.opened(asked=network.is_remote(remote)),
            rasterio.Env(GDAL_HTTP_USERAGENT=agent, **_SETTINGS),
        ):
            context.progress(0.0, f"opening {entry.name}")
            name = part(remote, area, context)
            return None if name == remote else _copied(entry, name, url, context)
    except (CrsError, ParameterError):
        raise
    except InputError as error:
        if "does not overlap" in error.problem:
            raise
        raise unreachable(entry, file, url, error.problem) from error
    except rasterio.errors.RasterioIOError as error:
        raise unreachable(entry, file, url, raster.reason(error)) from error


def _copied(entry: Entry, name: str, url: str, context: Context) -> Path:
    """Copy a part into the cache, in the unit that its label says."""
    found = part_of(name)
    if found is None:
        raise ValueError(f"{name} is no part")
    left, top, width, height = found[1]
    target = cache.path_of(entry.files[0]).with_name(
        f"{entry.name}_{left}_{top}_{width}x{height}.tif"
    )
    if target.is_file():
        return target
    heights = entry.content is Content.HEIGHTS
    origin = {"name": entry.name, "address": url, "pixels": [left, top, width, height]}
    tags = {TAG: json.dumps(origin, sort_keys=True)}
    described = "Height" if heights else entry.title
    with (
        _opened(name, entry) as (source, read),
        cog.RasterSink(
            target,
            source,
            np.dtype(np.float32),
            described,
            "m" if heights else source.units[0] or "",
            tags=tags,
            context=context,
        ) as sink,
    ):
        for row in range(0, height, _ROWS):
            context.progress(row / height, f"{entry.name}: row {row} of {height}")
            window = Window(0, row, width, min(_ROWS, height - row))
            sink.write(read(window), window)
    return target


@contextmanager
def _opened(
    name: str, entry: Entry
) -> Iterator[tuple[rasterio.DatasetReader, Callable[[Window], NDArray[np.float32]]]]:
    """Open a part, and yield it with what reads its values: scale and offset are those it names."""
    if entry.content is Content.HEIGHTS:
        with open_elevation(name, entry.name) as model:
            yield model.source, model.read
    else:
        with raster.opened(name, entry.name) as source:
            yield source, lambda window: raster.read_band(source, 1, window=window)
