"""Stage ``score``: scores and ranks of all cells, and the list of sites."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import OUT_FOLDER
from lunarsite.engine.stages.train_scorer import CRITERIA_PARAMETERS, FEATURES

SCORER = Parameter(
    name="scorer",
    kind=Kind.FILE,
    endings=(".ubj",),
    model="scorer",
    title="Scorer",
    help="Trained scorer (.ubj), or the name of a model (lunarsite models list). If not set, the "
    "scorer shipped with LunarSite for the profile is used.",
    advanced=True,
)

SITE_PARAMETERS = (
    Parameter(
        name="regions",
        kind=Kind.VECTOR,
        geometry="polygon",
        title="Regions",
        help="Polygons; sites are additionally ranked within each of them. Polygons of "
        "one name are one region. Edges between corners in degrees are straight on the polar map; "
        "boxes follow their parallels.",
    ),
    Parameter(
        name="min_distance_m",
        kind=Kind.NUMBER,
        title="Minimum distance between sites",
        help="No cell within this distance of a site, on the ground, is better.",
        default=3000.0,
        unit="m",
        minimum=0,
        maximum=1_000_000,
    ),
    Parameter(
        name="max_sites",
        kind=Kind.INTEGER,
        title="Maximum number of sites",
        help="Maximum length of the list of sites, and of the list for each region.",
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
        help="Suitability of every cell, between 0 and 1: its score.",
        path="score.tif",
        style="score",
    ),
    Output(
        name="rank",
        kind=Kind.RASTER,
        title="Rank",
        help="Rank of every cell, 1 being the best.",
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
        help="Probability that all criteria are met, given the errors of heights and horizons.",
        path="probability.tif",
        style="score",
    ),
    Output(
        name="sites",
        kind=Kind.VECTOR,
        title="Sites",
        help="The best cells with scores, margins and strongest contributions; with regions, a "
        "second layer.",
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
    summary="Score and rank every cell, and list the best sites with the reasons for their scores.",
    help="The score is the suitability: the geometric mean over the criteria, softened at their "
    "limits. Beside it stands the probability that all criteria are met, given the errors. Ranks "
    "have a 5-95 % interval from Monte Carlo draws of the errors and of where the borders of the "
    "cells fall. A cell without data for a criterion, or less than half known, gets no score: "
    "unknown does not mean unsuitable.",
    parameters=(FEATURES, OUT_FOLDER, SCORER, *CRITERIA_PARAMETERS, *SITE_PARAMETERS),
    outputs=OUTPUTS,
    estimates=True,
    tags=("ranking", "SHAP", "sites", "uncertainty"),
)
