"""The stage ``disc-light``: light at the best landing disc of every cell, as rasters of cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import provenance
from lunarsite.engine.atomic import scratch_folder
from lunarsite.engine.context import GIB
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.illumination.places import light_at_places
from lunarsite.engine.io import cog
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import dem_grid, posting, read_fine
from lunarsite.engine.io.elevation.far_field import read_surroundings
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.pipelines import estimates
from lunarsite.engine.pipelines.features import landing_files
from lunarsite.engine.scoring.features.columns import (
    DISC_LIGHT_FILES,
    LANDING_SHA256,
)
from lunarsite.engine.scoring.features.places import Places
from lunarsite.engine.scoring.landing.cells import best_discs

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.pipelines.estimates import Estimate

_START_S = 3.0
_PLACE_CORE_S = 1e-5
"""Core seconds per place and bearing."""

_TITLES = {
    "darkest_month": ("Illumination of the darkest month", "%"),
    "longest_night": ("Longest continuous darkness", "days"),
}
_SHAPING = (
    "start",
    "stop",
    "step_hours",
    "mast_height_m",
    "azimuths",
    "earth_part",
    "cell_m",
    "builtin_far_field",
)


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = narrowed(values, "dem", context)
    landing_files(Path(values["layers"]))
    ephemeris(values["start"], values["stop"], step_hours=values["step_hours"])
    estimates.check_far_fields(values["far_field"])
    grid = dem_grid(values["dem"])
    coarse, _ = posting(grid, values["cell_m"])
    return of_cells(grid.width * grid.height, coarse.width * coarse.height, values, context)


def of_cells(pixels: int, cells: int, values: dict[str, Any], context: Context) -> Estimate:
    """Return what the light of the discs of some cells needs."""
    inside, beside = estimates.work_arrays(pixels * 8, context.memory_limit_bytes)
    return estimates.estimate(
        pixels,
        context,
        serial_s=_START_S,
        core_s=_PLACE_CORE_S * cells * values["azimuths"],
        memory_bytes=0.3 * GIB + inside,
        disk_bytes=beside + 8 * cells,
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compute and write darkest month and longest darkness at the discs."""
    values = narrowed(values, "dem", context)
    suitability, probability = landing_files(Path(values["layers"]))
    out = Path(values["out"])
    if context.announces:
        estimates.announce(estimate(values, context), out, context)
    grid = dem_grid(values["dem"])
    coarse, side = posting(grid, values["cell_m"])
    found = best_discs(suitability, probability, grid, coarse, side, context.part(0.0, 0.05))
    places = Places(grid, coarse, side, found)
    at = places.found
    with scratch_folder(out) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes)
        dem = read_fine(values["dem"], scratch, context)
        around = read_surroundings(
            values["dem"], dem, values["far_field"], context, builtin=values["builtin_far_field"]
        )
        light = light_at_places(
            dem,
            places.x_m[at],
            places.y_m[at],
            values["start"],
            values["stop"],
            far_field=around.models,
            mast_height_m=values["mast_height_m"],
            step_hours=values["step_hours"],
            azimuths=values["azimuths"],
            earth_part=values["earth_part"],
            scratch=scratch,
            context=context.part(0.1, 0.98),
        )
    inputs = [values["dem"], *around.files, str(suitability), str(probability)]
    shaping = {name: values[name] for name in _SHAPING}
    tags = provenance.as_tags(provenance.describe("disc-light", shaping, inputs))
    tags[LANDING_SHA256] = provenance.sha256(suitability)
    outputs = {}
    for source, values_of in (
        ("darkest_month", light.darkest_month_pct),
        ("longest_night", light.longest_darkness_days),
    ):
        layer = np.full(coarse.shape, np.nan, np.float32)
        layer[at] = values_of
        path = out / DISC_LIGHT_FILES[source]
        title, unit = _TITLES[source]
        cog.write_raster(
            path, layer, coarse, description=title, unit=unit, tags=tags, context=context
        )
        outputs[path.stem] = str(path)
    return {"outputs": outputs, "places": int(at.sum())}
