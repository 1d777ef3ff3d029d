"""The stage ``render-orbital``: an elevation model in sunlight, seen from orbit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from lunarsite.engine import atomic, provenance
from lunarsite.engine.illumination.horizon import Sweep
from lunarsite.engine.illumination.rendering import NODATA, Moment, greys, parse_time, shade
from lunarsite.engine.io import cog
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import dem_grid, read_fine
from lunarsite.engine.io.elevation.far_field import read_surroundings
from lunarsite.engine.io.images import ROCKS_PX_M
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.pipelines import estimates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Dem, Grid
    from lunarsite.engine.pipelines.estimates import Estimate

    Float32 = NDArray[np.float32]

STRIP_ROWS = 512
"""Rows that are rendered at a time."""


_START_S = 2.0
_CORE_S = 0.35e-6
"""Core seconds per pixel of the shadows of one bearing, of shading and of compression."""


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = narrowed(values, "dem", context)
    parse_time(values["time"])
    grid = dem_grid(values["dem"])
    estimates.check_far_fields(values["far_field"])
    pixels = grid.width * grid.height
    inside, beside = estimates.work_arrays(pixels * 32.0, context.memory_limit_bytes // 2)
    return estimates.estimate(
        pixels,
        context,
        serial_s=_START_S,
        core_s=_CORE_S * pixels,
        memory_bytes=inside,
        disk_bytes=beside + estimates.layers_disk_bytes(pixels, 1, at_once=True),
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Render an elevation model in sunlight and write the image."""
    values = narrowed(values, "dem", context)
    moment = parse_time(values["time"])
    path = Path(values["out"])
    estimates.announce(estimate(values, context), path.parent, context)
    atomic.make_folder(path.parent)
    with atomic.scratch_folder(path.parent) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes // 2)
        context.progress(0.0, "Reading the elevation models")
        dem = read_fine(values["dem"], scratch, context)
        around = read_surroundings(
            values["dem"], dem, values["far_field"], context, builtin=values["builtin_far_field"]
        )
        # After the models are read: that reports missing files with a remedy.
        record = provenance.describe(
            "render-orbital", {"time": values["time"]}, [values["dem"], *around.files]
        )
        _warn_of_coarse_pixels(dem.grid.pixel_m, context)
        context.progress(0.1, "Casting shadows")
        horizon = Sweep(dem, around.models, scratch=scratch).horizon_deg(
            moment.bearing_deg, context.part(0.1, 0.6)
        )
        bright = scratch(dem.grid.shape, np.float32)
        elevation = _shade(dem, horizon, moment, bright, context)
        context.progress(0.85, "Writing the image")
        _write(path, bright, dem.grid, provenance.as_tags(record), context)
        shadow = float((bright == 0.0).sum()) / max(int(np.isfinite(bright).sum()), 1)
    context.progress(1.0, "Written")
    return {
        "outputs": {"image": str(path)},
        "sun_bearing_deg": moment.bearing_deg,
        "sun_elevation_deg": elevation,
        "shadow_pct": 100.0 * shadow,
        "summary": [
            f"Solar elevation {elevation:.2f}°, subsolar longitude {moment.bearing_deg:.1f}° E",
            f"{100 * shadow:.1f} % of the ground is in shadow",
        ],
    }


def _warn_of_coarse_pixels(pixel_m: float, context: Context) -> None:
    if pixel_m > ROCKS_PX_M:
        context.warn(
            f"Pixels of {pixel_m:g} m show shadows and slopes, but no rocks: those need "
            f"{ROCKS_PX_M:g} m or finer."
        )


def _shade(dem: Dem, horizon: Float32, moment: Moment, bright: Float32, context: Context) -> float:
    """Fill the brightness strip by strip; return the mean elevation of the Sun, degrees."""
    elevations = []
    for row in range(0, dem.grid.height, STRIP_ROWS):
        context.progress(0.6 + 0.2 * row / dem.grid.height, "Shading")
        rows = slice(row, min(row + STRIP_ROWS, dem.grid.height))
        bright[rows], elevation = shade(dem, horizon, rows, moment)
        elevations.append(elevation)
    return float(np.mean(elevations))


def _write(path: Path, bright: Float32, grid: Grid, tags: dict[str, str], context: Context) -> None:
    """Write the brightness as grey levels, relative to the median of the sunlit ground."""
    lit = bright[bright > 0.0]
    median = float(np.median(lit)) if lit.size else 1.0
    with cog.RasterSink(
        path, grid, "uint8", "Brightness under the Sun", nodata=NODATA, tags=tags, context=context
    ) as sink:
        for row in range(0, grid.height, STRIP_ROWS):
            strip = bright[row : row + STRIP_ROWS]
            sink.write(greys(strip, median), Window(0, row, grid.width, strip.shape[0]))
