"""Files that hold the state of an interrupted training. Does not import torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from safetensors import safe_open

from lunarsite.engine.errors import CancelledError

if TYPE_CHECKING:
    from pathlib import Path


def state_of(path: Path) -> Path:
    """Return the path of the training state that belongs to a checkpoint."""
    return path.with_suffix(".state.safetensors")


def cancelled(path: Path) -> CancelledError:
    """Return the error for a cancelled training, which says where the same command resumes."""
    state_file = state_of(path)
    if not state_file.is_file():
        return CancelledError("Nothing was saved yet; the same command starts from the beginning")
    with safe_open(state_file, "np") as file:
        step = json.loads(file.metadata()["progress"])["step"]
    return CancelledError(
        f"The training state is saved in {state_file.name}; the same command resumes at step "
        f"{step:,}"
    )
