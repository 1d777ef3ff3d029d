"""Trained segmentation networks, read from disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes, onnx_runner, resampling
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.training import checkpoints
from lunarsite.engine.training.dependencies import needs_torch
from lunarsite.engine.uncertainty.calibration import Temperatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.engine.segmentation.onnx_runner import Runner

log = logging.getLogger(__name__)

_FOLDER = Path(__file__).parents[2] / "models"

BUNDLED = {view: _FOLDER / f"segmenter-{view}.safetensors" for view in ("surface", "orbital")}
"""The networks that come with LunarSite."""

COMMAND = "lunarsite train-segmenter"
_REMEDY = checkpoints.REMEDY + COMMAND

UNCERTAINTIES = ("none", "mc-dropout", "ensemble")


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(checkpoints.Checkpoint[Architecture]):
    """A trained segmentation network."""

    @property
    def temperatures(self) -> Temperatures:
        """What its logits are divided by, so that its probabilities are right as often."""
        found = self.card.get("calibration", {})
        common = float(found.get("temperature", 1.0))
        return Temperatures(common, float(found.get("temperature_of_rocks", common)))

    @property
    def side_px(self) -> int | None:
        """To what shorter side images are reduced before it looks; None for as they are."""
        found: int | None = self.card.get("recipe", {}).get("side_px")
        return found

    @staticmethod
    def said_of(found: Temperatures) -> dict[str, float]:
        """Return how a card says what `temperatures` reads."""
        return {
            "temperature": round(found.common, 4),
            "temperature_of_rocks": round(found.rare, 4),
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
            Is told if a GPU's memory does not hold a tile.
        uncertain, passes, seed : bool, int, int
            As of `onnx_runner.OnnxRunner`. A network that drops channels everywhere has no closed
            form: 20 passes are drawn where ``passes`` is 0.
        temperatures : Temperatures, optional
            In the place of the card's.

        Raises
        ------
        InputError
            If the weights do not fit the architecture, or uncertainty is asked of a network
            without dropout.
        MissingDependencyError
            If it needs torch, which is not there.
        """
        warmth = self.temperatures if temperatures is None else temperatures
        light = self.architecture.name == "unet-light"
        if light and device == "cpu" and not (uncertain and self.architecture.everywhere):
            return onnx_runner.OnnxRunner(
                self.state,
                self.architecture,
                uncertain=uncertain,
                passes=passes,
                seed=seed,
                temperatures=warmth,
                side_px=self.side_px,
            )
        needs_torch(f"The network of {self.path.name} in this way")
        from lunarsite.engine.segmentation import network, torch_runner  # noqa: PLC0415  torch
        from lunarsite.engine.uncertainty import dropout  # noqa: PLC0415  likewise

        if uncertain and not (self.architecture.dropout or self.architecture.everywhere):
            raise onnx_runner.without_dropout()
        return torch_runner.TorchRunner(
            self.fill(network.build(self.architecture), COMMAND),
            device,
            warn,
            passes=(passes or dropout.PASSES) if uncertain else 0,
            seed=seed,
            temperatures=warmth,
            side_px=self.side_px,
        )


def load(path: str | Path) -> Checkpoint:
    """Return a trained network.

    Raises
    ------
    InputError
        If weights, card or checksums are absent, damaged, do not belong together, are of a
        network that this version does not know, or of other classes.
    """
    file = Path(path)
    state, card = checkpoints.load(file, COMMAND)
    said = card.get("architecture", {})
    try:
        architecture = Architecture(
            str(said["name"]),
            tuple(map(int, said["widths"])),
            float(said["dropout"]),
            float(said["everywhere"]),
        )
        architecture.check()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The card of {file.name} does not say what segmentation network it is: {error!r}",
            _REMEDY,
        ) from error
    found = card.get("classes", list(classes.NAMES))
    if found != list(classes.NAMES):
        raise InputError(
            f"The network of {file.name} knows {len(found)} classes: {', '.join(map(str, found))}",
            f"Take one that knows {', '.join(classes.NAMES)}",
        )
    side_px = card.get("recipe", {}).get("side_px")
    if side_px is not None and not (type(side_px) is int and side_px >= resampling.LEAST_SIDE_PX):
        raise InputError(
            f"The card of {file.name} says that it looks at images of {side_px!r} px", _REMEDY
        )
    if architecture.name == "unet-light":
        checkpoints.check_shapes(file, state, architecture.shapes(), COMMAND)
    return Checkpoint(state, architecture, card, file)
