"""Stage ``segment-terrain``: ground, small rocks, large rocks and sky in an image."""

from __future__ import annotations

from dataclasses import replace

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._imagery import CHECKPOINT, PASSES, TEST_TIME, UNCERTAINTY, VIEW
from lunarsite.engine.stages._shared import AOI, OUT_FOLDER, SEED

STAGE = Stage(
    name="segment-terrain",
    title="Segment terrain",
    group="Rocks",
    summary="Segment an image into ground, small rocks, large rocks and sky, with uncertainty.",
    help="Networks trained on generated scenes, two for images from the ground and one for those "
    "from orbit, classify every pixel. A pixel is predicted as rock where both rock classes "
    "together are the most probable, and then as the likelier of the two sizes. Besides the "
    "classes, writes the probability of each class, the predictive entropy (total "
    "uncertainty) and the mutual information (the part of it that passes and networks "
    "disagree about). The stage also says how far the image is from the training images, by how "
    "its surfaces look, and warns if nearly all held-out images are nearer. Images of any size are "
    "processed by sliding-window inference with overlapping tiles. Images from the ground are "
    "resampled to the training resolution of their networks, and the result is resampled back to "
    "every pixel. PNG and JPEG images without georeferencing give the same files.",
    parameters=(
        Parameter(
            name="image",
            kind=Kind.RASTER,
            title="Image",
            help="GeoTIFF, PNG or JPEG with one band, or with red, green and blue bands.",
            required=True,
        ),
        OUT_FOLDER,
        replace(
            AOI,
            help="Part of the image to process: the rectangle around the polygons of a layer; "
            "WEST,SOUTH,EAST,NORTH in metres on the south polar map; or LON,LAT,RADIUS_KM. For "
            "images that have a place; use the window for others. Write --aoi= before a value "
            "that starts with a minus sign.",
        ),
        VIEW,
        UNCERTAINTY,
        PASSES,
        TEST_TIME,
        Parameter(
            name="window",
            kind=Kind.TEXT,
            title="Window",
            help="Part of the image to process: column,row,columns,rows in pixels, counted from "
            "0,0. Defaults to the whole image. Images that are resampled to the training "
            "resolution are read as a whole in any case.",
            advanced=True,
        ),
        Parameter(
            name="tile_px",
            kind=Kind.INTEGER,
            title="Tile size",
            help="Side of the tiles, a multiple of 32. Smaller tiles need less memory and more "
            "time; the result does not depend on the tile size. Images that are resampled to the "
            "training resolution are predicted in one piece where memory allows.",
            unit="px",
            default=1024,
            minimum=512,
            maximum=8192,
            advanced=True,
        ),
        CHECKPOINT,
        SEED,
    ),
    outputs=(
        Output(
            name="classes",
            kind=Kind.RASTER,
            title="Classes",
            help="0 ground, 1 small rocks, 2 large rocks, 3 sky, 255 nodata.",
            path="classes.tif",
            style="terrain_classes",
        ),
        Output(
            name="probabilities",
            kind=Kind.RASTER,
            title="Class probabilities",
            help="Four bands, in the order of the classes.",
            path="probabilities.tif",
            style="large_rock_probability",
        ),
        Output(
            name="entropy",
            kind=Kind.RASTER,
            title="Predictive entropy",
            help="Uncertainty of the predicted class in nats, 0 to 1.39.",
            path="entropy.tif",
            style="entropy",
        ),
        Output(
            name="mutual_information",
            kind=Kind.RASTER,
            title="Mutual information",
            help="Disagreement between the passes or networks in nats.",
            path="mutual_information.tif",
            style="mutual_information",
            optional=True,
        ),
    ),
    estimates=True,
    tags=("rock", "boulder", "hazard", "segmentation", "uncertainty"),
)
