"""Checkpoints in memory: weights, architecture and card, and checks that they fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.training.checkpoint_files import REMEDY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from lunarsite.engine.training.checkpoint_files import State

A = TypeVar("A", bound="AnyArchitecture")


class AnyArchitecture(Protocol):
    """Architecture of a network, of any kind."""

    @property
    def name(self) -> str:
        """Name in recipes and cards."""
        ...

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature channels by level."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return the architecture as JSON."""
        ...


class FineTunable(Protocol):
    """A recipe that trains from scratch or fine-tunes a checkpoint."""

    @property
    def name(self) -> str:
        """Name of the recipe."""
        ...

    @property
    def needs_start(self) -> bool:
        """Whether it fine-tunes a checkpoint."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(Generic[A]):
    """Trained weights with their card; subclasses add how the network is run.

    Parameters
    ----------
    state : dict of str to ndarray
        The weights, float32; batch counters int64.
    architecture : Architecture
        Architecture that the weights belong to.
    card : dict
        Metadata of the training.
    path : Path
        File that the weights were read from.
    """

    state: State
    architecture: A
    card: dict[str, Any]
    path: Path

    def fill(self, network: torch.nn.Module, command: str) -> torch.nn.Module:
        """Load the weights into a torch network, and return the network.

        Parameters
        ----------
        network : torch.nn.Module
            Network of the same architecture; changed in place.
        command : str
            Command that trains such a network; the error names it.

        Raises
        ------
        InputError
            If the weights do not fit the network.
        """
        import torch  # noqa: PLC0415  takes a second to import, and is rarely needed

        try:
            network.load_state_dict({n: torch.from_numpy(v) for n, v in self.state.items()})
        except RuntimeError as error:
            raise InputError(
                f"The checkpoint {self.path.name} does not match the architecture on its card: "
                f"{str(error).splitlines()[0]}",
                REMEDY + command,
            ) from error
        return network


def check_start(
    recipe: FineTunable, start: Checkpoint[Any] | None, architecture: AnyArchitecture
) -> None:
    """Raise unless the start checkpoint suits the recipe.

    Parameters
    ----------
    recipe : Recipe
        Recipe of the training.
    start : Checkpoint or None
        Checkpoint to start from.
    architecture : Architecture
        Architecture that the recipe trains; the start must have the same name and widths.

    Raises
    ------
    ParameterError
        If the recipe fine-tunes a checkpoint and none is given.
    InputError
        If the start is of another architecture.
    """
    if start is None:
        if recipe.needs_start:
            raise ParameterError(
                f"The recipe {recipe.name} fine-tunes a trained network, and none is given",
                "Give its checkpoint with --start",
            )
        return
    ours = start.architecture
    if (ours.name, ours.widths) != (architecture.name, architecture.widths):
        raise InputError(
            f"The checkpoint {start.path.name} is of the architecture {ours.as_dict()}, the recipe "
            f"{recipe.name} trains {architecture.as_dict()}",
            "Give a checkpoint of a network of the same architecture and widths",
        )


def check_kind(path: Path, card: Mapping[str, Any], wanted: str) -> None:
    """Raise if a checkpoint is of a network for something else.

    Parameters
    ----------
    path : Path
        The checkpoint.
    card : mapping
        Its card, which may be damaged.
    wanted : str
        ``craters`` or ``rocks``.

    Raises
    ------
    InputError
        Says what the network is for.
    """
    described = card.get("architecture")
    name = str(described.get("name", "")) if isinstance(described, dict) else ""
    kinds = {
        "craters": name in {"heat-maps", "rims-resnet34"},
        "rocks": name == "ensemble" or name.startswith("unet-"),
    }
    for kind, is_it in kinds.items():
        if is_it and kind != wanted:
            raise InputError(
                f"{path.name} is a network for {kind}; one for {wanted} is needed",
                "lunarsite models list says which there are",
            )


def check_shapes(
    path: Path, state: State, shapes: Mapping[str, tuple[int, ...]], command: str
) -> None:
    """Raise unless the weights have the names and shapes of an architecture.

    Raises
    ------
    InputError
        Names the first weight that is missing or of another shape.
    """
    for name, shape in shapes.items():
        actual = state[name].shape if name in state else None
        if actual != shape:
            raise InputError(
                f"The checkpoint {path.name} does not match the architecture on its card: "
                f"{name} is {'missing' if actual is None else actual}, not {shape}",
                REMEDY + command,
            )
