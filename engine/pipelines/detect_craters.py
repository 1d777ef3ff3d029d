"""The stage ``detect-craters``: crater detection on an elevation model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import atomic, device, output_paths, provenance
from lunarsite.engine.context import GIB
from lunarsite.engine.craters import output
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.model.architecture import STRIDE
from lunarsite.engine.io import cog
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.pipelines import estimates

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.pyramid import Block, Level
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.pipelines.estimates import Estimate

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import search, template
from lunarsite.engine.craters.detection.search import calibration_of, check_dem
from lunarsite.engine.craters.error_curves import ErrorCurves

_STEPS = 250
"""Number of steps in which rim probability is stored; larger values are nodata."""


_START_S = 3.0
_CORE_S = {"network": 6.5e-6, "template": 2.1e-6}
"""Core seconds per pixel of the elevation model, all scales included."""


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = narrowed(values, "dem", context)
    grid = check_dem(values["dem"])
    search.least_diameter_m(values["min_diameter_m"], grid, context)
    if values["method"] != "template":
        calibration_of(weights.load(values["checkpoint"] or weights.BUNDLED))
        rims_beside(Path(values["out"]), values["dem"])
    pixels = grid.width * grid.height
    method = "template" if values["method"] == "template" else "network"
    inside, beside = estimates.work_arrays(pixels * 6.0, context.memory_limit_bytes // 2)
    return estimates.estimate(
        pixels,
        context,
        serial_s=_START_S,
        core_s=_CORE_S[method] * pixels * (_searches(values) if method == "network" else 1),
        memory_bytes=0.4 * GIB + inside,
        disk_bytes=beside + estimates.layers_disk_bytes(pixels // 4, 1, at_once=True),
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Detect the craters of an elevation model, by a network or by template matching."""
    values = narrowed(values, "dem", context)
    estimates.announce(estimate(values, context), Path(values["out"]).parent, context)
    if values["method"] == "template" and values["checkpoint"]:
        context.warn("Template matching uses no network: --checkpoint has no effect.")
    detect = _by_template if values["method"] == "template" else _by_network
    return detect(values, context)


