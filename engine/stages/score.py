"""Stage ``score``: score and rank every cell, and list the sites."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared
from lunarsite.engine.stages.train_scorer import CRITERIA_PARAMETERS, FEATURES

SCORER = Parameter(
    name="scorer",
    kind=Kind.FILE,
    endings=(".ubj",),
    title="Scorer",
    help="A trained scorer (.ubj); where it is not given, the one that comes with LunarSite for "
    "the profile.",
    advanced=True,
)

SITE_PARAMETERS = (
    Parameter(
        name="regions",
        kind=Kind.VECTOR,
        geometry="polygon",
        title="Regions",
        help="Polygons; sites are then also ranked within each.",
    ),
    Parameter(
        name="min_distance_m",
        kind=Kind.NUMBER,
        title="Distance between sites",
        help="Two sites of the list are at least this far apart.",
        default=3000.0,
        unit="m",
        minimum=0,
        maximum=1_000_000,
    ),
    Parameter(
        name="max_sites",
        kind=Kind.INTEGER,
        title="Sites",
        help="How many sites the list holds at most (and for each region).",
        default=50,
        minimum=1,
        maximum=10_000,
    ),
)

OUTPUTS = (
    Output(
        name="score",
        kind=Kind.RASTER,
        title="Score",
        help="Score between 0 and 1 of every cell.",
        path="score.tif",
        style="score",
    ),
    Output(
        name="rank",
        kind=Kind.RASTER,
        title="Rank",
        help="Rank of every cell, 1 the best.",
        path="rank.tif",
        style="rank",
    ),
    Output(
        name="rank_interval",
        kind=Kind.RASTER,
        title="Rank interval",
        help="Width of the 5-95 % interval of the rank.",
        path="rank_interval.tif",
        style="uncertainty",
    ),
    Output(
        name="probability",
        kind=Kind.RASTER,
        title="Probability",
        help="Closed-form probability that every criterion holds.",
        path="probability.tif",
        style="score",
    ),
    Output(
        name="sites",
        kind=Kind.VECTOR,
        title="Sites",
        help="The best cells with scores, margins and reasons; with regions, a second layer.",
        path="sites.gpkg",
        style="sites",
    ),
    Output(
        name="scores",
        kind=Kind.TABLE,
        title="Scores",
        help="Scores, ranks, intervals and margins of all cells, Parquet.",
        path="scores.parquet",
    ),
    Output(
        name="shap",
        kind=Kind.TABLE,
        title="Contributions",
        help="SHAP contributions of all features to the log-odds of all cells, Parquet.",
        path="shap.parquet",
    ),
)

STAGE = Stage(
    name="score",
    title="Score and rank",
    group="Scoring",
    summary="Score every cell, rank it with an interval, and list the best sites with reasons.",
    help="The score is the scorer's probability that every criterion holds. Ranks have a 5-95 % "
    "interval from the same Monte Carlo that labels are made of. A cell that lacks a criterion's "
    "layer gets no score: unknown is not unsuitable.",
    parameters=(FEATURES, shared.OUT_FOLDER, SCORER, *CRITERIA_PARAMETERS, *SITE_PARAMETERS),
    outputs=OUTPUTS,
    tags=("ranking", "SHAP", "sites", "uncertainty"),
)
