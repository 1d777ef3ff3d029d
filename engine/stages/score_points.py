"""Stage ``score-points``: the scores of chosen places."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import explain

STAGE = Stage(
    name="score-points",
    title="Score candidate points",
    group="Scoring",
    summary="Score, rank, margins and strongest reasons of every point of a layer.",
    help="Looks up the cell of a finished run of screen that each point lies in. Every point comes "
    "back: one outside the run, or where a layer is missing, with a state that says so and no "
    "score.",
    parameters=(
        explain.RUN,
        Parameter(
            name="points",
            kind=Kind.VECTOR,
            geometry="point",
            title="Candidate points",
            help="Point layer of the Moon; on the command line also a CSV table with lon_deg and "
            "lat_deg.",
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
            help="The points with state, score, rank, interval, margins and strongest reasons.",
            style="candidates",
        ),
        Output(
            name="passing",
            kind=Kind.INTEGER,
            title="Points that pass",
            help="How many points keep every criterion.",
        ),
    ),
    tags=("candidates", "margin", "SHAP"),
)
