"""Recipes of segmentation networks: data and hyperparameters, from validated YAML files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import resampling
from lunarsite.engine.segmentation.architecture import DEEPEST, DEFAULT_WIDTHS, Architecture
from lunarsite.engine.training import recipes

FOLDER = Path(__file__).parent / "recipes"

VIEWS = ("surface", "orbital")

ZOOMS = (0.1, 10.0)
"""Range of the magnification that a recipe may set."""

_CHOICES = {
    "view": VIEWS,
    "loss": ("dice-cross-entropy", "dice-focal"),
    "class_weights": ("none", "inverse-frequency"),
    "encoder_weights": ("none", "imagenet"),
    "test_time": ("none", "flip", "scales"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Data and hyperparameters of a training.

    Parameters
    ----------
    name : str
        Name of the recipe, as in the card.
    architecture : str
        ``unet-light``, ``unet-efficientnet-lite0``, ``unet-resnet34`` or ``unet-resnet50``.
    widths : tuple of int
        Feature channels by level, as in `Architecture`.
    view : str
        View of the generated scenes: ``surface`` or ``orbital``.
    scenes, validation_scenes : int
        Numbers of generated scenes for training and for validation.
    crop_px : int
        Side of a random training crop; a multiple of 32.
    zoom : tuple of float
        Lower and upper bound of the random magnification of crops. An image smaller than a crop is
        mirrored at its edges, as in inference.
    side_px : int, optional
        Training resolution: images with a longer shorter side are reduced to it (`resampling`).
    steps, batch, accumulate : int
        Optimiser steps, crops per forward pass, and forward passes per step.
    epochs : int, optional
        Passes over the training set, in place of ``steps``.
    learning_rate, weight_decay, average : float
        Peak learning rate and weight decay of AdamW; decay of the moving average of the weights.
    validate_every, patience : int
        Steps between validations, and validations without improvement before early stopping.
    shifts : float
        Share of the crops that go through the camera model (`camera_shifts`).
    shared_scenes : bool
        Whether trainings with different seeds have the same scenes; otherwise each has its own.
    loss, class_weights : str
        ``dice-cross-entropy`` or ``dice-focal``; ``none`` or ``inverse-frequency``.
    dropout, everywhere : float
        As in `Architecture`.
    encoder_weights : str
        Initial weights of the encoder: ``none``, or ``imagenet``, which come with the ml group
        (EfficientNet-Lite0) or are downloaded (ResNets).
    encoder_rate : float
        Learning rate of the encoder, relative to that of the rest.
    test_time : str
        Test-time augmentation in evaluation and inference: ``none``, ``flip``, or ``scales`` with
        flips.
    precision : str
        ``float32``, or ``bfloat16`` for the forward passes of the training steps; validation and
        results are always float32.
    needs_start : bool
        Whether it fine-tunes a trained network.
    """

    name: str
    architecture: str = "unet-light"
    widths: tuple[int, ...] = (16, 32, 48, 80, 128, 160)
    view: str = "surface"
    scenes: int = 3200
    validation_scenes: int = 64
    crop_px: int = 224
    zoom: tuple[float, float] = (0.75, 1.4)
    side_px: int | None = None
    steps: int = 20_000
    batch: int = 6
    accumulate: int = 1
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    average: float = 0.998
    validate_every: int = 400
    patience: int = 12
    loss: str = "dice-cross-entropy"
    class_weights: str = "none"
    dropout: float = 0.1
    everywhere: float = 0.0
    encoder_weights: str = "none"
    encoder_rate: float = 1.0
    test_time: str = "flip"
    epochs: int | None = None
    precision: str = "float32"
    needs_start: bool = False
    shifts: float = 0.0
    shared_scenes: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON."""
        values = {**asdict(self), "widths": list(self.widths), "zoom": list(self.zoom)}
        # Cards of earlier versions remain equal.
        for name, usual in (("shifts", 0.0), ("shared_scenes", False), ("encoder_rate", 1.0)):
            if values[name] == usual:
                del values[name]
        return recipes.without_former_precision(values)

    def built(self) -> Architecture:
        """Return the architecture that the recipe trains."""
        return Architecture(self.architecture, self.widths, self.dropout, self.everywhere)

    def for_steps(self, steps: int | None = None, count: int | None = None) -> Recipe:
        """Return the recipe with its number of steps resolved.

        Parameters
        ----------
        steps : int, optional
            Overrides the steps of the recipe.
        count : int, optional
            Size of the training set, if it is not the number of scenes in the recipe.
        """
        total, every = recipes.schedule(self, count or self.scenes, steps)
        return replace(self, steps=total, validate_every=every)


def names() -> list[str]:
    """Return the names of the recipes that ship with LunarSite."""
    return recipes.names(FOLDER)


def read(name_or_path: str) -> Recipe:
    """Read a recipe by its name, or from a YAML file.

    Raises
    ------
    InputError
        If there is no such recipe, it is not YAML, or a value is of the wrong type or out of range.
    """
    given = recipes.read(Recipe, FOLDER, name_or_path)
    what = Path(name_or_path).name
    for name, known in _CHOICES.items():
        if name in given and given[name] not in known:
            raise InputError(
                f"The recipe {what}: {name} is {given[name]!r}", f"Give one of {', '.join(known)}"
            )
    usual = DEFAULT_WIDTHS.get(str(given.get("architecture")))
    recipe = Recipe(**(given if usual is None else {"widths": usual, **given}))
    low, high = recipe.zoom
    if not ZOOMS[0] <= low <= high <= ZOOMS[1]:
        raise InputError(
            f"The recipe {what}: zoom is {list(recipe.zoom)}",
            f"Give two increasing numbers from {ZOOMS[0]:g} to {ZOOMS[1]:g}",
        )
    if recipe.side_px is not None:
        if recipe.side_px < resampling.LEAST_SIDE_PX:
            raise InputError(
                f"The recipe {what}: side_px is {recipe.side_px}",
                f"Give at least {resampling.LEAST_SIDE_PX}",
            )
        if recipe.view == "orbital":
            raise InputError(
                f"The recipe {what}: side_px is given for the orbital view, whose pixels have a "
                "known size on the ground",
                "Leave it out",
            )
    recipe.built().check()
    if recipe.architecture == "unet-light" and (
        recipe.encoder_weights != "none" or recipe.encoder_rate != 1.0
    ):
        raise InputError(
            f"The recipe {what}: the network unet-light has no encoder of its own for "
            "encoder_weights and encoder_rate",
            "Leave them out, or give the architecture unet-efficientnet-lite0, unet-resnet34 or "
            "unet-resnet50",
        )
    recipes.check_precision(what, recipe.precision)
    recipes.check_sides(what, multiple=DEEPEST, crop_px=recipe.crop_px)
    return recipe
