"""Trained networks on disk: safetensors in 16 bits, with a card beside them.

Nothing is unpickled. A list of checksums lies beside them, and a file that is not the one listed
is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.provenance import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    State = dict[str, NDArray[np.generic]]

A = TypeVar("A", bound="Shape")

_TOLD = (
    "weights",
    "data",
    "source",
    "tiles_version",
    "scenes_version",
    "seed",
    "tiles",
    "scenes",
    "steps",
    "minutes",
    "started_from",
)
"""What a card repeats of the checkpoint that its training began with."""

REMEDY = "Fetch the file and its card again, or train one: "
"""And the command."""


class Shape(Protocol):
    """Of a network."""

    @property
    def name(self) -> str:
        """How recipes call it."""
        ...

    @property
    def widths(self) -> tuple[int, ...]:
        """Features by level."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        ...


class NeedsStart(Protocol):
    """A recipe that may go on from a checkpoint."""

    @property
    def name(self) -> str:
        """How the card calls it."""
        ...

    @property
    def needs_start(self) -> bool:
        """Whether it does."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(Generic[A]):
    """A trained network's weights and its card; each kind of network adds how it is run.

    Parameters
    ----------
    state : dict of ndarray
        The weights; float32, and what counts batches int64.
    architecture : Architecture
        Of the network that they fit.
    card : dict
        What is known of them.
    path : Path
        Where they were read.
    """

    state: State
    architecture: A
    card: dict[str, Any]
    path: Path

    def fill(self, network: torch.nn.Module, command: str) -> torch.nn.Module:
        """Load the weights into a torch network, and return it.

        Raises
        ------
        InputError
            If they do not fit; ``command`` trains such a network.
        """
        import torch  # noqa: PLC0415  a second to import, and mostly not needed

        try:
            network.load_state_dict({n: torch.from_numpy(v) for n, v in self.state.items()})
        except RuntimeError as error:
            raise InputError(
                f"The checkpoint {self.path.name} is of another architecture than its card says: "
                f"{str(error).splitlines()[0]}",
                REMEDY + command,
            ) from error
        return network


def save(
    path: Path, state: Mapping[str, NDArray[np.generic]], card: Mapping[str, Any]
) -> dict[str, Any]:
    """Write weights as ``path`` in 16 bits, their card and their checksums; return the card.

    Parameters
    ----------
    path : Path
        Ends in .safetensors.
    state : mapping
        The network's state.
    card : mapping
        What is known of it, JSON-able; its architecture is among it.
    """
    small = {name: np.ascontiguousarray(_half(values)) for name, values in state.items()}
    with whole_file(path) as partial:
        save_file(small, partial)
    whole = {**card, "weights": {"file": path.name, "bits": 16}}
    with whole_file(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    with whole_file(path.with_suffix(".sha256")) as partial:
        lines = (f"{sha256(file)}  {file.name}\n" for file in (path, path.with_suffix(".json")))
        partial.write_text("".join(lines), encoding="utf-8")
    return whole


def told(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says of the checkpoint that a training begins with, and of those before.

    A network has learned what they have: without it a card would tell a part of the budget.
    """
    return {name: card[name] for name in _TOLD if name in card}


def as_stored(state: Mapping[str, NDArray[np.generic]]) -> State:
    """Return weights as they are once they have been written and read."""
    return {name: _single(_half(values)) for name, values in state.items()}


def load(path: Path, command: str) -> tuple[State, dict[str, Any]]:
    """Return weights, float32 and what counts batches int64, and their card.

    Parameters
    ----------
    path : Path
        Of the safetensors.
    command : str
        Which trains such a network; errors name it.

    Raises
    ------
    InputError
        If weights, card or checksums are absent, damaged or do not belong together.
    """
    card = read_card(path, command)
    _check_sums(command, path, path.with_suffix(".json"))
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"The checkpoint {path.name} is damaged: {error}", REMEDY + command
        ) from error
    return {name: _single(values) for name, values in state.items()}, card


def _half(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return numbers in 16 bits where they fit: variances of a batch norm may be too large."""
    if values.dtype.kind != "f" or np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
        return values
    return values.astype(np.float16)


def _single(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def read_card(file: Path, command: str) -> dict[str, Any]:
    """Return the card beside a checkpoint.

    Raises
    ------
    InputError
        If either is absent or the card is not JSON.
    """
    beside = file.with_suffix(".json")
    for each in (file, beside):
        if not each.is_file():
            raise InputError(f"There is no file {each}", REMEDY + command)
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"The card {beside.name} is not JSON: {error}", REMEDY + command
        ) from error
    if not isinstance(card, dict):
        raise InputError(f"The card {beside.name} is not a card", REMEDY + command)
    return card


def check_start(chosen: NeedsStart, start: Checkpoint[Any] | None, wanted: Shape) -> None:
    """Raise unless a training's start is what its recipe asks for.

    Parameters
    ----------
    chosen : Recipe
        Of the training.
    start : Checkpoint or None
        What it is to begin with.
    wanted : Architecture
        That the recipe trains; its name and widths have to be those of the start.

    Raises
    ------
    ParameterError
        If the recipe goes on from a network and none is given.
    InputError
        If it is of another architecture.
    """
    if start is None:
        if chosen.needs_start:
            raise ParameterError(
                f"The recipe {chosen.name} goes on from a trained network, and none is given",
                "Give its checkpoint with --start",
            )
        return
    ours = start.architecture
    if (ours.name, ours.widths) != (wanted.name, wanted.widths):
        raise InputError(
            f"The checkpoint {start.path.name} is of the network {ours.as_dict()}, the recipe "
            f"{chosen.name} of {wanted.as_dict()}",
            "Give a checkpoint that a recipe of the same architecture and widths made",
        )


def check_shapes(
    path: Path, state: State, shapes: Mapping[str, tuple[int, ...]], command: str
) -> None:
    """Raise unless weights are those of an architecture.

    Raises
    ------
    InputError
        With the first that is not.
    """
    for name, shape in shapes.items():
        found = state[name].shape if name in state else None
        if found != shape:
            raise InputError(
                f"The checkpoint {path.name} is of another architecture than its card says: "
                f"{name} is {'absent' if found is None else found}, not {shape}",
                REMEDY + command,
            )


def _check_sums(command: str, *files: Path) -> None:
    """Raise unless the files are those of the list that belongs to them."""
    together = files[0].with_suffix(".sha256")
    listing = together if together.is_file() else files[0].with_name("SHA256SUMS")
    if not listing.is_file():
        raise InputError(f"There is no list of checksums {together}", REMEDY + command)
    pairs = (line.split() for line in listing.read_text(encoding="utf-8").splitlines())
    listed = {pair[-1]: pair[0] for pair in pairs if pair}
    for file in files:
        if sha256(file) != listed.get(file.name):
            raise InputError(
                f"{file.name} is not the file that {listing.name} names: its checksum differs",
                REMEDY + command,
            )
