"""The stage ``lighting``: illumination, Earth visibility and permanent shadow as rasters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import provenance, stages
from lunarsite.engine.atomic import scratch_folder
from lunarsite.engine.context import GIB
from lunarsite.engine.datasets.far_field import with_fetched
from lunarsite.engine.illumination import lighting
from lunarsite.engine.illumination.darkness import darkness_at_points
from lunarsite.engine.illumination.ephemeris import Ephemeris, ephemeris
from lunarsite.engine.illumination.exact import Rays
from lunarsite.engine.illumination.horizon import DEFAULT_LINES_PER_PIXEL, NO_MAST, Sweep
from lunarsite.engine.illumination.places import Sky, light_along
from lunarsite.engine.io import cog
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import dem_grid, posting, read_fine
from lunarsite.engine.io.elevation.far_field import read_surroundings
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.pipelines import estimates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination.tables import Light
    from lunarsite.engine.io.grid import Dem, Grid
    from lunarsite.engine.pipelines.estimates import Estimate

    Float32 = NDArray[np.float32]

_NOT_SHAPING = ("dem", "far_field", "fetched_far_field", "out")
_DESCRIPTIONS = {
    "illumination_pct": "Average illumination",
    "illumination_sensitivity": "Illumination lost per degree of horizon",
    "illumination_darkest_month_pct": "Illumination of the darkest month",
    "longest_night_days": "Longest darkness",
    "earth_visibility_pct": "Earth visibility",
    "earth_sensitivity": "Earth visibility lost per degree of horizon",
    "psr": "Permanent shadow",
    "illumination_method": "Method of the horizons",
    "horizon_coverage_pct": "Covered horizon",
}
"""Band descriptions. They are part of the files, and do not change with the titles of dialogs."""

_MARCHED_POINTS = 0.01
"""Points of the time series, in pixels of the model, up to which they are marched exactly."""

_UNKNOWN = 255
"""Nodata of the layers of permanent shadow and of the method: a height or horizon is unknown."""


_START_S = 4.0
_CORE_S = 50e-9
"""Core seconds per pixel and bearing: a line per pixel costs `_LINE_CORE_S` of it."""

_LINE_CORE_S = 20e-9
_MARCH_CORE_S = 5e-6
"""Core seconds per bearing for each of the best-lit pixels, of which two candidates are marched."""
_OUTPUT_CORE_S = 0.3e-6
"""Core seconds per pixel of reading, darkness and compression."""


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = narrowed(values, "dem", context)
    grid = dem_grid(values["dem"])
    ephemeris(values["start"], values["stop"], step_hours=values["step_hours"])
    estimates.check_far_fields(values["far_field"])
    pixels, points = grid.width * grid.height, 0
    if values["time_series"]:
        coarse, _ = posting(grid, max(values["posting_m"], grid.pixel_m))
        points = coarse.width * coarse.height
    lines = values["lines_per_pixel"]
    each = _CORE_S + _LINE_CORE_S * (lines - DEFAULT_LINES_PER_PIXEL)
    arrays = pixels * (8 * 4 + 2 + 6 * lines + 4 / 12) + points * 2 * values["azimuths"]
    inside, beside = estimates.work_arrays(arrays, context.memory_limit_bytes)
    marched = values["exact_share_pct"] / 100.0 * _MARCH_CORE_S * values["azimuths"]
    if marched > 0.0 and points <= _MARCHED_POINTS * pixels:
        marched += points / pixels * _MARCH_CORE_S * values["azimuths"]
    return estimates.estimate(
        pixels,
        context,
        serial_s=_START_S,
        core_s=pixels * (each * values["azimuths"] + marched + _OUTPUT_CORE_S),
        memory_bytes=0.15 * GIB + inside,
        disk_bytes=beside + estimates.layers_disk_bytes(pixels, 5 * 4 + 2, at_once=False),
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compute and write the layers of the stage ``lighting``.

    Parameters
    ----------
    values : dict
        Its resolved parameters.
    context : Context
        Threads, memory, progress.

    Returns
    -------
    dict
        Paths of the layers, and statistics.
    """
    values = with_fetched(narrowed(values, "dem", context), context)
    out = Path(values["out"])
    estimates.announce(estimate(values, context), out, context)
    if values["mast_height_m"] == 0.0:
        context.warn(NO_MAST)
    context.progress(0.0, "reading the elevation models")
    dem_grid(values["dem"])
    sky = ephemeris(values["start"], values["stop"], step_hours=values["step_hours"])
    with scratch_folder(out) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes)
        dem = read_fine(values["dem"], scratch, context)
        around = read_surroundings(
            values["dem"], dem, values["far_field"], context, builtin=values["builtin_far_field"]
        )
        coarse, side = dem.grid, 1
        points: lighting.Points | None = None
        if values["time_series"]:
            coarse, side = posting(dem.grid, max(values["posting_m"], dem.grid.pixel_m))
            points = middle_pixels(dem.grid, coarse, side)
        light, month, darkness = _light(
            dem, around.models, sky, points, values, scratch, context.part(0.02, 0.95)
        )
        tags = _tags(values, around.files)
        known = np.isfinite(dem.height_m)
        layers = _layers(light)
        if points is None:
            # Those of an earlier run may be of other dates, or of another model.
            for output in stages.load("lighting").outputs:
                if output.optional:
                    (out / output.path).unlink(missing_ok=True)
        else:
            without_height = ~known[points.row, points.column]
            month[without_height] = darkness[without_height] = np.nan
            layers |= {
                "illumination_darkest_month_pct": _Layer(month.reshape(coarse.shape), coarse),
                "longest_night_days": _Layer(darkness.reshape(coarse.shape), coarse),
            }
        paths = _write(layers, dem.grid, out, tags, context)
        return _result(paths, light, known, values, context) | {"surroundings": around.names}


