"""The trained scorers that come with LunarSite, found by what they were trained for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lunarsite.engine.scoring.profiles import Profile

FOLDER = Path(__file__).parents[2] / "models"


def bundled(profile: Profile) -> Path | None:
    """Return the trained scorer that comes with LunarSite for a profile's criteria, or None."""
    for card in sorted(FOLDER.glob("scorer-*.json")):
        if same_criteria(json.loads(card.read_text(encoding="utf-8")), profile):
            return card.with_suffix(".ubj")
    return None


def same_criteria(card: dict[str, Any], profile: Profile) -> bool:
    """Return whether a scorer's card names the criteria of a profile, whatever they are called."""
    trained = card.get("profile")
    return isinstance(trained, dict) and trained.get("criteria") == profile.as_dict()["criteria"]
