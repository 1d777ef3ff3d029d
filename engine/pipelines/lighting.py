"""The stage ``lighting``: light, Earth contact and permanent shadow as raster layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import device, provenance, stages
from lunarsite.engine.atomic import scratch_folder
from lunarsite.engine.illumination import lighting
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.illumination.horizon import Sweep
from lunarsite.engine.illumination.night import darkness
from lunarsite.engine.io import cog
from lunarsite.engine.io.dem import dem_grid, posting, read_far, read_fine
from lunarsite.engine.io.workspace import Scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

_NOT_SHAPING = ("dem", "far_field", "out")
_DESCRIPTIONS = {
    "illumination_pct": "Average illumination",
    "illumination_sensitivity": "Illumination lost per degree of horizon",
    "illumination_darkest_month_pct": "Illumination of the darkest month",
    "longest_night_days": "Longest darkness",
    "earth_visibility_pct": "Earth visibility",
    "earth_sensitivity": "Earth visibility lost per degree of horizon",
    "psr": "Permanent shadow",
    "horizon_coverage_pct": "Covered horizon",
}
"""Band descriptions. They are part of the files, and do not change with the titles of dialogs."""

_NO_VERDICT = 255
"""What stands in the map of permanent shadow where a height or a horizon is unknown."""


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compute and write all layers of the ``lighting`` stage.

    Parameters
    ----------
    values : dict
        Its resolved parameters.
    context : Context
        Threads, memory, progress.

    Returns
    -------
    dict
        Paths of the layers, statistics, warnings' count of what is not covered.
    """
    stage = stages.load("lighting")
    out = Path(values["out"])
    context.progress(0.0, "reading the elevation models")
    dem_grid(values["dem"])
    sky = ephemeris(values["start"], values["stop"], step_hours=values["step_hours"])
    with scratch_folder(out) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes)
        dem = read_fine(values["dem"], scratch)
        far = read_far(values["far_field"], dem.grid, context)
        coarse, side = posting(dem.grid, max(values["posting_m"], dem.grid.pixel_m))
        points = middle_pixels(dem.grid, coarse, side)
        sweep = Sweep(
            dem,
            far,
            lines_per_pixel=values["lines_per_pixel"],
            mast_height_m=values["mast_height_m"],
            scratch=scratch,
        )
        light = lighting.light(
            sweep,
            sky,
            context.part(0.02, 0.88),
            azimuths=values["azimuths"],
            earth_part=values["earth_part"],
            wanted_reach_m=values["horizon_reach_km"] * 1000.0,
            points=points,
            scratch=scratch,
        )
        del sweep
        month, night = darkness(light.thresholds, sky, context.part(0.88, 0.95))
        without_height = ~np.isfinite(dem.height_m[points.row, points.column])
        month[without_height] = night[without_height] = np.nan
        shaping = {key: value for key, value in values.items() if key not in _NOT_SHAPING}
        tags = provenance.as_tags(
            provenance.describe(
                stage.name,
                shaping,
                [values["dem"], *values["far_field"]],
                device=device.choose("cpu").kind,
            )
        )
        known = np.isfinite(dem.height_m)
        psr = light.psr.astype(np.uint8)
        psr[~np.isfinite(light.illumination_pct)] = _NO_VERDICT
        layers = {
            "illumination_pct": _Layer(light.illumination_pct, dem.grid),
            "illumination_sensitivity": _Layer(light.illumination_sensitivity, dem.grid),
            "illumination_darkest_month_pct": _Layer(month.reshape(coarse.shape), coarse),
            "longest_night_days": _Layer(night.reshape(coarse.shape), coarse),
            "earth_visibility_pct": _Layer(light.earth_visibility_pct, dem.grid),
            "earth_sensitivity": _Layer(light.earth_sensitivity, dem.grid),
            "psr": _Layer(psr, dem.grid, _NO_VERDICT),
            "horizon_coverage_pct": _Layer(light.horizon_coverage_pct, dem.grid),
        }
        paths = {}
        for number, output in enumerate(stage.outputs):
            context.progress(0.95 + 0.05 * number / len(stage.outputs), f"writing {output.name}")
            layer = layers[output.name]
            path = out / output.path
            cog.write_raster(
                path,
                layer.values,
                layer.grid,
                description=_DESCRIPTIONS[output.name],
                unit=output.unit,
                nodata=layer.nodata,
                tags=tags,
            )
            paths[output.name] = str(path)
        return _result(paths, light, known, values, context)


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    values: NDArray[Any]
    grid: Grid
    nodata: float | None = None


def middle_pixels(grid: Grid, coarse: Grid, side: int) -> lighting.Points:
    """Return the pixel in the middle of every cell of a coarser grid, row by row."""
    rows = np.minimum(np.arange(coarse.height) * side + side // 2, grid.height - 1)
    columns = np.minimum(np.arange(coarse.width) * side + side // 2, grid.width - 1)
    row, column = np.meshgrid(rows, columns, indexing="ij")
    return lighting.Points(row.ravel().astype(np.int64), column.ravel().astype(np.int64))


def _result(
    paths: dict[str, str],
    light: lighting.Light,
    known: NDArray[np.bool_],
    values: dict[str, Any],
    context: Context,
) -> dict[str, Any]:
    pixels = int(np.count_nonzero(known))
    # Nothing is picked out of whole layers here: the copies might not fit.
    touched = 100.0 * np.count_nonzero(light.horizon_coverage_pct < 99.5) / pixels
    if touched > 0.0:
        context.warn(
            f"Terrain is not known out to {values['horizon_reach_km']:g} km in every direction for "
            f"{touched:.1f} % of the pixels: their horizons may be too low. Give a far field that "
            "surrounds the DEM; horizon_coverage_pct.tif marks what is touched."
        )
    return {
        "outputs": paths,
        "valid_pct": round(100.0 * pixels / known.size, 3),
        "mean_illumination_pct": round(_mean(light.illumination_pct), 3),
        "max_illumination_pct": round(float(np.fmax.reduce(light.illumination_pct, axis=None)), 3),
        "mean_earth_visibility_pct": round(_mean(light.earth_visibility_pct), 3),
        "psr_share_pct": round(100.0 * np.count_nonzero(light.psr) / pixels, 3),
        "touched_by_missing_terrain_pct": round(touched, 3),
    }


def _mean(layer: NDArray[np.float32]) -> float:
    """Return the mean of what is known of a layer, row by row."""
    total, count = 0.0, 0
    for row in layer:
        known = row[np.isfinite(row)]
        total += float(known.sum(dtype=np.float64))
        count += known.size
    return total / count if count else float("nan")
