"""The stage ``render-orbital``: what an elevation model looks like from above under the Sun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from lunarsite.engine import atomic, provenance
from lunarsite.engine.illumination.horizon import Sweep
from lunarsite.engine.io import cog
from lunarsite.engine.io.dem import read_far, read_fine
from lunarsite.engine.io.images import ROCKS_PX_M
from lunarsite.engine.io.workspace import Scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]
from lunarsite.engine.illumination.rendering import NODATA, at, greys, shade

ROWS = 512


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Render an elevation model under the Sun and write the image."""
    moment = at(values["time"])
    path = Path(values["out"])
    atomic.make_folder(path.parent)
    with atomic.scratch_folder(path.parent) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes // 2)
        context.progress(0.0, "Reading the elevation models")
        dem = read_fine(values["dem"], scratch)
        far = read_far(values["far_field"], dem.grid, context)
        # After the reading, which says what is not there.
        record = provenance.describe(
            "render-orbital", {"time": values["time"]}, [values["dem"], *values["far_field"]]
        )
        if dem.grid.pixel_m > ROCKS_PX_M:
            context.warn(
                f"Pixels of {dem.grid.pixel_m:g} m show shadows and slopes, but no rocks: those "
                f"need {ROCKS_PX_M:g} m or finer."
            )
        context.progress(0.1, "Casting shadows")
        horizon = Sweep(dem, far, scratch=scratch).horizon_deg(
            moment.bearing_deg, context.part(0.1, 0.6)
        )
        bright = scratch(dem.grid.shape, np.float32)
        elevations = []
        for row in range(0, dem.grid.height, ROWS):
            context.progress(0.6 + 0.2 * row / dem.grid.height, "Shading")
            rows = slice(row, min(row + ROWS, dem.grid.height))
            bright[rows], elevation = shade(dem, horizon, rows, moment)
            elevations.append(elevation)
        lit = bright[bright > 0.0]
        usual = float(np.median(lit)) if lit.size else 1.0
        context.progress(0.85, "Writing the image")
        with cog.RasterSink(
            path,
            dem.grid,
            "uint8",
            "Brightness under the Sun",
            nodata=NODATA,
            tags=provenance.as_tags(record),
        ) as sink:
            for row in range(0, dem.grid.height, ROWS):
                part = bright[row : row + ROWS]
                sink.write(greys(part, usual), Window(0, row, dem.grid.width, part.shape[0]))
        shadow = float((bright == 0.0).sum()) / max(int(np.isfinite(bright).sum()), 1)
    context.progress(1.0, "Written")
    height = float(np.mean(elevations))
    lines = [
        f"The Sun stands {height:.2f}° above level ground, over {moment.bearing_deg:.1f}° east",
        f"{100 * shadow:.1f} % of the ground lie in shadow",
    ]
    return {
        "outputs": {"image": str(path)},
        "sun_bearing_deg": moment.bearing_deg,
        "sun_elevation_deg": height,
        "shadow_pct": 100.0 * shadow,
        "summary": lines,
    }
