"""Stage ``explain``: why a place scores as it does."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

RUN = Parameter(
    name="run",
    kind=Kind.FOLDER,
    files=shared.RUN_FILES,
    title="Run",
    help="Folder of a finished screen.",
    required=True,
)

STAGE = Stage(
    name="explain",
    title="Explain a location",
    group="Scoring",
    summary="Score, rank, reasons, exact margins, and what would make a place pass.",
    help="Answers from a finished run of screen: contributions that add up to the score, the "
    "margin to every criterion, the smallest changes that would make the place pass, and the "
    "nearest cell that does.",
    parameters=(
        RUN,
        shared.LON,
        shared.LAT,
    ),
    outputs=(
        Output(name="score", kind=Kind.NUMBER, title="Score", help="From 0 to 1."),
        Output(name="rank", kind=Kind.INTEGER, title="Rank", help="Among all cells, 1 the best."),
        Output(
            name="percentile",
            kind=Kind.NUMBER,
            title="Percentile",
            help="Percent of the cells that are not better.",
        ),
    ),
    tags=("SHAP", "margin", "counterfactual"),
)
