"""Stage ``lighting``: illumination, Earth visibility and permanent shadow."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import (
    AOI,
    BUILTIN_FAR_FIELD,
    DEM,
    FAR_FIELD,
    FETCHED_FAR_FIELD,
    MAST_HEIGHT,
    OUT_FOLDER,
)

SKY_PARAMETERS = (
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
        help="End of the time span. Defaults to 18.6 years after the start, after which the Sun "
        "and the Earth repeat their paths in the sky.",
    ),
    Parameter(
        name="step_hours",
        kind=Kind.NUMBER,
        title="Time step",
        help="Time between successive positions of the Sun and the Earth.",
        default=6.0,
        unit="hours",
        minimum=0.25,
        maximum=48,
        advanced=True,
    ),
)

SWEEP_PARAMETERS = (
    MAST_HEIGHT,
    Parameter(
        name="azimuths",
        kind=Kind.INTEGER,
        title="Number of azimuths",
        help="Number of directions in which horizons are computed.",
        default=360,
        minimum=36,
        maximum=3600,
        advanced=True,
    ),
    Parameter(
        name="lines_per_pixel",
        kind=Kind.NUMBER,
        title="Lines per pixel",
        help="Density of the sweep lines; higher values are slower and more accurate.",
        default=1.5,
        minimum=1,
        maximum=8,
        advanced=True,
    ),
    Parameter(
        name="earth_part",
        kind=Kind.CHOICE,
        title="Part of the Earth",
        help="Part of the Earth's disc that must be above the horizon for the Earth to count as "
        "visible.",
        default="centre",
        choices=("centre", "any", "whole"),
        advanced=True,
    ),
    Parameter(
        name="exact_share_pct",
        kind=Kind.NUMBER,
        title="Pixels marched exactly",
        help="Share of the pixels, the best-lit ones, whose horizons are marched exactly from "
        "their centres: on crests the sweep errs by several points. 0 leaves all to the sweep.",
        default=0.3,
        unit="%",
        minimum=0,
        maximum=100,
        advanced=True,
    ),
    Parameter(
        name="horizon_reach_km",
        kind=Kind.NUMBER,
        title="Required horizon distance",
        help="A direction counts as covered if the terrain is known out to this distance. All "
        "available terrain is used, whatever the value.",
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
    title="Time series spacing",
    help="Spacing of the points at which the darkest month and the longest continuous darkness "
    "are computed, rounded to whole pixels.",
    default=960.0,
    unit="m",
    minimum=1,
    maximum=100_000,
)

TIME_SERIES = Parameter(
    name="time_series",
    kind=Kind.BOOLEAN,
    title="Darkest month and longest darkness",
    help="Compute the darkest month and the longest continuous darkness on a lattice of points. "
    "Screening leaves them out where it computes those of the landing discs.",
    default=True,
    advanced=True,
)

STAGE = Stage(
    name="lighting",
    title="Illumination and Earth visibility",
    group="Layers",
    summary="Compute average illumination, Earth visibility and permanent shadow over a time span.",
    help="Horizons in all directions are computed by an upper-hull sweep over the elevation "
    "model and the coarser far-field models around it. The discs of the Sun and the Earth are "
    "then tracked over these horizons for the time span. At the "
    "pole, terrain 100 km away casts shadows: the built-in model surrounds "
    "what is given.",
    parameters=(
        DEM,
        FAR_FIELD,
        BUILTIN_FAR_FIELD,
        FETCHED_FAR_FIELD,
        AOI,
        OUT_FOLDER,
        *SKY_PARAMETERS,
        *SWEEP_PARAMETERS,
        POSTING,
        TIME_SERIES,
    ),
    outputs=(
        Output(
            name="illumination_pct",
            kind=Kind.RASTER,
            title="Average illumination",
            help="Visible fraction of the Sun's disc, averaged over the time span.",
            path="illumination_pct.tif",
            unit="%",
            style="illumination",
        ),
        Output(
            name="illumination_sensitivity",
            kind=Kind.RASTER,
            title="Illumination lost per degree of horizon",
            help="Decrease in average illumination if the horizon were one degree higher in all "
            "directions.",
            path="illumination_sensitivity.tif",
            unit="%/deg",
            style="sensitivity",
        ),
        Output(
            name="illumination_darkest_month_pct",
            kind=Kind.RASTER,
            title="Illumination of the darkest month",
            help="Lowest average illumination over any 29.53 days of the time span, or over all "
            "of a shorter span.",
            path="illumination_darkest_month_pct.tif",
            unit="%",
            style="illumination",
            optional=True,
        ),
        Output(
            name="longest_night_days",
            kind=Kind.RASTER,
            title="Longest continuous darkness",
            help="Longest period of the time span in which no part of the Sun's disc is visible. "
            "A period that continues beyond the start or the end of the span counts as far as it "
            "lies inside.",
            path="longest_night_days.tif",
            unit="days",
            style="darkness",
            optional=True,
        ),
        Output(
            name="earth_visibility_pct",
            kind=Kind.RASTER,
            title="Earth visibility",
            help="Percentage of the time span in which the Earth is above the horizon: the "
            "centre of its disc, unless another part is chosen.",
            path="earth_visibility_pct.tif",
            unit="%",
            style="earth",
        ),
        Output(
            name="earth_sensitivity",
            kind=Kind.RASTER,
            title="Earth visibility lost per degree of horizon",
            help="Decrease in Earth visibility if the horizon were one degree higher in all "
            "directions.",
            path="earth_sensitivity.tif",
            unit="%/deg",
            style="sensitivity",
        ),
        Output(
            name="psr",
            kind=Kind.RASTER,
            title="Permanent shadow",
            help="1 where no part of the Sun's disc is visible during the whole time span, 0 "
            "where some is, 255 where a height or a horizon is unknown.",
            path="psr.tif",
            style="psr",
        ),
        Output(
            name="illumination_method",
            kind=Kind.RASTER,
            title="Method of the horizons",
            help="1 where the horizons were marched exactly from the pixel's centre, 0 where they "
            "were swept.",
            path="illumination_method.tif",
            style="method",
        ),
        Output(
            name="horizon_coverage_pct",
            kind=Kind.RASTER,
            title="Horizon coverage",
            help="Percentage of directions in which the terrain is known out to the required "
            "distance.",
            path="horizon_coverage_pct.tif",
            unit="%",
            style="coverage",
        ),
    ),
    estimates=True,
    tags=("illumination", "horizon", "shadow", "PSR", "Earth visibility", "Sun"),
)
