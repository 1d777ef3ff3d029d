"""Checkpoints of crater networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.context import require_context
from lunarsite.engine.craters.model import onnx_runner, rings
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import model_file
from lunarsite.engine.training import checkpoint_files, checkpoints
from lunarsite.engine.training.dependencies import needs_torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.model.onnx_runner import Runner

BUNDLED = Path(__file__).parents[3] / "models" / "craters.safetensors"
"""The network that ships with LunarSite."""

_COMMAND = "lunarsite train-craters"
_REMEDY = checkpoint_files.REMEDY + _COMMAND


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(checkpoints.Checkpoint[Architecture]):
    """A trained crater network."""

    def runner(self, device: str = "cpu", context: Context | None = None) -> Runner:
        """Return the network, ready to run.

        Parameters
        ----------
        device : str
            ``cpu`` or ``cuda``.
        context : Context, optional
            Takes a warning if GPU memory is too small, and what the network has run on.

        Raises
        ------
        InputError
            If the weights do not fit the architecture.
        MissingDependencyError
            If torch is needed and not installed.
        """
        surroundings = require_context(context)
        if self.architecture.name == "rims-resnet34":
            return rings.RingRunner(_torch_runner(self, device, surroundings))
        if device == "cpu":
            surroundings.ran_on("cpu")
            return self._on_cpu()
        return _torch_runner(self, device, surroundings, self._on_cpu)

    def _on_cpu(self) -> Runner:
        return onnx_runner.OnnxRunner(self.state, self.architecture)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path : path
        The safetensors file; card and checksums are expected beside it. Or the name of a model.

    Raises
    ------
    InputError
        If weights, card or checksums are missing, damaged or do not match; or if this version of
        LunarSite does not support the architecture.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"The checkpoint {path!r} is not a path", _REMEDY)
    file = Path(model_file(str(path), (".safetensors",)))
    checkpoint_files.read_card(file, _COMMAND)
    _check_listed(file)
    state, card = checkpoint_files.load(file, _COMMAND)
    checkpoints.check_kind(file, card, "craters")
    described = card.get("architecture", {})
    try:
        architecture = Architecture(str(described["name"]), tuple(map(int, described["widths"])))
        architecture.check()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The card of {file.name} does not describe a crater network: {error!r}", _REMEDY
        ) from error
    if architecture.name == "heat-maps":
        checkpoints.check_shapes(file, state, architecture.shapes(), _COMMAND)
    return Checkpoint(state, architecture, card, file)


def _check_listed(file: Path) -> None:
    """Raise if there is no list of checksums."""
    own, shared = file.with_suffix(".sha256"), file.with_name("SHA256SUMS")
    if not (own.is_file() or shared.is_file()):
        raise InputError(
            f"There is no list of checksums for {file}: neither {own.name} nor {shared.name} "
            "lies beside it",
            f"A checkpoint is three files that belong together: {file.name}, "
            f"{file.with_suffix('.json').name} and {own.name}. Copy all three, or train one: "
            f"{_COMMAND}",
        )


def _torch_runner(
    checkpoint: Checkpoint,
    device: str,
    context: Context,
    on_cpu: Callable[[], Runner] | None = None,
) -> Runner:
    needs_torch(f"Running the network {checkpoint.path.name} on this device")
    from lunarsite.engine.craters.model import network  # noqa: PLC0415  imports torch

    model = checkpoint.fill(network.build(checkpoint.architecture), _COMMAND)
    return network.TorchRunner(model, device, context, on_cpu)
