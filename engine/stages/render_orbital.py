"""Stage ``render-orbital``: an image of an elevation model under the Sun."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="render-orbital",
    title="Render from orbit",
    group="Rocks",
    summary="Make an image of an elevation model under the Sun at a time, with cast shadows.",
    help="The image that a camera straight above would take: every pixel is lit by the part of "
    "the Sun's disc that its horizon leaves, at the angle of its slope. segment-terrain takes it "
    "where there is no image. Grey 0 is nodata, 1 is shadow.",
    parameters=(
        shared.DEM,
        Parameter(
            name="out",
            kind=Kind.RASTER,
            endings=(".tif",),
            title="Image",
            help="GeoTIFF to write.",
            required=True,
            output=True,
        ),
        Parameter(
            name="time",
            kind=Kind.TEXT,
            title="Time",
            help="UTC, such as 2027-01-15T06:00.",
            required=True,
        ),
        shared.FAR_FIELD,
    ),
    outputs=(
        Output(
            name="image",
            kind=Kind.RASTER,
            title="Image from orbit",
            help="Eight bits of grey.",
            style="orbital_image",
        ),
    ),
    tags=("sun", "shadow", "hillshade", "image"),
)
