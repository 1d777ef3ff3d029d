"""Trained crater networks, read from disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.craters.model import onnx_runner, rings
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.errors import InputError
from lunarsite.engine.training import checkpoints
from lunarsite.engine.training.dependencies import needs_torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.engine.craters.model.onnx_runner import Runner

log = logging.getLogger(__name__)

BUNDLED = Path(__file__).parents[3] / "models" / "craters.safetensors"
"""The network that comes with LunarSite."""

_COMMAND = "lunarsite train-craters"
_REMEDY = checkpoints.REMEDY + _COMMAND


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(checkpoints.Checkpoint[Architecture]):
    """A trained crater network."""

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
            return onnx_runner.OnnxRunner(self.state, self.architecture)
        return _by_torch(self, device, warn)


def load(path: str | Path) -> Checkpoint:
    """Return a trained network.

    Raises
    ------
    InputError
        If weights, card or checksums are absent, damaged, do not belong together, or are of a
        network that this version does not know.
    """
    file = Path(path)
    checkpoints.read_card(file, _COMMAND)
    _check_listed(file)
    state, card = checkpoints.load(file, _COMMAND)
    described = card.get("architecture", {})
    try:
        architecture = Architecture(str(described["name"]), tuple(map(int, described["widths"])))
        architecture.check()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The card of {file.name} does not say what network it is: {error!r}", _REMEDY
        ) from error
    if architecture.name == "heat-maps":
        checkpoints.check_shapes(file, state, architecture.shapes(), _COMMAND)
    return Checkpoint(state, architecture, card, file)


def _check_listed(file: Path) -> None:
    """Raise if there is no list of checksums."""
    beside, shared = file.with_suffix(".sha256"), file.with_name("SHA256SUMS")
    if not (beside.is_file() or shared.is_file()):
        raise InputError(
            f"There is no list of checksums for {file}: neither {beside.name} nor {shared.name} "
            "lies beside it",
            f"A checkpoint is three files that belong together: {file.name}, "
            f"{file.with_suffix('.json').name} and {beside.name}. Copy all three, or train one: "
            f"{_COMMAND}",
        )


def _by_torch(checkpoint: Checkpoint, device: str, warn: Callable[[str], None]) -> Runner:
    needs_torch(f"The network of {checkpoint.path.name} on this device")
    from lunarsite.engine.craters.model import network  # noqa: PLC0415  imports torch

    model = checkpoint.fill(network.build(checkpoint.architecture), _COMMAND)
    return network.TorchRunner(model, device, warn)
