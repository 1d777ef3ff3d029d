"""What a crater network is trained on and how: a YAML file, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.training import recipes

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe.

    Parameters
    ----------
    name : str
        How the card calls it.
    architecture : str
        ``heat-maps`` or ``rims-resnet34``.
    widths : tuple of int
        Features of the heat-map network by level.
    tiles : int
        How many generated tiles to learn from.
    tile_px, crop_px : int
        Their side, and that of the random crop of each step; multiples of 32.
    validation_tiles : int
        How many tiles nobody learns from.
    steps, batch, accumulate : int
        Steps of the optimiser, tiles of one pass, and passes of one step.
    epochs : int, optional
        How often as many tiles are drawn as there are to learn from, in the place of ``steps``.
    learning_rate, weight_decay, average : float
        Of AdamW at its peak; and how much the running mean of weights keeps at each step.
    validate_every, patience : int
        Steps between validations, and how many without progress end the training.
    needs_start : bool
        Whether it goes on from a trained network.
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
    needs_start: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON; what came later and is not used is not in it."""
        said = {**asdict(self), "widths": list(self.widths)}
        for name in ("epochs", "needs_start"):
            if not said[name]:
                del said[name]
        return said

    def for_tiles(self, count: int, steps: int | None = None) -> Recipe:
        """Return the recipe with the steps that so many tiles to learn from ask for.

        Parameters
        ----------
        count : int
            How many tiles there are.
        steps : int, optional
            Steps that go before the recipe's own.
        """
        wanted, every = recipes.settled(self, count, steps)
        return replace(self, steps=wanted, validate_every=every)


def names() -> list[str]:
    """Return the recipes that come with LunarSite."""
    return recipes.names(FOLDER)


def read(name_or_path: str) -> Recipe:
    """Return a recipe by its name, or from a YAML file.

    Raises
    ------
    InputError
        If there is none, it is not YAML, or a value is of the wrong kind or out of range.
    """
    given = recipes.read(Recipe, FOLDER, name_or_path)
    what = Path(name_or_path).name
    recipe = Recipe(**given)
    recipes.check_sides(what, tile_px=recipe.tile_px, crop_px=recipe.crop_px)
    if recipe.crop_px > recipe.tile_px:
        raise InputError(
            f"The recipe {what}: the crop of {recipe.crop_px} px is larger than the tile of "
            f"{recipe.tile_px} px",
            "Lower crop_px",
        )
    return recipe
