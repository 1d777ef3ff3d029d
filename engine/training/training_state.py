"""The saved state of a training, from which it resumes after an interruption.

Imports torch.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import InputError
from lunarsite.engine.training import state_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lunarsite.engine.training.task import Recipe, State


@dataclass(slots=True, eq=False)
class Progress:
    """Progress of a training, JSON-able.

    ``best`` is the lowest validation loss so far, reached at ``best_step``.
    """

    step: int = 0
    spent_s: float = 0.0
    best: float = math.inf
    best_step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingState:
    """Everything that a training needs to resume.

    Parameters
    ----------
    model, average, best : dict of Tensor
        Weights of the model, their moving average, and the average with the lowest validation loss.
    moments : dict of dict of Tensor
        Moments of the optimiser, by number of the parameter.
    progress : Progress
        Steps taken, time spent and loss history.
    """

    model: State
    average: State
    best: State
    moments: dict[int, State]
    progress: Progress


def identity_of(recipe: Recipe, seed: int, data: str, start: State | None) -> dict[str, str]:
    """Return what identifies a training: its state is resumed only if all of this is equal."""
    return {
        "recipe": json.dumps(recipe.as_dict()),
        "seed": str(seed),
        "data": data,
        "start": "fresh weights" if start is None else _digest(start),
    }


def write(path: Path, state: TrainingState, identity: Mapping[str, str]) -> None:
    """Write the state and the identity of a training to a safetensors file, with a checksum."""
    tensors: State = {}
    for prefix, weights in (
        ("model.", state.model),
        ("average.", state.average),
        ("best.", state.best),
    ):
        tensors |= {prefix + name: value for name, value in weights.items()}
    for number, moments in state.moments.items():
        tensors |= {f"moment.{number}.{name}": value for name, value in moments.items()}
    progress = json.dumps(asdict(state.progress))
    metadata = {**identity, "progress": progress, **state_files.BLANK}
    contiguous = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    with whole_file(path) as partial:
        save_file(contiguous, partial, metadata=metadata)
        state_files.seal(partial)


def read(path: Path, identity: Mapping[str, str], device: str) -> TrainingState:
    """Read the state of a training.

    Parameters
    ----------
    path : Path
        File that `write` wrote.
    identity : mapping of str to str
        Identity of the training that resumes.
    device : str
        Device of the averaged weights.

    Raises
    ------
    InputError
        If the state is damaged, or its recipe, seed, data or start differ.
    """
    content = state_files.read_sealed(path)
    try:
        metadata = state_files.metadata_of(content)
        tensors = load(content)
    except SafetensorError as error:
        raise InputError(
            f"The training state {path.name} is damaged: {error}", state_files.REMEDY
        ) from error
    differing = [name for name, value in identity.items() if metadata.get(name) != value]
    if differing:
        raise InputError(
            f"The state {path.name} is of another training: its {' and '.join(differing)} "
            f"{'differs' if len(differing) == 1 else 'differ'}",
            "Remove it to start training from the beginning, or choose another output",
        )
    moments: dict[int, State] = {}
    for name, value in _with_prefix(tensors, "moment.").items():
        number, moment = name.split(".")
        moments.setdefault(int(number), {})[moment] = value
    return TrainingState(
        _with_prefix(tensors, "model."),
        _with_prefix(tensors, "average.", device),
        _with_prefix(tensors, "best.", device),
        moments,
        Progress(**json.loads(metadata["progress"])),
    )


def _with_prefix(tensors: State, prefix: str, device: str = "cpu") -> State:
    """Return the tensors whose names begin with a prefix, under the rest of their names."""
    cut = len(prefix)
    return {n[cut:]: v.to(device) for n, v in tensors.items() if n.startswith(prefix)}


def _digest(state: State) -> str:
    """Return a SHA-256 digest of weights."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
