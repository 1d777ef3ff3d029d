"""The stage ``terrain``: terrain layers of an elevation model, as cloud-optimised GeoTIFFs."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.windows import Window

from lunarsite.engine import provenance
from lunarsite.engine.io import cog, raster
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import dem_grid, warn_of_assumptions
from lunarsite.engine.io.elevation.source import Elevation, open_elevation
from lunarsite.engine.io.heights import check_heights
from lunarsite.engine.pipelines import estimates
from lunarsite.engine.terrain.attributes import DEFAULT_WINDOWS, LAYERS, Windows, block_layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.pipelines.estimates import Estimate

    Float32 = NDArray[np.float32]

TILE_PX = 512

_CACHE_BYTES = 192 * 2**20


_START_S = 2.5
_CORE_S = 0.6e-6
"""Core seconds per pixel of all layers, compression included."""


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = narrowed(values, "dem", context)
    _windows(values)
    grid = dem_grid(values["dem"])
    pixels = grid.width * grid.height
    layer_bytes = 4 * len(LAYERS)
    return estimates.estimate(
        pixels,
        context,
        core_s=_CORE_S * pixels,
        serial_s=_START_S,
        memory_bytes=min(3 * _CACHE_BYTES, pixels * layer_bytes)
        + 4 * context.threads * TILE_PX**2 * layer_bytes,
        disk_bytes=estimates.layers_disk_bytes(pixels, layer_bytes, at_once=True),
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Write the layers; return their paths and the share of valid pixels."""
    values = narrowed(values, "dem", context)
    windows = _windows(values)
    estimates.announce(estimate(values, context), values["out"], context)
    shaping = {name: values[name] for name in values if name.endswith("_window_px")}
    shaping["roughness_windows_px"] = values["roughness_windows_px"]
    context.progress(0.0, "Reading the elevation model")
    dem_grid(values["dem"])
    tags = provenance.as_tags(provenance.describe("terrain", shaping, [values["dem"]]))
    return write_layers(
        values["dem"], Path(values["out"]), context=context, windows=windows, tags=tags
    )


def _windows(values: dict[str, Any]) -> Windows:
    return Windows.parse(
        values["roughness_windows_px"], values["relief_window_px"], values["position_window_px"]
    )


def write_layers(
    dem: str | Path,
    folder: Path,
    *,
    context: Context,
    windows: Windows = DEFAULT_WINDOWS,
    tags: Mapping[str, str] | None = None,
    tile_px: int = TILE_PX,
) -> dict[str, Any]:
    """Write all terrain layers of an elevation model as cloud-optimised GeoTIFFs.

    The model is read once, block by block with a halo; memory depends on the block size and the
    threads, not on the size of the raster. The result does not depend on ``tile_px``.

    Parameters
    ----------
    dem : path
        Elevation model.
    folder : Path
        Output folder; files are named after the layers.
    context : Context
        Progress, cancellation and executor.
    windows : Windows, optional
        Sides of the windows.
    tags : mapping, optional
        Metadata of the files, such as the provenance.
    tile_px : int, optional
        Side of a block, pixels.

    Returns
    -------
    dict
        ``outputs``: paths by layer; ``valid_share``: share of valid pixels, by layer and of
        ``dem`` itself.

    Raises
    ------
    CrsError, InputError
        As `dem.read_dem`; nothing is written then.
    OutputError
        If the folder is not writable or the disk is full.
    """
    paths = {layer.name: folder / f"{layer.name}.tif" for layer in LAYERS}
    with ExitStack() as stack, rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
        model = stack.enter_context(open_elevation(dem, "The DEM"))
        grid = raster.grid_of(model.source, "The DEM")
        warn_of_assumptions(model, grid, "The DEM", context, compare=True)
        sinks = stack.enter_context(
            cog.sinks_together(
                [
                    cog.RasterSink(
                        paths[layer.name],
                        grid,
                        "float32",
                        layer.title,
                        layer.unit,
                        tags=tags,
                    )
                    for layer in LAYERS
                ],
                context.part(0.6, 1.0),
            )
        )
        counts = _stream(
            model, grid, sinks, windows=windows, tile_px=tile_px, context=context.part(0.0, 0.6)
        )
    total = grid.width * grid.height
    names = ("dem", *(layer.name for layer in LAYERS))
    return {
        "outputs": {name: str(path) for name, path in paths.items()},
        "valid_share": {
            name: int(n) / total for name, n in zip(names, counts.tolist(), strict=True)
        },
    }


def _stream(
    model: Elevation,
    grid: Grid,
    sinks: Sequence[cog.RasterSink],
    *,
    windows: Windows,
    tile_px: int,
    context: Context,
) -> NDArray[np.int64]:
    """Process all blocks; return the numbers of valid pixels of the DEM and of each layer."""
    tiles = list(grid.tiles(tile_px))
    waiting: deque[tuple[Window, Future[Float32]]] = deque()
    counts = np.zeros(1 + len(LAYERS), np.int64)
    low, high = np.inf, -np.inf
    halo = windows.halo_px

    def finish_one() -> None:
        window, future = waiting.popleft()
        stack = future.result()
        for n, (sink, values) in enumerate(zip(sinks, stack, strict=True)):
            sink.write(values, window)
            counts[n + 1] += np.count_nonzero(np.isfinite(values))

    try:
        for done, window in enumerate(tiles):
            context.progress(done / len(tiles), "Terrain layers")
            padded = _read_padded(model, window, halo)
            own = padded[halo : halo + int(window.height), halo : halo + int(window.width)]
            counts[0] += np.count_nonzero(np.isfinite(own))
            low, high = (
                np.fmin(low, np.fmin.reduce(own, axis=None)),
                np.fmax(high, np.fmax.reduce(own, axis=None)),
            )
            waiting.append(
                (window, context.pool().submit(block_layers, padded, grid.part(window), windows))
            )
            while len(waiting) > 2 * context.threads:
                finish_one()
        ends = np.array([[low, high]] if counts[0] else [[np.nan]], np.float32)
        model.warn_of_fills(context, "The DEM")
        check_heights(ends, grid, "The DEM", model.command)
        while waiting:
            finish_one()
    finally:
        for _, future in waiting:
            future.cancel()
    context.progress(1.0, "Terrain layers")
    return counts


def _read_padded(model: Elevation, window: Window, halo: int) -> Float32:
    """Return a window's heights with a halo, NaN outside the raster."""
    left, top = window.col_off - halo, window.row_off - halo
    right, bottom = left + window.width + 2 * halo, top + window.height + 2 * halo
    inner = Window.from_slices(
        (max(top, 0), min(bottom, model.source.height)),
        (max(left, 0), min(right, model.source.width)),
    )
    values = model.read(inner)
    if values.shape == (bottom - top, right - left):
        return values
    padded = np.full((bottom - top, right - left), np.nan, np.float32)
    row, column = max(-top, 0), max(-left, 0)
    padded[row : row + values.shape[0], column : column + values.shape[1]] = values
    return padded
