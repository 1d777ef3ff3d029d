"""The stage ``explain``: why a location scores as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.scoring.finished_run import explain

if TYPE_CHECKING:
    from lunarsite.engine.context import Context


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Explain the cell that holds the location."""
    return explain(values["run"], values["lon"], values["lat"], context)
