"""Stage ``explain``: why a place scores as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.contract import Kind, Parameter, Stage
from lunarsite.engine.stages import shared

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

STAGE = Stage(
    name="explain",
    title="Explain a location",
    group="Scoring",
    summary="Score, rank, reasons, exact margins, and what would make a place pass.",
    help="Answers from a finished run of screen: contributions that add up to the score, the "
    "margin to every criterion, the smallest changes that would make the place pass, and the "
    "nearest cell that does.",
    parameters=(
        Parameter(
            name="run",
            kind=Kind.FOLDER,
            title="Run",
            help="Folder of a finished screen.",
            required=True,
        ),
        shared.LON,
        shared.LAT,
    ),
    tags=("SHAP", "margin", "counterfactual"),
    module=__name__,
)


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Explain the cell that holds the location."""
    from lunarsite.engine.scoring.explain import explain  # noqa: PLC0415

    return explain(values["run"], values["lon"], values["lat"], context)
