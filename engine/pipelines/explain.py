"""The stage ``explain``: explanation of the score of a location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.scoring.site_explanation import explain

if TYPE_CHECKING:
    from lunarsite.engine.context import Context


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Explain the score of the cell at a location."""
    return explain(values["run"], values["lon"], values["lat"], context)