def _by_network(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Detect craters with the network, and write them with their rim probability."""
    grid = check_dem(values["dem"])
    least_m = search.least_diameter_m(values["min_diameter_m"], grid, context)
    cpu_s = search.cpu_s(grid, context, searches=_searches(values))
    where = device.for_networks(context, cpu_s)
    checkpoint = weights.load(values["checkpoint"] or weights.BUNDLED)
    fitted = calibration_of(checkpoint)
    given = values["min_confidence"]
    search.warn_of_calibration(checkpoint, context)
    path = Path(values["out"])
    rims_path = rims_beside(path, values["dem"])
    half = pyramid.coarser(grid)
    inputs = [values["dem"], checkpoint.path]
    with atomic.scratch_folder(path.parent) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes // 2)
        levels = pyramid.levels(values["dem"], scratch, context)
        rims = _Rims(scratch(half.shape, np.uint8), half)
        found, chosen = search.find_listed(
            levels,
            checkpoint.runner(where.kind, context),
            fitted,
            context.part(0.0, 0.9),
            rims,
            precision=values["precision"],
            least_m=least_m,
            min_confidence=given,
            by_confidence=search.is_calibrated_on_real_ground(checkpoint),
        )
        shaping = {
            "min_diameter_m": least_m,
            "min_confidence": chosen.confidence,
            "precision": values["precision"] if given is None else None,
        }
        record = provenance.describe("detect-craters", shaping, inputs)
        record["threshold"] = chosen.as_dict()
        record["calibrated_on"] = checkpoint.card.get("calibrated_on", "generated frames alone")
        tags = provenance.as_tags(record | {"device": context.devices()})
        kept = found.at_least(least_m, chosen.confidence)
        context.progress(0.9, "Measuring depths")
        craters = output.table(kept, levels, ErrorCurves.of(checkpoint.card))
        context.progress(0.92, "Writing the craters")
        cog.write_raster(
            rims_path,
            rims.values,
            half,
            description="Probability of a crater's rim, in 250ths",
            nodata=255,
            tags=tags,
            context=context,
        )
    output.write(path, craters, kept.radius_m, tags)
    context.progress(1.0, "Written")
    return {
        "outputs": {"craters": str(path), "rims": str(rims_path)},
        "craters": len(craters),
        "cut_by_edge": int(craters["cut_by_edge"].sum()),
        "min_diameter_m": least_m,
        **chosen.as_dict(),
        "calibrated_on": record["calibrated_on"],
        "summary": [_count(craters, least_m), *chosen.sentences()],
    }


def _searches(values: dict[str, Any]) -> int:
    """Return how often the network searches the elevation model."""
    return 2 if values["min_confidence"] is None else 1


def _count(craters: gpd.GeoDataFrame, least_m: float) -> str:
    """Return how many craters there are, and how many of them the edge cuts."""
    cut = int(craters["cut_by_edge"].sum())
    beside = f", {cut:,} of them cut by the edge or a gap of the DEM" if cut else ""
    return f"{len(craters):,} craters of {least_m:,.0f} m and more{beside}"


def _by_template(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Detect craters by template matching, and write them."""
    grid = check_dem(values["dem"])
    least_m = search.least_diameter_m(values["min_diameter_m"], grid, context)
    curve = template.Curve.fitted()
    limit = curve.threshold if values["min_confidence"] is None else values["min_confidence"]
    path = Path(values["out"])
    rims = rims_beside(path, values["dem"])
    shaping = {"method": "template", "min_diameter_m": least_m, "min_confidence": limit}
    record = provenance.describe("detect-craters", shaping, [values["dem"], template.FITTED])
    with atomic.scratch_folder(path.parent) as folder:
        scratch = Scratch(folder, context.memory_limit_bytes // 2)
        levels = pyramid.levels(values["dem"], scratch, context)
        found = search.find_by_template(levels, context.part(0.0, 0.9)).at_least(least_m, limit)
        context.progress(0.9, "Measuring depths")
        craters = output.table(found, levels)
    context.progress(0.95, "Writing the craters")
    output.write(path, craters, found.radius_m, provenance.as_tags(record))
    # Rims of an earlier detection with the network do not belong to this catalogue.
    for old in (rims, rims.with_name(rims.name + ".aux.xml")):
        old.unlink(missing_ok=True)
    context.progress(1.0, "Written")
    said = f"{len(craters):,} craters of {least_m:,.0f} m and more by template correlation, "
    return {
        "outputs": {"craters": str(path)},
        "craters": len(craters),
        "cut_by_edge": int(craters["cut_by_edge"].sum()),
        "min_diameter_m": least_m,
        "min_confidence": limit,
        "summary": [f"{said}confidence from {limit:.2f}"],
    }


class _Rims:
    """Maximum rim probability over scales, at half the resolution of the elevation model."""

    def __init__(self, values: UInt8, grid: Grid) -> None:
        values[:] = 255
        self.values, self.grid = values, grid

    def __call__(self, level: Level, block: Block, probability: Float32) -> None:
        """Add a block of a scale."""
        times = 2**level.number
        steps = np.rint(probability * _STEPS).astype(np.uint8)
        # Blocks start at even pixels of the map, like the pixels of this raster.
        offsets = zip(
            pyramid.origin(level.grid),
            (block.row, block.column),
            pyramid.origin(self.grid),
            strict=True,
        )
        row, column = ((first + at) // STRIDE * times - own for first, at, own in offsets)
        top, left = max(row, 0), max(column, 0)
        large = np.repeat(np.repeat(steps, times, axis=0), times, axis=1)
        large = large[top - row :, left - column :]
        target = self.values[top : top + large.shape[0], left : left + large.shape[1]]
        large = large[: target.shape[0], : target.shape[1]]
        known = target != 255
        # Coarser scales are used only where the finest has a value: elsewhere there are no heights.
        if level.number == 0:
            target[:] = large
        else:
            np.maximum(target, large, out=target, where=known)


def rims_beside(path: Path, dem: str) -> Path:
    """Return the path of the rim raster of a crater catalogue.

    Raises
    ------
    ParameterError
        If it is a folder, or the elevation model.
    """
    rims = path.with_suffix(".rims.tif")
    output_paths.check({"The rims beside --out": str(rims)}, {"--dem": [dem]})
    return rims
