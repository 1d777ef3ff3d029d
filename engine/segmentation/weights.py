"""Checkpoints of segmentation networks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes, onnx_runner, resampling
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.training import checkpoint_files, checkpoints
from lunarsite.engine.training.dependencies import needs_torch
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.engine.segmentation.onnx_runner import Runner

log = logging.getLogger(__name__)

_FOLDER = Path(__file__).parents[2] / "models"

BUNDLED = {view: _FOLDER / f"segmenter-{view}.safetensors" for view in ("surface", "orbital")}
"""The networks that ship with LunarSite, by view."""

COMMAND = "lunarsite train-segmenter"
_REMEDY = checkpoint_files.REMEDY + COMMAND

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

    def runner(
        self,
        device: str = "cpu",
        warn: Callable[[str], None] = log.warning,
        *,
        uncertain: bool = False,
        passes: int = 0,
        seed: int = 0,
        temperatures: Temperatures | None = None,
    ) -> Runner:
        """Return the network, ready to run.

        Parameters
        ----------
        device : str
            ``cpu`` or ``cuda``.
        warn : callable
            Takes a message if GPU memory is too small for a tile.
        uncertain, passes, seed : bool, int, int
            As in `onnx_runner.OnnxRunner`. There is no closed form for dropout after every ReLU:
            if ``passes`` is 0, 20 passes are drawn.
        temperatures : Temperatures, optional
            Override those of the card.

        Raises
        ------
        InputError
            If the weights do not fit the architecture, or MC Dropout is requested for a network
            without dropout.
        MissingDependencyError
            If torch is needed and not installed.
        """
        if temperatures is None:
            temperatures = self.temperatures
        light = self.architecture.name == "unet-light"
        if light and device == "cpu" and not (uncertain and self.architecture.everywhere):
            return onnx_runner.OnnxRunner(
                self.state,
                self.architecture,
                uncertain=uncertain,
                passes=passes,
                seed=seed,
                temperatures=temperatures,
                side_px=self.side_px,
            )
        needs_torch(f"Running the network {self.path.name} with these options")
        from lunarsite.engine.segmentation import network, torch_runner  # noqa: PLC0415  torch
        from lunarsite.engine.uncertainty import dropout  # noqa: PLC0415  as above

        if uncertain and not (self.architecture.dropout or self.architecture.everywhere):
            raise onnx_runner.no_dropout_error()
        return torch_runner.TorchRunner(
            self.fill(network.build(self.architecture), COMMAND),
            device,
            warn,
            passes=(passes or dropout.PASSES) if uncertain else 0,
            seed=seed,
            temperatures=temperatures,
            side_px=self.side_px,
        )


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path : path
        The safetensors file; card and checksums are expected beside it.

    Raises
    ------
    InputError
        If weights, card or checksums are missing, damaged or do not match; or if this version of
        LunarSite does not support the architecture or the classes.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"The checkpoint {path!r} is not a path", _REMEDY)
    file = Path(path)
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
