"""Stage ``features``: what every cell of a grid is like."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

LAYER_PARAMETERS = (
    Parameter(
        name="illumination",
        kind=Kind.RASTER,
        title="Average illumination",
        help="Take this map instead of the computed layer; its scale and offset are applied, "
        "fractions become percent.",
        advanced=True,
    ),
    Parameter(
        name="earth_visibility",
        kind=Kind.RASTER,
        title="Earth visibility",
        help="Take this map instead of the computed layer, likewise.",
        advanced=True,
    ),
    Parameter(
        name="psr",
        kind=Kind.RASTER,
        title="Permanent shadow",
        help="Take this map instead of the computed layer: 1 shadowed, 0 not.",
        advanced=True,
    ),
    Parameter(
        name="elevation_error",
        kind=Kind.RASTER,
        title="Elevation error",
        help="Standard error of the heights, metres, such as the ERR file of a LOLA product.",
        advanced=True,
    ),
    Parameter(
        name="craters",
        kind=Kind.TABLE,
        endings=(".csv", ".gpkg"),
        title="Crater catalogue",
        help="What detect-craters wrote, or a CSV table with diameter_m and lon_deg, lat_deg (or "
        "x_m, y_m), and depth_m where known.",
    ),
    Parameter(
        name="rocks",
        kind=Kind.FOLDER,
        files=("classes.tif", "probabilities.tif"),
        title="Rocks",
        help="Folder that segment-terrain wrote, with a place on the Moon. Cells of which it "
        "shows at least half get the rock coverage, the number of large rocks, and how sure "
        "the network is, 0 to 1. A criterion on the first two counts with an error of one minus "
        "that confidence, so that what the network is unsure of decides less.",
    ),
    Parameter(
        name="rock_image",
        kind=Kind.RASTER,
        title="Image for shadow",
        help="Image with a place on the Moon, such as the one that was segmented. Cells of which "
        "it shows at least half get the share of pixels that are nearly black.",
        advanced=True,
    ),
)

CELL_PARAMETERS = (
    Parameter(
        name="cell_m",
        kind=Kind.NUMBER,
        title="Cell size",
        help="Side of a cell, rounded to whole pixels and aligned to the first pixel.",
        default=960.0,
        unit="m",
        minimum=1,
        maximum=100_000,
    ),
    Parameter(
        name="north_limit_deg",
        kind=Kind.NUMBER,
        title="Northern limit",
        help="Cells whose centre lies north of it are left out.",
        default=-80.0,
        unit="deg",
        minimum=-90,
        maximum=-45,
        advanced=True,
    ),
)

STAGE = Stage(
    name="features",
    title="Cell features",
    group="Scoring",
    summary="The table of cells: terrain, light, Earth contact, shadow, craters and rocks of each.",
    help="Every cell gets the statistics of the layers' pixels in it, distances and areas of "
    "permanent shadow, and how much of it each layer covers. What is missing stays missing.",
    parameters=(
        shared.DEM,
        Parameter(
            name="layers",
            kind=Kind.FOLDER,
            files=("*.tif",),
            title="Layers",
            help="Folder with the outputs of terrain and lighting; layers that are not there are "
            "missing in the table.",
            required=True,
        ),
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
            help="One row a cell, GeoParquet.",
        ),
    ),
    tags=("grid", "statistics", "parquet"),
)
