"""Stage ``skyline``: the horizon of a location with the tracks of Sun and Earth."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import (
    AOI,
    BUILTIN_FAR_FIELD,
    DEM,
    FAR_FIELD,
    LAT,
    LON,
    MAST_HEIGHT,
)

STAGE = Stage(
    name="skyline",
    title="Skyline of a location",
    group="Layers",
    summary="Compute the horizon of a location and when the Sun and the Earth are above it.",
    help="The horizon is traced along great circles in all directions. For the time span, "
    "reports when the Sun (any part of its disc) and the Earth (its centre) are visible, the "
    "longest continuous darkness, and the best windows: the longest periods of sunlight with the "
    "Earth in view.",
    parameters=(
        DEM,
        FAR_FIELD,
        BUILTIN_FAR_FIELD,
        AOI,
        LON,
        LAT,
        MAST_HEIGHT,
        Parameter(
            name="start",
            kind=Kind.DATE,
            title="Start date",
            help="Start of the time span, 0 h UTC.",
            default="2027-01-01",
        ),
        Parameter(
            name="stop",
            kind=Kind.DATE,
            title="End date",
            help="End of the time span. Defaults to one year after the start.",
        ),
        Parameter(
            name="step_hours",
            kind=Kind.NUMBER,
            title="Time step",
            help="Time between successive positions of the Sun and the Earth.",
            default=1.0,
            unit="hours",
            minimum=0.05,
            maximum=48,
            advanced=True,
        ),
        Parameter(
            name="azimuth_step_deg",
            kind=Kind.NUMBER,
            title="Azimuth step",
            help="Angle between the directions in which the horizon is computed.",
            default=0.5,
            unit="deg",
            minimum=0.05,
            maximum=10,
            advanced=True,
        ),
        Parameter(
            name="picture",
            kind=Kind.PICTURE,
            endings=(".png", ".svg"),
            title="Picture",
            help="PNG or SVG file to write, showing the skyline.",
            output=True,
        ),
    ),
    outputs=(
        Output(
            name="picture",
            kind=Kind.PICTURE,
            title="Skyline",
            help="The horizon with the tracks of the Sun and the Earth.",
            optional=True,
        ),
    ),
    tags=("horizon", "Sun", "Earth", "windows"),
)
