"""Stage ``validate``: the claims of a run against external data and null models."""

from __future__ import annotations

from dataclasses import replace

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._imagery import IMAGES, MASKS
from lunarsite.engine.stages._shared import (
    BUILTIN_FAR_FIELD,
    CATALOGUE_ENDINGS,
    CATALOGUE_HELP,
    DEM,
    FAR_FIELD,
    OUT_FOLDER,
    RUN_FILES,
    SEED,
)

STAGE = Stage(
    name="validate",
    title="Validate a run",
    group="Scoring",
    summary="Check the claims of a finished run against external data, each with a null model.",
    help="Every claim is checked against something that the run did not use, and beside a null "
    "model that says what chance would give: candidate regions against rotated ones and against "
    "ground of like latitude and slope, published sites against places like them, permanent shadow "
    "against catalogued areas and images, light against published places and maps, the ephemeris "
    "against JPL Horizons, slopes against other programs, the ranking against simple rules. What "
    "data are missing for is listed as not run, with what it lacks; what holds by construction "
    "says so.",
    parameters=(
        Parameter(
            name="run",
            kind=Kind.FOLDER,
            files=(*RUN_FILES, "layers/*.tif"),
            title="Run",
            help="Output folder of screen.",
            required=True,
        ),
        OUT_FOLDER,
        Parameter(
            name="regions",
            kind=Kind.VECTOR,
            geometry="polygon",
            title="Candidate regions",
            help="Layer of polygons, such as NASA's candidate landing regions.",
        ),
        Parameter(
            name="sites",
            kind=Kind.VECTOR,
            geometry="point",
            title="Published sites",
            help="Layer of points, or a table with longitude and latitude, of landing sites that "
            "others have published.",
        ),
        Parameter(
            name="shadow_catalogue",
            kind=Kind.FILE,
            endings=(".csv", ".tsv", ".txt"),
            title="Catalogued shadow",
            help="Table of craters with name, lon_deg, lat_deg, diameter_km and psr_area_km2.",
        ),
        Parameter(
            name="shadow",
            kind=Kind.RASTER,
            title="Shadow layer",
            help="Layer of permanent shadow, 1 inside and 0 outside, in place of that of the run.",
        ),
        Parameter(
            name="image",
            kind=Kind.RASTER,
            title="Image of another instrument",
            help="Image whose brightness is compared with permanent shadow.",
        ),
        Parameter(
            name="illumination_map",
            kind=Kind.RASTER,
            title="Illumination map",
            help="Average illumination by others, percent or fractions.",
        ),
        Parameter(
            name="earth_map",
            kind=Kind.RASTER,
            title="Earth visibility map",
            help="Earth visibility by others, percent or fractions.",
        ),
        replace(
            DEM,
            required=False,
            help="The elevation model of the run, for published places on crests and for slopes.",
        ),
        FAR_FIELD,
        BUILTIN_FAR_FIELD,
        Parameter(
            name="detections",
            kind=Kind.VECTOR,
            title="Detected craters",
            help="Output of detect-craters; needs a crater catalogue.",
        ),
        Parameter(
            name="catalogue",
            kind=Kind.VECTOR,
            endings=CATALOGUE_ENDINGS,
            title="Crater catalogue",
            help=CATALOGUE_HELP,
        ),
        replace(IMAGES, required=False),
        replace(MASKS, required=False),
        Parameter(
            name="rotations",
            kind=Kind.INTEGER,
            title="Draws of the null models",
            help="How often regions are rotated, and random cells drawn.",
            default=1000,
            minimum=99,
            maximum=100_000,
            advanced=True,
        ),
        SEED,
    ),
    outputs=(
        Output(
            name="page",
            kind=Kind.FILE,
            title="Validation page",
            help="All checks with their findings, null models and files.",
            path="validation.html",
        ),
        Output(
            name="figures",
            kind=Kind.FILE,
            title="Figures",
            help="The same as JSON, with all figures and the provenance.",
            path="validation.json",
        ),
    ),
    tags=("validation", "null model", "candidate regions"),
)
