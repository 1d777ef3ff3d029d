"""Recipes of crater networks: data and hyperparameters, from validated YAML files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.training import recipes

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Data and hyperparameters of a training.

    Parameters
    ----------
    name : str
        Name of the recipe, as in the card.
    architecture : str
        ``heat-maps`` or ``rims-resnet34``.
    widths : tuple of int
        Feature channels of the heat-map network by level.
    tiles : int
        Number of generated tiles for training.
    tile_px, crop_px : int
        Sides of a tile and of a random training crop; multiples of 32.
    validation_tiles : int
        Number of tiles for validation.
    steps, batch, accumulate : int
        Optimiser steps, crops per forward pass, and forward passes per step.
    epochs : int, optional
        Passes over the training set, in place of ``steps``.
    learning_rate, weight_decay, average : float
        Peak learning rate and weight decay of AdamW; decay of the moving average of the weights.
    validate_every, patience : int
        Steps between validations, and validations without improvement before early stopping.
    precision : str
        ``float32``, or ``bfloat16`` for the forward passes of the training steps; validation and
        results are always float32.
    needs_start : bool
        Whether it fine-tunes a trained network.
    start_share : float
        Share of the initial weights in the result, which is their average with the trained ones.
    real_percent : int
        Share of tiles of real ground among generated ones, percent; 0 for one kind alone.
    pixel_scale : tuple of float
        Least and largest pixel of these tiles of real ground, in pixels of its elevation model.
    """

    name: str
    architecture: str = "heat-maps"
    widths: tuple[int, ...] = (32, 48, 80, 128, 160)
    tiles: int = 3000
    tile_px: int = 320
    crop_px: int = 256
    validation_tiles: int = 64
    steps: int = 6000
    batch: int = 4
    accumulate: int = 1
    learning_rate: float = 2.5e-3
    weight_decay: float = 1e-3
    average: float = 0.998
    validate_every: int = 250
    patience: int = 10
    epochs: int | None = None
    precision: str = "float32"
    needs_start: bool = False
    start_share: float = 0.0
    real_percent: int = 0
    pixel_scale: tuple[float, float] = (0.6, 3.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON, without fields added later that are not used.

        Cards and training states of earlier versions thus remain equal.
        """
        scale = list(self.pixel_scale) if self.real_percent else None
        values = {**asdict(self), "widths": list(self.widths), "pixel_scale": scale}
        for name in ("epochs", "needs_start", "start_share", "real_percent", "pixel_scale"):
            if not values[name]:
                del values[name]
        return recipes.without_former_precision(values)

    def for_tiles(self, count: int, steps: int | None = None) -> Recipe:
        """Return the recipe with its number of steps resolved.

        Parameters
        ----------
        count : int
            Size of the training set.
        steps : int, optional
            Overrides the steps of the recipe.
        """
        total, every = recipes.schedule(self, count, steps)
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
    recipe = Recipe(**given)
    recipes.check_precision(what, recipe.precision)
    recipes.check_sides(what, tile_px=recipe.tile_px, crop_px=recipe.crop_px)
    if recipe.start_share and not recipe.needs_start:
        raise InputError(
            f"The recipe {what}: start_share is {recipe.start_share:g} without an initial network",
            "Add needs_start: true, or leave start_share out",
        )
    if recipe.real_percent > 100:
        raise InputError(
            f"The recipe {what}: real_percent is {recipe.real_percent}", "Give at most 100"
        )
    if recipe.crop_px > recipe.tile_px:
        raise InputError(
            f"The recipe {what}: the crop of {recipe.crop_px} px is larger than the tile of "
            f"{recipe.tile_px} px",
            "Lower crop_px",
        )
    return recipe
