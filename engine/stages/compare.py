"""Stage ``compare``: two scorings of the same cells."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="compare",
    title="Compare two scorings",
    group="Scoring",
    summary="Where two profiles or two scorers disagree about the same cells.",
    help="Takes the output folders of two runs of screen or score over the same cells. The rank "
    "change is positive where the second thinks better of a cell than the first. The best cells "
    "of either are listed with both ranks, and whether their 5-95 % intervals meet.",
    parameters=(
        Parameter(
            name="first",
            kind=Kind.FOLDER,
            files=shared.RUN_FILES,
            title="First scoring",
            help="Output folder of screen or score.",
            required=True,
        ),
        Parameter(
            name="second",
            kind=Kind.FOLDER,
            files=shared.RUN_FILES,
            title="Second scoring",
            help="Output folder of screen or score, over the same cells.",
            required=True,
        ),
        Parameter(
            name="best",
            kind=Kind.INTEGER,
            title="Best cells listed",
            help="How many of the best cells of each scoring are listed.",
            default=100,
            minimum=1,
            maximum=1_000_000,
        ),
        shared.OUT_FOLDER,
    ),
    outputs=(
        Output(
            name="rank_change",
            kind=Kind.RASTER,
            title="Rank change",
            help="Rank in the first scoring less the rank in the second.",
            path="rank_change.tif",
            unit="ranks",
            style="rank_change",
        ),
        Output(
            name="comparison",
            kind=Kind.VECTOR,
            title="Best cells of either",
            help="Both scores, ranks and intervals, and in which scoring a cell is among the best.",
            path="comparison.gpkg",
            style="comparison",
        ),
        Output(
            name="spearman",
            kind=Kind.NUMBER,
            title="Rank correlation",
            help="Spearman's, over all cells that both score.",
        ),
    ),
    tags=("profile", "criteria", "sensitivity"),
)
