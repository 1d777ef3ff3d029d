"""Stage ``synthesize-image``: a made image from orbit, in which rocks can be seen."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="synthesize-image",
    title="Synthetic image from orbit",
    group="Rocks",
    summary="Make an image from orbit with rocks in it, that never was, around a place.",
    help=(
        "Generated ground with craters and rocks under a low Sun, 320 pixels a side, such as the "
        "network for images from orbit has learned from. It is laid around a place of your choice, "
        "and shows nothing of the ground there: it is for trying segment-terrain and the dock "
        "where there is no image fine enough for rocks. The same seed gives the same bytes. "
        "Beside it a raster with the ending .classes.tif says what every pixel shows."
    ),
    parameters=(
        shared.LON,
        shared.LAT,
        Parameter(
            name="out",
            kind=Kind.RASTER,
            endings=(".tif", ".tiff"),
            title="Image",
            help="Where the GeoTIFF goes.",
            required=True,
            output=True,
        ),
        Parameter(
            name="seed",
            kind=Kind.INTEGER,
            title="Seed",
            help="Another seed, another scene: the first from it on that has small and large "
            "rocks.",
            default=55,
            minimum=0,
            maximum=2**31 - 1,
        ),
        Parameter(
            name="pixel_m",
            kind=Kind.NUMBER,
            title="Pixel",
            help="Side of a pixel in map metres: what the scene holds is in proportion to it.",
            default=2.0,
            unit="m",
            minimum=0.5,
            maximum=2.0,
        ),
    ),
    outputs=(
        Output(
            name="image",
            kind=Kind.RASTER,
            title="Synthetic image from orbit",
            help="Eight bits of grey.",
            style="orbital_image",
        ),
        Output(
            name="classes",
            kind=Kind.RASTER,
            title="What it shows",
            help="0 ground, 1 small rocks, 2 large rocks, 255 too small to tell.",
            style="terrain_classes",
        ),
    ),
    tags=("synthetic", "rock", "boulder", "image", "demo"),
)
