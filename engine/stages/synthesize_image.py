"""Stage ``synthesize-image``: a generated image from orbit that shows rocks."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import LAT, LON

STAGE = Stage(
    name="synthesize-image",
    title="Synthetic image from orbit",
    group="Rocks",
    summary="Generate a synthetic image from orbit with rocks, georeferenced to a chosen location.",
    help="Generated terrain with craters and rocks under a low Sun, 320 by 320 pixels, like the "
    "training images of the orbital network. The image is placed at a location of your choice but "
    "shows nothing of the real ground there: use it to try segment-terrain and the dock where no "
    "image is fine enough to resolve rocks. The same seed gives byte-identical results. The true "
    "class of every pixel is written next to the image as a raster with the suffix .classes.tif.",
    parameters=(
        LON,
        LAT,
        Parameter(
            name="out",
            kind=Kind.RASTER,
            endings=(".tif", ".tiff"),
            title="Image",
            help="GeoTIFF to write.",
            required=True,
            output=True,
        ),
        Parameter(
            name="seed",
            kind=Kind.INTEGER,
            title="Random seed",
            help="Seed of the random number generator. The first scene from this seed on that "
            "has both small and large rocks is used.",
            default=55,
            minimum=0,
            maximum=2**31 - 1,
        ),
        Parameter(
            name="pixel_m",
            kind=Kind.NUMBER,
            title="Pixel size",
            help="Side of a pixel in map metres; everything in the scene scales with it.",
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
            help="8-bit grey values.",
            style="orbital_image",
        ),
        Output(
            name="classes",
            kind=Kind.RASTER,
            title="True classes",
            help="0 ground, 1 small rocks, 2 large rocks, 255 too small to resolve.",
            style="terrain_classes",
        ),
    ),
    tags=("synthetic", "rock", "boulder", "image", "demo"),
)
