"""Stage ``render-orbital``: an image of an elevation model under the Sun."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import AOI, BUILTIN_FAR_FIELD, DEM, FAR_FIELD

STAGE = Stage(
    name="render-orbital",
    title="Render an image from orbit",
    group="Rocks",
    summary="Render an elevation model as seen from orbit at a given time, with cast shadows.",
    help="Simulates the image of a camera looking straight down: every pixel is lit by the part "
    "of the Sun's disc above its horizon, at the incidence angle on its slope. Use the result "
    "with segment-terrain where no image is available. Grey value 0 is nodata, 1 is shadow.",
    parameters=(
        DEM,
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
            help="Date and time in UTC, for example 2027-01-15T06:00.",
            required=True,
        ),
        FAR_FIELD,
        BUILTIN_FAR_FIELD,
        AOI,
    ),
    outputs=(
        Output(
            name="image",
            kind=Kind.RASTER,
            title="Image from orbit",
            help="8-bit grey values.",
            style="orbital_image",
        ),
    ),
    estimates=True,
    tags=("sun", "shadow", "hillshade", "image"),
)
