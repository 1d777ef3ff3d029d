"""Stage ``lighting``: light, Earth contact and permanent shadow from an elevation model."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

SKY_PARAMETERS = (
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
        help="End of the span; 18.6 years after the start where it is not given, the time after "
        "which Sun and Earth repeat their paths.",
    ),
    Parameter(
        name="step_hours",
        kind=Kind.NUMBER,
        title="Time step",
        help="Time between two positions of Sun and Earth.",
        default=6.0,
        unit="hours",
        minimum=0.25,
        maximum=48,
        advanced=True,
    ),
)

SWEEP_PARAMETERS = (
    Parameter(
        name="mast_height_m",
        kind=Kind.NUMBER,
        title="Mast height",
        help="Height of the panel or antenna above the ground.",
        default=0.0,
        unit="m",
        minimum=0,
        maximum=1000,
    ),
    Parameter(
        name="azimuths",
        kind=Kind.INTEGER,
        title="Azimuths",
        help="Directions around the circle in which horizons are found.",
        default=360,
        minimum=36,
        maximum=3600,
        advanced=True,
    ),
    Parameter(
        name="lines_per_pixel",
        kind=Kind.NUMBER,
        title="Lines per pixel",
        help="How densely the sweep's lines lie; more is slower and more exact.",
        default=1.5,
        minimum=1,
        maximum=8,
        advanced=True,
    ),
    Parameter(
        name="earth_part",
        kind=Kind.CHOICE,
        title="Part of the Earth",
        help="What must be above the horizon for the Earth to count as visible.",
        default="centre",
        choices=("centre", "any", "whole"),
        advanced=True,
    ),
    Parameter(
        name="horizon_reach_km",
        kind=Kind.NUMBER,
        title="Reach of the horizons",
        help="Distance to which terrain must be known for a direction to count as covered. "
        "Terrain is used as far as it is given, whatever this says.",
        default=90.0,
        unit="km",
        minimum=1,
        maximum=400,
        advanced=True,
    ),
)

POSTING = Parameter(
    name="posting_m",
    kind=Kind.NUMBER,
    title="Posting of the time series",
    help="Spacing of the points where the darkest month and the longest night are computed, "
    "rounded to whole pixels.",
    default=960.0,
    unit="m",
    minimum=1,
    maximum=100_000,
)

STAGE = Stage(
    name="lighting",
    title="Light and Earth contact",
    group="Layers",
    summary="Average illumination, Earth visibility and permanent shadow over a span of dates.",
    help="Horizons in all directions are found by an upper-hull sweep over the elevation model and "
    "whatever coarser models lie around it; the Sun and the Earth are discs that move over them "
    "for the span of dates. Give a far field: terrain 100 km away casts shadows at the pole.",
    parameters=(
        shared.DEM,
        shared.FAR_FIELD,
        shared.OUT_FOLDER,
        *SKY_PARAMETERS,
        *SWEEP_PARAMETERS,
        POSTING,
    ),
    outputs=(
        Output(
            name="illumination_pct",
            kind=Kind.RASTER,
            title="Average illumination",
            help="Visible part of the Sun's disc, averaged over the span.",
            path="illumination_pct.tif",
            unit="%",
            style="illumination",
        ),
        Output(
            name="illumination_sensitivity",
            kind=Kind.RASTER,
            title="Illumination lost per degree of horizon",
            help="What a horizon one degree higher all round would cost.",
            path="illumination_sensitivity.tif",
            unit="%/deg",
            style="sensitivity",
        ),
        Output(
            name="illumination_darkest_month_pct",
            kind=Kind.RASTER,
            title="Illumination of the darkest month",
            help="Least average illumination over any 29.53 days of the span, over all of a "
            "shorter one.",
            path="illumination_darkest_month_pct.tif",
            unit="%",
            style="illumination",
        ),
        Output(
            name="longest_night_days",
            kind=Kind.RASTER,
            title="Longest darkness",
            help="Longest time without any part of the Sun's disc within the span; a darkness that "
            "its ends cut off counts as far as it lies inside.",
            path="longest_night_days.tif",
            unit="days",
            style="darkness",
        ),
        Output(
            name="earth_visibility_pct",
            kind=Kind.RASTER,
            title="Earth visibility",
            help="Share of the span in which the Earth stands above the horizon: its centre, "
            "unless another part of it is asked for.",
            path="earth_visibility_pct.tif",
            unit="%",
            style="earth",
        ),
        Output(
            name="earth_sensitivity",
            kind=Kind.RASTER,
            title="Earth visibility lost per degree of horizon",
            help="What a horizon one degree higher all round would cost.",
            path="earth_sensitivity.tif",
            unit="%/deg",
            style="sensitivity",
        ),
        Output(
            name="psr",
            kind=Kind.RASTER,
            title="Permanent shadow",
            help="1 where no part of the Sun shows in the whole span, 0 where some does, 255 where "
            "a height or a horizon is unknown.",
            path="psr.tif",
            style="psr",
        ),
        Output(
            name="horizon_coverage_pct",
            kind=Kind.RASTER,
            title="Covered horizon",
            help="Share of directions whose terrain is known to the asked distance.",
            path="horizon_coverage_pct.tif",
            unit="%",
            style="coverage",
        ),
    ),
    tags=("illumination", "horizon", "shadow", "PSR", "Earth visibility", "Sun"),
)
