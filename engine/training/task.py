"""What a training is told: how it goes, what is learned, and from what."""

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
    """Where samples come from: the same number gives the same sample."""

    def __call__(self, number: int) -> Any:
        """Return a sample."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What is learned from, and what nobody learns from.

    Parameters
    ----------
    name : str
        A training goes on with the data of this name only.
    learn, unseen : Source
        Where samples come from.
    count, unseen_count : int
        How many there are.
    """

    name: str
    learn: Source
    count: int
    unseen: Source
    unseen_count: int


class Recipe(Protocol):
    """What a recipe says of steps; the recipes of networks say more."""

    @property
    def steps(self) -> int:
        """Steps of the optimiser."""
        ...

    @property
    def batch(self) -> int:
        """Samples of one pass."""
        ...

    @property
    def accumulate(self) -> int:
        """Passes of one step."""
        ...

    @property
    def crop_px(self) -> int:
        """Side of a sample."""
        ...

    @property
    def learning_rate(self) -> float:
        """Of AdamW, at its peak."""
        ...

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""
        ...

    @property
    def average(self) -> float:
        """How much the running mean of weights keeps at each step."""
        ...

    @property
    def validate_every(self) -> int:
        """Steps between validations."""
        ...

    @property
    def patience(self) -> int:
        """Validations without progress that end the training."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        ...


class Task(Protocol):
    """What is learned from, and what is asked.

    ``data`` names what is learned from: a training goes on with data of this name only. A batch
    is a dict of arrays with the samples as first dimension; ``channels`` is what the network sees.
    """

    data: str
    unseen_count: int

    def draw(self, step: int) -> Arrays:
        """Return the batch of a step."""
        ...

    def unseen(self, number: int) -> Arrays:
        """Return a batch of one that nobody learns from."""
        ...

    def loss(self, out: torch.Tensor, answers: State) -> torch.Tensor:
        """Return what is to be small, for the network's answer to a batch."""
        ...
