"""Stage ``compare``: where two scorings of the same cells disagree."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import OUT_FOLDER, RUN_FILES

STAGE = Stage(
    name="compare",
    title="Compare two scorings",
    group="Scoring",
    summary="Compare how two criteria profiles or two scorers rank the same cells.",
    help="Compares the output folders of two runs of screen or score over the same cells. The "
    "rank change is positive where the second scoring ranks a cell better than the first. The "
    "best cells of either scoring are listed with both ranks and whether their 5-95 % rank "
    "intervals overlap.",
    parameters=(
        Parameter(
            name="first",
            kind=Kind.FOLDER,
            files=RUN_FILES,
            title="First scoring",
            help="Output folder of screen or score.",
            required=True,
        ),
        Parameter(
            name="second",
            kind=Kind.FOLDER,
            files=RUN_FILES,
            title="Second scoring",
            help="Output folder of screen or score for the same cells.",
            required=True,
        ),
        Parameter(
            name="best",
            kind=Kind.INTEGER,
            title="Number of best cells",
            help="How many of the best cells of each scoring are listed.",
            default=100,
            minimum=1,
            maximum=1_000_000,
        ),
        OUT_FOLDER,
    ),
    outputs=(
        Output(
            name="rank_change",
            kind=Kind.RASTER,
            title="Rank change",
            help="Rank in the first scoring minus rank in the second.",
            path="rank_change.tif",
            unit="ranks",
            style="rank_change",
        ),
        Output(
            name="comparison",
            kind=Kind.VECTOR,
            title="Best cells of either scoring",
            help="Scores, ranks and intervals of both scorings, and in which of them a cell is "
            "among the best.",
            path="comparison.gpkg",
            style="comparison",
        ),
        Output(
            name="spearman",
            kind=Kind.NUMBER,
            title="Rank correlation",
            help="Spearman's rank correlation coefficient over all cells scored by both.",
        ),
    ),
    tags=("profile", "criteria", "sensitivity"),
)