def _light(
    dem: Dem,
    far: list[Dem],
    sky: Ephemeris,
    points: lighting.Points | None,
    values: dict[str, Any],
    scratch: Scratch,
    context: Context,
) -> tuple[Light, Float32, Float32]:
    """Return the layers, and darkest month and longest continuous darkness of the points, if any.

    The work arrays of the sweep are freed on return.
    """
    count = 0 if points is None else len(points.row)
    few = count <= _MARCHED_POINTS * dem.height_m.size
    marched = few and values["exact_share_pct"] > 0.0
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
        context.part(0.0, 1.0 if points is None else 0.93),
        azimuths=values["azimuths"],
        earth_part=values["earth_part"],
        required_reach_m=values["horizon_reach_km"] * 1000.0,
        points=None if marched else points,
        exact_share_pct=values["exact_share_pct"],
        scratch=scratch,
    )
    if points is None:
        return light, np.zeros(0, np.float32), np.zeros(0, np.float32)
    rest = context.part(0.93, 1.0)
    x, y = dem.grid.column_x_m()[points.column], dem.grid.row_y_m()[points.row]
    if not marched:
        return light, *darkness_at_points(light.thresholds, sky, rest, x, y)
    rays = Rays(sweep, rest, scratch=scratch)
    exact = light_along(rays, Sky(sky, values["azimuths"], values["earth_part"]), x, y, rest)
    return light, exact.darkest_month_pct, exact.longest_darkness_days


