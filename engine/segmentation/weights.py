"""Checkpoints of segmentation networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.context import require_context
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import model_file
from lunarsite.engine.segmentation import classes, onnx_runner, resampling
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.head import no_dropout_error
from lunarsite.engine.training import checkpoint_files, checkpoints
from lunarsite.engine.training.dependencies import needs_torch
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.onnx_runner import Runner

_FOLDER = Path(__file__).parents[2] / "models"

BUNDLED = {view: _FOLDER / f"segmenter-{view}.safetensors" for view in ("surface", "orbital")}
"""The networks that ship with LunarSite, by view."""

COMMAND = "lunarsite train-segmenter"
_REMEDY = checkpoint_files.REMEDY + COMMAND

_CORE_S, _PASS_CORE_S = 0.5e-6, 0.3e-6
"""Core seconds per pixel of the light network in closed form, and per pixel and drawn pass."""

_LARGE_CORE_S = 4e-6
"""Core seconds per pixel of a network with a ResNet encoder."""

UNCERTAINTIES = ("none", "mc-dropout", "ensemble")


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(checkpoints.Checkpoint[Architecture]):
    """A trained segmentation network."""

    @property
    def temperatures(self) -> Temperatures:
        """Temperatures of the calibration; 1 if the network is not calibrated."""
        calibration = self.card.get("calibration", {})
        common = float(calibration.get("temperature", 1.0))
        return Temperatures(common, float(calibration.get("temperature_of_rocks", common)))

    @property
    def information(self) -> float:
        """Factor on the mutual information of the closed form; 1 where it was not measured."""
        return float(self.card.get("calibration", {}).get("mutual_information_factor", 1.0))

    @property
    def side_px(self) -> int | None:
        """Training resolution: the shorter side of an image, pixels; None for native resolution."""
        side_px: int | None = self.card.get("recipe", {}).get("side_px")
        return side_px

    @staticmethod
    def as_card(temperatures: Temperatures) -> dict[str, float]:
        """Return temperatures as a card holds them."""
        return {
            "temperature": round(temperatures.common, 4),
            "temperature_of_rocks": round(temperatures.rare, 4),
        }

    def core_s(self, pixels: float, passes: int = 0) -> float:
        """Return about how many seconds of a core the network takes for some pixels."""
        if self.architecture.name == "unet-light" and not self.architecture.everywhere:
            return pixels * (_CORE_S + _PASS_CORE_S * passes)
        return pixels * _LARGE_CORE_S * (20 if self.architecture.everywhere else 1)

    def runner(
        self,
        device: str = "cpu",
        context: Context | None = None,
        *,
        uncertain: bool = False,
        passes: int = 0,
        seed: int = 0,
        temperatures: Temperatures | None = None,
        information: float | None = None,
    ) -> Runner:
        """Return the network, ready to run.

        Parameters
        ----------
        device : str
            ``cpu`` or ``cuda``.
        context : Context, optional
            Takes a warning if GPU memory is too small, and what the network has run on.
        uncertain, passes, seed : bool, int, int
            As in `onnx_runner.OnnxRunner`. There is no closed form for dropout after every ReLU:
            if ``passes`` is 0, 20 passes are drawn.
        temperatures : Temperatures, optional
            Override those of the card.
        information : float, optional
            Factor on the mutual information of the closed form; overrides that of the card.

        Raises
        ------
        InputError
            If the weights do not fit the architecture, or MC Dropout is requested for a network
            without dropout.
        MissingDependencyError
            If torch is needed and not installed.
        """
        surroundings = require_context(context)
        options: dict[str, Any] = {
            "uncertain": uncertain,
            "passes": passes,
            "seed": seed,
            "temperatures": temperatures or self.temperatures,
            "information": self.information if information is None else information,
            "side_px": self.side_px,
        }

        def on_cpu() -> Runner:
            return onnx_runner.OnnxRunner(self.state, self.architecture, **options)

        light = self.architecture.name == "unet-light"
        has_graph = light and not (uncertain and self.architecture.everywhere)
        if has_graph and device == "cpu":
            surroundings.ran_on("cpu")
            return on_cpu()
        needs_torch(f"Running the network {self.path.name} with these options")
        from lunarsite.engine.segmentation import network, torch_runner  # noqa: PLC0415  torch

        if uncertain and not (self.architecture.dropout or self.architecture.everywhere):
            raise no_dropout_error()
        return torch_runner.TorchRunner(
            self.fill(network.build(self.architecture), COMMAND),
            self.architecture,
            device,
            surroundings,
            on_cpu=on_cpu if has_graph else None,
            **options,
        )


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
        LunarSite does not support the architecture or the classes.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"The checkpoint {path!r} is not a path", _REMEDY)
    file = Path(model_file(str(path), (".safetensors",)))
    state, card = checkpoint_files.load(file, COMMAND)
    described = card.get("architecture", {})
    try:
        architecture = Architecture(
            str(described["name"]),
            tuple(map(int, described["widths"])),
            float(described["dropout"]),
            float(described["everywhere"]),
        )
        architecture.check()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The card of {file.name} does not describe a segmentation network: {error!r}",
            _REMEDY,
        ) from error
    class_names = card.get("classes", list(classes.NAMES))
    if class_names != list(classes.NAMES):
        raise InputError(
            f"The network {file.name} has {len(class_names)} classes: "
            f"{', '.join(map(str, class_names))}",
            f"Use a network with the classes {', '.join(classes.NAMES)}",
        )
    side_px = card.get("recipe", {}).get("side_px")
    if side_px is not None and not (type(side_px) is int and side_px >= resampling.LEAST_SIDE_PX):
        raise InputError(
            f"The card of {file.name} gives a training resolution of {side_px!r} px", _REMEDY
        )
    if architecture.name == "unet-light":
        checkpoints.check_shapes(file, state, architecture.shapes(), COMMAND)
    return Checkpoint(state, architecture, card, file)
