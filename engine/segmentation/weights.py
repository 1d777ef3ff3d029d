"""Checkpoints of segmentation networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.context import require_context
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import model_file
from lunarsite.engine.segmentation import classes, onnx_runner, resampling, tiling
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.head import no_dropout_error
from lunarsite.engine.training import checkpoint_files, checkpoints
from lunarsite.engine.training.dependencies import needs_torch
from lunarsite.engine.uncertainty import domain
from lunarsite.engine.uncertainty.calibration import Temperatures
from lunarsite.engine.uncertainty.domain import Domain

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.onnx_runner import Runner

_FOLDER = Path(__file__).parents[2] / "models"

BUNDLED = {view: _FOLDER / f"segmenter-{view}.safetensors" for view in ("surface", "orbital")}
"""The networks that ship with LunarSite, by view."""

COMMAND = "lunarsite train-segmenter"
_REMEDY = checkpoint_files.REMEDY + COMMAND

_CORE_S, _PASS_CORE_S = 0.5e-6, 0.3e-6
"""Core seconds per pixel of a described network in closed form, and per pixel and drawn pass.

That with the encoder of EfficientNet-Lite0 takes 0.8 to 1.0 of the light network's time.
"""

_LARGE_CORE_S = 4e-6
"""Core seconds per pixel of a network with a ResNet encoder."""

UNCERTAINTIES = ("none", "mc-dropout", "ensemble")


_DOMAIN = ("domain.mean", "domain.root", "domain.usual")
"""Names of the tensors that hold the domain; the lower triangle of the root is packed."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(checkpoints.Checkpoint[Architecture]):
    """A trained segmentation network, or an ensemble of several in one file.

    Parameters
    ----------
    domain : Domain, optional
        The images that it was trained on, as they look to an encoder; None if that is not known.
    """

    domain: Domain | None = None

    def tensors(self) -> dict[str, Any]:
        """Return what the file of the checkpoint holds: the weights, and the domain."""
        return {**self.state, **tensors_of(self.domain)}

    @property
    def auroc_of_shifts(self) -> float:
        """How well distances in the domain separate shifted images; 0 without a domain."""
        return float(self.card["domain"]["auroc_of_shifts"]) if self.domain else 0.0

    def encoder(self, domain: Domain) -> onnx_runner.Encoder:
        """Return the encoder to which a domain belongs: of an ensemble, that of one network."""
        each = self.members[domain.network]
        return onnx_runner.Encoder(each.state, each.architecture)

    @property
    def temperatures(self) -> Temperatures:
        """Temperatures of the calibration; 1 if the network is not calibrated."""
        calibration = self.card.get("calibration", {})
        common = float(calibration.get("temperature", 1.0))
        return Temperatures(common, float(calibration.get("temperature_of_rocks", common)))

    @property
    def information(self) -> tuple[float, ...]:
        """Factor on the mutual information of each network's closed form; 1 if not measured."""
        calibration = self.card.get("calibration", {})
        if "mutual_information_factors" in calibration:
            return tuple(map(float, calibration["mutual_information_factors"]))
        if self.architecture.members:
            return tuple(each.information[0] for each in self.members)
        return (float(calibration.get("mutual_information_factor", 1.0)),)

    @property
    def view(self) -> str | None:
        """The view that it was trained on, ``surface`` or ``orbital``; None if unknown."""
        view: str | None = self.card.get("recipe", {}).get("view")
        return view

    @property
    def side_px(self) -> int | None:
        """Training resolution: the shorter side of an image, pixels; None for native resolution."""
        side_px: int | None = self.card.get("recipe", {}).get("side_px")
        return side_px

    @staticmethod
    def as_card(temperatures: Temperatures, factors: tuple[float, ...] = ()) -> dict[str, Any]:
        """Return temperatures and factors on the mutual information as a card holds them."""
        held: dict[str, Any] = {
            "temperature": round(temperatures.common, 4),
            "temperature_of_rocks": round(temperatures.rare, 4),
        }
        if len(factors) == 1:
            return held | {"mutual_information_factor": factors[0]}
        return held | ({"mutual_information_factors": list(factors)} if factors else {})

    @property
    def members(self) -> list[Checkpoint]:
        """The networks of an ensemble in one file; of any other file, its network."""
        networks = self.architecture.members
        if not networks:
            return [self]
        cards = self.card["members"]
        return [
            Checkpoint(
                {
                    name.removeprefix(f"{number}."): values
                    for name, values in self.state.items()
                    if name.startswith(f"{number}.")
                },
                network,
                {"recipe": self.card.get("recipe", {}), **cards[number]},
                self.path,
            )
            for number, network in enumerate(networks)
        ]

    def core_s(self, pixels: float, passes: int = 0) -> float:
        """Return about how many seconds of a core the network takes for some pixels."""
        if self.architecture.members:
            return sum(each.core_s(pixels, passes) for each in self.members)
        if self.architecture.is_described and not self.architecture.everywhere:
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
        information: tuple[float, ...] | None = None,
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
        information : tuple of float, optional
            Factor on the mutual information of the closed form, of each network; overrides those of
            the card.

        Raises
        ------
        InputError
            If the weights do not fit the architecture, or MC Dropout is requested for a network
            without dropout.
        MissingDependencyError
            If torch is needed and not installed.
        """
        surroundings = require_context(context)
        if self.architecture.members:
            # Each network is calibrated by itself, and then all of them together.
            together = temperatures or self.temperatures
            factors = self.information if information is None else information
            return onnx_runner.Ensemble(
                [
                    each.runner(
                        device,
                        surroundings,
                        uncertain=uncertain,
                        passes=passes,
                        seed=seed,
                        temperatures=each.temperatures.times(together),
                        information=(factor,),
                    )
                    for each, factor in zip(self.members, factors, strict=True)
                ]
            )
        options: dict[str, Any] = {
            "uncertain": uncertain,
            "passes": passes,
            "seed": seed,
            "temperatures": temperatures or self.temperatures,
            "information": (self.information if information is None else information)[0],
            "side_px": self.side_px,
        }

        def on_cpu() -> Runner:
            return onnx_runner.OnnxRunner(self.state, self.architecture, **options)

        drawn = uncertain and self.architecture.everywhere
        has_graph = self.architecture.is_described and not drawn
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
        architecture = Architecture.from_card(described)
        architecture.check()
    except (KeyError, TypeError, ValueError) as error:
        checkpoints.check_kind(file, card, "rocks")
        raise InputError(
            f"The card of {file.name} does not describe a segmentation network: {error!r}",
            _REMEDY,
        ) from error
    networks = architecture.members
    listed = card.get("members", [])
    factors = card.get("calibration", {}).get("mutual_information_factors", networks)
    if networks and not (
        isinstance(listed, list)
        and [isinstance(each, dict) for each in listed] == [True] * len(networks)
        and len(factors) == len(networks)
    ):
        raise InputError(
            f"The card of {file.name} does not describe each of its {len(networks)} networks",
            _REMEDY,
        )
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
    found = _domain_in(state, card, architecture, file)
    if architecture.is_described:
        checkpoints.check_shapes(file, state, architecture.shapes(), COMMAND)
    return Checkpoint(state, architecture, card, file, found)


def tensors_of(found: Domain | None) -> dict[str, Any]:
    """Return the tensors of a file that hold a domain, by name; none for None."""
    if found is None:
        return {}
    values = (found.mean, domain.packed(found.root), found.usual.astype(np.float32))
    return dict(zip(_DOMAIN, values, strict=True))


def _domain_in(
    state: dict[str, Any], card: dict[str, Any], architecture: Architecture, file: Path
) -> Domain | None:
    """Take the tensors of the domain out of those of a file; None if it holds none."""
    held = [state.pop(name, None) for name in _DOMAIN]
    if "domain" not in card and all(values is None for values in held):
        return None
    try:
        mean, root, usual = (np.asarray(values, np.float32) for values in held)
        entries = card["domain"]
        number, window_px = int(entries["network"]), int(entries["window_px"])
        float(entries["auroc_of_shifts"])
        network = (architecture.members or (architecture,))[number]
        whole = (
            number >= 0
            and network.is_described
            and mean.shape == (onnx_runner.Encoder.statistics(network),)
            and root.shape == (mean.size * (mean.size + 1) // 2,)
            and usual.ndim == 1
            and usual.size >= domain.FEWEST
            and all(bool(np.isfinite(values).all()) for values in (mean, root, usual))
            and bool(usual[0] > 0.0 and (np.diff(usual) >= 0.0).all())
            and window_px > 0
            and window_px % tiling.STEP == 0
        )
    except (KeyError, IndexError, TypeError, ValueError):
        whole = False
    if not whole:
        raise InputError(f"The domain of {file.name} is damaged", _REMEDY)
    wide = usual.astype(np.float64)
    return Domain(mean, domain.unpacked(root, mean.size), wide, window_px, number)
