"""The trained scorers that ship with LunarSite, by their criteria."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.provenance import read_verified

if TYPE_CHECKING:
    from lunarsite.engine.scoring.profiles import Profile

FOLDER = Path(__file__).parents[2] / "models"


def bundled(profile: Profile) -> Path | None:
    """Return the path of the bundled scorer for the criteria of a profile, or None.

    Raises
    ------
    InputError
        If its checksum differs from that of the release.
    """
    for card in sorted(FOLDER.glob("scorer-*.json")):
        _check_shipped(card)
        if same_criteria(json.loads(card.read_text(encoding="utf-8")), profile):
            path = card.with_suffix(".ubj")
            _check_shipped(path)
            return path
    return None


def same_criteria(card: dict[str, Any], profile: Profile) -> bool:
    """Return whether the card of a scorer has the criteria of a profile, under any name."""
    trained = card.get("profile")
    return isinstance(trained, dict) and trained.get("criteria") == profile.as_dict()["criteria"]


def _check_shipped(file: Path) -> None:
    try:
        read_verified(file, "")
    except InputError as error:
        raise InputError(
            f"{file.name} is not the file of the LunarSite release: its checksum differs",
            "Install LunarSite again, or train a scorer: lunarsite train-scorer",
        ) from error
