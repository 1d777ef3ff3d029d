"""Stage ``skyline``: the horizon of one place, with the tracks of Sun and Earth."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="skyline",
    title="Skyline of a location",
    group="Layers",
    summary="The horizon of one place, and when Sun and Earth stand above it.",
    help="The horizon is found by a dense march along great circles every half degree. Over the "
    "dates given it says when the Sun (any part of its disc) and the Earth (its centre) are up, "
    "the longest night and the best windows: the longest times of light with the Earth in view.",
    parameters=(
        shared.DEM,
        shared.FAR_FIELD,
        shared.LON,
        shared.LAT,
        Parameter(
            name="mast_height_m",
            kind=Kind.NUMBER,
            title="Mast height",
            help="Height of the eye, the panel or the antenna above the ground.",
            default=0.0,
            unit="m",
            minimum=0,
            maximum=1000,
        ),
        Parameter(
            name="start",
            kind=Kind.DATE,
            title="First date",
            help="Start of the span of time, 0 h UTC.",
            default="2027-01-01",
        ),
        Parameter(
            name="stop",
            kind=Kind.DATE,
            title="Last date",
            help="End of the span; one year after the start where it is not given.",
        ),
        Parameter(
            name="step_hours",
            kind=Kind.NUMBER,
            title="Time step",
            help="Time between two positions of Sun and Earth.",
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
            help="Spacing of the horizon's directions.",
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
            help="PNG or SVG file to draw the skyline into.",
            output=True,
        ),
    ),
    outputs=(
        Output(
            name="picture",
            kind=Kind.PICTURE,
            title="Skyline",
            help="The horizon with the tracks of Sun and Earth.",
            optional=True,
        ),
    ),
    tags=("horizon", "Sun", "Earth", "windows"),
)