def _tags(values: dict[str, Any], far_field: list[str]) -> dict[str, str]:
    left_out = _NOT_SHAPING if values["time_series"] else {*_NOT_SHAPING, "posting_m"}
    shaping = {key: value for key, value in values.items() if key not in left_out}
    inputs = [values["dem"], *far_field]
    height = {"MAST_HEIGHT_M": f"{values['mast_height_m']:g}"}
    return provenance.as_tags(provenance.describe("lighting", shaping, inputs)) | height


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Values of an output; on the grid of the elevation model unless ``grid`` is set."""

    values: NDArray[Any]
    grid: Grid | None = None
    nodata: float | None = None


def _layers(light: Light) -> dict[str, _Layer]:
    """Return the layers of all pixels by the names of the outputs."""
    psr, method = light.psr.astype(np.uint8), light.method
    for layer in (psr, method):
        layer[~np.isfinite(light.illumination_pct)] = _UNKNOWN
    return {
        "illumination_pct": _Layer(light.illumination_pct),
        "illumination_sensitivity": _Layer(light.illumination_sensitivity),
        "earth_visibility_pct": _Layer(light.earth_visibility_pct),
        "earth_sensitivity": _Layer(light.earth_sensitivity),
        "psr": _Layer(psr, nodata=_UNKNOWN),
        "illumination_method": _Layer(method, nodata=_UNKNOWN),
        "horizon_coverage_pct": _Layer(light.horizon_coverage_pct),
    }


def _write(
    layers: dict[str, _Layer], grid: Grid, out: Path, tags: dict[str, str], context: Context
) -> dict[str, str]:
    """Write the layers in the order of the declaration, and return their paths."""
    outputs = [each for each in stages.load("lighting").outputs if each.name in layers]
    paths = {}
    for number, output in enumerate(outputs):
        context.progress(0.95 + 0.05 * number / len(outputs), f"writing {output.name}")
        layer = layers[output.name]
        path = out / output.path
        cog.write_raster(
            path,
            layer.values,
            layer.grid or grid,
            description=_DESCRIPTIONS[output.name],
            unit=output.unit,
            nodata=layer.nodata,
            tags=tags,
        )
        paths[output.name] = str(path)
    return paths


def middle_pixels(grid: Grid, coarse: Grid, side: int) -> lighting.Points:
    """Return the middle pixel of every cell of a coarser grid, in row order."""
    rows = np.minimum(np.arange(coarse.height) * side + side // 2, grid.height - 1)
    columns = np.minimum(np.arange(coarse.width) * side + side // 2, grid.width - 1)
    row, column = np.meshgrid(rows, columns, indexing="ij")
    return lighting.Points(row.ravel().astype(np.int64), column.ravel().astype(np.int64))


def _result(
    paths: dict[str, str],
    light: Light,
    known: NDArray[np.bool_],
    values: dict[str, Any],
    context: Context,
) -> dict[str, Any]:
    pixels = int(np.count_nonzero(known))
    # No boolean indexing of whole layers: the copies might not fit in memory.
    affected = 100.0 * np.count_nonzero(light.horizon_coverage_pct < 99.5) / pixels
    if affected > 0.0:
        context.warn(
            f"Terrain is not known out to {values['horizon_reach_km']:g} km in every direction for "
            f"{affected:.1f} % of the pixels: their horizons may be too low. Let the built-in "
            "model surround the DEM (--builtin-far-field), or give a far field; "
            "horizon_coverage_pct.tif shows which pixels are affected."
        )
    return {
        "outputs": paths,
        "valid_pct": round(100.0 * pixels / known.size, 3),
        "mast_height_m": values["mast_height_m"],
        "mean_illumination_pct": round(_mean(light.illumination_pct), 3),
        "max_illumination_pct": round(float(np.fmax.reduce(light.illumination_pct, axis=None)), 3),
        "mean_earth_visibility_pct": round(_mean(light.earth_visibility_pct), 3),
        "psr_share_pct": round(100.0 * np.count_nonzero(light.psr) / pixels, 3),
        "marched_share_pct": round(100.0 * np.count_nonzero(light.method == 1) / pixels, 3),
        "touched_by_missing_terrain_pct": round(affected, 3),
    }


def _mean(layer: NDArray[np.float32]) -> float:
    """Return the mean of a layer without nodata, accumulated row by row."""
    total, count = 0.0, 0
    for row in layer:
        known = row[np.isfinite(row)]
        total += float(known.sum(dtype=np.float64))
        count += known.size
    return total / count if count else float("nan")
