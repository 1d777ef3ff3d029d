"""The stage ``landing``: landing discs evaluated at every pixel, as cloud-optimised GeoTIFFs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from lunarsite.engine import provenance
from lunarsite.engine.context import GIB
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import dem_grid
from lunarsite.engine.pipelines import estimates
from lunarsite.engine.pipelines.features import layers_of
from lunarsite.engine.scoring import disc_evaluation, profiles
from lunarsite.engine.scoring.error_model import Errors
from lunarsite.engine.scoring.features.columns import LANDING_PROFILE
from lunarsite.engine.scoring.landing.cells import LANDABLE, RADIUS_TAG
from lunarsite.engine.scoring.landing.discs import LEAST_RADIUS_PX, Disc

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.pipelines.estimates import Estimate

_CACHE_BYTES = 192 * 2**20
_START_S = 2.0
_PIXEL_S = 0.2e-6
"""Seconds per pixel of both layers, beside what grows with the disc."""

_ROW_S = 28e-9
"""Seconds per pixel and row of the disc, over all its statistics."""

_BYTES = 8


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = narrowed(values, "dem", context)
    layers_of(values)
    profiles.load(values["profile"])
    grid = dem_grid(values["dem"])
    return of_grid(grid, values["landing_radius_m"], context)


def of_grid(grid: Grid, radius_m: float, context: Context) -> Estimate:
    """Return what the discs of all pixels of a grid need."""
    count, rows = grid.width * grid.height, 2 * Disc.of(radius_m, grid.pixel_m).reach + 1
    return estimates.estimate(
        count,
        context,
        core_s=0.0,
        serial_s=_START_S + (_PIXEL_S + _ROW_S * rows) * count,
        memory_bytes=min(2 * GIB, 0.2 * GIB + 400 * count),
        disk_bytes=estimates.layers_disk_bytes(count, _BYTES, at_once=True),
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Write probability and suitability of the landing discs.

    Raises
    ------
    InputError
        If no criterion of the profile can be evaluated with the layers.
    """
    values = narrowed(values, "dem", context)
    layers = layers_of(values)
    profile = profiles.load(values["profile"])
    if context.announces:
        estimates.announce(estimate(values, context), values["out"], context)
    grid = dem_grid(values["dem"])
    disc = Disc.of(values["landing_radius_m"], grid.pixel_m)
    if disc.radius_m > values["landing_radius_m"]:
        context.warn(
            f"Landing discs have a radius of {disc.radius_m:g} m, {LEAST_RADIUS_PX:g} pixels, "
            f"instead of {values['landing_radius_m']:g} m: the elevation model shows nothing "
            "smaller."
        )
    evaluated = disc_evaluation.evaluable(profile, layers, grid)
    if not evaluated.profile.criteria:
        raise InputError(
            f"No criterion of {profile.name!r} can be evaluated at a pixel with these layers",
            "Give the layers of terrain and lighting, or rank whole cells: --place cell",
        )
    if evaluated.left_out:
        context.warn(
            "The maps of landing discs do not count the criteria on "
            f"{', '.join(evaluated.left_out)}, which are evaluated at the best disc of each cell."
        )
    errors = Errors.from_parameters(values)
    shaping = {"landing_radius_m": disc.radius_m, "profile": profile.as_dict()} | errors.as_dict()
    tags = provenance.as_tags(provenance.describe("landing", shaping, layers.paths()))
    own = {RADIUS_TAG: repr(disc.radius_m), LANDING_PROFILE: profile.fingerprint()}
    folder = Path(values["out"])
    names = ("landing_probability", "landing_suitability")
    paths = {name: folder / f"{name}.tif" for name in names}
    titles = ("Landing probability", "Landing suitability")
    good, known = 0, 0
    with ExitStack() as stack, rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
        sinks = stack.enter_context(
            cog.sinks_together(
                [
                    cog.RasterSink(
                        paths[name],
                        grid,
                        "float32",
                        title,
                        tags=tags | own,
                    )
                    for name, title in zip(names, titles, strict=True)
                ],
                context.part(0.9, 1.0),
            )
        )
        strips = disc_evaluation.evaluate(
            layers, grid, disc, evaluated.profile, errors, context.part(0.0, 0.9)
        )
        for strip in strips:
            sinks[0].write(strip.probability, strip.window)
            sinks[1].write(strip.suitability, strip.window)
            known += int(np.isfinite(strip.probability).sum())
            good += int((strip.probability >= LANDABLE).sum())
    return {
        "outputs": {name: str(path) for name, path in paths.items()},
        "landing_radius_m": disc.radius_m,
        "landable_pct": round(100.0 * good / known, 4) if known else None,
        "summary": [
            f"discs of {disc.radius_m:g} m radius: "
            + (f"{100.0 * good / known:.3g} % of the ground is landable" if known else "no data")
        ],
    }
