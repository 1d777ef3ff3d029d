"""The stage ``validate``: the claims of a run against external data and null models."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window

from lunarsite.engine import moon, provenance, stages
from lunarsite.engine.atomic import scratch_folder, whole_file
from lunarsite.engine.context import QuietContext
from lunarsite.engine.errors import LunarSiteError, ParameterError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import posting, read_fine
from lunarsite.engine.io.elevation.far_field import read_surroundings
from lunarsite.engine.io.grid import Dem
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.pipelines import evaluate_craters, evaluate_segmentation
from lunarsite.engine.report import validation_page
from lunarsite.engine.report.dossier import numbers
from lunarsite.engine.scoring.features import source_layers
from lunarsite.engine.scoring.finished_run import open_run
from lunarsite.engine.validation import (
    attributes,
    catalogued_shadow,
    light,
    networks,
    published_sites,
    self_audit,
    shadow,
)
from lunarsite.engine.validation.cells import ScoredCells
from lunarsite.engine.validation.checks import Outcome, not_run
from lunarsite.engine.validation.regions import Regions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import geopandas as gpd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.finished_run import Run
    from lunarsite.engine.validation.checks import Check

    Float = NDArray[np.float64]

_LONGEST_SIDE_PX = 4096
"""Shadow and images are compared on grids of at most this side."""
_SLOPE_PX = 1024
"""Side of the part of the elevation model on which slopes are compared."""
_FILES = (
    "regions",
    "sites",
    "shadow_catalogue",
    "shadow",
    "image",
    "illumination_map",
    "earth_map",
    "dem",
    "detections",
    "catalogue",
)


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Run all checks for which there are data, and write the page and the figures.

    Raises
    ------
    InputError
        If the run or a file is invalid.
    ParameterError
        If one of two files that belong together is missing.
    """
    _check_pairs(values)
    out = Path(values["out"])
    context.progress(0.0, "opening the run")
    folder = Path(values["run"])
    opened = open_run(folder, context)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    cells = ScoredCells.of(opened)
    _warn_of_other_dem(values, manifest, context)
    checks = list(_checks(values, opened, cells, manifest, context))
    files = [values[name] for name in _FILES if values[name]]
    inputs = [folder / "manifest.json", *files, *values["far_field"]]
    shaping = {name: values[name] for name in ("rotations", "seed", "builtin_far_field")}
    record = provenance.describe("validate", shaping, inputs)
    document = {
        "checks": [check.as_dict() for check in checks],
        "warnings": context.warnings,
        "provenance": record,
    }
    context.progress(0.97, "writing")
    paths = {"page": out / "validation.html", "figures": out / "validation.json"}
    with whole_file(paths["figures"]) as partial:
        text = json.dumps(numbers.plain(document), indent=1, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")
    validation_page.write(
        paths["page"], checks, manifest, record, context.warnings, validation_page.dates(inputs)
    )
    counts = {
        outcome.value: sum(check.outcome is outcome for check in checks) for outcome in Outcome
    }
    return {
        "outputs": {name: str(path) for name, path in paths.items()},
        "outcomes": counts,
        "summary": [
            ", ".join(f"{count} {name}" for name, count in counts.items() if count),
            *(
                f"{check.claim} {check.outcome.value.capitalize()}: {check.finding}"
                for check in checks
                if check.outcome is not Outcome.NOT_RUN
            ),
        ],
    }


def _checks(
    values: dict[str, Any],
    opened: Run,
    cells: ScoredCells,
    manifest: dict[str, Any],
    context: Context,
) -> Iterator[Check]:
    polygons = points = None
    if values["regions"]:
        polygons = Regions.of(vector.read_polygons(values["regions"], "The regions", context))
    if values["sites"]:
        points = vector.read_points(values["sites"], "The published sites", context)
    yield from self_audit.checks(
        cells,
        opened,
        manifest,
        polygons,
        regions_file=_names(values, "regions"),
        rotations=values["rotations"],
        seed=values["seed"],
        context=context.part(0.02, 0.4),
    )
    yield from _published(values, opened, cells, polygons, points, context.part(0.4, 0.5))
    yield from _shadow(values, context)
    yield from _maps(values, opened, context)
    yield from _of_dem(values, manifest, context.part(0.55, 0.8))
    yield from _networks(values, context.part(0.8, 0.97))


def _published(
    values: dict[str, Any],
    opened: Run,
    cells: ScoredCells,
    polygons: Regions | None,
    points: gpd.GeoDataFrame | None,
    context: Context,
) -> Iterator[Check]:
    if points is None:
        lacks = (
            "Give a layer or table of published sites (--sites), such as that of Wueller et al. "
            "(2026), Zenodo 17084058."
        )
        yield not_run(published_sites.RANKED, published_sites.RANKED_CLAIM, lacks)
    else:
        yield published_sites.check_ranks(
            cells,
            opened,
            points,
            draws=values["rotations"],
            seed=values["seed"],
            files=_names(values, "sites"),
        )
    if points is None or polygons is None:
        lacks = "Give published sites and regions (--sites and --regions)."
        yield not_run(published_sites.FOUND, published_sites.FOUND_CLAIM, lacks)
        return
    yield published_sites.check_found(
        cells,
        opened,
        polygons,
        points,
        draws=values["rotations"],
        seed=values["seed"],
        files=_names(values, "sites", "regions"),
        context=context,
    )


def _shadow(values: dict[str, Any], context: Context) -> Iterator[Check]:
    own = Path(values["run"]) / "layers" / "psr.tif"
    given = values["shadow"] or (str(own) if own.is_file() else None)
    if given is None:
        lacks = "The run has no layer of permanent shadow: give one (--shadow)."
        yield not_run(shadow.AREAS, shadow.AREAS_CLAIM, lacks)
        yield not_run(shadow.CROSS, shadow.CROSS_CLAIM, lacks)
        return
    context.progress(0.5, "permanent shadow")
    what = "The layer of permanent shadow"
    source_layers.check_layer("psr", given, what)
    with raster.opened(given, what) as source:
        fine = raster.grid_of(source, what)
    longest = max(fine.shape)
    grid, _ = posting(fine, fine.pixel_m * -(-longest // _LONGEST_SIDE_PX))
    resampling = Resampling.average if grid.pixel_m > fine.pixel_m else Resampling.nearest
    shaded, _ = raster.read_layer(given, grid, what=what, resampling=resampling)
    source_layers.check_mask(shaded, what, given, averaged=grid.pixel_m > fine.pixel_m)
    names = (display_name(given),)
    if values["shadow_catalogue"]:
        yield shadow.check_areas(
            shaded,
            grid,
            catalogued_shadow.read(values["shadow_catalogue"]),
            (*names, *_names(values, "shadow_catalogue")),
        )
    else:
        lacks = "Give a table of craters with areas of permanent shadow (--shadow-catalogue)."
        yield not_run(shadow.AREAS, shadow.AREAS_CLAIM, lacks)
    if values["image"]:
        image, _ = raster.read_layer(
            values["image"], grid, what="The image", resampling=Resampling.average
        )
        yield shadow.check_image(
            image,
            shaded,
            seed=values["seed"],
            pixel_m=grid.pixel_m,
            files=(*names, *_names(values, "image")),
            context=context.part(0.51, 0.54),
        )
    else:
        lacks = (
            "Give an image of another instrument (--image), such as ShadowCam's of Cabeus, Zenodo "
            "11175455."
        )
        yield not_run(shadow.CROSS, shadow.CROSS_CLAIM, lacks)


def _maps(values: dict[str, Any], opened: Run, context: Context) -> Iterator[Check]:
    """Yield the comparison of the means of cells with maps of others."""
    features = opened.features
    whole = features["landing_radius_m"].isna().all()
    for kind, parameter, product in (
        ("illumination", "illumination_map", "AVGVISIB_85S_060M_201608"),
        ("earth_visibility", "earth_map", "AVGVISIB_85S_060M_201608_EARTH"),
    ):
        name, claim, of_places, of_cells = light.MAPS[kind]
        if not values[parameter]:
            option = "--" + parameter.replace("_", "-")
            lacks = f"Give a map of it ({option}), such as {product} of PGDA product 69."
            yield not_run(name, claim, lacks)
            continue
        ours = features[of_places if whole else of_cells].to_numpy(np.float64)
        what = light.MAP_FILES[kind]
        source_layers.check_layer(kind, values[parameter], what)
        grid, own = _common_cells(values[parameter], what, opened, ours)
        theirs, _ = raster.read_layer(
            values[parameter], grid, what=what, resampling=Resampling.average
        )
        factor = source_layers.percent_per_unit(theirs, theirs, values[parameter], what, context)
        x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m())
        yield light.check_map(
            kind,
            own.ravel(),
            theirs.ravel().astype(np.float64) * float(factor),
            moon.xy_to_lonlat(x.ravel(), y.ravel())[1],
            _names(values, parameter),
        )


def _common_cells(path: str, what: str, opened: Run, ours: Float) -> tuple[Grid, Float]:
    """Return the coarser of the grids of a map and of the cells, with our values on it.

    Values of cells are averaged over the pixels of a coarser map; pixels that are not covered whole
    are unknown.
    """
    cells = opened.grid
    values = np.full(cells.shape, np.nan)
    values[opened.features["row"], opened.features["column"]] = ours
    with raster.opened(path, what) as source:
        own = moon.is_south_polar(raster.crs_of(source, what))
        grid = raster.grid_of(source, what, least_px=1) if own else cells
    if grid.pixel_m <= cells.pixel_m:
        return cells, values
    x, y = np.meshgrid(cells.column_x_m(), cells.row_y_m())
    column = np.floor((x - grid.x_min_m) / grid.pixel_m).astype(np.int64)
    row = np.floor((grid.y_max_m - y) / grid.pixel_m).astype(np.int64)
    inside = (row >= 0) & (column >= 0) & (row < grid.height) & (column < grid.width)
    known = inside & np.isfinite(values)
    place = (row * grid.width + column)[known]
    count = np.bincount(place, minlength=grid.height * grid.width)
    total = np.bincount(place, weights=values[known], minlength=grid.height * grid.width)
    # Cells do not nest in pixels: their centres number at least the square of the rounded ratio.
    whole = int(grid.pixel_m / cells.pixel_m) ** 2
    mean = np.where(count >= whole, total / np.maximum(count, 1), np.nan)
    return grid, mean.reshape(grid.shape)


def _of_dem(values: dict[str, Any], manifest: dict[str, Any], context: Context) -> Iterator[Check]:
    if not values["dem"]:
        lacks = "Give the elevation model of the run (--dem)."
        yield not_run(light.PLACES, light.PLACES_CLAIM, lacks)
        for program in attributes.NAMES:
            yield not_run(attributes.NAMES[program], attributes.CLAIMS[program], lacks)
        return
    given = manifest.get("parameters", {})
    names = _names(values, "dem")
    with scratch_folder(Path(values["out"])) as folder:
        dem = read_fine(values["dem"], Scratch(folder, context.memory_limit_bytes), context)
        around = read_surroundings(
            values["dem"], dem, values["far_field"], context, builtin=values["builtin_far_field"]
        )
        context.progress(0.2, "light of published places")
        yield light.check_places(
            dem,
            around.models,
            start=given.get("start") or stages.load("lighting").parameter("start").default,
            stop=given.get("stop"),
            files=(*names, *(display_name(path) for path in around.files)),
            context=context.part(0.2, 0.7),
        )
        part = _middle(dem)
        for program in attributes.NAMES:
            context.progress(0.8, f"slopes of {program}")
            yield attributes.check(program, part, folder, names)


def _warn_of_other_dem(values: dict[str, Any], manifest: dict[str, Any], context: Context) -> None:
    """Warn if an elevation model is not the one that was screened."""
    screened = [given for given in manifest.get("inputs", ()) if given.get("role") == "dem"]
    if not values["dem"] or not screened:
        return
    area = manifest.get("parameters", {}).get("aoi")
    with suppress(LunarSiteError):  # an area beside it says that it is another one
        dem = narrowed({"dem": values["dem"], "aoi": area}, "dem", QuietContext())["dem"]
        if provenance.sha256(dem) in {given.get("sha256") for given in screened}:
            return
    if provenance.sha256(values["dem"]) not in {given.get("sha256") for given in screened}:
        names = ", ".join(str(given.get("name")) for given in screened)
        context.warn(
            f"The DEM {display_name(values['dem'])} is not that of the run, {names}: light and "
            "slopes that are checked on it are not those of the run."
        )


def _middle(dem: Dem) -> Dem:
    """Return the middle of an elevation model."""
    grid = dem.grid
    width, height = (min(_SLOPE_PX, side) for side in (grid.width, grid.height))
    window = Window((grid.width - width) // 2, (grid.height - height) // 2, width, height)
    rows, columns = window.toslices()
    return Dem(grid.part(window), dem.height_m[rows, columns])


def _networks(values: dict[str, Any], context: Context) -> Iterator[Check]:
    if values["detections"]:
        given = {name: values[name] for name in ("detections", "catalogue", "seed")}
        resolved = stages.load("evaluate-craters").resolve(given)
        report = evaluate_craters.run(resolved, context.part(0.0, 0.3))
        yield networks.craters_evaluated(report, _names(values, "detections", "catalogue"))
    else:
        lacks = "Give detected craters and a catalogue (--detections and --catalogue)."
        yield not_run(networks.CRATERS, networks.CRATERS_CLAIM, lacks)
    if values["images"]:
        given = {name: values[name] for name in ("images", "masks", "seed")}
        resolved = stages.load("evaluate-segmentation").resolve(given)
        evaluated = evaluate_segmentation.run(resolved, context.part(0.3, 1.0))
        yield networks.rocks_evaluated(evaluated, _names(values, "images", "masks"))
    else:
        lacks = "Give images with masks (--images and --masks)."
        yield not_run(networks.ROCKS, networks.ROCKS_CLAIM, lacks)


def _check_pairs(values: dict[str, Any]) -> None:
    """Raise if one of two parameters that belong together is missing."""
    for one, other in (("detections", "catalogue"), ("images", "masks")):
        for given, missing in ((one, other), (other, one)):
            if values[given] and not values[missing]:
                raise ParameterError(
                    f"--{given} is given without --{missing}: nothing to compare it with",
                    f"Add --{missing} too, or leave --{given} out",
                )


def _names(values: dict[str, Any], *parameters: str) -> tuple[str, ...]:
    return tuple(display_name(values[name]) for name in parameters if values[name])
