"""Checkpoint files: weights as safetensors in 16 or 8 bits, a JSON card and SHA-256 checksums.

In 8 bits each output channel of a convolution is stored as whole numbers from -127 to 127 and a
scale; vectors stay in 16 bits. Nothing is unpickled. A file whose checksum differs from the listed
one is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_bytes
from safetensors.numpy import save_file

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import InputError
from lunarsite.engine.provenance import read_verified, write_checksums

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    State = dict[str, NDArray[np.generic]]

REMEDY = "Fetch the file and its card again, or train one: "
"""How errors about checkpoints end; the command that trains such a network follows."""

SCALE = ".scale"
"""What the name of a tensor in 8 bits ends with where its scales are."""

BITS = (16, 8)
"""Bits that a weight may have in a file; the first is the default."""

_START_FIELDS = (
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
"""Fields of the start checkpoint's card that the card of a fine-tuned network repeats."""


def save(
    path: Path,
    state: Mapping[str, NDArray[np.generic]],
    card: Mapping[str, Any],
    *,
    bits: int = 16,
) -> dict[str, Any]:
    """Write weights, their card and their checksums.

    Parameters
    ----------
    path : Path
        Ends in .safetensors.
    state : mapping of str to ndarray
        State dict of the network.
    card : mapping
        Metadata, JSON-able; includes the architecture.
    bits : {16, 8}
        Bits of a weight.

    Returns
    -------
    dict
        The card as written.
    """
    compact = {n: np.ascontiguousarray(v) for n, v in _compact(state, bits).items()}
    with whole_file(path) as partial:
        save_file(compact, partial)
    full_card = {**card, "weights": {"file": path.name, "bits": bits}}
    with whole_file(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(full_card, indent=2) + "\n", encoding="utf-8")
    write_checksums(path.with_suffix(".sha256"), (path, path.with_suffix(".json")))
    return full_card


def load(path: Path, command: str) -> tuple[State, dict[str, Any]]:
    """Read weights and their card.

    Parameters
    ----------
    path : Path
        The safetensors file.
    command : str
        Command that trains such a network; errors name it.

    Returns
    -------
    state : dict of str to ndarray
        Float32; batch counters int64.
    card : dict
        The card.

    Raises
    ------
    InputError
        If weights, card or checksums are missing, damaged or do not match.
    """
    for file in (path, path.with_suffix(".json")):
        _check_exists(file, command)
    card = _parsed(path, read_verified(path.with_suffix(".json"), REMEDY + command), command)
    weights = read_verified(path, REMEDY + command)
    try:
        state = load_bytes(weights)
    except SafetensorError as error:
        raise InputError(
            f"The checkpoint {path.name} is damaged: {error}", REMEDY + command
        ) from error
    return _expanded(state), card


def read_card(file: Path, command: str) -> dict[str, Any]:
    """Return the card of a checkpoint.

    Raises
    ------
    InputError
        If the checkpoint or its card is missing, or the card is not JSON.
    """
    card_file = file.with_suffix(".json")
    for each in (file, card_file):
        _check_exists(each, command)
    return _parsed(file, card_file.read_bytes(), command)


def _check_exists(file: Path, command: str) -> None:
    if not file.is_file():
        remedy = REMEDY + command
        if not file.suffix:  # it may have been meant as the name of a model
            remedy = f"List the models with lunarsite models list. {remedy}"
        raise InputError(f"There is no file {file}", remedy)


def _parsed(file: Path, content: bytes, command: str) -> dict[str, Any]:
    """Return the card of a checkpoint, from the content of its file."""
    name = file.with_suffix(".json").name
    try:
        card = json.loads(content.decode())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"The card {name} is not JSON: {error}", REMEDY + command) from error
    if not isinstance(card, dict):
        raise InputError(f"The card {name} is not a JSON object", REMEDY + command)
    return card


def start_metadata(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a new card repeats of the card of the checkpoint that training started from.

    A fine-tuned network was also trained on the data of its start, and of that one's start: without
    this metadata its card would state only part of the training budget.
    """
    return {name: card[name] for name in _START_FIELDS if name in card}


def as_stored(state: Mapping[str, NDArray[np.generic]], bits: int = 16) -> State:
    """Return weights as they are after a round trip through a file: rounded to so many bits."""
    return _expanded(_compact(state, bits))


def _compact(state: Mapping[str, NDArray[np.generic]], bits: int) -> State:
    """Return the tensors that a file holds."""
    compact: State = {}
    for name, values in state.items():
        if bits == 8 and values.dtype.kind == "f" and values.ndim > 1:
            largest = np.abs(values).reshape(len(values), -1).max(axis=1).astype(np.float32)
            scale = np.where(largest > 0.0, largest, 1.0).astype(np.float32) / np.float32(127.0)
            shape = (-1, *[1] * (values.ndim - 1))
            steps = values.astype(np.float32) / scale.reshape(shape)
            compact[name] = np.rint(steps).astype(np.int8)
            compact[name + SCALE] = scale
        else:
            compact[name] = _as_float16(values)
    return compact


def _expanded(stored: Mapping[str, NDArray[np.generic]]) -> State:
    """Return the weights that the tensors of a file stand for."""
    state: State = {}
    for name, values in stored.items():
        if values.dtype == np.int8 and name + SCALE in stored:
            scale = stored[name + SCALE].astype(np.float32)
            state[name] = values.astype(np.float32) * scale.reshape(-1, *[1] * (values.ndim - 1))
        elif not (name.endswith(SCALE) and name.removesuffix(SCALE) in stored):
            state[name] = _as_float32(values)
    return state


def _as_float16(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return floats as float16, unless they overflow: variances of a batch norm may be large."""
    if values.dtype.kind != "f" or np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
        return values
    return values.astype(np.float16)


def _as_float32(values: NDArray[np.generic]) -> NDArray[np.generic]:
    # Copied in any case: what is read from bytes cannot be written to.
    return values.astype(np.float32) if values.dtype.kind == "f" else values.copy()
