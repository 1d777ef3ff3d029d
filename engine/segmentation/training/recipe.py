"""What a segmentation network is trained on and how: a YAML file, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import resampling
from lunarsite.engine.segmentation.architecture import DEEPEST, Architecture
from lunarsite.engine.training import recipes

FOLDER = Path(__file__).parent / "recipes"

VIEWS = ("surface", "orbital")

ZOOMS = (0.1, 10.0)
"""Between which a recipe's factors lie."""

_CHOICES = {
    "view": VIEWS,
    "loss": ("dice-cross-entropy", "dice-focal"),
    "class_weights": ("none", "inverse-frequency"),
    "encoder_weights": ("none", "imagenet"),
    "test_time": ("none", "flip", "scales"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe.

    Parameters
    ----------
    name : str
        How the card calls it.
    architecture : str
        ``unet-light``, ``unet-resnet34`` or ``unet-resnet50``.
    widths : tuple of int
        Features of the light network by level.
    view : str
        What generated scenes show: ``surface`` or ``orbital``.
    scenes, validation_scenes : int
        How many to learn from, and how many nobody learns from.
    crop_px : int
        Side of the random crop of each step; a multiple of 32.
    zoom : tuple of float
        Crops are enlarged by factors between these two; those of an image that is smaller are
        mirrored at its edges, as images are that a network looks at.
    side_px : int, optional
        Images of a longer shorter side are reduced to it before the network looks (`working`).
    steps, batch, accumulate : int
        Steps of the optimiser, crops of one pass, and passes of one step.
    epochs : int, optional
        How often as many crops are drawn as there are scenes, in the place of ``steps``.
    learning_rate, weight_decay, average : float
        Of AdamW at its peak; and how much the running mean of weights keeps at each step.
    validate_every, patience : int
        Steps between validations, and how many without progress end the training.
    loss, class_weights : str
        ``dice-cross-entropy`` or ``dice-focal``; ``none`` or ``inverse-frequency``.
    dropout, everywhere : float
        As in `Architecture`.
    encoder_weights : str
        ``none``, or ``imagenet`` where its weights can be fetched.
    test_time : str
        What is averaged when it is measured and used: ``none``, ``flip``, or ``scales`` and flips.
    needs_start : bool
        Whether it goes on from a trained network.
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
    test_time: str = "flip"
    epochs: int | None = None
    needs_start: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "widths": list(self.widths), "zoom": list(self.zoom)}

    def built(self) -> Architecture:
        """Return the architecture it trains."""
        return Architecture(self.architecture, self.widths, self.dropout, self.everywhere)

    def for_steps(self, steps: int | None = None, count: int | None = None) -> Recipe:
        """Return the recipe with its steps settled.

        Parameters
        ----------
        steps : int, optional
            Go before the recipe's own.
        count : int, optional
            How many scenes there are, where not as many as the recipe says.
        """
        wanted, every = recipes.settled(self, count or self.scenes, steps)
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
    for name, known in _CHOICES.items():
        if name in given and given[name] not in known:
            raise InputError(
                f"The recipe {what}: {name} is {given[name]!r}", f"Give one of {', '.join(known)}"
            )
    recipe = Recipe(**given)
    low, high = recipe.zoom
    if not ZOOMS[0] <= low <= high <= ZOOMS[1]:
        raise InputError(
            f"The recipe {what}: zoom is {list(recipe.zoom)}",
            f"Give two rising numbers from {ZOOMS[0]:g} to {ZOOMS[1]:g}",
        )
    if recipe.side_px is not None:
        if recipe.side_px < resampling.LEAST_SIDE_PX:
            raise InputError(
                f"The recipe {what}: side_px is {recipe.side_px}",
                f"Give at least {resampling.LEAST_SIDE_PX}",
            )
        if recipe.view == "orbital":
            raise InputError(
                f"The recipe {what}: side_px is given for the orbital view, where ground has its "
                "scale",
                "Leave it out",
            )
    recipe.built().check()
    recipes.check_sides(what, multiple=DEEPEST, crop_px=recipe.crop_px)
    return recipe
