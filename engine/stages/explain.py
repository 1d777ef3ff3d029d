"""Stage ``explain``: why a location scores as it does."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import LAT, LON, RUN_FILES

RUN = Parameter(
    name="run",
    kind=Kind.FOLDER,
    files=RUN_FILES,
    title="Run",
    help="Output folder of a completed screen.",
    required=True,
)

STAGE = Stage(
    name="explain",
    title="Explain a location",
    group="Scoring",
    summary="Explain the score and rank of a location, and what would make it pass.",
    help="Reads a completed run of screen. Reports the contributions of the features, which add "
    "up to the score, the margin to every criterion, the smallest changes that would make the "
    "location pass, and the nearest cell that passes.",
    parameters=(
        RUN,
        LON,
        LAT,
    ),
    outputs=(
        Output(name="score", kind=Kind.NUMBER, title="Score", help="Between 0 and 1."),
        Output(
            name="rank",
            kind=Kind.INTEGER,
            title="Rank",
            help="Rank among all cells, 1 being the best.",
        ),
        Output(
            name="percentile",
            kind=Kind.NUMBER,
            title="Percentile",
            help="Percentage of cells that do not score better.",
        ),
    ),
    tags=("SHAP", "margin", "counterfactual"),
)
