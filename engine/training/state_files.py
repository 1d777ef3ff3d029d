"""Where the state of an interrupted training lies, and what resuming it means. Needs no torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from safetensors import safe_open

from lunarsite.engine.errors import CancelledError

if TYPE_CHECKING:
    from pathlib import Path


def state_of(path: Path) -> Path:
    """Return where the state of a checkpoint's training is kept."""
    return path.with_suffix(".state.safetensors")


def cancelled(path: Path) -> CancelledError:
    """Return the error of a training that was cancelled: what the same command does next."""
    state_file = state_of(path)
    if not state_file.is_file():
        return CancelledError("Nothing was kept yet; the same command starts anew")
    with safe_open(state_file, "np") as file:
        step = json.loads(file.metadata()["progress"])["step"]
    return CancelledError(
        f"Its state is kept in {state_file.name}; the same command goes on from step {step:,}"
    )
