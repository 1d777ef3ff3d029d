"""Stage ``segment-terrain``: ground, small rocks, large rocks and sky of an image."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _imagery as imagery
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="segment-terrain",
    title="Segment terrain",
    group="Rocks",
    summary="Say what an image shows, ground, small rocks, large rocks or sky, and how surely.",
    help="A network that was trained on generated scenes alone names every pixel of an image, "
    "from the ground or from orbit: a rock where both sizes together are the most probable, then "
    "of the likelier size. Beside the classes it writes the probability of each, the "
    "predictive entropy (how unsure it is) and the mutual information (how much of that is "
    "because it has not seen the like). Images of any size are looked at in tiles that overlap; "
    "the network for those from the ground looks at them reduced to the size that it knows, and "
    "its answer is enlarged to every pixel. "
    "PNG and JPEG without a place on the map give the same files.",
    parameters=(
        Parameter(
            name="image",
            kind=Kind.RASTER,
            title="Image",
            help="GeoTIFF, PNG or JPEG with one band or with red, green and blue.",
            required=True,
        ),
        shared.OUT_FOLDER,
        imagery.VIEW,
        imagery.UNCERTAINTY,
        imagery.PASSES,
        imagery.TEST_TIME,
        Parameter(
            name="window",
            kind=Kind.TEXT,
            title="Window",
            help="Part of the image: column,row,columns,rows in pixels, the first being 0,0. All "
            "of it where not given. All of an image that is looked at reduced is read.",
            advanced=True,
        ),
        Parameter(
            name="tile_px",
            kind=Kind.INTEGER,
            title="Tile",
            help="Side of the tiles, a multiple of 32; smaller ones take less memory and more "
            "time. What is found does not depend on it.",
            unit="px",
            default=1024,
            minimum=512,
            maximum=8192,
            advanced=True,
        ),
        imagery.CHECKPOINT,
        shared.SEED,
    ),
    outputs=(
        Output(
            name="classes",
            kind=Kind.RASTER,
            title="Classes",
            help="0 ground, 1 small rocks, 2 large rocks, 3 sky, 255 nodata.",
            style="terrain_classes",
        ),
        Output(
            name="probabilities",
            kind=Kind.RASTER,
            title="Class probabilities",
            help="Four bands, in the order of the classes.",
            style="large_rock_probability",
        ),
        Output(
            name="entropy",
            kind=Kind.RASTER,
            title="Predictive entropy",
            help="Nats, 0 to 1.39: how unsure the network is.",
            style="entropy",
        ),
        Output(
            name="mutual_information",
            kind=Kind.RASTER,
            title="Mutual information",
            help="Nats: what the passes or networks disagree about.",
            style="mutual_information",
            optional=True,
        ),
    ),
    tags=("rock", "boulder", "hazard", "segmentation", "uncertainty"),
)
