"""Stage ``score-points``: scores of candidate points."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import explain

STAGE = Stage(
    name="score-points",
    title="Score candidate points",
    group="Scoring",
    summary="Look up the score, rank, margins and strongest contributions of every point of a "
    "layer.",
    help="Finds the cell of a completed run of screen in which each point lies. All points are "
    "returned; a point outside the run, or where a layer is missing, has no score, and its state "
    "gives the reason.",
    parameters=(
        explain.RUN,
        Parameter(
            name="points",
            kind=Kind.VECTOR,
            geometry="point",
            title="Candidate points",
            help="Point layer on the Moon; on the command line also a CSV table with lon_deg and "
            "lat_deg, or x_m and y_m.",
            required=True,
        ),
        Parameter(
            name="out",
            kind=Kind.VECTOR,
            endings=(".gpkg",),
            title="Scored points",
            help="GeoPackage to write.",
            required=True,
            output=True,
        ),
    ),
    outputs=(
        Output(
            name="points",
            kind=Kind.VECTOR,
            title="Scored points",
            help="The points with state, score, rank, rank interval, margins and strongest "
            "contributions.",
            style="candidates",
        ),
        Output(
            name="passing",
            kind=Kind.INTEGER,
            title="Passing points",
            help="Number of points that meet all criteria.",
        ),
    ),
    tags=("candidates", "margin", "SHAP"),
)
