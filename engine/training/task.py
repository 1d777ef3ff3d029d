"""Interfaces of the training loop: its recipe, its task and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    State = dict[str, torch.Tensor]
    Arrays = dict[str, NDArray[np.generic]]


class Source(Protocol):
    """Samples by number; the same number gives the same sample."""

    def __call__(self, number: int) -> Any:
        """Return the sample of a number."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A training set and a validation set.

    Parameters
    ----------
    name : str
        Identifies the data: an interrupted training resumes only with data of the same name.
    training, validation : Source
        Samples of the two sets.
    training_count, validation_count : int
        Number of samples in each.
    """

    name: str
    training: Source
    training_count: int
    validation: Source
    validation_count: int


class Recipe(Protocol):
    """Hyperparameters of the training loop; the recipes of the networks have more."""

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        ...

    @property
    def batch(self) -> int:
        """Samples per forward pass."""
        ...

    @property
    def accumulate(self) -> int:
        """Forward passes per optimiser step (gradient accumulation)."""
        ...

    @property
    def crop_px(self) -> int:
        """Side of a training crop, pixels."""
        ...

    @property
    def learning_rate(self) -> float:
        """Peak learning rate of AdamW."""
        ...

    @property
    def weight_decay(self) -> float:
        """Weight decay of AdamW."""
        ...

    @property
    def average(self) -> float:
        """Decay of the exponential moving average of the weights, per step."""
        ...

    @property
    def precision(self) -> str:
        """Arithmetic of the forward passes of training steps: ``float32`` or ``bfloat16``."""
        ...

    @property
    def validate_every(self) -> int:
        """Steps between validations."""
        ...

    @property
    def patience(self) -> int:
        """Validations without improvement after which training stops early."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON."""
        ...


class Task(Protocol):
    """Batches and loss of a training.

    A batch is a dict of arrays whose first dimension is the sample; ``channels`` is the input of
    the network, the others are the targets. ``data`` is the name of the data (`Data.name`), and
    ``validation_count`` the number of validation batches.
    """

    data: str
    validation_count: int

    def draw(self, step: int) -> Arrays:
        """Return the training batch of a step."""
        ...

    def validation_batch(self, number: int) -> Arrays:
        """Return a batch of one sample from the validation set."""
        ...

    def loss(self, outputs: torch.Tensor, targets: State) -> torch.Tensor:
        """Return the training loss of the network's outputs for a batch."""
        ...
