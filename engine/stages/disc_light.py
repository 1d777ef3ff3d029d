"""Stage ``disc-light``: time series of the light at the best landing disc of every cell."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import AOI, BUILTIN_FAR_FIELD, DEM, FAR_FIELD, OUT_FOLDER
from lunarsite.engine.stages.features import CELL_PARAMETERS
from lunarsite.engine.stages.lighting import SKY_PARAMETERS, SWEEP_PARAMETERS

_SWEEP = ("mast_height_m", "azimuths", "earth_part")

STAGE = Stage(
    name="disc-light",
    title="Light at landing discs",
    group="Scoring",
    summary="Compute darkest month and longest continuous darkness at the best disc of each cell.",
    help="At the centre of the best landing disc of every cell, horizons are marched exactly in "
    "all directions, and the Sun is followed over them: the darkest month and the longest "
    "continuous darkness are those of the place that is evaluated, not of the middle of its cell.",
    parameters=(
        DEM,
        FAR_FIELD,
        BUILTIN_FAR_FIELD,
        AOI,
        Parameter(
            name="layers",
            kind=Kind.FOLDER,
            files=("landing_suitability.tif", "landing_probability.tif"),
            title="Layers",
            help="Folder with the outputs of landing.",
            required=True,
        ),
        OUT_FOLDER,
        *(p for p in CELL_PARAMETERS if p.name == "cell_m"),
        *SKY_PARAMETERS,
        *(p for p in SWEEP_PARAMETERS if p.name in _SWEEP),
    ),
    outputs=(
        Output(
            name="disc_darkest_month_pct",
            kind=Kind.RASTER,
            title="Illumination of the darkest month at landing discs",
            help="Least average visible fraction of the Sun's disc over 29.5 days, at the centre "
            "of the best disc of each cell.",
            path="disc_darkest_month_pct.tif",
            unit="%",
            style="illumination",
        ),
        Output(
            name="disc_longest_darkness_days",
            kind=Kind.RASTER,
            title="Longest continuous darkness at landing discs",
            help="Longest time without any part of the Sun visible, at the centre of the best disc "
            "of each cell.",
            path="disc_longest_darkness_days.tif",
            unit="days",
            style="darkness",
        ),
    ),
    estimates=True,
    tags=("darkness", "energy", "landing site"),
)
