"""Stage ``features``: the feature table of grid cells."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import AOI, CATALOGUE_ENDINGS, CATALOGUE_HELP, DEM

LAYER_PARAMETERS = (
    Parameter(
        name="illumination",
        kind=Kind.RASTER,
        title="Average illumination",
        help="Map to use instead of the computed layer. Its scale and offset are applied, and "
        "fractions are converted to percent.",
        advanced=True,
    ),
    Parameter(
        name="earth_visibility",
        kind=Kind.RASTER,
        title="Earth visibility",
        help="Map to use instead of the computed layer. Its scale and offset are applied, and "
        "fractions are converted to percent.",
        advanced=True,
    ),
    Parameter(
        name="psr",
        kind=Kind.RASTER,
        title="Permanent shadow",
        help="Map to use instead of the computed layer: 1 in permanent shadow, 0 elsewhere.",
        advanced=True,
    ),
    Parameter(
        name="elevation_error",
        kind=Kind.RASTER,
        title="Elevation error",
        help="Standard error of the heights in metres, such as the ERR file of a LOLA product.",
        advanced=True,
    ),
    Parameter(
        name="craters",
        kind=Kind.TABLE,
        endings=CATALOGUE_ENDINGS,
        title="Crater catalogue",
        help=f"GeoPackage written by detect-craters, or a catalogue: {CATALOGUE_HELP[0].lower()}"
        f"{CATALOGUE_HELP[1:]} depth_m is optional.",
    ),
    Parameter(
        name="rocks",
        kind=Kind.FOLDER,
        files=("classes.tif", "probabilities.tif"),
        title="Rock segmentation",
        help="Output folder of segment-terrain for a georeferenced image. Cells that are at "
        "least half inside the image get the rock coverage, the number of large rocks and the "
        "confidence of the network, 0 to 1. For criteria on the first two, one minus that "
        "confidence counts as their error, so that uncertain predictions carry less weight.",
    ),
    Parameter(
        name="rock_image",
        kind=Kind.RASTER,
        title="Image for the shadow fraction",
        help="Georeferenced image, such as the one that was segmented. Cells that are at least "
        "half inside it get the fraction of pixels that are nearly black.",
        advanced=True,
    ),
)

LAYERS = Parameter(
    name="layers",
    kind=Kind.FOLDER,
    files=("*.tif",),
    title="Layers",
    help="Folder with the outputs of terrain, lighting and landing. Features of absent layers are "
    "missing in the table.",
    required=True,
)

CELL_PARAMETERS = (
    Parameter(
        name="cell_m",
        kind=Kind.NUMBER,
        title="Cell size",
        help="Side of a cell, rounded to whole pixels; cells are aligned to the first pixel of "
        "the elevation model.",
        default=960.0,
        unit="m",
        minimum=1,
        maximum=100_000,
    ),
    Parameter(
        name="north_limit_deg",
        kind=Kind.NUMBER,
        title="Northern limit",
        help="Cells whose centre lies north of this latitude are left out.",
        default=-80.0,
        unit="deg",
        minimum=-90,
        maximum=-45,
        advanced=True,
    ),
    Parameter(
        name="place",
        kind=Kind.CHOICE,
        choices=("disc", "cell"),
        title="What is evaluated",
        help="disc: the best landing disc of each cell, all criteria at the same place. cell: "
        "averages over the cell.",
        default="disc",
        advanced=True,
    ),
)

STAGE = Stage(
    name="features",
    title="Cell features",
    group="Scoring",
    summary="Compute the feature table of cells: terrain, light, Earth contact, shadow, craters, "
    "rocks.",
    help="For the best landing disc of every cell of a grid, or for the whole cell, computes "
    "statistics of the layers' pixels, distances to permanent shadow and its area, and the "
    "fraction of the cell that each layer covers. Missing data stay missing.",
    parameters=(
        DEM,
        AOI,
        LAYERS,
        Parameter(
            name="out",
            kind=Kind.TABLE,
            endings=(".parquet",),
            title="Feature table",
            help="GeoParquet file to write.",
            required=True,
            output=True,
        ),
        *CELL_PARAMETERS,
        *LAYER_PARAMETERS,
    ),
    outputs=(
        Output(
            name="features",
            kind=Kind.TABLE,
            title="Feature table",
            help="One row per cell, GeoParquet.",
        ),
    ),
    estimates=True,
    tags=("grid", "statistics", "parquet"),
)
