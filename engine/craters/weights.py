"""Trained networks on disk: safetensors in 16 bits, with a card beside them.

Nothing is unpickled. A list of checksums lies beside them, and a file that is not the one listed
is refused.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.craters import rings, runner
from lunarsite.engine.craters.architecture import Architecture
from lunarsite.engine.craters.environment import needs_torch
from lunarsite.engine.errors import InputError
from lunarsite.engine.provenance import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.craters.runner import Runner

    State = dict[str, NDArray[np.generic]]

log = logging.getLogger(__name__)

BUNDLED = Path(__file__).parents[2] / "models" / "craters.safetensors"
"""The network that comes with LunarSite."""

_REMEDY = "Fetch the file and its card again, or train one: lunarsite train-craters"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A trained network's weights and its card.

    Parameters
    ----------
    state : dict of ndarray
        The weights; float32, and what counts batches int64.
    architecture : Architecture
        What they fit.
    card : dict
        What is known of them.
    path : Path
        Where they were read.
    """

    state: State
    architecture: Architecture
    card: dict[str, Any]
    path: Path

    def runner(self, device: str = "cpu", warn: Callable[[str], None] = log.warning) -> Runner:
        """Return the network, ready to run on ``cpu`` or ``cuda``; ``warn`` as `TorchRunner`.

        Raises
        ------
        InputError
            If the weights do not fit the architecture.
        MissingDependencyError
            If it needs torch, which is not there.
        """
        if self.architecture.name == "rims-resnet34":
            return rings.RingRunner(_by_torch(self, device, warn))
        if device == "cpu":
            return runner.OnnxRunner(self.state, self.architecture)
        return _by_torch(self, device, warn)


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
    small = {
        name: np.ascontiguousarray(v.astype(np.float16) if v.dtype.kind == "f" else v)
        for name, v in state.items()
    }
    with whole_file(path) as partial:
        save_file(small, partial)
    whole = {**card, "weights": {"file": path.name, "bits": 16}}
    with whole_file(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    with whole_file(path.with_suffix(".sha256")) as partial:
        lines = (f"{sha256(file)}  {file.name}\n" for file in (path, path.with_suffix(".json")))
        partial.write_text("".join(lines), encoding="utf-8")
    return whole


def load(path: str | Path) -> Checkpoint:
    """Return a trained network.

    Raises
    ------
    InputError
        If weights, card or checksums are absent, damaged, do not belong together, or are of a
        network that this version does not know.
    """
    file = Path(path)
    card = read_card(file)
    _check_sums(file, file.with_suffix(".json"))
    described = card.get("architecture", {})
    try:
        architecture = Architecture(str(described["name"]), tuple(map(int, described["widths"])))
        architecture.check()
        state = load_file(file)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The card of {file.name} does not say what network it is: {error!r}", _REMEDY
        ) from error
    except SafetensorError as error:
        raise InputError(f"The checkpoint {file.name} is damaged: {error}", _REMEDY) from error
    whole = {n: v.astype(np.float32) if v.dtype.kind == "f" else v for n, v in state.items()}
    if architecture.name == "heat-maps":
        _check_shapes(file, whole, architecture)
    return Checkpoint(whole, architecture, card, file)


def read_card(file: Path) -> dict[str, Any]:
    """Return the card beside a checkpoint.

    Raises
    ------
    InputError
        If either is absent or the card is not JSON.
    """
    beside = file.with_suffix(".json")
    for each in (file, beside):
        if not each.is_file():
            raise InputError(f"There is no file {each}", _REMEDY)
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"The card {beside.name} is not JSON: {error}", _REMEDY) from error
    if not isinstance(card, dict):
        raise InputError(f"The card {beside.name} is not a card", _REMEDY)
    return card


def _check_sums(*files: Path) -> None:
    """Raise unless the files are those of the list that belongs to them."""
    together = files[0].with_suffix(".sha256")
    listing = together if together.is_file() else files[0].with_name("SHA256SUMS")
    if not listing.is_file():
        raise InputError(f"There is no list of checksums {together}", _REMEDY)
    pairs = (line.split() for line in listing.read_text(encoding="utf-8").splitlines())
    listed = {pair[-1]: pair[0] for pair in pairs if pair}
    for file in files:
        if sha256(file) != listed.get(file.name):
            raise InputError(
                f"{file.name} is not the file that {listing.name} names: its checksum differs",
                _REMEDY,
            )


def _check_shapes(file: Path, state: State, architecture: Architecture) -> None:
    """Raise unless the weights are those of the architecture."""
    for name, shape in architecture.shapes().items():
        found = state[name].shape if name in state else None
        if found != shape:
            raise InputError(
                f"The checkpoint {file.name} is of another architecture than its card says: "
                f"{name} is {'absent' if found is None else found}, not {shape}",
                _REMEDY,
            )


def _by_torch(checkpoint: Checkpoint, device: str, warn: Callable[[str], None]) -> Runner:
    needs_torch(f"The network of {checkpoint.path.name} on this device")
    import torch  # noqa: PLC0415  a second to import, and mostly not needed

    from lunarsite.engine.craters import network  # noqa: PLC0415  likewise

    model = network.build(checkpoint.architecture)
    try:
        model.load_state_dict({n: torch.from_numpy(v) for n, v in checkpoint.state.items()})
    except RuntimeError as error:
        raise InputError(
            f"The checkpoint {checkpoint.path.name} is of another architecture than its card "
            f"says: {str(error).splitlines()[0]}",
            _REMEDY,
        ) from error
    return network.TorchRunner(model, device, warn)
